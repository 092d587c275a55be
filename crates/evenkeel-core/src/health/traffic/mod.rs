//! What the traffic of a whole pool says of one endpoint: everybody is measured against the others.
//!
//! Every 100 ms the counters of all workers are read and handed in. [`Traffic`] keeps for each endpoint what the rules need
//! (exact counts of the last ten seconds, how long answers took), and each rule of `RULES` looks at all of it and says
//! whom it finds. What becomes of a finding is for the endpoint to say, with the pool's limits.
//!
//! | rule | file | finds |
//! | --- | --- | --- |
//! | `success_rate` | `success_rate` | who fails more than the others |
//! | `latency` | `latency` | who is much slower than the others |
//! | `stall` | `stall` | who has fallen silent with requests in flight |
//!
//! Whoever has no peers with traffic is judged by no one here: failures in a row and the checks remain. And who looks must
//! have been awake: after a gap between two looks nobody is called silent, and a worker that hears from nobody says
//! nothing of one.

mod burden;
mod latency;
mod stall;
mod success_rate;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counters::Lane;
use crate::id::EndpointId;
use crate::keep::{Parts, Revive, revive};
use crate::registry::Part;
use crate::settings::{CheckKind, OutlierSettings};
use crate::time::Time;
use crate::times::Spread;

pub use burden::{NO_BURDEN, burden};
pub use window::Counts;
use window::Window;

/// The length of an exact window.
const WINDOW: Duration = Duration::from_secs(10);
/// Counters are read every 100 ms. Somebody who comes this late was asleep, and what he would call silence was his own.
const OVERSLEPT: Duration = Duration::from_millis(300);

/// Which rule took an endpoint out: the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum By {
    /// Failures in a row.
    Consecutive,
    /// A request of its trial failed.
    Trial,
    /// More failures than its peers.
    SuccessRate,
    /// Much slower than its peers.
    Latency,
    /// Silent with requests in flight.
    Stall,
}

impl By {
    /// All, in the order of their numbers.
    pub const ALL: [By; 5] = [
        By::Consecutive,
        By::Trial,
        By::SuccessRate,
        By::Latency,
        By::Stall,
    ];

    /// The metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            By::Consecutive => "consecutive_failures",
            By::Trial => "trial",
            By::SuccessRate => "success_rate",
            By::Latency => "latency",
            By::Stall => "stall",
        }
    }
}

/// An endpoint's counters, read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// One for each worker.
    pub lanes: Vec<Lane>,
    /// How long its answers took, since the beginning; read once a second.
    pub times: Option<Spread>,
    /// Tries (http) or connections (tcp) in flight.
    pub in_flight: u32,
}

/// How an endpoint stands while it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It serves like the others.
    Judged,
    /// Suspected of a stall.
    Suspected,
    /// Anything else: down, ejected, in trial, taken out.
    Out,
}

/// What is to become of one that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// No new work; one probe decides.
    Suspect,
    /// It answers: no suspicion any more.
    Acquit,
    /// Out, by this rule.
    Eject(By),
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whom.
    pub endpoint: EndpointId,
    /// What to do.
    pub sentence: Sentence,
    /// The numbers, for people.
    pub why: String,
}

/// One endpoint for [`Traffic::look`].
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Which.
    pub id: EndpointId,
    /// How it stands.
    pub place: Place,
    /// It is coming back slowly.
    pub ramps: bool,
    /// We ourselves were away a moment ago: what ran out meanwhile is not its fault.
    pub excused: bool,
    /// Its counters.
    pub measured: &'a Measured,
}

/// What is kept of one endpoint for all rules.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Track {
    last: Vec<Lane>,
    window: Spread,
    recent: Spread,
    counts: Window,
    /// How long answers took between the last two readings of times.
    #[serde(default)]
    second: Spread,
    /// Its times as last read, and as they were when the window began.
    times: Spread,
    began: Spread,
}

impl Track {
    fn counts(&self) -> Counts {
        self.counts.counts()
    }

    fn counts_of_late(&self) -> Counts {
        self.counts.counts_of_late()
    }

    fn take(&mut self, look: &Look<'_>, at: Time) {
        let lanes = &look.measured.lanes;
        let sum = |lanes: &[Lane], of: fn(&Lane) -> u64| lanes.iter().map(of).sum::<u64>();
        let first = self.last.is_empty();
        let grown = |of| sum(lanes, of).saturating_sub(sum(&self.last, of));
        let ran_out = match look.excused {
            true => grown(|lane| lane.unheard),
            false => 0,
        };
        let failures = grown(|lane| lane.failures).saturating_sub(ran_out);
        let seen = Counts {
            requests: grown(|lane| lane.successes) + failures,
            failures,
        };
        self.last.clone_from(lanes);
        if !first {
            self.counts.add(seen, at);
        }
        if let Some(times) = &look.measured.times {
            let before = if first { times } else { &self.times };
            self.second = times.since(before);
            self.times.clone_from(times);
            if first {
                self.began.clone_from(times);
            }
            self.recent = self.times.since(&self.began);
            self.recent.add(&self.window);
        }
    }

    fn close(&mut self) {
        self.window = self.times.since(&self.began);
        self.began = self.times.clone();
    }

    /// What was seen before means nothing any more.
    fn restart(&mut self) {
        self.counts.clear();
        self.second = Spread::default();
        self.window = Spread::default();
        self.recent = Spread::default();
        self.began.clone_from(&self.times);
    }
}

/// One endpoint as the rules see it.
struct Seen<'a> {
    id: EndpointId,
    place: Place,
    ramps: bool,
    excused: bool,
    lanes: &'a [Lane],
    track: &'a Track,
}

/// Everything a rule may look at.
struct Scene<'a> {
    settings: &'a OutlierSettings,
    /// A passed probe shows that the endpoint works, not only its kernel.
    probe_convinces: bool,
    now: Time,
    /// Who looks was asleep since the look before.
    overslept: bool,
    /// Times were read, as once a second.
    reads: bool,
    /// An exact window ends here.
    closes: bool,
    /// Who looks was asleep in it, and what answers took then was his own doing.
    dozed: bool,
    /// Or was so since times were read.
    dozed_of_late: bool,
    endpoints: Vec<Seen<'a>>,
}

impl Scene<'_> {
    /// Those whose traffic counts: what is out is measured against nobody, and nobody against it.
    fn counted(&self) -> impl Iterator<Item = &Seen<'_>> {
        let counted = |seen: &&Seen<'_>| seen.place != Place::Out;
        self.endpoints.iter().filter(counted)
    }
}

/// One way to find an endpoint that is not like the others.
trait Rule: std::fmt::Debug + Send + erased_serde::Serialize {
    /// Its name in the list.
    fn name(&self) -> &'static str;
    /// Looks once.
    fn look(&mut self, scene: &Scene<'_>, findings: &mut Vec<Finding>);
    /// This one is out, or gone.
    fn forget(&mut self, endpoint: EndpointId);
}

/// A rule in the list.
struct Entry {
    part: Part,
    make: fn() -> Box<dyn Rule>,
    /// Reads one that was kept.
    revive: Revive<dyn Rule>,
}

/// All rules that compare.
static RULES: &[Entry] = &[
    Entry {
        part: Part {
            name: "success_rate",
            summary: "fails more than the others do",
            settings: &[crate::registry::Setting {
                key: "success_rate_stdev",
                default: "1.9",
                why: "Envoy's; more is asked than that, since noise alone passes it in 2.9 % of windows",
            }],
        },
        make: || Box::<success_rate::SuccessRate>::default(),
        revive: |from| Ok(revive::<success_rate::SuccessRate>(from)?),
    },
    Entry {
        part: Part {
            name: "latency",
            summary: "answers much slower than the others do",
            settings: &[crate::registry::Setting {
                key: "latency_factor",
                default: "3.0",
                why: "what differs less may be the requests, not the endpoint",
            }],
        },
        make: || Box::<latency::Latency>::default(),
        revive: |from| Ok(revive::<latency::Latency>(from)?),
    },
    Entry {
        part: Part {
            name: "stall",
            summary: "has fallen silent with requests in flight while the others answer",
            settings: &[],
        },
        make: || Box::<stall::Stall>::default(),
        revive: |from| Ok(revive::<stall::Stall>(from)?),
    },
];

impl Parts for dyn Rule {
    fn entry_name(&self) -> &'static str {
        self.name()
    }

    fn reviver(name: &str) -> Option<Revive<Self>> {
        let found = RULES.iter().find(|entry| entry.part.name == name)?;
        Some(found.revive)
    }
}

/// The names of all rules and what they find, for people.
pub fn rules() -> impl Iterator<Item = &'static Part> {
    RULES.iter().map(|entry| &entry.part)
}

/// The machine of one pool's traffic.
#[derive(Debug, Serialize, Deserialize)]
pub struct Traffic {
    tracks: BTreeMap<EndpointId, Track>,
    #[serde(with = "crate::keep::parts")]
    rules: Vec<Box<dyn Rule>>,
    closes_at: Time,
    /// Who looks was asleep in the present window, or since times were read.
    dozed: bool,
    #[serde(default)]
    dozed_of_late: bool,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            tracks: BTreeMap::new(),
            rules: RULES.iter().map(|entry| (entry.make)()).collect(),
            closes_at: Time::ZERO,
            dozed: false,
            dozed_of_late: false,
        }
    }
}

impl Traffic {
    /// Takes one reading of all counters in. `since` is the time of the reading before; `check` says what a passed probe is
    /// worth.
    pub fn look(
        &mut self,
        looks: &[Look<'_>],
        settings: &OutlierSettings,
        check: &CheckKind,
        since: Time,
        now: Time,
    ) -> Vec<Finding> {
        self.keep(looks);
        for look in looks {
            let track = self.tracks.entry(look.id).or_default();
            track.take(look, now);
            if look.place == Place::Out {
                track.restart();
                self.rules.iter_mut().for_each(|rule| rule.forget(look.id));
            }
        }
        // Times are read once a second: a window ends with a reading of them.
        let reads = looks.iter().any(|look| look.measured.times.is_some());
        let closes = reads && now >= self.closes_at;
        let overslept = now.since(since) > OVERSLEPT;
        let asleep = overslept || looks.iter().any(|look| look.excused);
        self.dozed |= asleep;
        self.dozed_of_late |= asleep;
        let (dozed, dozed_of_late) = (self.dozed, self.dozed_of_late);
        if reads {
            self.dozed_of_late = false;
        }
        if closes {
            self.closes_at = now + WINDOW;
            self.dozed = false;
            self.tracks.values_mut().for_each(Track::close);
        }
        let seen = |look: &Look<'_>| Seen {
            id: look.id,
            place: look.place,
            ramps: look.ramps,
            excused: look.excused,
            lanes: &self.tracks[&look.id].last,
            track: &self.tracks[&look.id],
        };
        let scene = Scene {
            settings,
            probe_convinces: matches!(check, CheckKind::Http { .. }),
            now,
            overslept,
            reads,
            closes,
            dozed,
            dozed_of_late,
            endpoints: looks.iter().map(seen).collect(),
        };
        let mut findings = Vec::new();
        for rule in &mut self.rules {
            rule.look(&scene, &mut findings);
        }
        findings
    }

    /// What was seen of this one until now means nothing any more: it is reached by another address.
    pub fn restart(&mut self, endpoint: EndpointId) {
        if let Some(track) = self.tracks.get_mut(&endpoint) {
            track.restart();
        }
        self.rules.iter_mut().for_each(|rule| rule.forget(endpoint));
    }

    /// Forgets whoever is gone: bounded by the configuration.
    fn keep(&mut self, looks: &[Look<'_>]) {
        if self.tracks.len() <= looks.len()
            && looks.iter().all(|look| self.tracks.contains_key(&look.id))
        {
            return;
        }
        let gone = |id: &&EndpointId| !looks.iter().any(|look| look.id == **id);
        let gone: Vec<_> = self.tracks.keys().filter(gone).copied().collect();
        for id in gone {
            self.tracks.remove(&id);
            self.rules.iter_mut().for_each(|rule| rule.forget(id));
        }
    }

    /// The failures of the last ten seconds.
    pub fn counts(&self, endpoint: EndpointId) -> Counts {
        self.tracks
            .get(&endpoint)
            .map_or_else(Counts::default, Track::counts)
    }
}
