//! What of an endpoint is near its limit, or will be soon: of its service and its machine, as their facts and its heartbeats
//! say it.
//!
//! Heat is 0 where nobody has to think of it and 100 at the limit; from [`HOT`] on work should go elsewhere. Each resource has
//! its own scale: a processor at 90 % of what it may use makes requests wait in line, memory at 90 % is a cache. What has no
//! level to speak of (a disk may be 97 % full for years) has a trend: full within five minutes is hot.
//!
//! A machine's need counts for an endpoint only as far as it is that endpoint's doing: taking work from one that uses little
//! of it would relieve nobody.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::facts::{MachineFacts, ServiceFacts, permille};
use crate::time::Time;

use super::trend::Trend;

/// From here on work should go elsewhere.
pub const HOT: u32 = 80;
/// Below this it is cool again; between the two things stay as they are.
pub const COOL: u32 = 60;

/// A processor: 80 % of what it may use is cool, 90 % hot. Waiting in line doubles between 80 and 90.
const BUSY: Scale = Scale(500, 1000);
/// Kernel periods in which its limit held it back: hot at half of them. A burst is held back now and then.
const HELD_BACK: Scale = Scale(100, 600);
/// Memory against its limit: hot at 96 %.
const MEMORY: Scale = Scale(800, 1000);
/// Descriptors against their limit: hot at 95 %.
const DESCRIPTORS: Scale = Scale(750, 1000);
/// Time in which work was held up for want of memory, while the service has pages in swap: hot at 25 %.
const SWAPPING: Scale = Scale(50, 300);
/// A part of its machine's load that makes it the endpoint's own.
const OWN_SHARE_PERMILLE: u32 = 250;
/// A processor's use is the median of so many readings: a burst of a second is no heat.
const BUSY_READINGS: usize = 5;
/// Readings a second apart see a leak of minutes, ten seconds apart one of hours.
const EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
/// How many windows back a number must not have been where it is now: five minutes, and fifty.
const PEAKS: usize = 10;
/// A trend must last for so many readings, or a quarter of the time that is left: what wanders turns round.
const LASTS: u32 = 10;
/// What a disk is called before its path.
const DISK: &str = "disk ";
/// File systems watched for one endpoint.
const DISKS_MAX: usize = 8;
/// Facts older than this say nothing.
const STALE: Duration = Duration::from_secs(15);
/// A forecast beyond this is a guess, and nobody need be told.
pub(super) const FORECAST_MAX: Duration = Duration::from_secs(1800);

/// Where heat begins and where it is whole, in thousandths of the limit.
struct Scale(u32, u32);

impl Scale {
    fn heat(&self, permille: u32) -> u32 {
        let above = u64::from(permille.saturating_sub(self.0));
        (above * 100 / u64::from(self.1 - self.0)).min(100) as u32
    }
}

/// How hot, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heat {
    /// 0 to 100.
    pub percent: u32,
    /// The evidence; empty at 0.
    pub why: String,
    /// Would less at once cool it? A disk that fills may be anybody's doing.
    pub eases: bool,
}

/// Something that will be full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filling {
    /// `memory`, `disk /data`, `descriptors`.
    pub what: String,
    /// At this rate.
    pub full_in: Duration,
}

/// A number that must not reach its limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Level {
    trends: [Trend; 2],
    /// Since when each of them says the same.
    since: [Option<Time>; 2],
}

impl Level {
    fn new(peaks: usize) -> Level {
        Level {
            trends: EVERY.map(|every| Trend::new(every, peaks)),
            since: [None; 2],
        }
    }

    /// One reading. When will it be at its limit?
    fn add(&mut self, value: u64, limit: u64, at: Time) -> Option<Duration> {
        let mut first: Option<Duration> = None;
        for ((trend, since), every) in self.trends.iter_mut().zip(&mut self.since).zip(EVERY) {
            trend.add(value as f64, at);
            let Some(full_in) = trend.time_to(limit as f64) else {
                *since = None;
                continue;
            };
            let lasts = at.since(*since.get_or_insert(at));
            if lasts >= (every * LASTS).min(full_in / 4) {
                first = Some(first.map_or(full_in, |other| other.min(full_in)));
            }
        }
        first
    }
}

/// What is known of one endpoint's resources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gauges {
    pid: u32,
    at: Time,
    /// Of its processor: heat and why.
    busy: VecDeque<(u32, String)>,
    memory: Option<Level>,
    descriptors: Option<Level>,
    disks: BTreeMap<PathBuf, Level>,
    /// What is near its limit now.
    near: Vec<Heat>,
    filling: Vec<Filling>,
    /// As it says itself, and when.
    says: Option<(Time, f64)>,
}

impl Gauges {
    /// What was read of its service and of the machine that is on.
    pub fn facts(&mut self, service: &ServiceFacts, machine: &MachineFacts, at: Time) {
        if self.pid != service.pid {
            // Another process: only the disks are the same.
            self.pid = service.pid;
            (self.memory, self.descriptors) = (None, None);
            self.busy.clear();
        }
        self.at = at;
        self.near.clear();
        self.filling.clear();
        self.processor(service, machine);
        self.memory(service, machine, at);
        self.descriptors(service, at);
        self.disks(service, at);
    }

    /// How busy it says it is, 0 to 1.
    pub fn says(&mut self, utilization: f64, at: Time) {
        if utilization.is_finite() {
            self.says = Some((at, utilization.clamp(0.0, 1.0)));
        }
    }

    /// The hottest of all it has.
    pub fn heat(&self, now: Time) -> Heat {
        let fresh = now.since(self.at) <= STALE;
        let near = self.near.iter().filter(|_| fresh).cloned();
        let filling = self.filling(now).iter().map(|filling| Heat {
            percent: heat_in(filling.full_in),
            why: format!("{} at this rate", filling.words()),
            eases: !filling.what.starts_with(DISK),
        });
        let says = self.says.filter(|(at, _)| now.since(*at) <= STALE);
        let says = says.map(|(_, says)| Heat {
            percent: BUSY.heat((says * 1000.0) as u32),
            why: format!("says it is {:.0} % busy", says * 100.0),
            eases: true,
        });
        let all = near.chain(filling).chain(says);
        let hottest = all.max_by_key(|heat| heat.percent).unwrap_or_default();
        match hottest.percent {
            0 => Heat::default(),
            _ => hottest,
        }
    }

    /// What will be full within half an hour.
    pub fn filling(&self, now: Time) -> &[Filling] {
        match now.since(self.at) <= STALE {
            true => &self.filling,
            false => &[],
        }
    }

    fn processor(&mut self, service: &ServiceFacts, machine: &MachineFacts) {
        let Some(used) = service.cpu_millicores.map(u64::from) else {
            return;
        };
        let own = service.cpu_limit.as_ref().map(|limit| {
            let words = format!(
                "CPU at {} % of its {} %",
                permille(used, limit.max) / 10,
                limit.max / 10
            );
            (BUSY.heat(permille(used, limit.max)), words)
        });
        let held = service.throttled_permille.map(|held| {
            let words = format!("its CPU limit holds it back {} % of the time", held / 10);
            (HELD_BACK.heat(held), words)
        });
        let whole = u64::from(machine.cores) * 1000;
        let all = machine.cpu_millicores.map(u64::from);
        let all = all.filter(|all| permille(used, *all) >= OWN_SHARE_PERMILLE);
        let all = all.map(|all| {
            let words = format!("CPU at {} % of its machine's", permille(all, whole) / 10);
            (BUSY.heat(permille(all, whole)), words)
        });
        // Of equals the one with its own limit is told.
        let all = all.into_iter().chain(held).chain(own);
        let Some(busiest) = all.max_by_key(|(heat, _)| *heat) else {
            return;
        };
        if self.busy.len() == BUSY_READINGS {
            self.busy.pop_front();
        }
        self.busy.push_back(busiest);
        let mut sorted: Vec<_> = self.busy.iter().collect();
        sorted.sort();
        if self.busy.len() == BUSY_READINGS {
            let (percent, why) = sorted[BUSY_READINGS / 2].clone();
            self.near.push(Heat {
                percent,
                why,
                eases: true,
            });
        }
    }

    fn memory(&mut self, service: &ServiceFacts, machine: &MachineFacts, at: Time) {
        let used = service.memory_bytes.saturating_add(service.swap_bytes);
        // Without a limit of its own it can grow by what the machine has left.
        let left = machine.memory_available_bytes;
        let limit = match &service.memory_limit {
            Some(limit) => Some(limit.max),
            None => left.map(|left| used.saturating_add(left)),
        };
        let Some(limit) = limit else { return };
        let level = self.memory.get_or_insert_with(|| Level::new(PEAKS));
        let full_in = level.add(used, limit, at);
        self.fills("memory", full_in);
        if service.memory_limit.is_some() {
            let permille = permille(used, limit);
            self.near.push(Heat {
                percent: MEMORY.heat(permille),
                why: format!("memory at {} % of {} MiB", permille / 10, limit >> 20),
                eases: true,
            });
        }
        let held_up = machine.pressure.memory_some_permille;
        if let (Some(held_up), true) = (held_up, service.swap_bytes > 0) {
            self.near.push(Heat {
                percent: SWAPPING.heat(held_up),
                why: format!("swapping holds work up {} % of the time", held_up / 10),
                eases: true,
            });
        }
    }

    fn descriptors(&mut self, service: &ServiceFacts, at: Time) {
        let (Some(open), Some(max)) = (service.descriptors, service.descriptors_max) else {
            return;
        };
        let open = u64::from(open);
        let level = self.descriptors.get_or_insert_with(|| Level::new(PEAKS));
        let full_in = level.add(open, max, at);
        self.fills("descriptors", full_in);
        self.near.push(Heat {
            percent: DESCRIPTORS.heat(permille(open, max)),
            why: format!("{open} of {max} descriptors are open"),
            eases: true,
        });
    }

    fn disks(&mut self, service: &ServiceFacts, at: Time) {
        let there = |path: &PathBuf| service.disks.iter().any(|disk| disk.path == *path);
        self.disks.retain(|path, _| there(path));
        for disk in service.disks.iter().take(DISKS_MAX) {
            let level = self.disks.entry(disk.path.clone());
            let level = level.or_insert_with(|| Level::new(0));
            let used = disk.bytes.saturating_sub(disk.free_bytes);
            let full_in = level.add(used, disk.bytes, at);
            self.fills(&format!("{DISK}{}", disk.path.display()), full_in);
        }
    }

    fn fills(&mut self, what: &str, full_in: Option<Duration>) {
        if let Some(full_in) = full_in.filter(|full_in| *full_in <= FORECAST_MAX) {
            let what = what.to_owned();
            self.filling.push(Filling { what, full_in });
        }
    }
}

impl Filling {
    /// "memory full in about 4 min".
    pub fn words(&self) -> String {
        let seconds = self.full_in.as_secs_f64();
        let about = match seconds {
            s if s < 20.0 => "some seconds".to_owned(),
            s if s < 120.0 => format!("about {:.0} s", (s / 10.0).round() * 10.0),
            s => format!("about {:.0} min", s / 60.0),
        };
        format!("{} full in {about}", self.what)
    }
}

/// Hot at five minutes, as hot as can be at one, nothing at half an hour; by the logarithm between.
fn heat_in(full_in: Duration) -> u32 {
    let minutes = (full_in.as_secs_f64() / 60.0).max(1.0);
    let (five, most) = (5f64.ln(), (FORECAST_MAX.as_secs_f64() / 60.0).ln());
    let hot = f64::from(HOT);
    let heat = match minutes.ln() {
        x if x <= five => 100.0 - (100.0 - hot) * x / five,
        x => hot * (most - x).max(0.0) / (most - five),
    };
    heat as u32
}
