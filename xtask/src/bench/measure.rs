//! Starts the endpoints and the proxies, puts load on one of them, and reads its CPU time or memory before and after.

use super::certificate::{self, Certificate};
use super::machine::{self, Cores};
use super::proxies::{Place, Proxy};
use super::works::Work;
use crate::load::{self, Endpoints, Idle, Load, Seen, Spec};
use crate::process::{self, Tree};
use crate::{Failure, cpu};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Endpoints behind every proxy.
const ENDPOINTS: usize = 2;

/// How long everything takes.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Seconds before it counts, for pools and caches to fill.
    pub(crate) warm: f64,
    /// Seconds of each measurement.
    pub(crate) secs: f64,
    /// MiB the kernel may keep with one core, which large bodies have to get past first; 0: do not wait for that.
    pub(crate) kept_mib: u64,
    /// Connections kept idle to see what one costs.
    pub(crate) idle: u32,
}

/// What stays the same over all measurements.
pub(crate) struct Bench {
    cores: Cores,
    programs: PathBuf,
    folder: tempfile::TempDir,
    endpoints: Endpoints,
    certificate: Certificate,
    times: Times,
}

/// A proxy that runs.
pub(crate) struct Running {
    proxy: &'static Proxy,
    address: SocketAddr,
    secure: Option<SocketAddr>,
    tree: Tree,
}

/// How a proxy is started.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// Its worker threads or processes.
    pub(crate) workers: u32,
    /// It may use the load's core too.
    pub(crate) both_cores: bool,
    /// It listens for TLS too.
    pub(crate) secure: bool,
}

/// What one measurement gave.
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) proxy: &'static str,
    pub(crate) work: &'static str,
    pub(crate) workers: u32,
    /// Requests a second that were due; `None`: each as soon as the last was answered.
    pub(crate) rate: Option<f64>,
    pub(crate) cpu_seconds: f64,
    pub(crate) seen: Seen,
}

/// What idle connections cost.
pub(crate) struct Memory {
    pub(crate) round: u32,
    pub(crate) proxy: &'static str,
    pub(crate) connections: u32,
    /// Resident before and with them.
    pub(crate) bytes: (u64, u64),
}

impl Bench {
    /// Starts the endpoints on the load's core.
    pub(crate) fn start(programs: PathBuf, times: Times) -> Result<Bench, Failure> {
        let cores = machine::cores()?;
        machine::pin(cores.load)?;
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        Ok(Bench {
            cores,
            endpoints: load::start_endpoints(&programs, ENDPOINTS, &[])?,
            certificate: certificate::make(folder.path())?,
            programs,
            folder,
            times,
        })
    }

    /// Starts a proxy and waits until it answers.
    pub(crate) fn start_proxy(
        &self,
        proxy: &'static Proxy,
        start: Start,
    ) -> Result<Running, Failure> {
        let folder = self
            .folder
            .path()
            .join(format!("{}-{}", proxy.name, start.workers));
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        // Every start is without what the last one left.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        std::fs::create_dir(&folder).map_err(failed)?;
        let address = process::free_address()?;
        let secure = match start.secure && proxy.tls {
            true => Some(process::free_address()?),
            false => None,
        };
        let mut command = (proxy.command)(&Place {
            folder: &folder,
            programs: &self.programs,
            listen: address,
            secure: secure.map(|address| (address, &self.certificate)),
            workers: start.workers,
            endpoints: &self.endpoints.addresses,
            policy: None,
        })?;
        command.current_dir(&folder);
        let log = folder.join("log");
        match start.both_cores {
            true => machine::pin_to_both(self.cores)?,
            false => machine::pin(self.cores.proxy)?,
        }
        let tree = process::start_logged(command, &log);
        machine::pin(self.cores.load)?;
        let mut tree = tree?;
        tree.wait_for_answer(address).map_err(|failure| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!("{}: {failure}; it said:\n{said}", proxy.name)
        })?;
        Ok(Running {
            proxy,
            address,
            secure,
            tree,
        })
    }

    /// Puts one kind of work on one proxy: as much as it takes, or at a rate.
    pub(crate) fn measure(
        &self,
        round: u32,
        running: &Running,
        (work, workers): (&'static Work, u32),
        rate: Option<f64>,
    ) -> Result<Measurement, Failure> {
        let measured = || -> Result<(f64, Seen), Failure> {
            let target = match work.tls {
                true => running.secure.ok_or("it does not listen for TLS")?,
                false => running.address,
            };
            let spec = Spec {
                connections: work.connections,
                body: work.body,
                head: work.head,
                close: work.close,
                tls: work.tls.then_some(self.certificate.chain.as_path()),
                rate,
                seed: None,
                warm: self.times.warm,
                warm_mib: work.warm_mib(self.times.kept_mib),
                secs: self.times.secs,
            };
            let mut load = Load::start(&self.programs, target, &spec)?;
            let before = cpu::of_tree(running.tree.id())?;
            load.go()?;
            let seen = load.seen()?;
            let after = cpu::of_tree(running.tree.id())?;
            Ok((cpu::seconds_between(&before, &after)?, seen))
        };
        let (cpu_seconds, seen) = measured()
            .map_err(|failure| format!("{} at {}: {failure}", running.proxy.name, work.name))?;
        Ok(Measurement {
            round,
            proxy: running.proxy.name,
            work: work.name,
            workers,
            rate,
            cpu_seconds,
            seen,
        })
    }

    /// What connections cost that do nothing, at a proxy that was just started.
    pub(crate) fn memory(&self, round: u32, running: &Running) -> Result<Memory, Failure> {
        let connections = self.times.idle;
        let measured = || -> Result<(u64, u64), Failure> {
            let before = cpu::resident_bytes(running.tree.id())?;
            let _idle = Idle::start(&self.programs, running.address, connections)?;
            Ok((before, cpu::resident_bytes(running.tree.id())?))
        };
        Ok(Memory {
            round,
            proxy: running.proxy.name,
            connections,
            bytes: measured()
                .map_err(|failure| format!("{} with idle ones: {failure}", running.proxy.name))?,
        })
    }
}

impl Measurement {
    /// CPU time of the whole proxy for one request.
    pub(crate) fn cpu_us_per_request(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.seen.requests.max(1) as f64
    }

    /// Answers per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.seen.requests as f64 / self.seen.seconds
    }

    /// The share of a core it used.
    pub(crate) fn core_share(&self) -> f64 {
        self.cpu_seconds / self.seen.seconds
    }

    /// One line for whoever watches.
    pub(crate) fn line(&self) -> String {
        let due = match self.rate {
            Some(rate) => format!(", due {rate:.0}/s"),
            None if self.workers > 1 => format!(", {} workers", self.workers),
            None => String::new(),
        };
        format!(
            "{:<15}{:<10}{:8.2} µs CPU per request, {:9.0}/s, core {:3.0} %, p50 {:.0} µs, p99 {:.0} µs, {} errors{due}",
            self.work,
            self.proxy,
            self.cpu_us_per_request(),
            self.per_second(),
            self.core_share() * 100.0,
            self.seen.p50_us,
            self.seen.p99_us,
            self.seen.errors
        )
    }
}

impl Memory {
    /// Of one connection.
    pub(crate) fn kib_each(&self) -> f64 {
        (self.bytes.1 as f64 - self.bytes.0 as f64) / 1024.0 / f64::from(self.connections.max(1))
    }

    /// One line for whoever watches.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:<15}{:<10}{:8.2} KiB for each of {} idle connections",
            "idle",
            self.proxy,
            self.kib_each(),
            self.connections
        )
    }
}
