//! Prequal: probing to reduce queueing and latency (Wydrowski, Kleinberg, Rumble and Archer, "Load is not what you should
//! balance", NSDI 2024).
//!
//! Endpoints say how many requests they work on and how long one takes now: with each answer, or asked beside the traffic. A
//! small pool holds what a few of them said within the last second. Of those, an endpoint is *hot* if it has more in flight than
//! most have had lately; of those that are not, one with the least latency is taken; if all are hot, the one with the
//! least in flight. So work goes where it is fast, and what is in flight is the guard that keeps it from going there blindly.
//!
//! Where latencies are much the same, or all endpoints are needed, that alone makes tails longer than going by what is in flight
//! would: an estimate is a number with noise, the one it flatters is overrun by every balancer at once, and stays attractive until
//! its next report. What it took here (a hundred balancers and a hundred endpoints, half of them half as fast, load 75 %):
//!
//! - Whoever is nearly as fast as the fastest (`NEAR`) counts as fast; of these, the one with the least in flight is taken.
//! - What was sent since a report not only counts as in flight, it also takes its part of the latency.
//! - The estimate is of many answers, and each is taken for what it would be with as many in flight as now ([`Meter`]).
//!
//! Whoever does not report is looked at with our own eyes: two endpoints by lot at each pick, what we ourselves have in
//! flight there (all workers together) and how long its last answers took.
//!
//! Failing fast makes nobody attractive: failed tries count as slow ones, and what is in flight weighs heavier.

mod meter;
mod probes;
mod recent;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::time::Duration;

pub use meter::Meter;

use super::{Ask, Candidate, End, Ended, Entry, Group, Kept, Policy, Report, draw};
use crate::registry::{Part, Setting};
use crate::rng::Rng;
use crate::settings::PolicySpec;
use crate::time::Time;
use probes::{PLACE, PLACE_BITS, PLACES_MAX, Probe, Probes};
use recent::Recent;

pub(super) const ENTRY: Entry = Entry {
    learns: true,
    reports: true,
    ..Entry::plain(
        Part {
            name: "prequal",
            summary: "of those known to have little in flight, the one with the least latency, by what endpoints report",
            settings: &[
                Setting {
                    key: "quantile",
                    default: "84%",
                    why: "the paper's: who has more in flight than so many have is hot and only taken if all are; 0% goes by requests in flight alone",
                },
                Setting {
                    key: "pools",
                    default: "1",
                    why: "several do not fall for the same endpoint, but each learns more slowly",
                },
            ],
        },
        |spec| Box::new(Prequal::new(spec)),
    )
};

/// Probes for each pick: two would do to keep a pool of 16 fresh, one is too few (the paper's figure 8).
const PROBES: f64 = 3.0;
/// Probes removed with each pick, if as many come.
const REMOVED: f64 = 1.0;
/// Probes that are reused so often that a pool grows by so many with each pick.
const GROWS_BY: f64 = 1.0;
/// A probe is never used more often than this, however few there are.
const USES_MAX: f64 = 64.0;
/// However many picks there are, each place of a pool is asked for anew only so often.
const RENEWED: Duration = Duration::from_millis(50);
/// Endpoints looked at with our own eyes at each pick.
const LOOKS: usize = 2;
/// So many that were looked at are remembered at least: the best of them is not to be driven out by the next two.
const SEEN_MIN: usize = 2 * LOOKS;
/// One in so many looks is noted for the quantile: there are enough, and a pick is to be cheap.
const NOTED: u32 = 8;
/// Who has reported is not looked at for so long: longer than traffic pauses that matter.
const REPORTS_FOR: Duration = Duration::from_secs(60);
/// Who takes no longer than this many times the fastest is as fast: so much an estimate of a few dozen answers may be off.
const NEAR: f64 = 1.4;
/// The lowest bits of a rank: a probe's place, before it the how-manieth it is, before that whether its endpoint was not drawn
/// first at this very pick. A number of single precision leaves so many.
const CAME: u64 = 0xff_ffff << PLACE_BITS;
const OTHER: u64 = 1 << 28;
/// Fewer probes are no choice.
const CHOICE_MIN: usize = 2;
/// How fast what was seen of an endpoint fades, in nanoseconds.
const TAU_NS: f64 = 10e9;
/// The part of the last pick, where it is counted how many reports come for each.
const PACE: f64 = 0.01;

/// A moving average in nanoseconds; untouched it fades, so that one that was slow is asked again.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    ns: f64,
    at: Time,
}

impl Average {
    /// The more time has passed, the more the new one counts, and an eighth at least.
    fn observe(&mut self, ns: f64, now: Time) {
        let part = match self.ns > 0.0 {
            true => (self.age_ns(now) / TAU_NS).clamp(0.125, 1.0),
            false => 1.0,
        };
        self.ns += (ns - self.ns) * part;
        self.at = now;
    }

    fn read(&self, now: Time) -> f64 {
        match self.ns > 0.0 {
            true => self.ns * TAU_NS / (TAU_NS + self.age_ns(now)),
            false => 0.0,
        }
    }

    fn age_ns(&self, now: Time) -> f64 {
        now.as_nanos().saturating_sub(self.at.as_nanos()) as f64
    }
}

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// What its tries took, failed ones with their penalty.
    own: Average,
    /// The penalty alone.
    failing: Average,
    reported: Option<Time>,
}

impl Known {
    fn reports(&self, now: Time) -> bool {
        self.reported.is_some_and(|at| now.since(at) < REPORTS_FOR)
    }
}

/// A probe as a pick sees it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    hot: bool,
    /// Per weight, and heavier if it fails.
    in_flight: f32,
    /// In nanoseconds.
    latency: f64,
}

impl Seen {
    /// Who is hot is worse the more it has in flight, who is not the longer it takes.
    fn is_worse(&self, other: &Seen) -> Ordering {
        let cost = |seen: &Seen| match seen.hot {
            true => f64::from(seen.in_flight),
            false => seen.latency,
        };
        let hot = self.hot.cmp(&other.hot);
        hot.then(cost(self).total_cmp(&cost(other)))
    }
}

#[derive(Debug)]
struct Prequal {
    pools: Vec<Probes>,
    recent: Recent,
    known: Kept<Known>,
    /// Are endpoints asked beside the traffic?
    asks: bool,
    /// Probes that may be sent, and from when on the next.
    owed: f64,
    next_at: Time,
    /// Picks and reports, those of long ago counting less.
    picks: f64,
    reports: f64,
    /// Removals that are due; whether the next is of the worst.
    to_remove: f64,
    worst: bool,
    /// The pool whose turn it is to get a report.
    turn: usize,
    /// Looks since the last one that was noted.
    looked: u32,
}

impl Prequal {
    fn new(spec: &PolicySpec) -> Prequal {
        let pools = spec.prequal.pools.clamp(1, 16);
        Prequal {
            pools: (0..pools).map(|_| Probes::default()).collect(),
            recent: Recent::new(spec.prequal.quantile.of(1000) as u32),
            known: Kept::default(),
            asks: spec.prequal.probe_path.is_some(),
            owed: 0.0,
            next_at: Time::ZERO,
            picks: 0.0,
            reports: 0.0,
            to_remove: 0.0,
            worst: false,
            turn: 0,
            looked: 0,
        }
    }

    /// Looks at some who do not report. The first of them is taken if nothing speaks against it.
    fn look(&mut self, pool: usize, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let size = size(group).max(SEEN_MIN);
        let mut first = None;
        for _ in 0..LOOKS {
            let Some(position) = draw::weighted(group, ask, None, rng) else {
                break;
            };
            let known = &self.known[position];
            if known.reports(ask.now()) {
                continue;
            }
            let latency = known.own.read(ask.now());
            let candidate = &group.candidates()[position];
            let in_flight = ask.in_flight(candidate);
            if first.is_none() {
                first = Some(position);
                self.looked = (self.looked + 1) % NOTED;
                if self.looked == 0 {
                    self.recent.add(weighed(group, ask, candidate, in_flight));
                }
            }
            let probe = Probe {
                position,
                at: ask.now(),
                came: 0,
                in_flight,
                sent: 0,
                latency,
                uses: 1,
                own: true,
            };
            self.pools[pool].add(probe, size);
        }
        first
    }

    /// The place of the best probe in this pool, if there is a choice.
    ///
    /// Which of sixteen it is nobody could foresee, so nothing here branches on what was seen of them.
    fn best(
        &self,
        pool: usize,
        first: Option<usize>,
        group: &Group,
        ask: &Ask<'_>,
    ) -> Option<usize> {
        // By what a cold one takes, and by what anyone has in flight: of a hot one, and of who does not fit, for ever.
        let mut takes = [f64::INFINITY; PLACES_MAX];
        let mut rank = [u64::MAX; PLACES_MAX];
        let (mut fitting, mut fastest) = (0, f64::INFINITY);
        for (place, probe) in self.pools[pool].iter().enumerate() {
            if !ask.fits(&group.candidates()[probe.position]) {
                continue;
            }
            fitting += 1;
            let seen = self.see(probe, group, ask);
            takes[place] = if seen.hot {
                f64::INFINITY
            } else {
                seen.latency
            };
            fastest = fastest.min(takes[place]);
            let other = match Some(probe.position) == first {
                true => 0,
                false => OTHER,
            };
            let came = probe.came << PLACE_BITS & CAME;
            rank[place] = draw::order(f64::from(seen.in_flight)) | other | came | place as u64;
        }
        // If all are hot, the fastest that is not takes for ever, and nobody is too slow.
        let near = fastest * NEAR;
        let len = self.pools[pool].len();
        let eligible = |(takes, rank): (&f64, &u64)| if *takes <= near { *rank } else { u64::MAX };
        let best = takes[..len]
            .iter()
            .zip(&rank[..len])
            .map(eligible)
            .fold(u64::MAX, u64::min);
        (fitting >= CHOICE_MIN).then_some((best & PLACE) as usize)
    }

    /// A probe as it is judged now.
    #[inline(always)] // at each of sixteen probes
    fn see(&self, probe: &Probe, group: &Group, ask: &Ask<'_>) -> Seen {
        let candidate = &group.candidates()[probe.position];
        let in_flight = match probe.own {
            true => ask.in_flight(candidate),
            false => probe.in_flight.saturating_add(probe.sent),
        };
        let in_flight = weighed(group, ask, candidate, in_flight);
        let failing = self.known[probe.position].failing.read(ask.now());
        Seen {
            hot: self.recent.is_hot(in_flight),
            in_flight,
            latency: probe.latency_now() + failing,
        }
    }

    /// The oldest and the worst go in turn.
    fn remove(&mut self, pool: usize, group: &Group, ask: &Ask<'_>) {
        if self.reports > 0.0 {
            self.to_remove += self.removed_each(group);
        }
        while self.to_remove >= 1.0 {
            self.to_remove -= 1.0;
            if self.pools[pool].len() <= CHOICE_MIN {
                continue;
            }
            self.worst = !self.worst;
            let probes = self.pools[pool].iter().enumerate();
            let worst = probes
                .filter(|_| self.worst)
                .map(|(place, probe)| (place, self.see(probe, group, ask)))
                .max_by(|(_, a), (_, b)| a.is_worse(b));
            let place = worst.map_or_else(|| self.pools[pool].oldest(), |(place, _)| place);
            self.pools[pool].remove(place);
        }
    }

    /// Reports for each pick, of endpoints that are not in the pool already.
    fn new_each(&self, group: &Group) -> f64 {
        let n = group.candidates().len().max(1) as f64;
        let others = 1.0 - (size(group) as f64 / n).min(1.0);
        others * self.reports / self.picks.max(1.0)
    }

    /// Half of them at most, so that a pool lasts where reports are few.
    fn removed_each(&self, group: &Group) -> f64 {
        (self.new_each(group) / 2.0).min(REMOVED)
    }

    /// How often a probe is used: the fewer come, the more often.
    fn uses(&self, group: &Group, rng: &mut Rng) -> u32 {
        let left = self.new_each(group) - self.removed_each(group);
        let uses = ((1.0 + GROWS_BY) / left.max(1e-9)).clamp(1.0, USES_MAX);
        let part = ((uses - uses.floor()) * 1000.0) as u64;
        uses as u32 + u32::from(rng.chance(part, 1000))
    }
}

impl Policy for Prequal {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        let pool = match self.pools.len() {
            1 => 0,
            n => rng.index(n),
        };
        self.picks += 1.0 - self.picks * PACE;
        self.reports -= self.reports * PACE;
        self.owed = PROBES;
        self.pools[pool].forget(ask.now());
        let first = self.look(pool, group, ask, rng);
        let Some(place) = self.best(pool, first, group, ask) else {
            return first.or_else(|| draw::weighted(group, ask, None, rng));
        };
        let position = self.pools[pool].iter().nth(place)?.position;
        self.pools[pool].used(place, ask.now());
        self.remove(pool, group, ask);
        Some(position)
    }

    fn ended(&mut self, position: usize, how: &Ended) {
        let known = &mut self.known[position];
        let Some(cost) = how.cost(known.own.read(how.at)) else {
            return;
        };
        known.own.observe(cost, how.at);
        match how.end {
            End::Answered(_) => known.failing.observe(0.0, how.at),
            End::Failed => known.failing.observe(cost, how.at),
            End::Abandoned(_) => {}
        }
    }

    fn reported(&mut self, position: usize, report: &Report, group: &Group, rng: &mut Rng) {
        let uses = self.uses(group, rng);
        self.reports += 1.0;
        let known = &mut self.known[position];
        known.reported = Some(report.at);
        let said = report.latency.map(|latency| latency.as_nanos() as f64);
        let candidate = &group.candidates()[position];
        let each = f64::from(report.in_flight) * share(group, candidate);
        let probe = Probe {
            position,
            at: report.at,
            came: 0,
            in_flight: report.in_flight,
            sent: 0,
            latency: said.unwrap_or_else(|| known.own.read(report.at)),
            uses,
            own: false,
        };
        self.recent.add(each as f32);
        self.turn = (self.turn + 1) % self.pools.len();
        self.pools[self.turn].add(probe, size(group));
    }

    fn to_ask(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        if !self.asks || self.owed < 1.0 || ask.now() < self.next_at {
            return None;
        }
        self.owed -= 1.0;
        // Those of one pick go together.
        let apart = RENEWED / (size(group) * self.pools.len()) as u32;
        let together = (apart * PROBES as u32).as_nanos() as u64;
        let earliest = ask.now().as_nanos().saturating_sub(together);
        self.next_at = self.next_at.max(Time::from_nanos(earliest)) + apart;
        draw::weighted(group, ask, None, rng)
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        self.known.rebuilt(before, after);
        let now_at = |position: usize| {
            let id = before.get(position)?.id;
            after.candidates().iter().position(|c| c.id == id)
        };
        self.pools.iter_mut().for_each(|pool| pool.moved(now_at));
    }
}

/// How many probes a pool holds: half of the endpoints, so that not all are always known.
fn size(group: &Group) -> usize {
    (group.candidates().len() / 2).clamp(2, PLACES_MAX)
}

/// What a candidate's requests count, so that the group's average weight is 1.
fn share(group: &Group, candidate: &Candidate) -> f64 {
    match group.even() {
        true => 1.0,
        false => group.average() / f64::from(candidate.weight.max(1)),
    }
}

/// So many in flight there, per weight, and heavier if it fails.
fn weighed(group: &Group, ask: &Ask<'_>, candidate: &Candidate, in_flight: u32) -> f32 {
    // The common case, and the short way to it: a pick waits for sixteen of these.
    if group.even() && !ask.is_burdened(candidate) {
        return in_flight as f32;
    }
    let each = f64::from(in_flight) * share(group, candidate);
    (ask.burdened(candidate, each + 1.0) - 1.0).max(0.0) as f32
}
