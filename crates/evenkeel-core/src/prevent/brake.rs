//! The brake: when a pool's work is done in vain, less of it is sent at once, before there is nothing else any more.
//!
//! A server that does not notice that a client has gone works on for nobody. After a few seconds' outage, or a peak, its line is
//! longer than clients wait; then every request is answered too late, clients ask again, and that stays so when the cause is long
//! gone: a metastable failure (Bronson and others 2021). Neither checks nor retry budgets end it: the server is well, and the
//! retries are the clients' own. Only a short line at the server does.
//!
//! The sign is that more tries end *in vain* (the client left, or closed its sending side, before the answer began, or it came too
//! late: who only closes that side is answered all the same, but hardly anybody does) than are answered,
//! over a second, in a pool that was well before. Then each endpoint is given as much at once as it had on average while all was well; while
//! nothing gets better, half of that every half second, down to one; the rest waits here, where who leaves costs nothing, and
//! the newest goes first, since the oldest has the least time left (as Facebook's adaptive LIFO, Maurer 2015). With answers
//! coming, the limit grows back by one each look to twice what was usual, then slowly beyond; once it binds nobody for two seconds
//! and nothing is in vain, it is gone.
//!
//! A pool whose clients always leave before an answer (long polls) is never well in this sense, so nothing happens to it. Without
//! trouble this costs one comparison every 100 ms and nothing for a request.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// As many looks, 100 ms apart, are judged together.
const LOOKS: usize = 10;
/// Somebody who looks this late was asleep: what happened meanwhile says nothing of now.
const OVERSLEPT: Duration = Duration::from_millis(300);
/// So many in vain within that are no accident.
const IN_VAIN_LEAST: u64 = 10;
/// The pool is well while no more than one in so many is in vain.
const WELL: u64 = 10;
/// What is usual is an average over the last five seconds or so in which all was well.
const USUAL_LOOKS: u64 = 50;
/// Half as much if it has not got better after this.
const HARDER_AFTER: Duration = Duration::from_millis(500);
/// Beyond twice the usual the limit grows once in this time: while those who waited are served it must not become as long as before,
/// and a load that has really grown is to be let in within a minute.
const BEYOND_AFTER: Duration = Duration::from_secs(3);
/// Let go when it has bound nobody for so long.
const CALM: Duration = Duration::from_secs(2);
/// Thousandths in one.
const ONE: u64 = 1000;

/// A pool's counters, added up, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Tries that were answered while somebody waited, since the beginning.
    pub answered: u64,
    /// Tries nobody waited for any more when the answer could have begun, since the beginning.
    pub in_vain: u64,
    /// Tries that wait for their endpoint.
    pub waiting: u64,
    /// The most tries at one endpoint that wait no more: answers on their way, and connections that stay for hours.
    pub standing: u64,
    /// Endpoints that share what waits.
    pub serving: u64,
}

/// While it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// Of those that wait.
    limit: u32,
    standing: u32,
    usual: u32,
    /// When the limit was changed last.
    changed: Time,
    /// Since then all is well and it binds nobody.
    calm: Time,
    why: String,
}

/// What a look changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Braked {
    /// It holds from now on, for this reason.
    On(String),
    /// It does not hold any more.
    Off,
}

/// One pool's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Brake {
    looks: VecDeque<Ends>,
    looked: Time,
    /// How many wait at each endpoint while all is well, in thousandths; 0 = it was never seen well.
    usual: u64,
    held: Option<Held>,
}

impl Brake {
    /// The counters as they are now.
    pub fn look(&mut self, ends: Ends, at: Time) -> Option<Braked> {
        // Where nothing is answered any more, what waits says nothing of what is usual.
        let goes_on = self
            .looks
            .back()
            .is_some_and(|newest| ends.answered > newest.answered);
        let (answered, in_vain) = self.of_late(ends, at);
        let each = ends.waiting * ONE / ends.serving.max(1);
        let well = answered > 0 && in_vain * WELL <= answered;
        let bad = in_vain >= IN_VAIN_LEAST && in_vain > answered;
        match &mut self.held {
            None if well && goes_on => {
                self.usual = match self.usual {
                    0 => each.max(1),
                    usual => (usual * (USUAL_LOOKS - 1) + each).div_ceil(USUAL_LOOKS),
                };
                None
            }
            None if bad && self.usual > 0 => {
                let why = format!(
                    "in the last second {in_vain} tries ended in vain, as their clients left or the answer was too late, and {answered} were answered"
                );
                self.held = Some(Held::new(self.usual, why.clone(), at));
                Some(Braked::On(why))
            }
            None => None,
            Some(held) => {
                held.standing = ends.standing.min(u64::from(u32::MAX)) as u32;
                held.turn(well, bad, at);
                let binds = each >= u64::from(held.limit) * ONE * 3 / 4;
                // Were anybody waiting here, all would be at the limit.
                if in_vain * WELL > answered || binds {
                    held.calm = at;
                }
                let over = at.since(held.calm) >= CALM;
                over.then(|| {
                    self.held = None;
                    Braked::Off
                })
            }
        }
    }

    /// What was answered and what was in vain in the last second, as far as it was watched.
    fn of_late(&mut self, ends: Ends, at: Time) -> (u64, u64) {
        let slept = at.since(self.looked) > OVERSLEPT;
        self.looked = at;
        let newest = self.looks.back().copied().unwrap_or_default();
        // An endpoint that goes takes its counts along.
        if slept || ends.answered < newest.answered || ends.in_vain < newest.in_vain {
            self.looks.clear();
        }
        self.looks.push_back(ends);
        if self.looks.len() > LOOKS + 1 {
            self.looks.pop_front();
        }
        let oldest = self.looks.front().copied().unwrap_or_default();
        (
            ends.answered - oldest.answered,
            ends.in_vain - oldest.in_vain,
        )
    }

    /// What each endpoint may have in flight; `None` = the brake does not hold.
    pub fn limit(&self) -> Option<u32> {
        let held = self.held.as_ref()?;
        Some(held.limit.saturating_add(held.standing))
    }

    /// Of what was usual, in percent, and why.
    pub fn why(&self) -> Option<(u32, &str)> {
        let held = self.held.as_ref()?;
        let percent = (held.limit.saturating_mul(100) / held.usual.max(1)).min(100);
        Some((percent, &held.why))
    }
}

impl Held {
    fn new(usual: u64, why: String, at: Time) -> Held {
        let usual = usual.div_ceil(ONE).min(u64::from(u32::MAX)) as u32;
        Held {
            limit: usual,
            usual,
            standing: 0,
            changed: at,
            calm: at,
            why,
        }
    }

    fn turn(&mut self, well: bool, bad: bool, at: Time) {
        let since = at.since(self.changed);
        let before = self.limit;
        let top = self.usual.saturating_mul(2);
        if well && (self.limit < top || since >= BEYOND_AFTER) {
            self.limit = self.limit.saturating_add(1 + self.limit / 10);
        } else if bad && since >= HARDER_AFTER {
            self.limit = (self.limit / 2).max(1);
        }
        if self.limit != before {
            self.changed = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of ten endpoints under a watch, 100 ms a look.
    struct Pool {
        brake: Brake,
        ends: Ends,
        now: Time,
    }

    impl Pool {
        fn new() -> Pool {
            Pool {
                brake: Brake::default(),
                ends: Ends {
                    serving: 10,
                    ..Ends::default()
                },
                now: Time::from_millis(1_000),
            }
        }

        /// So many looks with these ends in each.
        fn looks(&mut self, n: u32, answered: u64, in_vain: u64, waiting: u64) -> Vec<Braked> {
            let look = |_| {
                self.now = self.now + Duration::from_millis(100);
                self.ends.answered += answered;
                self.ends.in_vain += in_vain;
                self.ends.waiting = waiting;
                self.brake.look(self.ends, self.now)
            };
            (0..n).filter_map(look).collect()
        }
    }

    #[test]
    fn what_turns_out_in_vain_is_braked_to_the_usual_and_then_to_one() {
        let mut pool = Pool::new();
        assert_eq!(pool.looks(100, 28, 0, 45), []);
        // Nothing is answered; a second later clients begin to leave.
        assert_eq!(pool.looks(10, 0, 0, 300), []);
        let braked = pool.looks(2, 0, 28, 300);
        assert!(matches!(&braked[..], [Braked::On(_)]), "{braked:?}");
        assert_eq!(pool.brake.limit(), Some(5));
        assert_eq!(pool.brake.why().map(|why| why.0), Some(100));
        assert_eq!(pool.looks(30, 0, 5, 50), []);
        assert_eq!(pool.brake.limit(), Some(1));
    }

    #[test]
    fn it_grows_back_with_answers_and_lets_go_when_it_binds_nobody() {
        let mut pool = Pool::new();
        pool.looks(100, 28, 0, 45);
        pool.looks(40, 0, 28, 300);
        assert_eq!(pool.brake.limit(), Some(1));
        // Who waits is served, as many at once as may be.
        pool.looks(25, 30, 0, 10);
        let limit = pool.brake.limit().unwrap();
        assert!((10..=14).contains(&limit), "{limit}");
        let braked = pool.looks(21, 28, 0, 45);
        assert_eq!(braked, [Braked::Off]);
        assert_eq!(pool.brake.limit(), None);
    }

    #[test]
    fn while_it_binds_and_all_is_well_it_gives_way_slowly() {
        let mut pool = Pool::new();
        pool.looks(100, 28, 0, 45);
        pool.looks(12, 0, 28, 300);
        let mut limits = Vec::new();
        for _ in 0..100 {
            let waiting = u64::from(pool.brake.limit().unwrap()) * 10;
            assert_eq!(pool.looks(1, 30, 0, waiting), []);
            limits.push(pool.brake.limit().unwrap());
        }
        // The first second has those before in it.
        assert!(limits[10..].is_sorted(), "{limits:?}");
        assert!((12..=20).contains(&limits[99]), "{limits:?}");
    }

    #[test]
    fn connections_that_stay_for_hours_do_not_shut_new_requests_out() {
        let mut pool = Pool::new();
        pool.ends.standing = 200;
        pool.looks(100, 28, 0, 45);
        pool.looks(40, 0, 28, 300);
        assert_eq!(pool.brake.limit(), Some(201));
    }

    #[test]
    fn without_any_traffic_it_lets_go() {
        let mut pool = Pool::new();
        pool.looks(100, 28, 0, 45);
        pool.looks(20, 0, 28, 300);
        assert_eq!(pool.looks(40, 0, 0, 0), [Braked::Off]);
    }

    #[test]
    fn a_pool_whose_clients_always_leave_first_is_left_alone() {
        let mut pool = Pool::new();
        assert_eq!(pool.looks(600, 2, 20, 4_000), []);
    }

    #[test]
    fn a_few_who_leave_are_nothing() {
        let mut pool = Pool::new();
        assert_eq!(pool.looks(100, 1, 0, 10), []);
        assert_eq!(pool.looks(5, 0, 1, 10), []);
        assert_eq!(pool.looks(100, 20, 8, 10), []);
    }

    #[test]
    fn what_happened_while_nobody_looked_is_not_judged() {
        let mut pool = Pool::new();
        pool.looks(100, 28, 0, 45);
        pool.now = pool.now + Duration::from_secs(5);
        assert_eq!(pool.looks(1, 0, 500, 45), []);
        assert_eq!(pool.looks(20, 28, 0, 45), []);
    }
}
