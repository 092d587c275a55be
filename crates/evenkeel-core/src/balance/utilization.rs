//! Only endpoints that are used below a ceiling, as long as there are such: in turn, by lot, or by lot in proportion to what
//! is left below the ceiling.
//!
//! How much an endpoint is used is what is reported of it: processor and memory by the agent of its host, its own measure by
//! heartbeats, agent checks or the headers of its answers. Of whom nothing is known is taken to be idle, so that an endpoint
//! that does not report is no worse off than under any other policy.

use super::draw::Lots;
use super::round_robin::RoundRobin;
use super::{Ask, Candidate, Entry, Group, Key, Policy, draw};
use crate::registry::{Part, Setting};
use crate::rng::Rng;
use crate::settings::{Form, PolicySpec, Used};
use crate::time::Time;
use crate::used::Reading;

pub(super) const ENTRY: Entry = Entry {
    part: Part {
        name: "utilization",
        summary: "among endpoints whose reported use is below a ceiling, in turn or by lot",
        settings: &[
            Setting {
                key: "form",
                default: "round_robin",
                why: "the evenest of \"round_robin\", \"random\" and \"weighted_random\" (weight × what is left below the ceiling)",
            },
            Setting {
                key: "used",
                default: "highest",
                why: "whatever runs out first; or only \"cpu\", \"memory\" or the endpoint's \"own\" measure",
            },
            Setting {
                key: "ceiling",
                default: "80%",
                why: "queueing grows steeply beyond it",
            },
        ],
    },
    weighted: true,
    key: Key::Ignored,
    learns: false,
    usage: true,
    reports: false,
    make: |spec| Box::new(Utilization::new(spec)),
};

#[derive(Debug)]
struct Utilization {
    form: Form,
    below: Below,
    turns: RoundRobin,
    lots: Lots,
}

/// What is looked at, and how high it may be.
#[derive(Clone, Copy, Debug)]
struct Below {
    used: Used,
    /// In thousandths.
    ceiling: u32,
}

impl Below {
    /// What is left of each at this moment, in thousandths.
    fn room(self, now: Time) -> impl Fn(&Candidate) -> u32 {
        let reading = Reading::new(self.used, now);
        move |candidate| {
            let used = candidate.shared.used.take(&reading);
            self.ceiling.saturating_sub(used)
        }
    }
}

impl Utilization {
    fn new(spec: &PolicySpec) -> Utilization {
        Utilization {
            form: spec.form,
            below: Below {
                used: spec.used,
                ceiling: spec.ceiling.of(1000) as u32,
            },
            turns: RoundRobin::default(),
            lots: Lots::default(),
        }
    }
}

impl Policy for Utilization {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let room = self.below.room(ask.now());
        let weight = |c: &Candidate| u64::from(c.weight);
        match self.form {
            Form::RoundRobin => {
                let found = self.turns.turn(group, ask, |c| room(c) > 0);
                found.or_else(|| self.turns.turn(group, ask, |_| true))
            }
            Form::Random => {
                let below = |c: &Candidate| u64::from(room(c) > 0);
                let found = self.lots.draw(group, ask, rng, below);
                found.or_else(|| draw::uniform(group, ask, rng))
            }
            Form::WeightedRandom => {
                let lots = |c: &Candidate| weight(c) * u64::from(room(c));
                let found = self.lots.draw(group, ask, rng, lots);
                found.or_else(|| draw::weighted(group, ask, None, rng))
            }
        }
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, rng: &mut Rng) {
        self.turns.rebuilt(before, after, rng);
        self.lots.make_room(after);
    }
}
