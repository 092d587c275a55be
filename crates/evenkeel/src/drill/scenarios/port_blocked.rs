//! `port_blocked`: the process dies, and somebody else has its port before it is started again.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use evenkeel_core::diagnose::Cause;
use evenkeel_schema::admin::Status;
use hyper::Method;
use rustix::process::Signal;

use super::super::fault::{Fault, Process};
use super::super::site::Site;
use super::{Inject, Scenario};

/// Supervision waits some 100 ms before it starts a service again.
const WITHIN: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(10);

pub(super) const SCENARIO: Scenario = Scenario {
    name: "port_blocked",
    summary: "Another process takes the service's port, takes connections and closes them.",
    cause: Cause::PortTaken,
    needs: "an address of this machine",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    let address = site
        .address
        .ok_or("the endpoint's address is no IP address and port: it can't be taken")?;
    let process = Process::open(site.pid)?;
    Ok(Box::new(move || {
        // Frozen first, so that it dies at one moment and we are waiting for it.
        process.signal(Signal::STOP)?;
        process.signal(Signal::KILL)?;
        let thief = take(address)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || hang_up(&thief, &stopped));
        let what = format!(
            "process {} was killed and its port {address} taken",
            process.pid
        );
        Ok(Fault::lasting(what, move || {
            stop.store(true, Relaxed);
            let _ = thread.join();
            start_again(site)
        }))
    }))
}

fn take(address: SocketAddr) -> Result<TcpListener, String> {
    let until = Instant::now() + WITHIN;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => {
                let ready = listener.set_nonblocking(true);
                return ready
                    .map(|()| listener)
                    .map_err(|e| format!("{address}: {e}"));
            }
            Err(e) if Instant::now() > until => {
                return Err(format!("{address} could not be taken: {e}"));
            }
            // Faster than any start.
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}

fn hang_up(thief: &TcpListener, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        match thief.accept() {
            Ok(connection) => drop(connection),
            Err(_) => std::thread::sleep(STEP),
        }
    }
}

/// A service that was given up is started by a reload, and by nothing else.
fn start_again(site: &Site) -> Result<(), String> {
    let status: Status = site.read("/v1/status")?;
    let mut services = status.services.iter();
    let given_up = services.any(|s| *s.name == *site.service.name && s.state == "failed");
    if given_up {
        site.call(Method::POST, "/v1/reload", None)?;
    }
    Ok(())
}
