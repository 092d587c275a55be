//! Who is refused again and again is told of once a minute: a stranger that tries a thousand tokens a second must not fill the log
//! that others read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_core::time::Time;

/// Between two lines about one address.
const EVERY: Duration = Duration::from_secs(60);
/// Addresses that are told of each by itself; beyond that they share a line.
const ADDRESSES_MAX: usize = 1024;

/// What is logged of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It, and so many before it from its address that were not.
    One(u64),
    /// It, for all that have no place in the table, and so many before it.
    Common(u64),
    /// Nothing yet.
    Nothing,
}

/// Those that were told of lately.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    addresses: BTreeMap<IpAddr, Told>,
    common: Told,
}

#[derive(Debug, Default)]
struct Told {
    at: Option<Time>,
    /// Not logged since.
    kept_back: u64,
}

impl Quiet {
    /// Somebody at this address was refused now.
    pub(super) fn refused(&mut self, from: IpAddr, now: Time) -> Line {
        // An IPv4 client is the same one on a socket of both families.
        let from = from.to_canonical();
        if !self.addresses.contains_key(&from) && self.addresses.len() >= ADDRESSES_MAX {
            self.forget(now);
        }
        if self.addresses.contains_key(&from) || self.addresses.len() < ADDRESSES_MAX {
            let told = self.addresses.entry(from).or_default();
            return told.again(now).map_or(Line::Nothing, Line::One);
        }
        self.common.again(now).map_or(Line::Nothing, Line::Common)
    }

    /// Those that may be told of again need no place; what was not logged of them is among the rest.
    fn forget(&mut self, now: Time) {
        let common = &mut self.common;
        self.addresses.retain(|_, told| {
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
    fn again(&mut self, now: Time) -> Option<u64> {
        if !self.is_due(now) {
            self.kept_back = self.kept_back.saturating_add(1);
            return None;
        }
        self.at = Some(now);
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
        let full = u32::try_from(ADDRESSES_MAX).unwrap();
        for n in 0..full {
            assert_eq!(quiet.refused(address(n), at(0)), Line::One(0));
        }
        assert_eq!(quiet.refused(address(0), at(1)), Line::Nothing);
        assert_eq!(quiet.refused(address(full), at(1)), Line::Common(0));
        for n in 0..5000 {
            let more = quiet.refused(address(full + n), at(2));
            assert_eq!(more, Line::Nothing);
        }
        assert_eq!(quiet.addresses.len(), ADDRESSES_MAX);
        // A minute later there is room again, and nothing that was kept back is lost.
        assert_eq!(quiet.refused(address(full), at(60_001)), Line::One(0));
        assert_eq!(quiet.addresses.len(), 1);
        assert_eq!(quiet.common.kept_back, 5001);
    }
}
