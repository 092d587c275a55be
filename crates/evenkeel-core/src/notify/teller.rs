//! What is told: the rules, and the memory of what was told already.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::time::Time;

/// A pool that has had nothing usable for so long is told of: a restart takes less, and whoever is called needs longer to the desk.
pub const OUTAGE_AFTER: Duration = Duration::from_secs(15);
/// It is over when it has had something usable for as long: one that flaps is one outage.
const OVER_AFTER: Duration = OUTAGE_AFTER;
/// The same incident needs a person again after this at the earliest: for whoever slept through it.
const REMIND_AFTER: Duration = Duration::from_secs(3600);
/// Messages of one pool in any hour: beyond that nobody reads them, and what is going on was said.
const HOURLY_MAX: usize = 20;
/// Incidents that were told of and are not over: as many as may be open.
const TOLD_MAX: usize = 1024;

/// What happened, in one word as messages have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Evenkeel cannot help itself.
    PersonNeeded,
    /// A pool has nothing usable, and that lasts.
    Outage,
    /// What was told before is over.
    Over,
    /// An error budget burns.
    Alert,
    /// It burns no more.
    AlertOver,
    /// Somebody wants to see whether messages arrive.
    Test,
}

impl Event {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Event::PersonNeeded => "person_needed",
            Event::Outage => "outage",
            Event::Over => "over",
            Event::Alert => "alert",
            Event::AlertOver => "alert_over",
            Event::Test => "test",
        }
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub event: Event,
    /// To whom: the targets of these pools.
    pub pools: BTreeSet<Arc<str>>,
    /// Which incident it is about.
    pub incident: Option<u64>,
    /// In a sentence.
    pub why: String,
}

/// What is known of one pool.
#[derive(Debug, Default)]
struct Pool {
    /// Has nothing usable, by no operator's word; since then.
    nothing_since: Option<Time>,
    /// Told of as an outage.
    told: bool,
    /// While told of: something is usable again since then.
    back_since: Option<Time>,
    /// When its newest messages went out, at most [`HOURLY_MAX`].
    sent: VecDeque<Time>,
}

/// An incident a person was told of.
#[derive(Debug)]
struct Told {
    pools: BTreeSet<Arc<str>>,
    needed_at: Time,
}

/// Decides what is told. The caller stores which incidents were told of, and gives them back after a restart.
#[derive(Debug, Default)]
pub struct Teller {
    pools: BTreeMap<Arc<str>, Pool>,
    told: BTreeMap<u64, Told>,
    /// Not told, because it would have been too much.
    withheld: u64,
}

impl Teller {
    /// These pools are configured; what is known of others is forgotten.
    pub fn configure<'a>(&mut self, pools: impl Iterator<Item = &'a Arc<str>>) {
        let mut before = std::mem::take(&mut self.pools);
        for name in pools {
            let pool = before.remove(name).unwrap_or_default();
            self.pools.insert(name.clone(), pool);
        }
    }

    /// These incidents were told of by a process before this one.
    pub fn remember(
        &mut self,
        told: impl IntoIterator<Item = (u64, BTreeSet<Arc<str>>)>,
        at: Time,
    ) {
        for (id, pools) in told {
            let known = Told {
                pools,
                needed_at: at,
            };
            self.told.entry(id).or_insert(known);
        }
    }

    /// These pools were told of as having nothing usable. Call [`Teller::configure`] before.
    pub fn remember_outages<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            if let Some(pool) = self.pools.get_mut(name) {
                pool.told = true;
            }
        }
    }

    /// Pools that were told of as having nothing usable, and it is not over.
    pub fn outages(&self) -> impl Iterator<Item = &Arc<str>> {
        let told = self.pools.iter().filter(|(_, pool)| pool.told);
        told.map(|(name, _)| name)
    }

    /// Incidents that were told of and are not over, with their pools.
    pub fn told(&self) -> impl Iterator<Item = (u64, &BTreeSet<Arc<str>>)> {
        self.told.iter().map(|(id, told)| (*id, &told.pools))
    }

    /// Messages that were not sent because there were too many.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// When [`Teller::look`] is worth it, if nothing changes before.
    pub fn next_wakeup(&self) -> Time {
        let due = |pool: &Pool| match (pool.told, pool.nothing_since, pool.back_since) {
            (false, Some(since), _) => since + OUTAGE_AFTER,
            (true, _, Some(since)) => since + OVER_AFTER,
            _ => Time::NEVER,
        };
        self.pools.values().map(due).min().unwrap_or(Time::NEVER)
    }

    /// Has this pool something usable? (One whose endpoints an operator took out has no fault.)
    pub fn pool(&mut self, name: &str, usable: bool, at: Time) {
        let Some(pool) = self.pools.get_mut(name) else {
            return;
        };
        if usable {
            pool.nothing_since = None;
            if pool.told {
                pool.back_since.get_or_insert(at);
            }
        } else {
            pool.nothing_since.get_or_insert(at);
            pool.back_since = None;
        }
    }

    /// Outages that have become worth a message, or are over. `incident` is the open one of a pool.
    pub fn look(&mut self, incident: impl Fn(&str) -> Option<u64>, at: Time) -> Vec<Message> {
        let mut found = Vec::new();
        for (name, pool) in &mut self.pools {
            let lasts = |since: Option<Time>, after| since.is_some_and(|s| s + after <= at);
            let (event, why) = if !pool.told && lasts(pool.nothing_since, OUTAGE_AFTER) {
                pool.told = true;
                let seconds = OUTAGE_AFTER.as_secs();
                let why = format!("pool {name} has had nothing usable for {seconds} s");
                (Event::Outage, why)
            } else if pool.told && lasts(pool.back_since, OVER_AFTER) {
                (pool.told, pool.back_since) = (false, None);
                (
                    Event::Over,
                    format!("pool {name} has something usable again"),
                )
            } else {
                continue;
            };
            found.push(Message {
                event,
                pools: BTreeSet::from([name.clone()]),
                incident: incident(name),
                why,
            });
        }
        self.within_bounds(found, at)
    }

    /// A person is needed. Nothing if that was said of this incident a short while ago.
    pub fn person_needed(
        &mut self,
        incident: Option<u64>,
        pools: BTreeSet<Arc<str>>,
        why: String,
        at: Time,
    ) -> Vec<Message> {
        if let Some(id) = incident {
            let before = self.told.get(&id);
            if before.is_some_and(|told| at.since(told.needed_at) < REMIND_AFTER) {
                return Vec::new();
            }
            if before.is_none() && self.told.len() >= TOLD_MAX {
                self.told.pop_first();
            }
            let told = Told {
                pools: pools.clone(),
                needed_at: at,
            };
            self.told.insert(id, told);
        }
        let message = Message {
            event: Event::PersonNeeded,
            pools,
            incident,
            why,
        };
        self.within_bounds(vec![message], at)
    }

    /// An incident is over (or is part of another one from now on, which then tells): said if it was told of.
    pub fn closed(&mut self, incident: u64, why: String, at: Time) -> Vec<Message> {
        let Some(told) = self.told.remove(&incident) else {
            return Vec::new();
        };
        let message = Message {
            event: Event::Over,
            pools: told.pools,
            incident: Some(incident),
            why,
        };
        self.within_bounds(vec![message], at)
    }

    /// `incident` is part of `into` now: whoever was told of the one is told when the other ends.
    pub fn merged(&mut self, incident: u64, into: u64) {
        if let Some(told) = self.told.remove(&incident) {
            self.told.entry(into).or_insert(told);
        }
    }

    /// A burn alert of a pool begins or ends.
    pub fn alert(&mut self, pool: &Arc<str>, firing: bool, why: String, at: Time) -> Vec<Message> {
        let message = Message {
            event: if firing {
                Event::Alert
            } else {
                Event::AlertOver
            },
            pools: BTreeSet::from([pool.clone()]),
            incident: None,
            why,
        };
        self.within_bounds(vec![message], at)
    }

    /// Leaves out what would be too much for a pool's people. The end of something told is always told.
    fn within_bounds(&mut self, messages: Vec<Message>, at: Time) -> Vec<Message> {
        let mut kept = Vec::new();
        for message in messages {
            let always = matches!(message.event, Event::Over | Event::AlertOver);
            let mut full = !always;
            for name in &message.pools {
                let Some(pool) = self.pools.get_mut(name) else {
                    continue;
                };
                while pool
                    .sent
                    .front()
                    .is_some_and(|sent| at.since(*sent) >= REMIND_AFTER)
                {
                    pool.sent.pop_front();
                }
                full &= pool.sent.len() >= HOURLY_MAX;
            }
            // One for no pool that is configured is for nobody's eyes; it costs nothing.
            if full && !message.pools.is_empty() {
                self.withheld += 1;
                continue;
            }
            for name in &message.pools {
                if let Some(pool) = self
                    .pools
                    .get_mut(name)
                    .filter(|p| p.sent.len() < HOURLY_MAX)
                {
                    pool.sent.push_back(at);
                }
            }
            kept.push(message);
        }
        kept
    }
}
