//! Five endpoints that are processes of their own, and a balancer that may be killed and started again.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::Kind;
use crate::Failure;
use crate::process::{self, Tree};

/// What is waited for comes within this, or something is wrong.
const WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// An answer of the admin API.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// What endpoints are called.
pub(super) const NAMES: [&str; 5] = ["a1", "a2", "a3", "a4", "a5"];

/// All of it.
pub(super) struct Site {
    pub(super) web: SocketAddr,
    admin: SocketAddr,
    addresses: [SocketAddr; 5],
    program: PathBuf,
    // In the order in which they have to end: the balancer first.
    balancer: Option<Tree>,
    endpoints: [Option<Tree>; 5],
    starts: u32,
    folder: tempfile::TempDir,
}

impl Site {
    /// Starts all and waits until all serve.
    pub(super) fn start(kind: Kind, programs: &Path) -> Result<Site, Failure> {
        let one = || process::lasting_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut site = Site {
            web: one()?,
            admin: one()?,
            addresses: [one()?, one()?, one()?, one()?, one()?],
            program: programs.join("evenkeel"),
            balancer: None,
            endpoints: [const { None }; 5],
            starts: 0,
            folder: tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?,
        };
        for name in NAMES {
            site.start_endpoint(name)?;
        }
        site.write(&site.config(kind))?;
        site.start_balancer()?;
        Ok(site)
    }

    fn config(&self, kind: Kind) -> String {
        let session = match kind {
            Kind::Cookie => "kind = \"cookie\"",
            Kind::Token => "kind = \"token\"\nname = \"header:x-user\"",
        };
        let mut text = format!(
            "[node]\nstate_dir = \"state\"\n\n[admin]\nbind = \"{}\"\n\n[[listener]]\nname = \"web\"\nbind = [\"{}\"]\n\n\
             [[route]]\npath = \"/other/\"\npool = \"other\"\n\n[[route]]\npool = \"app\"\n",
            self.admin, self.web
        );
        for (pool, names) in [("other", &NAMES[..1]), ("app", &NAMES[..])] {
            text += &format!(
                "\n[pool.{pool}.session]\n{session}\n\n[pool.{pool}.check]\nkind = \"tcp\"\ninterval = \"200ms\"\nfast_interval = \"100ms\"\n\n\
                 [pool.{pool}.failover]\nhold = \"2s\"\nramp = \"5s\"\n"
            );
            for (name, address) in names.iter().zip(self.addresses) {
                text += &format!(
                    "\n[[pool.{pool}.endpoint]]\nname = \"{name}\"\naddress = \"{address}\"\n"
                );
            }
        }
        text
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sessions.toml")
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let file = self.file();
        std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// Applies its file again, with another weight of an endpoint.
    pub(super) fn reload(&mut self, kind: Kind, weight: u32) -> Result<(), Failure> {
        let text = self.config(kind);
        self.write(&format!("{text}weight = {weight}\n"))?;
        self.ask("POST", "/v1/reload", "").map(drop)
    }

    /// Starts an endpoint.
    pub(super) fn start_endpoint(&mut self, name: &str) -> Result<(), Failure> {
        let number = place(name)?;
        let mut command = Command::new(&self.program);
        let port = self.addresses[number].port().to_string();
        command.args(["__sample", name, &port]);
        let log = self.folder.path().join(format!("{name}.log"));
        self.endpoints[number] = Some(process::start_logged(command, &log)?);
        Ok(())
    }

    /// `kill -9` of an endpoint.
    pub(super) fn kill_endpoint(&mut self, name: &str) -> Result<(), Failure> {
        if let Some(tree) = self.endpoints[place(name)?].take() {
            process::signal(tree.id(), Signal::KILL);
        }
        Ok(())
    }

    fn start_balancer(&mut self) -> Result<(), Failure> {
        let mut command = Command::new(&self.program);
        command
            .arg("run")
            .arg(self.file())
            .current_dir(self.folder.path());
        let log = self.folder.path().join(format!("log-{}", self.starts));
        self.starts += 1;
        self.balancer = Some(process::start_logged(command, &log)?);
        for name in NAMES {
            // One that is down already stays so over a restart.
            self.until(name, &["up", "down", "draining"])?;
        }
        self.until("a1", &["up"])
    }

    /// `kill -9` of the balancer process; the keeper replaces it.
    pub(super) fn kill_worker(&mut self) -> Result<(), Failure> {
        let before = self.worker()?;
        process::signal(before, Signal::KILL);
        self.wait("another balancer", |site| {
            site.worker().is_ok_and(|now| now != before)
        })
    }

    fn worker(&self) -> Result<u32, Failure> {
        let status = self.ask("GET", "/v1/status", "")?;
        let pid = status["worker_pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        pid.ok_or_else(|| "status without worker_pid".to_owned())
    }

    /// Ends it in order, and starts it again.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        drop(self.balancer.take());
        self.start_balancer()
    }

    /// `kill -9` of all its processes, and a start.
    pub(super) fn kill_all(&mut self) -> Result<(), Failure> {
        if let Some(tree) = self.balancer.take() {
            // Without its keeper the kernel ends the rest.
            process::signal(tree.id(), Signal::KILL);
        }
        self.start_balancer()
    }

    /// What an operator says of an endpoint.
    pub(super) fn order(&self, name: &str, state: &str) -> Result<(), Failure> {
        let path = format!("/v1/pools/app/endpoints/{name}/state");
        let body = format!("{{\"state\":\"{state}\"}}");
        self.ask("POST", &path, &body).map(drop)
    }

    /// Waits until it is in one of these states.
    pub(super) fn until(&self, name: &str, states: &[&str]) -> Result<(), Failure> {
        let number = place(name)?;
        self.wait(&format!("{name} {states:?}"), |site| {
            let pool = site.ask("GET", "/v1/pools/app", "").unwrap_or_default();
            let state = pool["endpoints"][number]["state"].as_str();
            state.is_some_and(|state| states.contains(&state))
        })
    }

    pub(super) fn wait(
        &self,
        what: &str,
        mut there: impl FnMut(&Site) -> bool,
    ) -> Result<(), Failure> {
        let until = Instant::now() + WAIT_MAX;
        while !there(self) {
            if Instant::now() > until {
                return Err(format!("{what}: not within {WAIT_MAX:?}{}", self.log()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// What it tells of a pool's sessions.
    pub(super) fn sessions(&self, pool: &str) -> Result<Value, Failure> {
        let mut pool = self.ask("GET", &format!("/v1/pools/{pool}"), "")?;
        Ok(pool["sessions"].take())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
        let failed = |e: std::io::Error| format!("{method} {path}: {e}");
        let mut stream = TcpStream::connect_timeout(&self.admin, ANSWER_MAX).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.admin,
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        if !head.starts_with("HTTP/1.1 2") {
            return Err(format!("{method} {path}: {answer}"));
        }
        serde_json::from_str(body).map_err(|e| format!("{method} {path}: {e}: {body}"))
    }

    /// What it said last, as the end of an error.
    fn log(&self) -> String {
        let last = self
            .folder
            .path()
            .join(format!("log-{}", self.starts.saturating_sub(1)));
        let text = std::fs::read_to_string(last).unwrap_or_default();
        format!("; evenkeel said:\n{text}")
    }
}

fn place(name: &str) -> Result<usize, Failure> {
    let place = NAMES.iter().position(|known| *known == name);
    place.ok_or_else(|| format!("no endpoint is called {name}"))
}
