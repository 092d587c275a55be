//! When the next recovery point of a service is due.

use std::time::Duration;

use crate::time::WallTime;

/// After one that could not be made the next try is not later than this: a disk may have been emptied meanwhile.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// When it is due, from when the newest point was made and when the last try failed. Wall-clock time, since points outlive the
/// process that made them.
pub fn due(newest: Option<WallTime>, failed: Option<WallTime>, every: Duration) -> WallTime {
    let after = |at: WallTime, wait: Duration| {
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        WallTime(at.0.saturating_add(wait))
    };
    let regular = newest.map_or(WallTime(0), |at| after(at, every));
    let again = failed.map_or(WallTime(0), |at| after(at, every.min(AGAIN_MAX)));
    WallTime(regular.0.max(again.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_the_next_in_time_even_over_a_restart() {
        let hour = Duration::from_secs(3600);
        assert_eq!(due(None, None, hour), WallTime(0));
        assert_eq!(due(Some(WallTime(5)), None, hour), WallTime(3_600_005));
        assert_eq!(due(None, Some(WallTime(5)), hour), WallTime(60_005));
        let late = due(Some(WallTime(5)), Some(WallTime(3_600_005)), hour);
        assert_eq!(late, WallTime(3_660_005));
        assert_eq!(
            due(Some(WallTime(u64::MAX)), None, hour),
            WallTime(u64::MAX)
        );
    }
}
