//! One measurement: fresh endpoints, a fresh balancer before them, load from the first request on, and what came where. Fresh,
//! so that a queue that one left behind meets nobody else, and none has learned more than another.

use super::contestants::Contestant;
use super::works::{SLOW_TIMES, Work};
use crate::bench::machine::{self, Cores};
use crate::bench::proxies::Place;
use crate::load::{self, Load, Seen, Spec};
use crate::{Failure, cpu, process};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Clients; they are opened as they are needed, and a policy that lets requests wait needs many. Twice as many is what nginx has
/// room for (`worker_connections`), whose connections to endpoints count as well.
const CONNECTIONS: u32 = 4000;
/// Bytes of an answer's body.
const BODY: u32 = 128;
/// An endpoint says within this what it was sent.
const SERVED_MAX: Duration = Duration::from_secs(5);

/// What stays the same over a whole run.
pub(super) struct Setup<'a> {
    pub(super) programs: &'a Path,
    pub(super) cores: Cores,
    pub(super) warm: f64,
    pub(super) secs: f64,
}

/// What one measurement gave.
pub(super) struct Measured {
    pub(super) round: u32,
    pub(super) work: &'static str,
    pub(super) contestant: String,
    pub(super) seen: Seen,
    /// Of all requests that came to endpoints, those that came to the slow one.
    pub(super) slow_share: f64,
    /// The share of a core that the balancer used.
    pub(super) core_share: f64,
}

impl Setup<'_> {
    /// Starts, loads, counts, ends.
    pub(super) fn measure(
        &self,
        round: u32,
        work: &'static Work,
        contestant: &Contestant,
    ) -> Result<Measured, Failure> {
        machine::pin(self.cores.load)?;
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let seed = u64::from(round) + 1;
        let endpoints =
            load::start_endpoints(self.programs, work.endpoints, &work.arguments(seed))?;
        let listen = process::free_address()?;
        let mut command = contestant.command(Place {
            folder: folder.path(),
            programs: self.programs,
            listen,
            secure: None,
            workers: 1,
            endpoints: &endpoints.addresses,
            policy: None,
        })?;
        command.current_dir(folder.path());
        let log = folder.path().join("log");
        machine::pin(self.cores.proxy)?;
        let balancer = process::start_logged(command, &log);
        machine::pin(self.cores.load)?;
        let mut balancer = balancer?;
        let measured = balancer.wait_for_answer(listen).and_then(|()| {
            let spec = self.spec(work, seed);
            let mut load = Load::start(self.programs, listen, &spec)?;
            let before = (cpu::of_tree(balancer.id())?, served(&endpoints.addresses)?);
            load.go()?;
            let seen = load.seen()?;
            let after = (cpu::of_tree(balancer.id())?, served(&endpoints.addresses)?);
            let cpu_seconds = cpu::seconds_between(&before.0, &after.0)?;
            Ok(Measured {
                round,
                work: work.name,
                contestant: contestant.name(),
                slow_share: slow_share(&before.1, &after.1),
                core_share: cpu_seconds / seen.seconds,
                seen,
            })
        });
        measured.map_err(|failure| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!(
                "{} at {}: {failure}; it said:\n{said}",
                contestant.name(),
                work.name
            )
        })
    }

    fn spec(&self, work: &Work, seed: u64) -> Spec<'static> {
        Spec {
            connections: CONNECTIONS,
            body: BODY,
            head: 0,
            close: false,
            tls: None,
            rate: Some(work.rate()),
            seed: Some(seed),
            warm: self.warm,
            warm_mib: 0,
            secs: self.secs,
        }
    }
}

impl Measured {
    /// One line for whoever watches.
    pub(super) fn line(&self) -> String {
        let ms = |us: f64| us / 1e3;
        format!(
            "{:<12}{:<34}p50 {:6.1}  p90 {:6.1}  p99 {:7.1}  p99.9 {:7.1} ms, {:5.2} % to the one {SLOW_TIMES} × slow, core {:3.0} %, {} errors of {}",
            self.work,
            self.contestant,
            ms(self.seen.p50_us),
            ms(self.seen.p90_us),
            ms(self.seen.p99_us),
            ms(self.seen.p999_us),
            self.slow_share * 100.0,
            self.core_share * 100.0,
            self.seen.errors,
            self.seen.requests,
        )
    }
}

/// The last one is the slow one.
fn slow_share(before: &[u64], after: &[u64]) -> f64 {
    let new: Vec<u64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
    let all: u64 = new.iter().sum();
    new.last().copied().unwrap_or(0) as f64 / all.max(1) as f64
}

/// How many requests each was sent.
fn served(endpoints: &[SocketAddr]) -> Result<Vec<u64>, Failure> {
    let ask = |endpoint: &SocketAddr| {
        asked(*endpoint)
            .map_err(|error| error.to_string())
            .and_then(|said| {
                let count = said.rsplit("\r\n\r\n").next().unwrap_or_default();
                count.parse().map_err(|_| format!("it said `{said}`"))
            })
            .map_err(|why| format!("how many requests {endpoint} was sent: {why}"))
    };
    endpoints.iter().map(ask).collect()
}

fn asked(endpoint: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(endpoint)?;
    stream.set_read_timeout(Some(SERVED_MAX))?;
    stream
        .write_all(b"GET /served HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut said = String::new();
    stream.take(4096).read_to_string(&mut said)?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_slow_one_is_of_what_came_meanwhile() {
        assert_eq!(slow_share(&[100, 100, 50], &[140, 140, 70]), 0.2);
        assert_eq!(slow_share(&[1, 1], &[1, 1]), 0.0);
    }
}
