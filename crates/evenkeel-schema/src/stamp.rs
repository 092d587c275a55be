//! Moments on the calendar as text: RFC 3339 in UTC, to the millisecond, in every answer and record.

use std::fmt;
use std::str::FromStr;

use evenkeel_core::time::WallTime;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A [`WallTime`] that reads and writes as `2026-01-01T00:00:00Z` (with `.123` where there are milliseconds).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub WallTime);

impl From<WallTime> for Stamp {
    fn from(at: WallTime) -> Stamp {
        Stamp(at)
    }
}

impl From<Stamp> for WallTime {
    fn from(stamp: Stamp) -> WallTime {
        stamp.0
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // jiff ends at the year 9999: a later moment is shown as that end.
        let ms = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(ms)
            .unwrap_or(Timestamp::MAX)
            .fmt(f)
    }
}

impl FromStr for Stamp {
    type Err = String;

    /// Any offset is accepted and turned into UTC; moments before 1970 are refused.
    fn from_str(text: &str) -> Result<Stamp, String> {
        let at: Timestamp = text
            .parse()
            .map_err(|_| format!("found {text:?}, wanted a moment like 2026-01-01T00:00:00Z"))?;
        u64::try_from(at.as_millisecond())
            .map(|ms| Stamp(WallTime(ms)))
            .map_err(|_| format!("found {text:?}, wanted a moment after 1970"))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Stamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_and_read_back() {
        let new_year = Stamp(WallTime(1_767_225_600_000));
        assert_eq!(new_year.to_string(), "2026-01-01T00:00:00Z");
        assert_eq!("2026-01-01T00:00:00Z".parse(), Ok(new_year));
        assert_eq!("2026-01-01T01:00:00+01:00".parse(), Ok(new_year));
        let later = Stamp(WallTime(1_767_225_600_123));
        assert_eq!(later.to_string(), "2026-01-01T00:00:00.123Z");
        assert_eq!(later.to_string().parse(), Ok(later));
    }

    #[test]
    fn what_is_no_moment_is_refused_and_the_far_future_does_not_panic() {
        assert!("yesterday".parse::<Stamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Stamp>().is_err());
        assert!(Stamp(WallTime(u64::MAX)).to_string().starts_with("9999-"));
    }
}
