//! Only endpoints that are used below a ceiling, as long as there are such: in turn, by lot, or by lot in proportion to what
//! is left below the ceiling.
//!
//! How much an endpoint is used is what is reported of it: processor and memory by the agent of its host, its own measure by
//! heartbeats, agent checks or the headers of its answers. Of whom nothing is known is taken to be idle, so that an endpoint
//! that does not report is no worse off than under any other policy.
//!
//! Reports come seconds apart, so that of many picks within a millisecond only the first goes and looks at them.

use std::time::Duration;

use super::draw::Lots;
use super::round_robin::RoundRobin;
use super::{Ask, Candidate, Entry, Group, Kept, Policy, draw};
use crate::registry::{Part, Setting};
use crate::rng::Rng;
use crate::settings::{Form, PolicySpec, Used};
use crate::time::Time;
use crate::used::Reading;

pub(super) const ENTRY: Entry = Entry {
    usage: true,
    ..Entry::plain(
        Part {
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
        |spec| Box::new(Utilization::new(spec)),
    )
};

/// What was read is good for so long.
const FRESH: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Utilization {
    form: Form,
    below: Below,
    /// What is left of each, and until when that is good.
    room: Kept<u32>,
    fresh_until: Time,
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

impl Utilization {
    fn new(spec: &PolicySpec) -> Utilization {
        Utilization {
            form: spec.form,
            below: Below {
                used: spec.used,
                ceiling: spec.ceiling.of(1000) as u32,
            },
            room: Kept::default(),
            fresh_until: Time::ZERO,
            turns: RoundRobin::default(),
            lots: Lots::default(),
        }
    }

    /// What is left of each at this moment, in thousandths.
    fn read(&mut self, group: &Group, now: Time) {
        let reading = Reading::new(self.below.used, now);
        for (room, candidate) in self.room.iter_mut().zip(group.candidates()) {
            let used = candidate.shared.used.take(&reading);
            *room = self.below.ceiling.saturating_sub(used);
        }
        self.fresh_until = now + FRESH;
    }
}

impl Policy for Utilization {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        if ask.now() >= self.fresh_until {
            self.read(group, ask.now());
        }
        let room = &*self.room;
        let weight = |c: &Candidate| u64::from(c.weight);
        match self.form {
            Form::RoundRobin => {
                let found = self.turns.turn(group, ask, |position| room[position] > 0);
                found.or_else(|| self.turns.turn(group, ask, |_| true))
            }
            Form::Random => {
                let below = |position: usize, _: &Candidate| u64::from(room[position] > 0);
                let found = self.lots.draw(group, ask, rng, below);
                found.or_else(|| draw::uniform(group, ask, rng))
            }
            Form::WeightedRandom => {
                let lots = |position: usize, c: &Candidate| weight(c) * u64::from(room[position]);
                let found = self.lots.draw(group, ask, rng, lots);
                found.or_else(|| draw::weighted(group, ask, None, rng))
            }
        }
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, rng: &mut Rng) {
        self.room.rebuilt(before, after);
        self.fresh_until = Time::ZERO;
        self.turns.rebuilt(before, after, rng);
        self.lots.make_room(after);
    }
}
