//! What time it is: asked here, by whoever feeds an engine, and nowhere else.
//!
//! It stands beside the probes since it is one more look at the world, and since control and agent both look through here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel_core::time::{Now, Time, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// Both clocks, now.
pub fn now() -> Now {
    let at = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(at.tv_nsec).unwrap_or(0);
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Now {
        at: Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)),
        wall: WallTime(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// The tokio moment that is `at` on the machine's clock.
pub fn instant(at: Time) -> tokio::time::Instant {
    // A timer further away than a day is set again then.
    let ahead = at.since(now().at).min(Duration::from_secs(86_400));
    tokio::time::Instant::now() + ahead
}
