//! `kill`: the plainest fault there is.

use evenkeel_core::diagnose::Cause;
use rustix::process::Signal;

use super::super::fault::{Fault, Process};
use super::Scenario;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kill",
    summary: "Kills the service's process.",
    cause: Cause::ProcessDead,
    needs: "",
    felt: None,
    prepare: |site| {
        let process = Process::open(site.pid)?;
        Ok(Box::new(move || {
            process.signal(Signal::KILL)?;
            Ok(Fault::done(format!(
                "process {} was killed (signal 9)",
                process.pid
            )))
        }))
    },
};
