//! Starts the endpoints and the proxies, puts load on one of them, and reads its CPU time before and after.

use super::machine::{self, Cores};
use super::proxies::{Place, Proxy};
use super::works::Work;
use crate::load::{self, Endpoints, Load, Seen, Spec};
use crate::process::{self, Tree};
use crate::{Failure, cpu};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Endpoints behind every proxy.
const ENDPOINTS: usize = 2;
/// Before it counts, for pools and caches to fill.
const WARM_SECS: f64 = 0.4;

/// What stays the same over all measurements.
pub(crate) struct Bench {
    cores: Cores,
    programs: PathBuf,
    folder: tempfile::TempDir,
    endpoints: Endpoints,
}

/// A proxy that runs.
pub(crate) struct Running {
    proxy: &'static Proxy,
    address: SocketAddr,
    tree: Tree,
}

/// What one measurement gave.
pub(crate) struct Measurement {
    pub(crate) round: u32,
    pub(crate) proxy: &'static str,
    pub(crate) work: &'static str,
    pub(crate) cpu_seconds: f64,
    pub(crate) seen: Seen,
}

impl Bench {
    /// Starts the endpoints on the load's core.
    pub(crate) fn start(programs: PathBuf) -> Result<Bench, Failure> {
        let cores = machine::cores()?;
        machine::pin(cores.load)?;
        Ok(Bench {
            cores,
            endpoints: load::start_endpoints(&programs, ENDPOINTS)?,
            programs,
            folder: tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?,
        })
    }

    /// Starts a proxy on its core and waits until it answers.
    pub(crate) fn start_proxy(&self, proxy: &'static Proxy) -> Result<Running, Failure> {
        let folder = self.folder.path().join(proxy.name);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        // Every round begins without what the last one left.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(failed)?;
        }
        std::fs::create_dir(&folder).map_err(failed)?;
        let address = process::free_address()?;
        let mut command = (proxy.command)(&Place {
            folder: &folder,
            programs: &self.programs,
            listen: address,
            endpoints: &self.endpoints.addresses,
        })?;
        command.current_dir(&folder);
        let log = folder.join("log");
        machine::pin(self.cores.proxy)?;
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
            tree,
        })
    }

    /// Puts one kind of work on one proxy.
    pub(crate) fn measure(
        &self,
        round: u32,
        running: &Running,
        work: &'static Work,
        secs: f64,
    ) -> Result<Measurement, Failure> {
        let measured = || -> Result<(f64, Seen), Failure> {
            let spec = Spec {
                connections: work.connections,
                body: work.body,
                head: work.head,
                close: work.close,
                warm: WARM_SECS,
                secs,
            };
            let mut load = Load::start(&self.programs, running.address, &spec)?;
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
            cpu_seconds,
            seen,
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

    /// The share of its core it used.
    pub(crate) fn core_share(&self) -> f64 {
        self.cpu_seconds / self.seen.seconds
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
            self.seen.p50_us,
            self.seen.p99_us,
            self.seen.errors
        )
    }
}
