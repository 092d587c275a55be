//! `memory_leak`: it grows and grows, until somebody or something stops it.

use evenkeel_core::diagnose::Cause;

use super::super::knobs;
use super::super::site::Site;
use super::{Inject, Scenario};

/// From now to `memory_max` within so many seconds: long enough for a trend to be seen, short enough to wait for.
const FILLS_IN_S: u64 = 20;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory_leak",
    summary: "The service's memory grows to its `memory_max` within 20 s.",
    cause: Cause::MemoryLeak,
    needs: "`memory_max` of a sample service, or an allowed command drill_memory_leak",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    if let Some(command) = knobs::command(site, SCENARIO.name) {
        return Ok(knobs::by_command(site, command));
    }
    let name = &site.service.name;
    let (Some(sample), Some(max)) = (&site.sample, site.service.care.memory_max) else {
        return Err(format!(
            "service {name} is no sample with a `memory_max`: a leak of it can only be made by itself; \
             allow a command drill_memory_leak"
        ));
    };
    let used = site.facts.as_ref().map_or(0, |facts| facts.memory_bytes);
    let room = max.saturating_sub(used) >> 20;
    let rate = (room / FILLS_IN_S).max(1);
    let query = format!("mib_per_s={rate}&for_s=300");
    Ok(knobs::by_knob(sample.port, "leak", query))
}
