//! Starts the endpoints and the proxies, puts load on one of them, and reads its CPU time before and after.

use super::cpu::{self, Usage};
use super::machine::{self, Cores};
use super::proxies::{Place, Proxy};
use super::works::Work;
use crate::{Failure, steps};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A proxy must answer within this after its start.
const START_MAX: Duration = Duration::from_secs(15);
/// And end within this after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Endpoints behind every proxy.
const ENDPOINTS: usize = 2;
/// Before it counts, for pools and caches to fill.
const WARM_SECS: f64 = 0.4;

/// What stays the same over all measurements.
pub(crate) struct Bench {
    cores: Cores,
    programs: PathBuf,
    folder: tempfile::TempDir,
    endpoints: Vec<SocketAddr>,
    _endpoint: Tree,
}

/// A proxy that runs.
pub(crate) struct Running {
    proxy: &'static Proxy,
    address: SocketAddr,
    tree: Tree,
}

/// A process and all below it; ended when this is dropped.
struct Tree(Child);

/// What one measurement gave.
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) proxy: &'static str,
    pub(crate) work: &'static str,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: String,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Bench {
    /// Starts the endpoints on the load's core.
    pub(crate) fn start(profile: &str) -> Result<Bench, Failure> {
        let cores = machine::cores()?;
        let folder = if profile == "dev" { "debug" } else { profile };
        let programs = steps::target().join(folder);
        machine::pin(cores.load)?;
        let mut command = Command::new(programs.join("evenkeel-bench"));
        command.args(["endpoint", "--ports", &ENDPOINTS.to_string()]);
        let mut child = started(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let mut lines = lines_of(&mut child)?;
        let endpoint = Tree(child);
        let endpoints = (0..ENDPOINTS)
            .map(|_| {
                let line = next_line(&mut lines, "an endpoint's address")?;
                line.parse()
                    .map_err(|error| format!("an endpoint's address, found `{line}`: {error}"))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Bench {
            cores,
            programs,
            folder: tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?,
            endpoints,
            _endpoint: endpoint,
        })
    }

    /// Starts a proxy on its core and waits until it answers.
    pub(crate) fn start_proxy(&self, proxy: &'static Proxy) -> Result<Running, Failure> {
        let folder = self.folder.path().join(proxy.name);
        // Every round begins without what the last one left.
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let address = free_address()?;
        let log = folder.join("log");
        let file =
            std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let place = Place {
            folder: &folder,
            programs: &self.programs,
            listen: address,
            endpoints: &self.endpoints,
        };
        let mut command = (proxy.command)(&place)?;
        let errors = file
            .try_clone()
            .map_err(|error| format!("{}: {error}", log.display()))?;
        command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors);
        machine::pin(self.cores.proxy)?;
        let child = started(&mut command);
        machine::pin(self.cores.load)?;
        let mut running = Running {
            proxy,
            address,
            tree: Tree(child?),
        };
        running.wait_until_it_answers().map_err(|failure| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!("{}: {failure}; it said:\n{said}", proxy.name)
        })?;
        Ok(running)
    }

    /// Puts one kind of work on one proxy.
    pub(crate) fn measure(
        &self,
        round: u32,
        running: &Running,
        work: &Work,
        secs: f64,
    ) -> Result<Measurement, Failure> {
        let failed =
            |failure: Failure| format!("{} at {}: {failure}", running.proxy.name, work.name);
        let mut command = Command::new(self.programs.join("evenkeel-bench"));
        command.args(["load", "--target", &running.address.to_string()]);
        command.args([
            "--body",
            &work.body.to_string(),
            "--head",
            &work.head.to_string(),
        ]);
        command.args(["--connections", &work.connections.to_string()]);
        command.args([
            "--secs",
            &secs.to_string(),
            "--warm",
            &WARM_SECS.to_string(),
        ]);
        if work.close {
            command.arg("--close");
        }
        let mut child = started(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut lines = lines_of(&mut child)?;
        let mut input = child.stdin.take().ok_or("the load has no input")?;
        let load = Tree(child);
        let warm = next_line(&mut lines, "the word `warm`").map_err(failed)?;
        if warm != "warm" {
            return Err(failed(warm));
        }
        let before = running.usage().map_err(failed)?;
        input
            .write_all(b"go\n")
            .map_err(|error| format!("starting the load: {error}"))?;
        let result = next_line(&mut lines, "the load's result").map_err(failed)?;
        let after = running.usage().map_err(failed)?;
        drop((input, load));
        let cpu_seconds = cpu::seconds_between(&before, &after).map_err(failed)?;
        Measurement::parse(&result, cpu_seconds, (round, running.proxy.name, work.name))
            .map_err(failed)
    }
}

impl Running {
    fn usage(&self) -> Result<Usage, Failure> {
        cpu::of_tree(self.tree.0.id())
    }

    fn wait_until_it_answers(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + START_MAX;
        loop {
            if let Ok(Some(status)) = self.tree.0.try_wait() {
                return Err(format!("ended at its start with {status}"));
            }
            let answer = first_line_from(self.address);
            match &answer {
                Ok(line) if line.starts_with("HTTP/1.1 200") => return Ok(()),
                _ if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                _ => {
                    return Err(format!(
                        "no answer 200 within {START_MAX:?} of its start, last: {answer:?}"
                    ));
                }
            }
        }
    }
}

fn first_line_from(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream
        .write_all(b"GET /bytes/2 HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(4096)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

impl Drop for Tree {
    /// Asks, waits, then kills whatever of it is left: nothing may run on and disturb the next measurement.
    fn drop(&mut self) {
        let pids: Vec<u32> = cpu::of_tree(self.0.id())
            .map(|usage| usage.pids().collect())
            .unwrap_or_default();
        signal(self.0.id(), Signal::TERM);
        let end = Instant::now() + STOP_MAX;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > end {
                pids.iter().for_each(|pid| signal(*pid, Signal::KILL));
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Already reaped, or about to be: either way there is nothing left to learn.
        let _ = self.0.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself, which is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

fn started(command: &mut Command) -> Result<Child, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))
}

fn lines_of(child: &mut Child) -> Result<BufReader<ChildStdout>, Failure> {
    Ok(BufReader::new(
        child.stdout.take().ok_or("a child without output")?,
    ))
}

fn next_line(lines: &mut BufReader<ChildStdout>, wanted: &str) -> Result<String, Failure> {
    let mut line = String::new();
    match lines.read_line(&mut line) {
        Ok(0) => Err(format!("ended before it said {wanted}")),
        Ok(_) => Ok(line.trim_end().to_owned()),
        Err(error) => Err(format!("waiting for {wanted}: {error}")),
    }
}

/// An address nobody listens on just now. Somebody could take it before the proxy does; the proxy would then say so.
fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("a free port: {error}"))
}

impl Measurement {
    fn parse(
        json: &str,
        cpu_seconds: f64,
        (round, proxy, work): (u32, &'static str, &'static str),
    ) -> Result<Measurement, Failure> {
        let value: serde_json::Value = serde_json::from_str(json)
            .map_err(|error| format!("the load said `{json}`: {error}"))?;
        let number = |name: &str| {
            value[name]
                .as_f64()
                .ok_or_else(|| format!("the load's result has no {name}: {json}"))
        };
        let count = |name: &str| {
            value[name]
                .as_u64()
                .ok_or_else(|| format!("the load's result has no {name}: {json}"))
        };
        Ok(Measurement {
            round,
            proxy,
            work,
            requests: count("requests")?,
            errors: count("errors")?,
            first_error: value["first_error"].as_str().unwrap_or_default().to_owned(),
            seconds: number("seconds")?,
            cpu_seconds,
            p50_us: number("p50_us")?,
            p99_us: number("p99_us")?,
        })
    }

    /// CPU time of the whole proxy for one request.
    pub(crate) fn cpu_us_per_request(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.requests.max(1) as f64
    }

    /// Answers per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The share of its core it used.
    pub(crate) fn core_share(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }

    /// One line for whoever watches.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:<15}{:<10}{:8.2} µs CPU per request, {:9.0}/s, core {:3.0} %, p50 {:.0} µs, p99 {:.0} µs, {} errors",
            self.work,
            self.proxy,
            self.cpu_us_per_request(),
            self.per_second(),
            self.core_share() * 100.0,
            self.p50_us,
            self.p99_us,
            self.errors
        )
    }
}
