//! Faults from outside, against the real binary under load: an endpoint is killed, stopped, cut off; the balancer itself is
//! killed. What counts is what clients saw. The load is GETs only, which may be tried again, so not one of them may fail
//! while another endpoint works; and no request may wait longer than a time-out and one more try.

use crate::load::{self, Endpoints, Load, Spec};
use crate::process::{self, Tree};
use crate::steps::Steps;
use crate::{Failure, cpu, steps};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Clients, each with one request under way.
const CLIENTS: u32 = 16;
/// The load runs this long around a fault.
const SECS: f64 = 4.0;
/// The fault comes after this, when the load runs.
const BEFORE: Duration = Duration::from_secs(1);
/// No request may take longer: one try's time-out (1 s), one more try, and room for a busy machine.
const SLOWEST_US: f64 = 2.5e6;

/// A running balancer with two endpoints, each a process of its own.
struct Site {
    programs: PathBuf,
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    // In the order in which they have to end: the balancer first.
    balancer: Tree,
    endpoints: Vec<Endpoints>,
}

/// One fault: how it is made, and how many requests it may cost.
struct Fault {
    name: &'static str,
    errors_max: u32,
    make: fn(&Site) -> Result<(), Failure>,
    heal: fn(&Site) -> Result<(), Failure>,
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "an endpoint is killed",
        errors_max: 0,
        make: |site| site.signal_endpoint(Signal::KILL),
        heal: |_| Ok(()),
    },
    Fault {
        name: "an endpoint hangs",
        errors_max: 0,
        make: |site| site.signal_endpoint(Signal::STOP),
        heal: |site| site.signal_endpoint(Signal::CONT),
    },
    Fault {
        name: "packets to an endpoint are dropped",
        errors_max: 0,
        make: Site::drop_packets,
        heal: |_| nft(&format!("delete table inet {TABLE}")),
    },
    Fault {
        name: "the balancer is killed",
        // Those it was working on; whoever comes while it is replaced waits.
        errors_max: CLIENTS,
        make: Site::kill_balancer,
        heal: |_| Ok(()),
    },
];

/// The name of our nftables table, which nobody else has.
const TABLE: &str = "evenkeel_fault_run";

/// Adds a step for each fault.
pub(crate) fn add_to(steps: &mut Steps) {
    let programs = load::build_for_tests();
    for fault in FAULTS {
        steps.step(&format!("fault run: {}", fault.name), || {
            if fault.name.starts_with("packets") && nft("list tables").is_err() {
                println!("NOT RUN: nftables is refused here; it needs root and the right to change the network");
                return Ok(());
            }
            run(fault, programs.clone()?)
        });
    }
}

fn run(fault: &Fault, programs: PathBuf) -> Result<(), Failure> {
    let site = Site::start(programs)?;
    let spec = Spec {
        connections: CLIENTS,
        body: 128,
        head: 0,
        close: false,
        tls: None,
        rate: None,
        seed: None,
        warm_mib: 0,
        warm: 0.3,
        secs: SECS,
    };
    let mut load = Load::start(&site.programs, site.address, &spec)?;
    load.go()?;
    // Not a wait for something: the fault has to come in the middle of the load.
    std::thread::sleep(BEFORE);
    let made = (fault.make)(&site);
    let seen = load.seen();
    (fault.heal)(&site)?;
    made?;
    let seen = seen?;
    println!(
        "{} requests, {} errors ({} allowed), slowest {:.0} ms",
        seen.requests,
        seen.errors,
        fault.errors_max,
        seen.max_us / 1e3
    );
    if seen.errors > fault.errors_max.into() {
        return Err(format!(
            "{} errors, at most {} wanted; the first: {}{}",
            seen.errors,
            fault.errors_max,
            seen.first_error,
            site.log()
        ));
    }
    if seen.max_us > SLOWEST_US {
        return Err(format!(
            "a request took {:.0} ms, at most {:.0} wanted{}",
            seen.max_us / 1e3,
            SLOWEST_US / 1e3,
            site.log()
        ));
    }
    Ok(())
}

impl Site {
    fn start(programs: PathBuf) -> Result<Site, Failure> {
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let endpoints = [(); 2]
            .map(|()| load::start_endpoints(&programs, 1, &[]))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let address = process::free_address()?;
        let config = config(address, &endpoints);
        let path = folder.path().join("fault.toml");
        std::fs::write(&path, config).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = Command::new(programs.join("evenkeel"));
        command.arg("run").arg(&path).current_dir(folder.path());
        let mut balancer = process::start_logged(command, &folder.path().join("log"))?;
        let answered = balancer.wait_for_answer(address);
        let site = Site {
            programs,
            folder,
            address,
            balancer,
            endpoints,
        };
        answered.map_err(|failure| format!("{failure}{}", site.log()))?;
        Ok(site)
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("; evenkeel said:\n{text}")
    }

    fn signal_endpoint(&self, signal: Signal) -> Result<(), Failure> {
        process::signal(self.endpoints[0].tree.id(), signal);
        Ok(())
    }

    /// Nothing arrives there and nothing comes back: no refusal, no reset, silence.
    fn drop_packets(&self) -> Result<(), Failure> {
        let port = self.endpoints[0].addresses[0].port();
        nft(&format!(
            "add table inet {TABLE}; add chain inet {TABLE} in {{ type filter hook input priority 0; }}; \
             add rule inet {TABLE} in tcp dport {port} drop; add rule inet {TABLE} in tcp sport {port} drop"
        ))
    }

    /// The keeper's child that is the balancer: the only process below it, since nothing is supervised here.
    fn kill_balancer(&self) -> Result<(), Failure> {
        let keeper = self.balancer.id();
        let below: Vec<u32> = cpu::of_tree(keeper)?
            .pids()
            .filter(|pid| *pid != keeper)
            .collect();
        let [child] = below.as_slice() else {
            return Err(format!(
                "one process below the keeper {keeper} was wanted, found {below:?}"
            ));
        };
        process::signal(*child, Signal::KILL);
        Ok(())
    }
}

impl Drop for Site {
    /// A stopped endpoint could not be asked to end.
    fn drop(&mut self) {
        process::signal(self.endpoints[0].tree.id(), Signal::CONT);
    }
}

fn config(listen: std::net::SocketAddr, endpoints: &[Endpoints]) -> String {
    let endpoints: String = endpoints
        .iter()
        .enumerate()
        .map(|(index, endpoint)| {
            format!(
                "\n[[pool.app.endpoint]]\nname = \"e{}\"\naddress = \"{}\"\n",
                index + 1,
                endpoint.addresses[0]
            )
        })
        .collect();
    format!(
        r#"[node]
state_dir = "state"
workers = 1

[admin]
bind = "127.0.0.1:0"

[[listener]]
name = "web"
bind = ["{listen}"]

[[route]]
pool = "app"

[pool.app]
connect_timeout = "500ms"

[pool.app.check]
kind = "http"
path = "/healthz"
interval = "1s"
timeout = "500ms"

[pool.app.retry]
per_try_timeout = "1s"
{endpoints}"#
    )
}

fn nft(ruleset: &str) -> Result<(), Failure> {
    let mut command = Command::new(Path::new("/usr/sbin/nft"));
    command.arg(ruleset);
    steps::output(command).map(drop)
}
