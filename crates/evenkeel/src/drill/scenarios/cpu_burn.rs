//! `cpu_burn`: something of the service takes all the processor time it can have.
//!
//! The sample burns it itself. For any other service burners are put into its control group, where they compete with it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use evenkeel_core::diagnose::Cause;

use super::super::fault::Fault;
use super::super::knobs;
use super::super::site::Site;
use super::{Inject, Scenario};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cpu_burn",
    summary: "The service's processor time is used up, up to its `cpu_max` where it has one.",
    cause: Cause::CpuOverload,
    needs: "a sample service; root and `cpu_max` by a control group; or an allowed command drill_cpu_burn",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    if let Some(command) = knobs::command(site, SCENARIO.name) {
        return Ok(knobs::by_command(site, command));
    }
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let burners = cores * 2;
    if let Some(sample) = &site.sample {
        let query = format!("threads={burners}&for_s=300");
        return Ok(knobs::by_knob(sample.port, "burn", query));
    }
    let group = group(site)?;
    Ok(Box::new(move || {
        let mut burning = Vec::new();
        for _ in 0..burners {
            burning.push(burner(&group)?);
        }
        let what = format!("{burners} processes burn time in {}", group.display());
        Ok(Fault::lasting(what, move || {
            drop(burning);
            Ok(())
        }))
    }))
}

fn group(site: &Site) -> Result<PathBuf, String> {
    let name = &site.service.name;
    let limit = site.facts.as_ref().and_then(|facts| facts.cpu_max.as_ref());
    let limit = limit.filter(|limit| limit.way.starts_with("cgroup"));
    let Some(limit) = limit else {
        return Err(format!(
            "service {name} is no sample and has no `cpu_max` by a control group to burn time in; \
             allow a command drill_cpu_burn"
        ));
    };
    if !rustix::process::geteuid().is_root() {
        return Err("only root can put burners into a service's control group".into());
    }
    Ok(PathBuf::from(&limit.why))
}

/// Ended when it is dropped.
struct Burner(Child);

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn burner(group: &std::path::Path) -> Result<Burner, String> {
    let child = Command::new("/bin/sh")
        .args(["-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|e| format!("/bin/sh: {e}"))?;
    let burner = Burner(child);
    let file = group.join("cgroup.procs");
    fs::write(&file, burner.0.id().to_string()).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(burner)
}
