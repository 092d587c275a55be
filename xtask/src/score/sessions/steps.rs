//! What happens, one after the other, and what the clients make of it.

use std::path::Path;
use std::time::{Duration, Instant};

use super::clients::{Client, Clients, Round, ask};
use super::report::{Report, Row};
use super::site::{NAMES, Site};
use super::{Failure, Kind};

/// The endpoint all of it happens to.
const LOST: &str = "a2";
/// New clients while an endpoint is drained.
const STRANGERS: usize = 500;
/// Of each kind of cookie that no pool of ours made for this.
const FAKES: usize = 1000;
/// What a process that dies hard may lose of the sessions it keeps: a second until they are handed to the store, five until that
/// has them on the disk, and one for a slow machine.
const STORED_WITHIN: Duration = Duration::from_secs(7);
/// Everybody is home within this: hold, ramp, and as much again.
const HOME_MAX: Duration = Duration::from_secs(30);

struct Run<'a> {
    kind: Kind,
    site: Site,
    clients: Clients,
    report: &'a mut Report,
}

/// All of it, for one kind.
pub(super) fn run(
    kind: Kind,
    sessions: u32,
    programs: &Path,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut run = Run {
        kind,
        site: Site::start(kind, programs)?,
        clients: Clients::new(kind, 0..sessions as usize),
        report,
    };
    run.calm("begin")?;
    run.calm("ask again")?;
    run.kill()?;
    run.drain()?;
    run.reload()?;
    run.restarts()?;
    run.home()?;
    run.away_for_good()?;
    if kind == Kind::Cookie {
        run.fakes()?;
    }
    Ok(())
}

impl Run<'_> {
    /// Everybody asks, and nobody has a reason to move.
    fn calm(&mut self, step: &'static str) -> Result<(), Failure> {
        self.step(step, |clients, site| Ok(clients.round(site.web)), None)
    }

    /// A step and what came of it. `reason`: from which endpoint, and where to, clients may go, how many must.
    fn step(
        &mut self,
        step: &'static str,
        act: impl FnOnce(&mut Clients, &mut Site) -> Result<Round, Failure>,
        reason: Option<(Option<&str>, Option<&str>, u64)>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let round = act(&mut self.clients, &mut self.site)?;
        let took = begun.elapsed();
        let (from, to, wanted) = reason.unwrap_or((None, None, 0));
        let has_reason = |(was, is): &&(String, String)| {
            reason.is_some() && from.is_none_or(|f| f == was) && to.is_none_or(|t| t == is)
        };
        let moved = round.moved.iter().filter(has_reason).count() as u64;
        let told = self.site.sessions("app")?;
        self.report.add(Row {
            kind: self.kind,
            step,
            took,
            wanted,
            moved,
            without_reason: round.moved.len() as u64 - moved,
            errors: round.errors,
            miscounted: self.miscounted(&told),
            stored: told["stored"].as_u64().unwrap_or(0),
        });
        Ok(())
    }

    /// By how much `evenkeel sessions` is wrong, all endpoints together.
    fn miscounted(&self, told: &serde_json::Value) -> u64 {
        let endpoints = told["endpoints"].as_array().into_iter().flatten();
        let wrong = endpoints.zip(NAMES).map(|(endpoint, name)| {
            let sessions = endpoint["sessions"].as_u64().unwrap_or(0);
            sessions.abs_diff(self.clients.at(name))
        });
        wrong.sum()
    }

    fn kill(&mut self) -> Result<(), Failure> {
        let bound = self.clients.at(LOST);
        let reason = Some((Some(LOST), None, bound));
        let act = |clients: &mut Clients, site: &mut Site| {
            site.kill_endpoint(LOST)?;
            Ok(clients.round(site.web))
        };
        self.step("kill -9 of a2, and everybody asks at once", act, reason)?;
        self.site.until(LOST, &["down"])?;
        self.calm("a2 is down")
    }

    fn drain(&mut self) -> Result<(), Failure> {
        self.site.order("a3", "draining")?;
        self.calm("a3 is draining: keeps those it has")?;
        let first = self.clients.all.len();
        let mut strangers = Clients::new(self.kind, first..first + STRANGERS);
        let errors = strangers.round(self.site.web).errors;
        self.report
            .strangers(self.kind, STRANGERS, strangers.at("a3"), errors);
        self.clients.all.append(&mut strangers.all);
        Ok(())
    }

    fn reload(&mut self) -> Result<(), Failure> {
        let kind = self.kind;
        let act = move |clients: &mut Clients, site: &mut Site| {
            let mut all = Round::default();
            for weight in [10, 200, 100, 50, 100] {
                site.reload(kind, weight)?;
                let round = clients.round(site.web);
                all.errors += round.errors;
                all.moved.extend(round.moved);
            }
            Ok(all)
        };
        self.step("five reloads, each with other weights", act, None)?;
        self.site.order("a3", "ready")
    }

    fn restarts(&mut self) -> Result<(), Failure> {
        std::thread::sleep(STORED_WITHIN);
        let worker = |clients: &mut Clients, site: &mut Site| {
            site.kill_worker()?;
            Ok(clients.round(site.web))
        };
        self.step(
            "kill -9 of the balancer, replaced by its keeper",
            worker,
            None,
        )?;
        let restart = |clients: &mut Clients, site: &mut Site| {
            site.restart()?;
            Ok(clients.round(site.web))
        };
        self.step("ended in order, and started", restart, None)?;
        let all = |clients: &mut Clients, site: &mut Site| {
            site.kill_all()?;
            Ok(clients.round(site.web))
        };
        self.step("kill -9 of keeper and balancer, and started", all, None)
    }

    /// It comes back, and with it those that began there.
    fn home(&mut self) -> Result<(), Failure> {
        let at_home = |client: &&Client| client.home.as_deref() == Some(LOST);
        let began = self.clients.all.iter().filter(at_home).count() as u64;
        let act = |clients: &mut Clients, site: &mut Site| {
            site.start_endpoint(LOST)?;
            site.until(LOST, &["up"])?;
            let until = Instant::now() + HOME_MAX;
            let mut all = Round::default();
            while clients.at(LOST) < began && Instant::now() < until {
                let round = clients.round(site.web);
                all.errors += round.errors;
                all.moved.extend(round.moved);
            }
            Ok(all)
        };
        self.step(
            "a2 is back: hold 2 s, ramp 5 s",
            act,
            Some((None, Some(LOST), began)),
        )?;
        self.calm("and everybody asks again")?;
        let most = |field: fn(&Client) -> u32| self.clients.all.iter().map(field).max();
        self.report
            .most(self.kind, most(|c| c.out), most(|c| c.back));
        Ok(())
    }

    /// The second time those that went back leave, they stay where they find shelter.
    fn away_for_good(&mut self) -> Result<(), Failure> {
        let bound = self.clients.at(LOST);
        let act = |clients: &mut Clients, site: &mut Site| {
            site.kill_endpoint(LOST)?;
            Ok(clients.round(site.web))
        };
        self.step(
            "kill -9 of a2 once more",
            act,
            Some((Some(LOST), None, bound)),
        )?;
        self.site.until(LOST, &["down"])?;
        let act = |clients: &mut Clients, site: &mut Site| {
            site.start_endpoint(LOST)?;
            site.until(LOST, &["up"])?;
            let until = Instant::now() + Duration::from_secs(8);
            let mut all = Round::default();
            while Instant::now() < until {
                let round = clients.round(site.web);
                all.errors += round.errors;
                all.moved.extend(round.moved);
            }
            Ok(all)
        };
        self.step("a2 is back again: nobody goes home twice", act, None)
    }

    /// Cookies that no pool of ours made for this one.
    fn fakes(&mut self) -> Result<(), Failure> {
        let (kind, web) = (self.kind, self.site.web);
        let mut connection = None;
        let nobody = Client::default();
        let cookie = |path: &str, connection: &mut _| {
            let answer = ask(connection, &nobody, kind, path, web).map_err(|e| e.to_string())?;
            answer
                .cookie
                .ok_or_else(|| format!("no cookie from {path}"))
        };
        let (own, foreign) = (
            cookie("/", &mut connection)?,
            cookie("/other/", &mut connection)?,
        );
        let (name, value) = own.split_once('=').ok_or("a cookie without a value")?;
        let last = value.len() - 1;
        // Another character at each place in turn, but for the last, of which some bits mean nothing.
        let forged = |n: usize| {
            let at = n % last;
            let other = if value.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            format!("{name}={}{other}{}", &value[..at], &value[at + 1..])
        };
        let cut = |n: usize| format!("{name}={}", &value[..n % value.len()]);
        type Make<'a> = &'a dyn Fn(usize) -> String;
        let fakes: [(&'static str, Make<'_>); 3] = [
            ("forged", &forged),
            ("truncated", &cut),
            ("foreign", &|_| foreign.clone()),
        ];
        for (what, make) in fakes {
            let before = self.site.sessions("app")?["forged"].as_u64().unwrap_or(0);
            let (mut served, mut given) = (0, 0);
            for n in 0..FAKES {
                let client = Client {
                    cookie: Some(make(n)),
                    ..Client::default()
                };
                let answer = ask(&mut connection, &client, kind, "/", web);
                let answer = answer.map_err(|e| format!("{what}: {e}"))?;
                served += u64::from(answer.status == 200);
                given += u64::from(answer.cookie.is_some());
            }
            let after = self.site.sessions("app")?["forged"].as_u64().unwrap_or(0);
            self.report
                .fakes(what, FAKES, served, given, after - before);
        }
        Ok(())
    }
}
