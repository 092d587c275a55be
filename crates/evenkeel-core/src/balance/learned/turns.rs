//! Whose turn is it: that of what was learned, or `p2c`'s? Turns side by side are compared (`judge`).
//!
//! What is best for each request need not be best for all: requests that are the same work everywhere still come back sooner from
//! the endpoint whose queue moves faster, and crowd out those that only that one does well. No comparison of single
//! requests shows it, since all stand in the same queues. Turns do (a switchback experiment: Bojinov, Simchi-Levi and Zhao,
//! Design and analysis of switchback experiments, Management Science 2023): a turn is long against what a request takes, the
//! first part of it still feels the one before and does not count, and only neighbours are compared, so that what changes with
//! the hour changes both.
//!
//! `p2c` has all turns but those that are needed to know, until what was learned is proven better; then it keeps so many that
//! what has changed is seen. A turn of what was learned that goes badly is given up in the midst of it, and the next is `p2c`'s:
//! one bad turn would make the slowest hundredth of an hour. A failed try adds the time that was lost with it, and no more: were it a penalty here as it is for the
//! model, to avoid a failing endpoint would look good however long all others were then waited for.

use super::judge::{Judge, Verdict, Went};
use super::mean::{Mean, Moment};
use super::tail::{PART, Tail};
use crate::balance::hash;

/// A turn is the shortest of these, in seconds, that is so many times what a request takes on the whole, or the longest. All
/// workers have the same, by the same clock: they stand in the same queues, and what one of them does all of them feel.
const LONG: [f32; 3] = [2.0, 4.0, 8.0];
const REQUESTS_LONG: f32 = 15.0;
/// The part of it in which the one before is still felt.
const AFTER: f32 = 0.25;
/// A turn of fewer requests than this says nothing, unless it was given up.
const FEW: u32 = 20;
/// Of so many turns one is the other's, if nothing is sure; more with the square of how sure it is, and so many at most.
const OTHER_EACH: (f32, f32) = (8.0, 64.0);
/// So many times more where the other is what was learned: what it may cost is bounded, what `p2c` may cost is not asked about.
/// One turn in 32 is 3 % of all requests: were it more, their slow ones would be the slowest hundredth of all.
const LEARNED_EACH: u32 = 4;
/// Of so many turns one is that of what was learned: while nobody knows; while nobody knows and turns are the longest (few fit into
/// the time in which much may change) or everybody waits long, or if it does not look good; if it is not worse and not surely better,
/// and if everybody waits long besides. Where everybody waits long and it does not look good it has none: one turn that makes
/// tries time out is paid for with their retries long after it.
const UNKNOWN_EACH: u32 = 2;
const DOUBTED_EACH: u32 = 8;
const UNPROVEN_EACH: u32 = 4;
const WAITING_EACH: u32 = 16;
/// Of so many turns for each pair that says it is better `p2c` has one at least: what a few pairs said must be seen again soon.
const PAIRS_EACH: f32 = 0.75;
/// The longest turn must be so many times what a request takes, or it tells nothing and all are `p2c`'s.
const REQUESTS_LEAST: f32 = 2.0;
/// A turn is given up if so many more are slow, or fail, than twice what was `p2c`'s part lately: a share of all, and a few.
const BAD: f32 = 0.03;
const BAD_FEW: f32 = 5.0;
/// And if what is in flight has grown to so many times what it was, and some requests, or fewer if these are so many requests' work.
const GROWN: f32 = 1.3;
const GROWN_FEW: (f32, f32) = (32.0, 4.3);
/// Waiting that makes a request take so many times its work is much.
const MUCH: f32 = 6.0;
/// To find out may cost this part of what everybody waits: what a turn made worse is paid back so slowly before there is another.
const MAY_COST: f32 = 0.01;
/// Waiting is smoothed over so many seconds.
const SMOOTH: f32 = 0.5;
/// Of so many picks one is looked at.
const LOOK_EACH: u32 = 4;

/// What requests that were picked in one turn took, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    answered: u32,
    failed: u32,
    /// Answers that took longer than the slowest hundredth of `p2c`'s.
    slow: u32,
    /// Of those that were answered, and of those that failed.
    took: f32,
    lost: f32,
    squares: f32,
    /// What their sorts take, and its squares.
    expected: f32,
    expected_squares: f32,
}

/// Which turn a request was picked in; 0 = none that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn(u32);

/// How long a try lasted, and what its sort takes, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasted {
    pub(super) took: f32,
    pub(super) expected: f32,
    pub(super) failed: bool,
}

/// What requests take when a pick is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    /// On the whole, in seconds.
    pub(super) mean_s: f32,
    /// Each in flight adds this share of a request's work.
    pub(super) each: f32,
}

/// Whose turn it is, and how turns went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    /// Counts turns. Odd and even ones have different sums, since answers of one come while the next is on.
    number: u32,
    began: Moment,
    /// In seconds; 0 = there was none.
    long: f32,
    /// By the clock, with turns of this length.
    by_clock: u32,
    is_learned: bool,
    /// It went so badly that the rest of it is `p2c`'s.
    given_up: bool,
    picks: u32,
    sums: [Sums; 2],
    /// How the turn before the last went.
    before: Option<Went>,
    /// And whose the last was, and whether the end of it was given up.
    was_learned: bool,
    was_given_up: bool,
    judge: Judge,
    tail: Tail,
    /// What part of `p2c`'s tries were answered late, and failed, lately.
    slow_plain: f32,
    failed_plain: f32,
    /// What its turns have cost beyond what they may, in seconds of what everybody waits.
    owed: f32,
    /// How many times its work a request would take at an endpoint by lot, now and at the beginning of the turn.
    waiting: Mean,
    began_with: f32,
    /// What it grew by in a turn before, and whose that was.
    grew_before: Option<(bool, f32)>,
}

impl Turns {
    /// A pick is made; at an endpoint by lot a request takes so many times its work. Which turn it belongs to.
    pub(super) fn pick(&mut self, now: Moment, takes: Takes, factor: impl FnOnce() -> f32) -> Turn {
        self.picks = self.picks.wrapping_add(1);
        if self.picks.is_multiple_of(LOOK_EACH) {
            self.waiting.observe(factor(), now, SMOOTH);
            if self.is_learned {
                let added = |factor: f32| factor - 1.0;
                let few = (GROWN_FEW.0 * takes.each).min(GROWN_FEW.1);
                let most = GROWN * added(self.began_with) + few;
                self.given_up |= added(self.waiting.value()) > most;
            }
        }
        let since = now.since(self.began);
        if self.long == 0.0 || now.turn(self.long) != self.by_clock {
            self.next(now, since, takes.mean_s);
            return Turn(0);
        }
        match since >= self.long * AFTER && !self.given_up {
            true => Turn(self.number),
            false => Turn(0),
        }
    }

    /// An answer of a time when nothing is gone by but `p2c`.
    pub(super) fn plain(&mut self, took: f32) {
        self.tail.observe(took);
    }

    /// One that was picked in this turn lasted so long.
    pub(super) fn took(&mut self, turn: Turn, of: &Lasted) {
        // Those of two turns ago and more come too late.
        let ago = self.number.wrapping_sub(turn.0);
        if turn.0 == 0 || ago > 1 {
            return;
        }
        let learned = if ago == 0 {
            self.is_learned
        } else {
            self.was_learned
        };
        let slow = !of.failed && of.took > self.tail.value();
        if !learned && !of.failed {
            self.tail.observe(of.took);
        }
        let sums = &mut self.sums[turn.0 as usize % 2];
        sums.expected += of.expected;
        sums.expected_squares += of.expected * of.expected;
        sums.squares += of.took * of.took;
        match of.failed {
            true => {
                sums.failed += 1;
                sums.lost += of.took;
            }
            false => {
                sums.answered += 1;
                sums.slow += u32::from(slow);
                sums.took += of.took;
            }
        }
        if ago == 0 && learned {
            let sums = &self.sums[turn.0 as usize % 2];
            let all = (sums.answered + sums.failed) as f32;
            let many = |bad: u32, plain: f32| bad as f32 > BAD_FEW + (BAD + 2.0 * plain) * all;
            // Where everybody waits long, what these took was decided turns ago.
            let slow = !self.waits_long() && many(sums.slow, self.slow_plain);
            self.given_up |= slow || many(sums.failed, self.failed_plain);
        }
    }

    fn next(&mut self, now: Moment, since: f32, mean_s: f32) {
        if since < 2.0 * self.long {
            self.compare(now);
            self.compare_growth(now);
        } else {
            // Nobody was there meanwhile.
            (self.before, self.grew_before) = (None, None);
            (self.sums, self.began_with) = (Default::default(), self.waiting.value());
        }
        let enough = |long: &&f32| **long >= REQUESTS_LONG * mean_s;
        self.long = *LONG.iter().find(enough).unwrap_or(&LONG[LONG.len() - 1]);
        self.by_clock = now.turn(self.long);
        self.was_learned = self.is_learned;
        self.was_given_up = self.given_up;
        self.number = self.number.wrapping_add(1).max(1);
        self.began = now;
        self.is_learned = !self.given_up && self.whose(now, mean_s);
        self.given_up = false;
    }

    /// The turn before this one, of which everything has come by now, with the one before that.
    fn compare(&mut self, now: Moment) {
        let of_last = (self.number as usize + 1) % 2;
        let sums = std::mem::take(&mut self.sums[of_last]);
        let (n, failed) = (sums.answered as f32, sums.failed as f32);
        // Of what was answered, though what it should take was added up for all.
        let each = (n + failed) / n / sums.expected;
        let each_square = (n + failed) / n / sums.expected_squares;
        let few = if self.was_given_up { 1 } else { FEW };
        let went = (sums.answered >= few && sums.took > 0.0).then(|| Went {
            is_learned: self.was_learned,
            by: [
                ((sums.took + sums.lost) * each).ln(),
                (sums.took * each).ln(),
                (sums.squares * each_square).ln(),
                // As if one in a hundred more were.
                (sums.slow as f32 / n + PART).ln(),
                failed / (n + failed),
            ],
        });
        self.owed = (self.owed - MAY_COST * self.long).max(0.0);
        if let Some(last) = went {
            if !last.is_learned {
                self.slow_plain = sums.slow as f32 / (n + failed);
                self.failed_plain = failed / (n + failed);
            }
            if let Some(before) = self.before
                && before.is_learned != last.is_learned
            {
                self.judge.pair(&before, &last, now);
                if !self.waits_long() {
                    self.owed += self.long * before.cost_of_learned(&last);
                }
            }
        }
        self.before = went;
    }

    fn compare_growth(&mut self, now: Moment) {
        let waiting = self.waiting.value();
        let grew = waiting - self.began_with;
        if let Some((learned, before)) = self.grew_before
            && learned != self.is_learned
            && self.waits_long()
        {
            let sign = if self.is_learned { 1.0 } else { -1.0 };
            self.judge.grew(sign * (grew - before), now);
        }
        self.grew_before = Some((self.is_learned, grew));
        self.began_with = waiting;
    }

    fn waits_long(&self) -> bool {
        self.waiting.value().max(self.began_with) >= MUCH
    }

    /// Is the next turn that of what was learned?
    fn whose(&mut self, now: Moment, mean_s: f32) -> bool {
        // By lot, so that nothing that happens at regular times always meets the same; the same lot for all workers.
        let lot = hash::mix(u64::from(self.by_clock), 0x7475_726e) as u32;
        // Of powers of two, those who are less sure have the turns of those who are more sure too, and some more.
        let each = |sure: f32| {
            let (least, most) = OTHER_EACH;
            let each = (least * (1.0 + sure * sure)).min(most) as u32;
            (each / 2 + 1).next_power_of_two()
        };
        let waits = self.waits_long();
        let longest = LONG[LONG.len() - 1];
        if REQUESTS_LEAST * mean_s > longest {
            return false;
        }
        let verdict = self.judge.verdict(waits, now);
        // To find out whether it is better is to be paid for first.
        if self.owed > 0.0 && !matches!(verdict, Verdict::Better(..)) {
            return false;
        }
        match verdict {
            Verdict::Doubted | Verdict::Worse(_) if waits => false,
            Verdict::Unknown if waits || self.long >= longest => lot.is_multiple_of(DOUBTED_EACH),
            Verdict::Unproven if waits => lot.is_multiple_of(WAITING_EACH),
            Verdict::Unknown => lot.is_multiple_of(UNKNOWN_EACH),
            Verdict::Unproven => lot.is_multiple_of(UNPROVEN_EACH),
            Verdict::Doubted => lot.is_multiple_of(DOUBTED_EACH),
            Verdict::Better(sure, pairs) => {
                let pairs = ((pairs * PAIRS_EACH) as u32).next_power_of_two().max(4);
                !lot.is_multiple_of(each(sure).min(pairs))
            }
            Verdict::Worse(sure) => lot.is_multiple_of(each(sure) * LEARNED_EACH),
        }
    }

    /// Is it the turn of what was learned?
    pub(super) fn is_learned(&self) -> bool {
        self.is_learned && !self.given_up
    }

    /// How many times as long requests take if they are given out by what was learned.
    pub(super) fn ratio(&self, now: Moment) -> Option<f32> {
        self.judge.ratio(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::Time;

    fn takes_all(each: f32) -> Takes {
        Takes { mean_s: 0.01, each }
    }

    /// What part of the time was that of what was learned: `step` is told whose turn it is and says what a request takes, and
    /// how long one waits.
    fn share_of_learned(step: impl FnMut(bool, f32) -> (f32, f32)) -> f32 {
        share_if_some_fail([0, 0], step)
    }

    /// The same if of a hundred so many fail of `p2c`'s, and so many of the other's.
    fn share_if_some_fail(fail: [u64; 2], mut step: impl FnMut(bool, f32) -> (f32, f32)) -> f32 {
        let (mut turns, mut rng) = (Turns::default(), Rng::new(3));
        let (mut its, mut waits) = (0.0, 1.0);
        for n in 0..60_000_u64 {
            let at = Moment::of(Time::from_millis(1000 + n * 10));
            let turn = turns.pick(at, takes_all(1.0), || waits);
            let lot = 0.5 + rng.below(1000) as f32 / 1000.0;
            let hour = 1.0 + n as f32 / 20_000.0;
            let (takes, now_waits) = step(turns.is_learned(), waits);
            waits = now_waits;
            let failed = rng.below(100) < fail[usize::from(turns.is_learned())];
            let took = takes * hour * lot;
            turns.took(
                turn,
                &Lasted {
                    took,
                    expected: 1.0,
                    failed,
                },
            );
            its += f32::from(u8::from(turns.is_learned() && n >= 20_000));
        }
        its / 40_000.0
    }

    #[test]
    fn whoever_has_requests_take_less_has_nearly_all_of_the_turns() {
        let of =
            |plain, learned| share_of_learned(|its, _| (if its { learned } else { plain }, 1.0));
        assert!(of(2.0, 1.5) > 0.85, "{}", of(2.0, 1.5));
        assert!(of(1.5, 2.0) < 0.15, "{}", of(1.5, 2.0));
    }

    #[test]
    fn to_find_out_costs_no_more_than_it_may() {
        for worse in [2.0_f32, 5.0, 20.0] {
            let share = share_of_learned(|its, _| (if its { worse } else { 1.0 }, 1.0));
            let cost = share * (worse - 1.0);
            assert!(cost < 1.5 * MAY_COST, "{worse} × {share}");
        }
    }

    #[test]
    fn a_turn_in_which_what_is_in_flight_grows_is_given_up_however_little_each_adds() {
        let mut turns = Turns::default();
        let (mut in_flight, mut most, mut given_up) = (10.0_f32, 0.0_f32, 0);
        for n in 0..20_000_u64 {
            let at = Moment::of(Time::from_millis(1000 + n * 10));
            let was = turns.given_up;
            turns.pick(at, takes_all(0.05), || 1.0 + 0.05 * in_flight);
            given_up += u32::from(turns.given_up && !was);
            // 50 more a second, or as many fewer.
            in_flight += if turns.is_learned() { 0.5 } else { -0.5 };
            in_flight = in_flight.max(10.0);
            most = most.max(in_flight);
        }
        assert!(given_up > 0, "there was none");
        assert!(most < 90.0, "{most}");
    }

    #[test]
    fn neither_fewer_failures_nor_shorter_times_pay_for_more_of_the_other() {
        let takes = |learned: f32| move |its, _| (if its { learned } else { 1.5 }, 1.0);
        let longer = share_if_some_fail([5, 0], takes(2.0));
        assert!(longer < 0.15, "{longer}");
        let failing = share_if_some_fail([0, 5], takes(1.0));
        assert!(failing < 0.15, "{failing}");
        let both = share_if_some_fail([5, 0], takes(1.2));
        assert!(both > 0.85, "{both}");
    }

    #[test]
    fn where_everybody_waits_whoever_has_queues_grow_less_has_them() {
        let of = |plain: f32, learned: f32| {
            // What requests took says the contrary, and does not count.
            share_of_learned(|its, waits| match its {
                true => (1.0 / learned, waits.max(10.0) + learned * 0.01),
                false => (1.0 / plain, waits.max(10.0) + plain * 0.01),
            })
        };
        assert!(of(2.0, 1.0) > 0.85, "{}", of(2.0, 1.0));
        // It was tried, and is not again as long as they wait.
        assert_eq!(of(1.0, 2.0), 0.0);
    }
}
