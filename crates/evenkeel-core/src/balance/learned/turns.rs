//! Does going by what was learned do good to all? It and `p2c` take turns, and turns side by side are compared.
//!
//! What is best for each request need not be best for all: requests that are the same work everywhere still come back sooner from
//! the endpoint whose queue moves faster, and crowd out those that only that one does well. No comparison of single
//! requests shows it, since all stand in the same queues. Turns do (a switchback experiment: Bojinov, Simchi-Levi and Zhao,
//! Design and analysis of switchback experiments, Management Science 2023): a turn is long against what a request takes, the
//! first part of it still feels the one before and does not count, and only neighbours are compared, so that what changes with
//! the hour changes both.
//!
//! What is compared is what clients waited for an answer: its mean, and its mean square, which is the slow few; and what part of the
//! tries failed. A failed try adds the time that was lost with it, and no more: were it a penalty here as it is for the
//! model, to avoid a failing endpoint would look good however long all others were then waited for. So what was learned
//! has to be no worse in each of the three. Where everybody waits long, what a request takes was decided turns ago; then
//! it is whether the queues grow, instead of the first two. Whoever does better has most of the turns,
//! the surer it is the more; the other keeps a few, so that a change is seen.

use super::mean::{Mean, Moment, Scatter};
use crate::balance::hash;

/// A turn is the shortest of these, in seconds, that is so many times what a request takes on the whole, or the longest. All
/// workers have the same, by the same clock: they stand in the same queues, and what one of them does all of them feel.
const LONG: [f32; 3] = [2.0, 4.0, 8.0];
const REQUESTS_LONG: f32 = 15.0;
/// The part of it in which the one before is still felt.
const AFTER: f32 = 0.25;
/// A turn of fewer requests than this says nothing.
const FEW: u32 = 20;
/// How long is remembered how turns went, in seconds: a day has many of these, and a rare turn still finds others.
const TAU: f32 = 1200.0;
/// So many pairs before one is believed to be better.
const PAIRS: f32 = 4.0;
/// Of so many turns one is the other's, if nothing is sure; more with the square of how sure it is, and so many at most.
const OTHER_EACH: (f32, f32) = (8.0, 64.0);
/// So many times more where the other is what was learned: what it may cost is bounded, what `p2c` may cost is not asked about.
/// One turn in 32 is 3 % of all requests: were it more, their slow ones would be the slowest hundredth of all.
const LEARNED_EACH: u32 = 4;
/// As a logarithm: who does so much worse is not tried out until a few pairs are there.
const FAR_WORSE: f32 = 0.5;
/// What it may be worse by without being worse, as a logarithm: what is seen is uncertain by as much.
const SLACK: f32 = 0.01;
/// And so many of a thousand tries more may fail.
const FAILS: f32 = 0.001;
/// Waiting that makes a request take so many times its work is much.
const MUCH: f32 = 6.0;
/// Waiting is smoothed over so many seconds.
const SMOOTH: f32 = 0.5;
/// Of so many picks one is looked at.
const LOOK_EACH: u32 = 4;

/// What requests that were picked in one turn took, as shares of what their sorts take.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    answered: u32,
    failed: u32,
    took: f32,
    squares: f32,
}

/// A turn as it is compared.
#[derive(Clone, Copy, Debug)]
struct Went {
    is_learned: bool,
    /// Logarithms of the mean and the mean square.
    took: (f32, f32),
    /// What part of the tries failed.
    failed: f32,
}

/// Which turn a request was picked in; 0 = none that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn(u32);

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
    picks: u32,
    sums: [Sums; 2],
    /// How the turn before the last went.
    before: Option<Went>,
    /// And whose the last was.
    was_learned: bool,
    /// What was learned against `p2c`, as logarithms of the ratio: means, and squares.
    means: Scatter,
    squares: Scatter,
    /// And how much larger the part that fails.
    fails: Scatter,
    /// How many times its work a request would take at an endpoint by lot, now and at the beginning of the turn.
    waiting: Mean,
    began_with: f32,
    /// What it grew by in a turn before, and whose that was.
    grew_before: Option<(bool, f32)>,
    /// How much more it grows in turns of what was learned.
    growth: Scatter,
}

impl Turns {
    /// A pick is made, a request takes so many seconds on the whole, and at an endpoint by lot so many times its work. Which turn it
    /// belongs to.
    pub(super) fn pick(&mut self, now: Moment, mean_s: f32, factor: impl FnOnce() -> f32) -> Turn {
        self.picks = self.picks.wrapping_add(1);
        if self.picks.is_multiple_of(LOOK_EACH) {
            self.waiting.observe(factor(), now, SMOOTH);
        }
        let since = now.since(self.began);
        if self.long == 0.0 || now.turn(self.long) != self.by_clock {
            self.next(now, since, mean_s);
            return Turn(0);
        }
        match since >= self.long * AFTER {
            true => Turn(self.number),
            false => Turn(0),
        }
    }

    /// One that was picked in this turn took so much of what its sort takes until it was answered, or failed.
    pub(super) fn took(&mut self, turn: Turn, took: f32, failed: bool) {
        // Those of two turns ago and more come too late.
        if turn.0 == 0 || self.number.wrapping_sub(turn.0) > 1 {
            return;
        }
        let sums = &mut self.sums[turn.0 as usize % 2];
        sums.answered += u32::from(!failed);
        sums.failed += u32::from(failed);
        sums.took += took;
        sums.squares += took * took;
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
        self.number = self.number.wrapping_add(1).max(1);
        self.began = now;
        self.is_learned = self.whose(now);
    }

    /// The turn before this one, of which everything has come by now, with the one before that.
    fn compare(&mut self, now: Moment) {
        let of_last = (self.number as usize + 1) % 2;
        let sums = std::mem::take(&mut self.sums[of_last]);
        let (n, failed) = (sums.answered as f32, sums.failed as f32);
        let went = (sums.answered >= FEW && sums.took > 0.0).then(|| Went {
            is_learned: self.was_learned,
            took: ((sums.took / n).ln(), (sums.squares / n).ln()),
            failed: failed / (n + failed),
        });
        if let (Some(before), Some(last)) = (self.before, went)
            && before.is_learned != last.is_learned
        {
            let sign = if last.is_learned { 1.0 } else { -1.0 };
            let off = |of: fn(&Went) -> f32| sign * (of(&last) - of(&before));
            self.means.observe(off(|went| went.took.0), now, TAU);
            self.squares.observe(off(|went| went.took.1), now, TAU);
            self.fails.observe(off(|went| went.failed), now, TAU);
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
            self.growth.observe(sign * (grew - before), now, TAU);
        }
        self.grew_before = Some((self.is_learned, grew));
        self.began_with = waiting;
    }

    fn waits_long(&self) -> bool {
        self.waiting.value().max(self.began_with) >= MUCH
    }

    /// Is the next turn that of what was learned?
    fn whose(&self, now: Moment) -> bool {
        // By lot, so that nothing that happens at regular times always meets the same; the same lot for all workers.
        let lot = hash::mix(u64::from(self.by_clock), 0x7475_726e) as u32;
        let Some((better, sure)) = self.verdict(now) else {
            return lot.is_multiple_of(2);
        };
        let (least, most) = OTHER_EACH;
        let each = (least * (1.0 + sure * sure)).min(most) as u32;
        // Of powers of two, those who are less sure have the turns of those who are more sure too, and some more.
        let each = (each / 2 + 1).next_power_of_two();
        match better {
            true => !lot.is_multiple_of(each),
            false => lot.is_multiple_of(each * LEARNED_EACH),
        }
    }

    /// Does what was learned do better, and by how many standard errors? `None` as long as nobody knows.
    fn verdict(&self, now: Moment) -> Option<(bool, f32)> {
        let off = |of: &Scatter| of.value() / of.doubt(now, TAU).sqrt().max(1e-6);
        let waits_long = self.waits_long();
        let known = if waits_long {
            &self.growth
        } else {
            &self.means
        };
        let seen = known.weight(now, TAU);
        let far_worse = !waits_long && seen > 0.5 && self.means.value() > FAR_WORSE;
        if seen < PAIRS && !far_worse {
            return None;
        }
        // Each with what it may be worse by.
        let judged = match waits_long {
            true => [
                (&self.growth, 0.0),
                (&self.fails, FAILS),
                (&self.fails, FAILS),
            ],
            false => [
                (&self.means, SLACK),
                (&self.squares, 2.0 * SLACK),
                (&self.fails, FAILS),
            ],
        };
        let worse = judged.into_iter().filter(|(of, may)| of.value() > *may);
        let worst = worse.map(|(of, _)| off(of)).reduce(f32::max);
        Some(match worst {
            Some(sure) => (false, sure),
            None => (true, off(known).abs()),
        })
    }

    /// Is it the turn of what was learned?
    pub(super) fn is_learned(&self) -> bool {
        self.is_learned
    }

    /// How many times as long requests take if they are given out by what was learned.
    pub(super) fn ratio(&self, now: Moment) -> Option<f32> {
        (self.means.weight(now, TAU) >= 1.0).then(|| self.means.value().exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::time::Time;

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
            let turn = turns.pick(at, 0.01, || waits);
            let lot = 0.5 + rng.below(1000) as f32 / 1000.0;
            let hour = 1.0 + n as f32 / 20_000.0;
            let (takes, now_waits) = step(turns.is_learned(), waits);
            waits = now_waits;
            let failed = rng.below(100) < fail[usize::from(turns.is_learned())];
            turns.took(turn, takes * hour * lot, failed);
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
        assert!(of(1.0, 2.0) < 0.15, "{}", of(1.0, 2.0));
    }
}
