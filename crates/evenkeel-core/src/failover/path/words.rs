//! What is said of a path to people.

use crate::time::Time;

use super::{Look, Path, Rules};

impl Path {
    /// Why the address at this position comes into use.
    pub(super) fn reason(&self, to: usize, back: bool, now: Time) -> String {
        let seen = match &self.ways[to].look {
            Look::Answers(detail) => format!("{} answers: {detail}", self.ways[to].target),
            _ => format!("{} is there", self.ways[to].target),
        };
        if back {
            return match self.agreed {
                true => format!("an operator said ready, and {seen}"),
                false => format!("well again and held: {seen}"),
            };
        }
        let from = self.target();
        let s = now.since(self.doubted).as_secs_f64();
        format!("no packet gets to {from} for {s:.1} s, and {seen}")
    }

    /// What it still waits for before it goes back to an earlier address, for people.
    pub fn waits(&self, rules: Rules<'_>, now: Time) -> Option<String> {
        if self.used == 0 {
            return None;
        }
        let base = rules.failover.hold.max(rules.check.fast_interval);
        let way = self.ways[..self.used].iter().find(|way| way.is_well());
        let Some(way) = way else {
            return Some(format!(
                "goes back to {} once that answers",
                self.ways[0].target
            ));
        };
        let target = &way.target;
        if !rules.failover.failback_auto {
            return Some(format!("goes back to {target} when an operator says ready"));
        }
        let since = way.well_since(1).unwrap_or(now);
        let left = (since + way.hold(base)).since(now).as_secs_f64();
        Some(format!(
            "goes back to {target} in {left:.1} s if that stays well"
        ))
    }
}
