//! How much of a service's output goes to the log: as much as a person can still use, and never as much as it likes, because
//! the log's disk is also the disk of everything else here.
//!
//! A service beyond its allowance is still read, since one whose pipe is full stands still. What is dropped is counted and
//! told when it ends, or has earned enough for a look at what it says now.

use std::time::Duration;

/// At once: a start or a crash with its stack traces.
const BURST_BYTES: u64 = 4 * 1024 * 1024;
/// In the long run: some 1700 lines a second, five times what journald takes by default (10 000 in 30 s).
const BYTES_PER_S: u64 = 256 * 1024;
/// Once dropping begins, this much must have been earned before it ends: one note in four seconds, not one with each line.
const LOOK_BYTES: u64 = 1024 * 1024;

/// What a service may still say.
pub(crate) struct Allowance {
    bytes: u64,
    earned_until: Duration,
    dropping: bool,
    dropped_lines: u64,
}

impl Allowance {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            bytes: BURST_BYTES,
            earned_until: now,
            dropping: false,
            dropped_lines: 0,
        }
    }

    /// May this much be forwarded? It is spent by asking.
    pub(crate) fn spend(&mut self, length: usize, now: Duration) -> bool {
        let earned =
            now.saturating_sub(self.earned_until).as_millis() * u128::from(BYTES_PER_S) / 1000;
        // Fractions are kept by moving the time only when something was earned.
        if earned > 0 {
            let earned = u64::try_from(earned).unwrap_or(u64::MAX);
            self.bytes = self.bytes.saturating_add(earned).min(BURST_BYTES);
            self.earned_until = now;
        }
        let needed = if self.dropping {
            LOOK_BYTES
        } else {
            length as u64
        };
        self.dropping = self.bytes < needed;
        if !self.dropping {
            self.bytes = self.bytes.saturating_sub(length as u64);
        }
        !self.dropping
    }

    /// Counts the lines that end in bytes that are dropped.
    pub(crate) fn drop_lines(&mut self, bytes: &[u8]) {
        self.dropped_lines += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    }

    /// A note for the log, if lines were dropped since the last one.
    pub(crate) fn note(&mut self, name: &str) -> Option<String> {
        let lines = std::mem::take(&mut self.dropped_lines);
        (lines > 0).then(|| {
            format!(
                "{lines} lines of service {name} were dropped: it writes more than {} KiB a second",
                BYTES_PER_S / 1024
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_whole_and_a_flood_passes_at_its_rate() {
        let mut allowance = Allowance::new(Duration::ZERO);
        assert!(allowance.spend(4 * 1024 * 1024, Duration::ZERO));
        let (mut passed, mut looks, mut last) = (0, 0, true);
        // 100 MB/s for 60 s.
        for ms in 0..60_000 {
            let now = allowance.spend(100_000, Duration::from_millis(ms));
            looks += u32::from(now && !last);
            passed += u64::from(now) * 100_000;
            last = now;
        }
        let fair = 60 * BYTES_PER_S;
        assert!(passed <= fair && passed > fair - 2 * LOOK_BYTES, "{passed}");
        assert!((10..=15).contains(&looks), "{looks}");
    }

    #[test]
    fn what_is_dropped_is_told_once() {
        let mut allowance = Allowance::new(Duration::ZERO);
        allowance.drop_lines(b"one\ntwo\nthr");
        let note = allowance.note("api").unwrap();
        assert!(
            note.starts_with("2 lines of service api were dropped"),
            "{note}"
        );
        assert_eq!(allowance.note("api"), None);
    }
}
