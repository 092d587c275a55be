//! Certificates that end soon, or have ended: said by status always, by the log once a day.

use std::collections::BTreeMap;

use evenkeel_core::time::WallTime;
use evenkeel_tls::day;

use super::Certificate;

/// Said from so long before the end on. Certificates of 90 days are renewed when 30 are left (the ACME clients' habit), so
/// one that has fewer was forgotten; and a month is time enough to get one by hand.
const WARN_S: i64 = 30 * DAY_S;
const DAY_S: i64 = 86_400;
/// Between two lines in the log about the same certificate.
const TELL_EVERY_MS: u64 = 86_400_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It ends soon.
    Soon,
    /// Clients refuse it.
    Over,
}

/// What to say of a certificate's time, if anything.
pub(crate) fn warning(time: (i64, i64), now: WallTime) -> Option<(Level, String)> {
    let (not_before, not_after) = time;
    let now = seconds(now);
    let left = not_after.saturating_sub(now);
    if left <= 0 {
        return Some((Level::Over, format!("expired on {}", day(not_after))));
    }
    if not_before > now {
        let text = format!("not valid before {}", day(not_before));
        return Some((Level::Over, text));
    }
    if left >= WARN_S {
        return None;
    }
    let when = match (left / DAY_S, left / 3_600) {
        (0, 0) => "in less than an hour".to_owned(),
        (0, 1) => "in 1 hour".to_owned(),
        (0, hours) => format!("in {hours} hours"),
        (1, _) => format!("in 1 day, on {}", day(not_after)),
        (days, _) => format!("in {days} days, on {}", day(not_after)),
    };
    Some((Level::Soon, format!("expires {when}")))
}

/// Whole days until the end; less than 0 = it has ended.
pub(crate) fn days_left(not_after: i64, now: WallTime) -> i64 {
    not_after.saturating_sub(seconds(now)).div_euclid(DAY_S)
}

fn seconds(now: WallTime) -> i64 {
    i64::try_from(now.0 / 1_000).unwrap_or(i64::MAX)
}

/// Remembers what was said in the log.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// When, and of which end, by whose and which file. Bounded by the configuration: what is gone is forgotten.
    told: BTreeMap<(&'static str, String, String), (u64, i64, Level)>,
}

impl Expiry {
    /// What is to be said now.
    pub(crate) fn due(
        &mut self,
        certificates: &[Certificate],
        now: WallTime,
    ) -> Vec<(Level, String)> {
        let before = std::mem::take(&mut self.told);
        let mut lines = Vec::new();
        for certificate in certificates {
            let Some(time) = certificate.time else {
                continue;
            };
            let Some((level, text)) = warning(time, now) else {
                continue;
            };
            let Certificate {
                kind, name, file, ..
            } = certificate;
            let key = (*kind, name.clone(), file.clone());
            let told = before.get(&key).filter(|(at, end, how)| {
                *end == time.1 && *how == level && now.0.abs_diff(*at) < TELL_EVERY_MS
            });
            let at = match told {
                Some((at, ..)) => *at,
                None => {
                    let whose = if *kind == "admin" {
                        String::new()
                    } else {
                        format!(" {name}")
                    };
                    lines.push((level, format!("{kind}{whose}: certificate {file} {text}")));
                    now.0
                }
            };
            self.told.insert(key, (at, time.1, level));
        }
        lines
    }
}
