//! `slow_answers`: it answers everything, and always too late.
//!
//! The sample is slow by itself, as with a lock that everybody waits for. Any other process is stopped most of the time,
//! which looks the same from outside: alive, idle, and hardly anything comes back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use evenkeel_core::diagnose::Cause;
use rustix::process::Signal;

use super::super::fault::{Fault, Process};
use super::super::knobs;
use super::super::site::Site;
use super::{Inject, Scenario};

/// Far above what any of its peers needs, and below common time-outs.
const LATE: Duration = Duration::from_millis(400);
/// Of a process that has no knob: so long it is stopped …
const STOPPED: Duration = Duration::from_millis(350);
/// … and so long it may work.
const RUNS: Duration = Duration::from_millis(50);

pub(super) const SCENARIO: Scenario = Scenario {
    name: "slow_answers",
    summary: "The service answers 400 ms late while its processor is idle.",
    cause: Cause::ProcessHung,
    needs: "",
    felt: Some(is_late),
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    if let Some(command) = knobs::command(site, SCENARIO.name) {
        return Ok(knobs::by_command(site, command));
    }
    if let Some(sample) = &site.sample {
        let query = format!("ms={}&for_s=300", LATE.as_millis());
        return Ok(knobs::by_knob(sample.port, "slow", query));
    }
    let process = Process::open(site.pid)?;
    Ok(Box::new(move || Ok(duty_cycle(process))))
}

/// Asked directly, and not through the balancer, which would ask another one.
fn is_late(site: &Site) -> bool {
    site.address.is_some_and(|address| {
        let began = Instant::now();
        let _ = TcpStream::connect_timeout(&address, LATE).map(|mut stream| {
            let _ = stream.set_read_timeout(Some(LATE));
            let _ = stream.write_all(b"HEAD / HTTP/1.0\r\n\r\n");
            let _ = stream.read(&mut [0]);
        });
        began.elapsed() >= LATE / 2
    })
}

fn duty_cycle<'s>(process: Process) -> Fault<'s> {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, pid) = (stop.clone(), process.pid);
    let thread = std::thread::spawn(move || {
        while !stopped.load(Relaxed) && process.signal(Signal::STOP).is_ok() {
            std::thread::sleep(STOPPED);
            let _ = process.go_on();
            std::thread::sleep(RUNS);
        }
        process.go_on()
    });
    let what = format!("process {pid} is stopped for 350 of every 400 ms");
    Fault::lasting(what, move || {
        stop.store(true, Relaxed);
        thread.join().unwrap_or(Ok(()))
    })
}
