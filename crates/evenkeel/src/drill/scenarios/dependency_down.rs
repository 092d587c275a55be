//! `dependency_down`: what the endpoint and its peers need stands still.
//!
//! The sample says on its command line whom it needs; that must be a supervised service too, as nothing else is touched.

use evenkeel_core::address::Address;
use evenkeel_core::diagnose::Cause;
use rustix::process::Signal;

use super::super::fault::{Fault, Process};
use super::super::knobs;
use super::super::site::Site;
use super::{Inject, Scenario};
use crate::sample::spec::Spec;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "dependency_down",
    summary: "Freezes the service that this one and its peers need.",
    cause: Cause::DependencyDown,
    needs: "a sample service that --needs another supervised one, or an allowed command drill_dependency_down",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    if let Some(command) = knobs::command(site, SCENARIO.name) {
        return Ok(knobs::by_command(site, command));
    }
    let name = &site.service.name;
    let needed = needed(site).ok_or_else(|| {
        format!(
            "service {name} is no sample that --needs another supervised service; allow a command \
             drill_dependency_down (and …_end, which takes it back)"
        )
    })?;
    let pid = site.pid_of(&needed);
    let process = Process::open(pid.ok_or_else(|| format!("service {needed} does not run"))?)?;
    Ok(Box::new(move || {
        process.signal(Signal::STOP)?;
        let pid = process.pid;
        let what = format!("service {needed}, which {name} needs, was stopped (process {pid})");
        Ok(Fault::lasting(what, move || process.go_on()))
    }))
}

/// The supervised service at the address that the sample needs.
fn needed(site: &Site) -> Option<String> {
    let address = site.sample.as_ref()?.needs?;
    let mut services = site.config.services.iter();
    let there = |port: u16| address.ip().is_loopback() && address.port() == port;
    let sample = services.find(|s| Spec::of_command(&s.command).is_some_and(|s| there(s.port)));
    if let Some(sample) = sample {
        return Some(sample.name.to_string());
    }
    let mut endpoints = site.config.pools.iter().flat_map(|pool| &pool.endpoints);
    let found = endpoints.find(|e| e.target.fixed() == Some(&Address::Ip(address)))?;
    let service = found.service.as_ref()?;
    let mut services = site.config.services.iter();
    services
        .find(|s| s.name == *service)
        .map(|s| s.name.to_string())
}
