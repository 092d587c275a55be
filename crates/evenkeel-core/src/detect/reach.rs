//! Is it this machine that reaches nobody?
//!
//! If every other machine falls silent at once, they did not all die: our own network did. The rule:
//!
//! - A machine counts if an endpoint of it, not in maintenance, is configured here and it is not this one (loopback and
//!   unix sockets pass no network).
//! - It is *lost* while connections to it are not answered at all or there is no way to it. A refusal is an answer: the
//!   machine lives and the way is good.
//! - Two machines at least, all of them lost, and all within [`AT_ONCE`]: the fault is this machine's own. Those lost long
//!   before neither prove nor disprove it.
//! - The first answer from any of them, or a beat, ends it.
//! - At the beginning nobody has answered yet: until one has, or all are known to be lost, nothing is held against the first
//!   that is not reached. All are asked at once then, so that lasts no longer than a check; in any case [`AT_ONCE`] at most.
//!
//! While it lasts nothing that was not reached counts against an endpoint: states stay as they were, and what was down by
//! then is served as `when_all_down` says. Whoever is lost first makes the engine ask a few others at once, so that it is
//! known within one check's time-out whether they are all gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Now, Time, WallTime};

/// Machines lost within this of one another were lost at once: a few check intervals of the default two seconds.
pub(super) const AT_ONCE: Duration = Duration::from_secs(10);
/// So many machines are asked at once when one is lost; those of them that are lost too have others asked.
pub(super) const ASKED: usize = 8;
/// Machines named in words.
const NAMED: usize = 3;

/// It reaches nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Since when, for people.
    pub since: WallTime,
    /// On our clock.
    pub at: Time,
    /// What was seen.
    pub why: String,
}

/// What came of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// One more machine is lost; these should be asked at once.
    Ask(Vec<IpAddr>),
    /// We reach nobody any more.
    Alone,
    /// We reach somebody again, after so long.
    Back(Duration),
}

/// The machine that knows which machines answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reach {
    /// Since when.
    lost: BTreeMap<IpAddr, Time>,
    cut: Option<Cut>,
    /// When somebody was not reached for the first time.
    began: Option<Time>,
    /// Somebody has answered since, or could have.
    answered: bool,
    /// Nobody has answered yet, some are lost, and others were not heard of.
    unsure: bool,
}

impl Reach {
    /// We reach nobody.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Is what is not reached to be put down to us, for sure or for now?
    pub fn excuses(&self) -> bool {
        self.cut.is_some() || self.unsure
    }

    /// A machine answered, in whatever way.
    pub fn heard(&mut self, machine: IpAddr, now: Now) -> Option<Found> {
        (self.answered, self.unsure) = (true, false);
        self.lost.remove(&machine);
        let cut = self.cut.take()?;
        // Nobody else was asked again yet; who is lost still will be seen to be.
        self.lost.clear();
        Some(Found::Back(now.at.since(cut.at)))
    }

    /// A machine did not answer. `machines` are all that count, this one included if it does.
    pub fn unheard(
        &mut self,
        machine: IpAddr,
        machines: &BTreeSet<IpAddr>,
        now: Now,
    ) -> Option<Found> {
        if now.at.since(*self.began.get_or_insert(now.at)) > AT_ONCE {
            (self.answered, self.unsure) = (true, false);
        }
        self.lost.retain(|machine, _| machines.contains(machine));
        if self.cut.is_some() || !machines.contains(&machine) || self.lost.contains_key(&machine) {
            return None;
        }
        self.lost.insert(machine, now.at);
        let long_gone = |machine: &IpAddr| {
            let since = self.lost.get(machine);
            since.is_some_and(|&since| now.at.since(since) > AT_ONCE)
        };
        let judged = machines.iter().filter(|machine| !long_gone(machine));
        let (lost, there): (Vec<IpAddr>, Vec<IpAddr>) =
            judged.partition(|machine| self.lost.contains_key(machine));
        self.unsure = !self.answered && !there.is_empty();
        if !there.is_empty() {
            return Some(Found::Ask(there.into_iter().take(ASKED).collect()));
        }
        if lost.len() < 2 {
            return None;
        }
        self.cut = Some(Cut {
            since: now.wall,
            at: now.at,
            why: words(&lost),
        });
        Some(Found::Alone)
    }
}

fn words(lost: &[IpAddr]) -> String {
    let names: Vec<String> = lost.iter().take(NAMED).map(IpAddr::to_string).collect();
    let more = match lost.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = names.join(", ");
    format!("none of {} machines answers ({names}{more})", lost.len())
}

/// The machine behind an address, if it is another one than ours.
pub fn machine(address: &crate::address::Address) -> Option<IpAddr> {
    match address {
        crate::address::Address::Ip(ip) => {
            Some(ip.ip().to_canonical()).filter(|ip| !ip.is_loopback())
        }
        crate::address::Address::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn now(s: u64) -> Now {
        Now {
            at: Time::from_millis(s * 1000),
            wall: WallTime(s * 1000),
        }
    }

    fn machines(n: u8) -> BTreeSet<IpAddr> {
        (1..=n).map(ip).collect()
    }

    #[test]
    fn all_of_several_machines_lost_at_once_is_our_own_fault() {
        let (mut reach, all) = (Reach::default(), machines(3));
        let asked = reach.unheard(ip(1), &all, now(1));
        assert_eq!(asked, Some(Found::Ask(vec![ip(2), ip(3)])));
        assert_eq!(reach.unheard(ip(1), &all, now(2)), None, "told already");
        assert!(reach.unheard(ip(2), &all, now(2)).is_some());
        assert_eq!(reach.unheard(ip(3), &all, now(3)), Some(Found::Alone));
        let why = &reach.cut().unwrap().why;
        assert_eq!(
            why,
            "none of 3 machines answers (192.0.2.1, 192.0.2.2, 192.0.2.3)"
        );
        assert_eq!(
            reach.heard(ip(2), now(63)),
            Some(Found::Back(Duration::from_secs(60)))
        );
        assert!(reach.cut().is_none());
    }

    #[test]
    fn while_one_answers_the_others_are_their_own_fault() {
        let (mut reach, all) = (Reach::default(), machines(3));
        for s in 1..100 {
            reach.unheard(ip(1), &all, now(s));
            reach.unheard(ip(2), &all, now(s));
            reach.heard(ip(3), now(s));
            assert!(reach.cut().is_none());
        }
    }

    #[test]
    fn machines_that_died_one_after_another_did_not_die_of_our_network() {
        let (mut reach, all) = (Reach::default(), machines(2));
        reach.unheard(ip(1), &all, now(1));
        assert_eq!(reach.unheard(ip(2), &all, now(3600)), None);
        assert!(reach.cut().is_none());
    }

    #[test]
    fn one_machine_alone_proves_nothing() {
        let mut reach = Reach::default();
        assert_eq!(reach.unheard(ip(1), &machines(1), now(1)), None);
        assert!(reach.cut().is_none());
    }

    #[test]
    fn one_lost_long_before_does_not_hide_that_all_others_are() {
        let (mut reach, all) = (Reach::default(), machines(3));
        reach.unheard(ip(1), &all, now(1));
        reach.unheard(ip(2), &all, now(3600));
        assert_eq!(reach.unheard(ip(3), &all, now(3601)), Some(Found::Alone));
    }

    #[test]
    fn our_own_machine_and_removed_ones_do_not_count() {
        let unix = crate::address::Address::Unix("/run/a".into());
        let here = crate::address::Address::Ip("127.0.0.2:80".parse().unwrap());
        let there = crate::address::Address::Ip("[::ffff:192.0.2.1]:80".parse().unwrap());
        assert_eq!((machine(&unix), machine(&here)), (None, None));
        assert_eq!(machine(&there), Some(ip(1)));
        let mut reach = Reach::default();
        reach.unheard(ip(9), &machines(2), now(1));
        reach.unheard(ip(1), &machines(3), now(1));
        reach.unheard(ip(2), &machines(2), now(1));
        assert!(reach.cut().is_some());
    }
}
