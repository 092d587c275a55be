//! `cargo xtask score attacks`: each attack by itself against a fresh balancer, with two honest clients beside it, one on kept
//! connections and one that opens a new one for every request. What counts: the attackers are cut in the time their limit
//! says, and counted under their reason; memory stays; the honest ones notice nothing.

mod list;

use super::site::Site;
use crate::load::{Load, Seen, Spec};
use crate::{Failure, steps};
use list::{ATTACKS, Attack, SCORE, SMOKE, Scale, config};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Resident memory may grow by this much, whoever comes.
const GROWTH_MAX_MIB: f64 = 64.0;
/// Requests of the honest clients, each kind, in a second.
const HONEST_RATE: f64 = 100.0;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(50);

/// What `cargo xtask score attacks` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this attack; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Some of them with fewer connections, shorter limits and wide bounds, as `cargo xtask test` does on the debug build.
    #[arg(long)]
    quick: bool,
}

/// What came of one.
struct Outcome {
    growth_mib: f64,
    attackers: Attackers,
    counted: BTreeMap<String, u64>,
    kept: Seen,
    fresh: Seen,
}

/// What the attackers saw.
struct Attackers {
    opened: u64,
    cut: u64,
    p50_s: f64,
    max_s: f64,
    oldest_s: f64,
}

/// Runs all or some of them, prints a table, and refuses what is out of bounds.
pub(crate) fn run(options: &Options, programs: &Path) -> Result<(), Failure> {
    if options.quick {
        return smoke(programs);
    }
    let known = |wanted: &&String| !ATTACKS.iter().any(|attack| attack.name == **wanted);
    if let Some(unknown) = options.only.iter().find(known) {
        let names: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        return Err(format!(
            "--only {unknown}: wanted one of {}",
            names.join(", ")
        ));
    }
    let chosen = ATTACKS.iter().filter(|attack| {
        options.only.is_empty() || options.only.iter().any(|name| name == attack.name)
    });
    all(chosen, &SCORE, programs)
}

/// The same, short, with fewer connections and generous bounds: one of each kind.
pub(crate) fn smoke(programs: &Path) -> Result<(), Failure> {
    const SHORT: [&str; 6] = [
        "slow head",
        "header flood",
        "slow read",
        "slow handshake",
        "idle",
        "descriptors, idle",
    ];
    let chosen = ATTACKS.iter().filter(|attack| SHORT.contains(&attack.name));
    all(chosen, &SMOKE, programs)
}

fn all<'a>(
    attacks: impl Iterator<Item = &'a Attack>,
    scale: &Scale,
    programs: &Path,
) -> Result<(), Failure> {
    let mut complaints = Vec::new();
    println!(
        "| attack | connections | memory | stayed p50 / max (limit) | cut | counted | kept: p50 / p99 ms, errors | new: p50 / p99 ms, errors |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for attack in attacks {
        let site = Site::start(programs, attack.descriptors, |a| config(a, scale))?;
        let outcome = attack
            .run(&site, programs, scale)
            .map_err(|failure| format!("{}: {failure}{}", attack.name, site.log()))?;
        println!("{}", attack.row(&outcome, scale));
        let wrong = attack.judge(&outcome, scale);
        complaints.extend(
            wrong
                .into_iter()
                .map(|what| format!("{}: {what}", attack.name)),
        );
    }
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!("out of bounds:\n{}", complaints.join("\n")))
}

impl Attack {
    fn run(&self, site: &Site, programs: &Path, scale: &Scale) -> Result<Outcome, Failure> {
        // Long enough for every attacker to be cut, and for many to come back.
        let secs = self.limit_s(scale) * 1.5 + scale.late_max_s.min(2.0);
        let honest = |close| {
            let spec = Spec {
                // One kept connection, so that it is never idle for long.
                connections: if close { 16 } else { 1 },
                body: 128,
                head: 0,
                close,
                tls: None,
                rate: Some(HONEST_RATE),
                seed: None,
                warm: 0.3,
                warm_mib: 0,
                secs,
            };
            Load::start(programs, site.address, &spec)
        };
        let (mut kept, mut fresh) = (honest(false)?, honest(true)?);
        let before = site.resident_bytes()?;
        let counted_before = site.rejected()?;
        kept.go()?;
        fresh.go()?;
        let over = AtomicBool::new(false);
        let (peak, attackers) = thread::scope(|scope| {
            let peak = scope.spawn(|| peak(site, &over));
            let attackers = self.attack(site, programs, scale, secs);
            over.store(true, Relaxed);
            let peak = peak
                .join()
                .unwrap_or_else(|_| Err("the look at the memory failed".to_owned()));
            (peak, attackers)
        });
        let counted = site.rejected()?;
        let new = |(reason, count): (String, u64)| {
            let new = count - counted_before.get(&reason).copied().unwrap_or(0);
            (new > 0).then_some((reason, new))
        };
        Ok(Outcome {
            growth_mib: peak?.saturating_sub(before) as f64 / f64::from(1 << 20),
            attackers: attackers?,
            counted: counted.into_iter().filter_map(new).collect(),
            kept: kept.seen()?,
            fresh: fresh.seen()?,
        })
    }

    fn attack(
        &self,
        site: &Site,
        programs: &Path,
        scale: &Scale,
        secs: f64,
    ) -> Result<Attackers, Failure> {
        let mut command = Command::new(programs.join("evenkeel-bench"));
        let target = match self.kind {
            "slow-handshake" => site.secure,
            _ => site.address,
        };
        command.args(["attack", "--target", &target.to_string()]);
        command.args(["--kind", self.kind]);
        command.args(["--connections", &self.connections(scale).to_string()]);
        command.args(["--secs", &secs.to_string()]);
        let said = steps::output(command)?;
        Attackers::parse(said.trim())
    }

    fn row(&self, outcome: &Outcome, scale: &Scale) -> String {
        let counted: Vec<String> = outcome
            .counted
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let honest = |seen: &Seen| {
            format!(
                "{:.1} / {:.1}, {} of {}",
                seen.p50_us / 1e3,
                seen.p99_us / 1e3,
                seen.errors,
                seen.requests
            )
        };
        let seen = &outcome.attackers;
        format!(
            "| {} | {} | + {:.1} MiB | {:.1} / {:.1} s ({} s) | {} of {} | {} | {} | {} |",
            self.name,
            self.connections(scale),
            outcome.growth_mib,
            seen.p50_s,
            seen.max_s.max(seen.oldest_s),
            self.limit_s(scale),
            seen.cut,
            seen.opened,
            counted.join(", "),
            honest(&outcome.kept),
            honest(&outcome.fresh)
        )
    }

    fn judge(&self, outcome: &Outcome, scale: &Scale) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut at_most = |what: &str, found: f64, most: f64| {
            if found > most {
                wrong.push(format!("{what}: {found:.1}, at most {most:.1} wanted"));
            }
        };
        at_most("memory grew by MiB", outcome.growth_mib, GROWTH_MAX_MIB);
        let seen = &outcome.attackers;
        let latest = self.limit_s(scale) + scale.late_max_s;
        // With few descriptors most of them wait outside: nobody knows of those.
        if self.descriptors.is_none() {
            at_most(
                "an attacker stayed for seconds",
                seen.max_s.max(seen.oldest_s),
                latest,
            );
        }
        for (who, honest) in [("kept", &outcome.kept), ("new", &outcome.fresh)] {
            let p99_ms = match self.all_served() && who == "new" {
                true => 0.0,
                false => honest.p99_us / 1e3,
            };
            let most = match self.descriptors {
                Some(_) if who == "new" => scale.wait_max_ms,
                _ => scale.p99_max_ms,
            };
            at_most(&format!("p99 of an honest client, {who}, ms"), p99_ms, most);
            let what = format!("errors of an honest client, {who} ({})", honest.first_error);
            at_most(&what, honest.errors as f64, 0.0);
            let least = HONEST_RATE * honest.seconds * 0.8;
            at_most(
                &format!("answers an honest client, {who}, did not get"),
                least,
                honest.requests as f64,
            );
        }
        let ours = |reason: &&str| outcome.counted.get(*reason).copied().unwrap_or(0);
        let counted: u64 = self.reasons.iter().map(ours).sum();
        if seen.cut == 0 {
            wrong.push("nobody was cut".to_owned());
        }
        // Those cut in the last moment may be counted on one side only.
        if counted as f64 + 1.0 < seen.cut as f64 * 0.95 {
            wrong.push(format!(
                "{} were cut, {counted} counted as {}",
                seen.cut,
                self.reasons.join(" or ")
            ));
        }
        wrong
    }
}

/// The most memory there was until it is over.
fn peak(site: &Site, over: &AtomicBool) -> Result<u64, Failure> {
    let mut most = 0;
    while !over.load(Relaxed) {
        most = most.max(site.resident_bytes()?);
        thread::sleep(LOOK);
    }
    Ok(most)
}

impl Attackers {
    fn parse(json: &str) -> Result<Attackers, Failure> {
        let value: serde_json::Value = serde_json::from_str(json)
            .map_err(|error| format!("the attackers said `{json}`: {error}"))?;
        let missing = |name: &str| format!("the attackers' result has no {name}: {json}");
        let number = |name: &str| value[name].as_f64().ok_or_else(|| missing(name));
        let count = |name: &str| value[name].as_u64().ok_or_else(|| missing(name));
        Ok(Attackers {
            opened: count("opened")?,
            cut: count("cut")?,
            p50_s: number("p50_s")?,
            max_s: number("max_s")?,
            oldest_s: number("oldest_s")?,
        })
    }
}
