//! How much of an endpoint is used, for policies that go by it: what was reported last, as long as it is fresh.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::{MachineFacts, ServiceFacts, permille};
use crate::settings::Used;
use crate::time::Time;

/// Older than this it says nothing any more: facts come once a second, heartbeats at most every ten.
const STALE: Duration = Duration::from_secs(15);
/// In thousandths; a smaller change is not worth a word.
const STEP: u32 = 10;

/// What is known of one endpoint, by [`Used::REPORTED`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    known: [Option<(u32, Time)>; Used::REPORTED.len()],
    told: [Option<u32>; Used::REPORTED.len()],
}

impl Usage {
    /// So many thousandths of it are used.
    pub(crate) fn report(&mut self, used: Used, thousandths: u32, at: Time) {
        if let Some(place) = Used::REPORTED.iter().position(|&one| one == used) {
            self.known[place] = Some((thousandths.min(1000), at));
        }
    }

    /// What was read of its service and its machine.
    pub(crate) fn facts(&mut self, service: &ServiceFacts, machine: &MachineFacts, at: Time) {
        if let Some(used) = processor(service, machine) {
            self.report(Used::Cpu, used, at);
        }
        if let Some(used) = memory(service, machine) {
            self.report(Used::Memory, used, at);
        }
    }

    /// What is to be told now, if that is something else than what was told last.
    pub(crate) fn news(&mut self, now: Time) -> Option<[Option<u32>; Used::REPORTED.len()]> {
        let fresh = |known: Option<(u32, Time)>| {
            known
                .filter(|(_, at)| now.since(*at) <= STALE)
                .map(|(used, _)| used)
        };
        let now = self.known.map(fresh);
        let differs = |(now, told): (&Option<u32>, &Option<u32>)| match (now, told) {
            (Some(now), Some(told)) => now.abs_diff(*told) >= STEP,
            (now, told) => now != told,
        };
        let news = now.iter().zip(&self.told).any(differs);
        news.then(|| {
            self.told = now;
            now
        })
    }
}

/// Of what the service may use, or of what its machine has, whichever is nearer to its end.
fn processor(service: &ServiceFacts, machine: &MachineFacts) -> Option<u32> {
    let own = service.cpu_limit.as_ref();
    let own = own.and_then(|limit| share(u64::from(service.cpu_millicores?), limit.max));
    let whole = u64::from(machine.cores) * 1000;
    let all = machine.cpu_millicores;
    let all = all.and_then(|used| share(u64::from(used), whole));
    own.max(all)
}

fn memory(service: &ServiceFacts, machine: &MachineFacts) -> Option<u32> {
    let used = service.memory_bytes.saturating_add(service.swap_bytes);
    let own = service.memory_limit.as_ref();
    let own = own.and_then(|limit| share(used, limit.max));
    let all = machine
        .memory_bytes
        .zip(machine.memory_available_bytes)
        .and_then(|(all, available)| share(all.saturating_sub(available), all));
    own.max(all)
}

/// Of nothing there is no share.
fn share(part: u64, whole: u64) -> Option<u32> {
    (whole > 0).then(|| permille(part, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_told_once_and_taken_back_when_it_is_old() {
        let mut usage = Usage::default();
        let at = |s: u64| Time::from_millis(s * 1000);
        assert_eq!(usage.news(at(1)), None);
        usage.report(Used::Own, 420, at(1));
        assert_eq!(usage.news(at(1)), Some([None, None, Some(420)]));
        usage.report(Used::Own, 425, at(2));
        assert_eq!(usage.news(at(2)), None, "half a percent is no news");
        usage.report(Used::Own, 5000, at(3));
        assert_eq!(usage.news(at(3)), Some([None, None, Some(1000)]));
        assert_eq!(usage.news(at(18)), None);
        assert_eq!(usage.news(at(19)), Some([None; 3]));
    }
}
