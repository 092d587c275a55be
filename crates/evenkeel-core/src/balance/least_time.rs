//! The endpoint with the least response time × requests in flight (per weight, of which the average is 1, with the one to
//! come); among equals by lot with their weights.
//!
//! The time is the average of the answers of the last ten seconds or so (each counts e^(−age/10 s)), a failed try in it counts
//! as [`PENALTY`](super::ended::PENALTY). Whoever gets no work fades too: on each pick the next one in turn is brought up to
//! date, so that nobody is left out for good and a pick costs no exponential per endpoint. Of an old average little is left to
//! outweigh what comes: one answer tells whether somebody who was slow still is. (Were answers weighed by the time between them
//! instead, that would take seconds of many requests, and so would getting over a first answer that was no typical one.)
//!
//! All endpoints are looked at, so that the best is found; `peak_ewma` looks at two and is not led astray by everybody's
//! looking at the same numbers.

use super::peak_ewma::left;
use super::{Ask, Candidate, Ended, Entry, Group, Kept, Policy, draw};
use crate::registry::Part;
use crate::rng::Rng;
use crate::time::Time;

pub(super) const ENTRY: Entry = Entry {
    learns: true,
    ..Entry::plain(
        Part {
            name: "least_time",
            summary: "the endpoint with the least product of average answer time and requests in flight",
            settings: &[],
        },
        |_| Box::new(LeastTime::default()),
    )
};

/// An average, in nanoseconds, how many answers it stands for, and when it was brought up to date.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    ns: f64,
    answers: f64,
    at: Time,
}

impl Average {
    fn observe(&mut self, ns: f64, now: Time) {
        self.answers = self.answers * left(self.at, now) + 1.0;
        self.ns += (ns - self.ns) / self.answers;
        self.at = now;
    }

    fn fade(&mut self, now: Time) {
        let left = left(self.at, now);
        self.ns *= left;
        self.answers *= left;
        self.at = now;
    }
}

#[derive(Debug, Default)]
struct LeastTime {
    averages: Kept<Average>,
    /// Whose turn it is to fade.
    turn: usize,
}

impl LeastTime {
    fn fade_next(&mut self, group: &Group, ask: &Ask<'_>) {
        self.turn = (self.turn + 1) % self.averages.len().max(1);
        let candidate = group.candidates().get(self.turn);
        // With requests in flight, answers will tell.
        if candidate.is_some_and(|candidate| ask.in_flight(candidate) == 0) {
            self.averages[self.turn].fade(ask.now());
        }
    }
}

impl Policy for LeastTime {
    fn pick(&mut self, group: &Group, ask: &Ask<'_>, rng: &mut Rng) -> Option<usize> {
        self.fade_next(group, ask);
        draw::least(group, ask, rng, |position, candidate| {
            let waits = ask.in_flight_each(group, candidate) + 1.0;
            draw::order(self.averages[position].ns.max(1.0) * waits)
        })
    }

    fn ended(&mut self, position: usize, how: &Ended) {
        let average = &mut self.averages[position];
        if let Some(cost) = how.cost(average.ns) {
            average.observe(cost, how.at);
        }
    }

    fn rebuilt(&mut self, before: &[Candidate], after: &Group, _: &mut Rng) {
        self.averages.rebuilt(before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn a_first_answer_that_was_no_typical_one_is_soon_outweighed() {
        let mut average = Average::default();
        average.observe(1e6, at(1000));
        (1..10).for_each(|ms| average.observe(11e6, at(1000 + ms)));
        assert!((average.ns - 10e6).abs() < 0.1e6, "{}", average.ns);
    }

    #[test]
    fn one_answer_tells_that_somebody_who_was_left_alone_is_still_slow() {
        let mut average = Average::default();
        (0..3).for_each(|ms| average.observe(50e6, at(1000 + ms)));
        (0..2000).for_each(|step| average.fade(at(1010 + 10 * step)));
        assert!(average.ns < 10e6, "left alone for 20 s: {}", average.ns);
        average.observe(50e6, at(21_100));
        assert!(average.ns > 35e6, "{}", average.ns);
    }
}
