//! `stop`: the process is there, the kernel takes connections for it, and nothing ever comes back.

use evenkeel_core::diagnose::Cause;
use rustix::process::Signal;

use super::super::fault::{Fault, Process};
use super::Scenario;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stop",
    summary: "Freezes the service's process, as a deadlock does.",
    cause: Cause::ProcessHung,
    needs: "",
    felt: None,
    prepare: |site| {
        let process = Process::open(site.pid)?;
        Ok(Box::new(move || {
            process.signal(Signal::STOP)?;
            let what = format!("process {} was stopped (SIGSTOP)", process.pid);
            Ok(Fault::lasting(what, move || process.go_on()))
        }))
    },
};
