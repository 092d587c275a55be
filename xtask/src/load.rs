//! The load generator and the endpoints of `bench/`, as seen by who starts them.

use crate::process::{self, Lines, Tree};
use crate::{Failure, steps};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the whole workspace unoptimized, as the tests before this did: nothing is compiled twice.
pub(crate) fn build_for_tests() -> Result<PathBuf, Failure> {
    steps::run(steps::cargo(&["build", "--workspace"]))?;
    Ok(steps::target().join("debug"))
}

/// Builds some packages as a user would.
pub(crate) fn build_for_use(packages: &[&str]) -> Result<PathBuf, Failure> {
    let mut build = steps::cargo(&["build", "--release"]);
    for package in packages {
        build.args(["--package", package]);
    }
    steps::run(build)?;
    Ok(steps::target().join("release"))
}

/// One process that answers on several ports.
pub(crate) struct Endpoints {
    /// Where.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The process.
    pub(crate) tree: Tree,
}

/// Starts endpoints and learns their addresses. `more`: how they work, in the program's own words.
pub(crate) fn start_endpoints(
    programs: &Path,
    ports: usize,
    more: &[String],
) -> Result<Endpoints, Failure> {
    let mut command = Command::new(programs.join("evenkeel-bench"));
    command.args(["endpoint", "--ports", &ports.to_string()]);
    command.args(more);
    let (tree, mut lines) = process::start_spoken(command)?;
    let addresses = (0..ports)
        .map(|_| {
            let line = lines.next("an endpoint's address")?;
            line.parse()
                .map_err(|error| format!("an endpoint's address, found `{line}`: {error}"))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Endpoints { addresses, tree })
}

/// What is sent.
pub(crate) struct Spec<'a> {
    /// Clients, each with one request under way.
    pub(crate) connections: u32,
    /// Bytes of every answer's body.
    pub(crate) body: u32,
    /// Bytes of every request's head; 0: the shortest.
    pub(crate) head: u32,
    /// A new connection for every request.
    pub(crate) close: bool,
    /// TLS, trusting this file's certificates.
    pub(crate) tls: Option<&'a Path>,
    /// Requests a second, due at fixed times; `None`: each as soon as the last was answered.
    pub(crate) rate: Option<f64>,
    /// They are due at random times instead, drawn from this.
    pub(crate) seed: Option<u64>,
    /// Seconds before it counts.
    pub(crate) warm: f64,
    /// MiB to receive before it counts, if that takes longer.
    pub(crate) warm_mib: u64,
    /// Seconds that count.
    pub(crate) secs: f64,
}

/// Connections that were used once and are kept. They end when this is dropped.
pub(crate) struct Idle {
    // Dropped before `_tree`: its end tells the other to end.
    _lines: Lines,
    _tree: Tree,
}

impl Idle {
    /// Opens so many and waits until all of them have been answered.
    pub(crate) fn start(
        programs: &Path,
        target: SocketAddr,
        connections: u32,
    ) -> Result<Idle, Failure> {
        let mut command = Command::new(programs.join("evenkeel-bench"));
        command.args(["idle", "--target", &target.to_string()]);
        command.args(["--connections", &connections.to_string()]);
        let (tree, mut lines) = process::start_spoken(command)?;
        let said = lines.next("the word `idle`")?;
        if said != "idle" {
            return Err(said);
        }
        Ok(Idle {
            _lines: lines,
            _tree: tree,
        })
    }
}

/// A load that is warm and waits for its start.
pub(crate) struct Load {
    lines: Lines,
    // Dropped after `lines`, whose end tells the load to end.
    _tree: Tree,
}

/// A load at a rate that goes on until it is told to end, whatever fails.
pub(crate) struct Endless(Load);

impl Endless {
    /// Starts it; it counts from here on.
    pub(crate) fn start(
        programs: &Path,
        target: SocketAddr,
        rate: f64,
        connections: u32,
    ) -> Result<Endless, Failure> {
        let mut command = Command::new(programs.join("evenkeel-bench"));
        command.args(["load", "--target", &target.to_string(), "--until-told"]);
        for (name, value) in [
            ("--connections", connections.to_string()),
            ("--rate", rate.to_string()),
            ("--body", "128".to_owned()),
            ("--secs", "86400".to_owned()),
            ("--errors-max", "1000000".to_owned()),
        ] {
            command.args([name, &value]);
        }
        let (tree, mut lines) = process::start_spoken(command)?;
        let warm = lines.next("the word `warm`")?;
        if warm != "warm" {
            return Err(warm);
        }
        let mut load = Load { lines, _tree: tree };
        load.go()?;
        Ok(Endless(load))
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> Result<Seen, Failure> {
        self.0.go()?;
        self.0.seen()
    }
}

/// What a load saw.
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: String,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Load {
    /// Starts a load and waits until it is warm.
    pub(crate) fn start(
        programs: &Path,
        target: SocketAddr,
        spec: &Spec<'_>,
    ) -> Result<Load, Failure> {
        let mut command = Command::new(programs.join("evenkeel-bench"));
        command.args(["load", "--target", &target.to_string()]);
        for (name, value) in [
            ("--connections", spec.connections.to_string()),
            ("--body", spec.body.to_string()),
            ("--head", spec.head.to_string()),
            ("--warm", spec.warm.to_string()),
            ("--warm-mib", spec.warm_mib.to_string()),
            ("--secs", spec.secs.to_string()),
        ] {
            command.args([name, &value]);
        }
        if spec.close {
            command.arg("--close");
        }
        if let Some(rate) = spec.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if let Some(seed) = spec.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if let Some(authority) = spec.tls {
            command.arg("--tls").arg(authority);
        }
        let (tree, mut lines) = process::start_spoken(command)?;
        let warm = lines.next("the word `warm`")?;
        if warm != "warm" {
            return Err(warm);
        }
        Ok(Load { lines, _tree: tree })
    }

    /// Lets it begin to count.
    pub(crate) fn go(&mut self) -> Result<(), Failure> {
        self.lines.say("go")
    }

    /// Waits for what it saw. Its connections stay open until it is dropped.
    pub(crate) fn seen(&mut self) -> Result<Seen, Failure> {
        Seen::parse(&self.lines.next("the load's result")?)
    }
}

impl Seen {
    fn parse(json: &str) -> Result<Seen, Failure> {
        let value: serde_json::Value = serde_json::from_str(json)
            .map_err(|error| format!("the load said `{json}`: {error}"))?;
        let missing = |name: &str| format!("the load's result has no {name}: {json}");
        let number = |name: &str| value[name].as_f64().ok_or_else(|| missing(name));
        let count = |name: &str| value[name].as_u64().ok_or_else(|| missing(name));
        Ok(Seen {
            requests: count("requests")?,
            errors: count("errors")?,
            first_error: value["first_error"].as_str().unwrap_or_default().to_owned(),
            seconds: number("seconds")?,
            p50_us: number("p50_us")?,
            p90_us: number("p90_us")?,
            p99_us: number("p99_us")?,
            p999_us: number("p999_us")?,
            max_us: number("max_us")?,
        })
    }
}
