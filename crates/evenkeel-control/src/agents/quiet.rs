//! Who is told of again and again is told of so often in a minute: a stranger that tries a thousand tokens a second, or an agent that
//! has lost its mind, must not fill the log that others read. What was not logged is counted in the next line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::time::Time;

/// The lines about one are counted for so long.
const EVERY: Duration = Duration::from_secs(60);
/// Those that are told of each by itself; beyond that they share a line.
const KNOWN_MAX: usize = 1024;

/// What is logged of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It, and so many before it of the same that were not.
    One(u64),
    /// It, for all that have no place in the table, and so many before it.
    Common(u64),
    /// Nothing yet.
    Nothing,
}

/// Those that were told of lately.
#[derive(Debug)]
pub(crate) struct Quiet<K> {
    known: BTreeMap<K, Told>,
    common: Told,
}

impl<K> Default for Quiet<K> {
    fn default() -> Quiet<K> {
        Quiet {
            known: BTreeMap::new(),
            common: Told::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Told {
    /// When the first line of this minute was logged.
    at: Option<Time>,
    /// How many were since.
    lines: u32,
    /// Not logged since.
    kept_back: u64,
}

/// What an agent that was let in makes the log say, by how much of it may be news: kinds of lines do not crowd each other out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    /// What no agent in its right mind does: once is enough.
    Odd,
    /// It comes, and goes: a network that is bad is seen from some.
    Passing,
    /// A service or an endpoint of it is in another state: a whole host of them once, and some again.
    State,
}

impl Talk {
    /// Lines of one agent in a minute.
    fn most(self) -> u32 {
        match self {
            Talk::Odd => 1,
            Talk::Passing => 10,
            Talk::State => 200,
        }
    }
}

impl Quiet<(Talk, Arc<str>)> {
    /// Is a line of an agent logged now? What is said behind it of those that were not.
    pub(crate) fn agents(&mut self, talk: Talk, agent: &Arc<str>, now: Time) -> Option<String> {
        match self.line((talk, agent.clone()), talk.most(), now) {
            Line::Nothing => None,
            Line::One(0) | Line::Common(0) => Some(String::new()),
            Line::One(count) => Some(format!(
                " (and {count} lines like it of this agent that were not logged)"
            )),
            Line::Common(count) => Some(format!(
                " (and {count} lines like it of other agents that were not logged)"
            )),
        }
    }
}

impl Quiet<IpAddr> {
    /// Somebody at this address was refused now.
    pub(super) fn refused(&mut self, from: IpAddr, now: Time) -> Line {
        // An IPv4 client is the same one on a socket of both families.
        self.line(from.to_canonical(), 1, now)
    }
}

impl<K: Ord> Quiet<K> {
    fn line(&mut self, of: K, most: u32, now: Time) -> Line {
        if !self.known.contains_key(&of) && self.known.len() >= KNOWN_MAX {
            self.forget(now);
        }
        if self.known.contains_key(&of) || self.known.len() < KNOWN_MAX {
            let told = self.known.entry(of).or_default();
            return told.again(most, now).map_or(Line::Nothing, Line::One);
        }
        let told = self.common.again(most, now);
        told.map_or(Line::Nothing, Line::Common)
    }

    /// Those that may be told of again need no place; what was not logged of them is among the rest.
    fn forget(&mut self, now: Time) {
        let common = &mut self.common;
        self.known.retain(|_, told| {
            let is_fresh = !told.is_due(now);
            if !is_fresh {
                common.kept_back = common.kept_back.saturating_add(told.kept_back);
            }
            is_fresh
        });
    }
}

impl Told {
    fn is_due(&self, now: Time) -> bool {
        self.at.is_none_or(|at| now.since(at) >= EVERY)
    }

    /// If it is logged: how many were not.
    fn again(&mut self, most: u32, now: Time) -> Option<u64> {
        if self.is_due(now) {
            (self.at, self.lines) = (Some(now), 0);
        }
        if self.lines >= most {
            self.kept_back = self.kept_back.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn at(ms: u64) -> Time {
        Time::from_millis(1_000_000 + ms)
    }

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn an_address_is_told_of_once_a_minute_with_what_was_not_told() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.refused(address(1), at(0)), Line::One(0));
        for ms in 1..=16_000 {
            assert_eq!(quiet.refused(address(1), at(ms)), Line::Nothing);
        }
        let other = quiet.refused(address(2), at(16_000));
        assert_eq!(other, Line::One(0), "each for itself");
        assert_eq!(quiet.refused(address(1), at(59_999)), Line::Nothing);
        assert_eq!(quiet.refused(address(1), at(60_000)), Line::One(16_001));
        assert_eq!(quiet.refused(address(1), at(120_000)), Line::One(0));
    }

    #[test]
    fn an_address_is_the_same_on_a_socket_of_both_families() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.refused(address(1), at(0)), Line::One(0));
        let mapped = Ipv4Addr::from_bits(0x0a00_0001).to_ipv6_mapped().into();
        assert_eq!(quiet.refused(mapped, at(1)), Line::Nothing);
    }

    #[test]
    fn beyond_a_thousand_addresses_there_is_one_line_and_no_more_memory() {
        let mut quiet = Quiet::default();
        let full = u32::try_from(KNOWN_MAX).unwrap();
        for n in 0..full {
            assert_eq!(quiet.refused(address(n), at(0)), Line::One(0));
        }
        assert_eq!(quiet.refused(address(0), at(1)), Line::Nothing);
        assert_eq!(quiet.refused(address(full), at(1)), Line::Common(0));
        for n in 0..5000 {
            let more = quiet.refused(address(full + n), at(2));
            assert_eq!(more, Line::Nothing);
        }
        assert_eq!(quiet.known.len(), KNOWN_MAX);
        // A minute later there is room again, and nothing that was kept back is lost.
        assert_eq!(quiet.refused(address(full), at(60_001)), Line::One(0));
        assert_eq!(quiet.known.len(), 1);
        assert_eq!(quiet.common.kept_back, 5001);
    }

    #[test]
    fn an_agent_is_told_of_so_often_in_a_minute_and_of_each_kind_for_itself() {
        let mut quiet = Quiet::default();
        let agent: Arc<str> = "host-1".into();
        let mut told = |talk, ms| quiet.agents(talk, &agent, at(ms));
        for n in 0..10 {
            assert_eq!(told(Talk::Passing, n), Some(String::new()), "{n}");
        }
        for n in 10..1000 {
            assert_eq!(told(Talk::Passing, n), None, "{n}");
        }
        assert_eq!(told(Talk::Odd, 20), Some(String::new()));
        assert_eq!(told(Talk::Odd, 59_000), None);
        assert_eq!(told(Talk::State, 59_000), Some(String::new()));
        let more = told(Talk::Passing, 60_000).unwrap();
        assert!(more.contains("990 lines"), "{more}");
        assert_eq!(told(Talk::Passing, 60_001), Some(String::new()));
    }
}
