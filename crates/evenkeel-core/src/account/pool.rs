//! The account of one pool: what it is told, and the alerts that come of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::burn::{self, Alerts, BurnChange, Spent};
use super::causes::CauseTimes;
use super::counts::Counts;
use super::history::{History, Kind, nanos};
use super::kept::{Kept, KeptBook, KeptCause, KeptCounts, KeptEndpoint};
use crate::health::DecidedBy;
use crate::settings::ObjectiveSettings;
use crate::table::State;
use crate::time::{Now, Time, WallTime};

/// Whoever was not told anything for longer than this was itself paused or stuck, and knows nothing of the time between:
/// it is told something every second.
const BLIND_AFTER: Duration = Duration::from_secs(5);
/// How often [`AccountEvent::Tick`] is due: often enough for alerts to end soon, and for the newest second of a view.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// The shortest wait for an alert that is about to begin.
const SOON: Duration = Duration::from_millis(1);
/// A gap is never longer: a calendar's clock that was wrong by more than this is not believed.
const GAP_MAX: Duration = Duration::from_secs(50 * 365 * 86_400);

/// More closed incidents than are remembered anywhere: none of those is counted twice.
const COUNTED_MAX: usize = 1024;

/// Slots of the request counts: for the windows of an hour, of three days, and of the objective.
const FINE: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(10));
const MIDDLE: (Duration, Duration) = (burn::LONGEST, Duration::from_secs(600));
/// The objective's own window is counted in this many slots, an endpoint's in fewer: there are more of them.
const POOL_SLOTS: u32 = 128;
const ENDPOINT_SLOTS: u32 = 32;

/// An endpoint at a configuration; `None` = nobody has looked at it yet in this process.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name.
    pub name: Arc<str>,
    /// How it was seen.
    pub state: Option<State>,
    /// Its part of the pool's requests, if all goes well: its weight; 0 in a later tier and for a standby.
    pub weight: u32,
}

/// What an account is told.
#[derive(Clone, Debug)]
pub enum AccountEvent<'a> {
    /// The configuration, at start and at every reload: endpoints not named are gone, with all that was known of them.
    Configured {
        /// What is aimed for.
        objective: ObjectiveSettings,
        /// All endpoints.
        endpoints: &'a [Seen],
    },
    /// An endpoint was seen in this state, for the first time in this process or because it changed.
    Changed {
        /// Its name.
        endpoint: &'a str,
        /// How it is now.
        to: State,
        /// Who took it there.
        by: DecidedBy,
    },
    /// Requests that were answered since the last time.
    Counted {
        /// With anything but a failure.
        good: u64,
        /// With 5xx, an endpoint's or evenkeel's own, after all tries.
        bad: u64,
    },
    /// Tries at an endpoint since the last time.
    Tried {
        /// Its name.
        endpoint: &'a str,
        /// Begun.
        tries: u64,
        /// Failed.
        failures: u64,
    },
    /// An incident is closed. One that was counted before, by an earlier process perhaps, is not counted again: if its cause
    /// is another since a person said what it was, its times move there.
    Closed {
        /// Its number.
        incident: u64,
        /// Its cause, a person's word before the diagnosis.
        cause: &'a str,
        /// How long each [`Stage`](super::Stage) took, where it was reached.
        took: [Option<Duration>; 4],
    },
    /// Nothing but time passed.
    Tick,
}

/// An endpoint's part of the account.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) history: History,
    /// Tries, failed tries, failovers.
    pub(super) counts: Counts<3>,
    /// See [`Seen::weight`].
    pub(super) weight: u32,
}

/// The account of one pool.
#[derive(Clone, Debug)]
pub struct PoolAccount {
    pub(super) name: Arc<str>,
    pub(super) objective: ObjectiveSettings,
    pub(super) began: WallTime,
    /// When this process began with it.
    started: Now,
    /// The last time it was told something.
    pub(super) at: Time,
    /// The last [`AccountEvent::Tick`].
    ticked: Time,
    /// On the account's own clock, nanoseconds.
    pub(super) elapsed_ns: u64,
    pub(super) history: History,
    pub(super) endpoints: BTreeMap<Arc<str>, Book>,
    fine: Counts<2>,
    middle: Counts<2>,
    whole: Counts<2>,
    pub(super) alerts: Alerts,
    pub(super) causes: CauseTimes,
    /// Incidents whose times are in `causes`, and under which; `None` where an older record did not say.
    counted: BTreeMap<u64, Option<Arc<str>>>,
}

impl PoolAccount {
    /// One that begins now, knowing nothing.
    pub fn new(name: Arc<str>, objective: ObjectiveSettings, now: Now) -> PoolAccount {
        PoolAccount {
            name,
            objective,
            began: now.wall,
            started: now,
            at: now.at,
            ticked: now.at,
            elapsed_ns: 0,
            history: History::new(keep(objective), now.at),
            endpoints: BTreeMap::new(),
            fine: Counts::new(FINE.0, FINE.1),
            middle: Counts::new(MIDDLE.0, MIDDLE.1),
            whole: Counts::new(objective.window, slot(objective, POOL_SLOTS)),
            alerts: Alerts::default(),
            causes: CauseTimes::default(),
            counted: BTreeMap::new(),
        }
    }

    /// When it began.
    pub fn began(&self) -> WallTime {
        self.began
    }

    /// Takes one event in; alerts that began or ended with it come back.
    pub fn on(&mut self, event: AccountEvent<'_>, now: Now) -> Vec<BurnChange> {
        self.pass(now.at);
        match event {
            AccountEvent::Configured {
                objective,
                endpoints,
            } => self.configure(objective, endpoints),
            AccountEvent::Changed { endpoint, to, by } => self.changed(endpoint, Kind::of(to), by),
            AccountEvent::Counted { good, bad } => {
                for counts in [&mut self.fine, &mut self.middle, &mut self.whole] {
                    counts.add(self.elapsed_ns, [good, bad]);
                }
                return Vec::new();
            }
            AccountEvent::Tried {
                endpoint,
                tries,
                failures,
            } => {
                if let Some(book) = self.endpoints.get_mut(endpoint) {
                    book.counts.add(self.elapsed_ns, [tries, failures, 0]);
                }
                return Vec::new();
            }
            AccountEvent::Closed {
                incident,
                cause,
                took,
            } => {
                self.closed(incident, cause, took);
                return Vec::new();
            }
            AccountEvent::Tick => self.ticked = self.at,
        }
        let mut alerts = std::mem::take(&mut self.alerts);
        let changes = alerts.look(self.objective.availability, now.wall, |w| self.spent(w));
        self.alerts = alerts;
        changes
    }

    /// When [`AccountEvent::Tick`] is due.
    pub fn next_wakeup(&self) -> Time {
        let tick = self.ticked + TICK_EVERY;
        if self.history.kind() != Kind::Down {
            return tick;
        }
        let objective = self.objective.availability;
        let next = self.alerts.next(objective, |window| self.spent(window));
        next.map_or(tick, |next| tick.min(self.at + next.max(SOON)))
    }

    /// What an earlier process knew comes first, then the time between as unknown, then what this one has seen.
    pub fn remember(&mut self, kept: &Kept) {
        let gap = self.started.wall.0.saturating_sub(kept.seen.0);
        let gap = Duration::from_millis(gap).min(GAP_MAX);
        let shift = nanos(kept.elapsed.saturating_add(gap));
        self.began = kept.began;
        self.elapsed_ns = self.elapsed_ns.saturating_add(shift);
        remember(&mut self.history, &kept.book, gap);
        for endpoint in &kept.endpoints {
            if let Some(book) = self.endpoints.get_mut(&*endpoint.name) {
                remember(&mut book.history, &endpoint.book, gap);
                let counts = &endpoint.counts;
                book.counts.remember(counts.slot, &counts.slots, shift);
            }
        }
        let counts = [&mut self.fine, &mut self.middle, &mut self.whole];
        for (counts, kept) in counts.into_iter().zip(&kept.requests) {
            counts.remember(kept.slot, &kept.slots, shift);
        }
        for (incident, cause) in &kept.counted {
            let cause = cause.as_deref().map(Arc::from);
            self.counted.entry(*incident).or_insert(cause);
        }
        for kept in &kept.causes {
            let stages = self.causes.of(&kept.cause);
            for (times, kept) in stages.iter_mut().zip(&kept.stages) {
                times.remember(kept.iter().copied());
            }
        }
    }

    /// All of it, as it is now.
    pub fn keep(&mut self, now: Now) -> Kept {
        self.pass(now.at);
        self.history.settle(now.at);
        let endpoints = self.endpoints.iter_mut().map(|(name, book)| {
            book.history.settle(now.at);
            KeptEndpoint {
                name: name.to_string(),
                book: kept_book(&book.history),
                counts: kept_counts(&book.counts),
            }
        });
        Kept {
            pool: self.name.to_string(),
            began: self.began,
            seen: now.wall,
            elapsed: Duration::from_nanos(self.elapsed_ns),
            book: kept_book(&self.history),
            endpoints: endpoints.collect(),
            requests: [&self.fine, &self.middle, &self.whole]
                .map(kept_counts)
                .into(),
            counted: self
                .counted
                .iter()
                .map(|(incident, cause)| (*incident, cause.as_deref().map(str::to_owned)))
                .collect(),
            causes: self
                .causes
                .iter()
                .map(|(cause, stages)| KeptCause {
                    cause: cause.to_string(),
                    stages: std::array::from_fn(|n| stages[n].buckets().collect()),
                })
                .collect(),
        }
    }

    /// Time passes; if that was long, nobody looked.
    fn pass(&mut self, at: Time) {
        let passed = at.since(self.at);
        if passed > BLIND_AFTER {
            let books = self.endpoints.values_mut().map(|book| &mut book.history);
            for history in books.chain([&mut self.history]) {
                history.settle(self.at);
                history.blind(at);
            }
        }
        self.elapsed_ns = self.elapsed_ns.saturating_add(nanos(passed));
        self.at = self.at.max(at);
    }

    fn configure(&mut self, objective: ObjectiveSettings, endpoints: &[Seen]) {
        if objective != self.objective {
            self.objective = objective;
            self.history.set_keep(keep(objective));
            let slot_of = |slots| slot(objective, slots);
            self.whole = self.whole.resized(objective.window, slot_of(POOL_SLOTS));
            for book in self.endpoints.values_mut() {
                book.history.set_keep(keep(objective));
                book.counts = book
                    .counts
                    .resized(objective.window, slot_of(ENDPOINT_SLOTS));
            }
        }
        let mut old = std::mem::take(&mut self.endpoints);
        for seen in endpoints {
            let new = || Book {
                history: History::new(keep(objective), self.at),
                counts: Counts::new(objective.window, slot(objective, ENDPOINT_SLOTS)),
                weight: 0,
            };
            let mut book = old.remove(&seen.name).unwrap_or_else(new);
            book.weight = seen.weight;
            if let Some(state) = seen.state {
                book.history.change(Kind::of(state), self.at);
            }
            self.endpoints.insert(seen.name.clone(), book);
        }
        self.judge();
    }

    fn closed(&mut self, incident: u64, cause: &str, took: [Option<Duration>; 4]) {
        match self.counted.get(&incident) {
            Some(Some(before)) if **before != *cause => self.causes.take_back(before, took),
            Some(_) => return,
            None => {}
        }
        self.causes.closed(cause, took);
        self.counted.insert(incident, Some(cause.into()));
        while self.counted.len() > COUNTED_MAX {
            self.counted.pop_first();
        }
    }

    fn changed(&mut self, endpoint: &str, kind: Kind, by: DecidedBy) {
        let up = |book: &Book| book.history.kind() == Kind::Up;
        let others = self
            .endpoints
            .iter()
            .any(|(name, book)| **name != *endpoint && up(book));
        let Some(book) = self.endpoints.get_mut(endpoint) else {
            return;
        };
        // A fault takes it, or what is done about one, and somebody is there to take its work. A person who takes it out
        // for a while plans that, and so does an endpoint that says so itself.
        let fault = kind == Kind::Down || (kind == Kind::Planned && by == DecidedBy::Recovery);
        if up(book) && fault && others {
            book.counts.add(self.elapsed_ns, [0, 0, 1]);
        }
        book.history.change(kind, self.at);
        self.judge();
    }

    /// What the pool is follows from what its endpoints are.
    fn judge(&mut self) {
        let kinds = self.endpoints.values().map(|book| book.history.kind());
        self.history.change(Kind::of_pool(kinds), self.at);
    }

    /// What was bad in the last `window`.
    pub(super) fn spent(&self, window: Duration) -> Spent {
        let down = self.history.sum(window, self.at).of(Kind::Down);
        Spent::new(window, self.elapsed_ns, down, self.requests(window))
    }

    /// Good and bad requests of the last `window`.
    pub(super) fn requests(&self, window: Duration) -> [u64; 2] {
        let counts = match window {
            w if w <= FINE.0 => &self.fine,
            w if w <= MIDDLE.0 => &self.middle,
            _ => &self.whole,
        };
        counts.sum(self.elapsed_ns, window)
    }
}

/// History is kept for the objective's window, and for the longest alert's.
fn keep(objective: ObjectiveSettings) -> Duration {
    objective.window.max(burn::LONGEST)
}

fn slot(objective: ObjectiveSettings, slots: u32) -> Duration {
    (objective.window / slots).max(Duration::from_secs(1))
}

fn remember(history: &mut History, kept: &KeptBook, gap: Duration) {
    history.remember(&kept.pieces, kept.known, gap);
}

fn kept_book(history: &History) -> KeptBook {
    KeptBook {
        pieces: history.pieces().copied().collect(),
        known: history.known(),
    }
}

fn kept_counts<const N: usize>(counts: &Counts<N>) -> KeptCounts<N> {
    KeptCounts {
        slot: counts.slot(),
        slots: counts.slots().copied().collect(),
    }
}
