//! How long to wait before a service is started again.
//!
//! The first restart is quick, because most deaths are single ones; then the wait doubles, with jitter, so that services
//! that die of each other do not come back in step.

use std::time::Duration;

use crate::rng::Rng;

/// The first wait: long enough for a port to be free again, short enough that nobody sees it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: a service that needs a database should be there soon after the database is.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait before the restart after `deaths` deaths in a row (1 = the first), ± 20 %.
pub(crate) fn wait(deaths: u32, rng: &mut Rng) -> Duration {
    let doubled = FIRST.saturating_mul(1 << deaths.saturating_sub(1).min(16));
    let base = doubled.min(LONGEST).as_millis() as u64;
    Duration::from_millis(base * 4 / 5 + rng.below(base * 2 / 5 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_quick_and_no_wait_is_longer_than_36_seconds() {
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            assert!((80..=120).contains(&wait(1, &mut rng).as_millis()));
            assert!((160..=240).contains(&wait(2, &mut rng).as_millis()));
            assert!((24_000..=36_000).contains(&wait(u32::MAX, &mut rng).as_millis()));
        }
    }
}
