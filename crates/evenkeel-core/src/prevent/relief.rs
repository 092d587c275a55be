//! Less work than its weight says for one endpoint, or less admitted to a pool, while somebody has a reason for it.
//!
//! Several may have one at once: whoever sees it run hot, and whoever tries to cure it. Each says its own factor and its own
//! reason, the least factor counts, and one that takes its own back leaves those of the others. It multiplies with a ramp and
//! with an operator's weight, and does not outlive the process: whoever had the reason sees it again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::clip;

/// The whole, in thousandths.
pub const WHOLE: u32 = 1000;
/// Nobody gets less than this for being hot, in thousandths: who gets nothing shows nothing, neither that it cooled nor that
/// it is sick, and what it does not get, others have to bear.
pub const LEAST: u32 = 300;

/// Who has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reliever {
    /// It runs hot, or will.
    Prevention,
    /// It is being cured.
    Recovery,
    /// Its own agent says so.
    AgentCheck,
}

impl Reliever {
    /// The word in status and API.
    pub const fn name(self) -> &'static str {
        match self {
            Reliever::Prevention => "prevention",
            Reliever::Recovery => "recovery",
            Reliever::AgentCheck => "agent_check",
        }
    }

    /// Who knows itself may ask for less than who is judged from outside.
    const fn least(self) -> u32 {
        match self {
            Reliever::Prevention | Reliever::Recovery => LEAST,
            Reliever::AgentCheck => 1,
        }
    }
}

/// Everybody's factor and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relief(BTreeMap<Reliever, (u32, String)>);

impl Relief {
    /// `by` wants it at this many thousandths for this reason; `None` or the whole = not any more. Did what counts change?
    pub fn ask(&mut self, by: Reliever, wanted: Option<(u32, &str)>) -> bool {
        let before = self.factor();
        match wanted.filter(|(factor, _)| *factor < WHOLE) {
            Some((factor, why)) => {
                let why = clip(why.to_owned());
                self.0.insert(by, (factor.max(by.least()), why));
            }
            None => drop(self.0.remove(&by)),
        }
        before != self.factor()
    }

    /// What it gets of its weight, in thousandths.
    pub fn factor(&self) -> u32 {
        self.strongest().map_or(WHOLE, |(_, factor, _)| factor)
    }

    /// What this one wants it to get, in thousandths.
    pub fn of(&self, by: Reliever) -> u32 {
        self.0.get(&by).map_or(WHOLE, |(factor, _)| *factor)
    }

    /// Why it gets less, and who wants it so; `None` = it does not.
    pub fn why(&self) -> Option<(Reliever, &str)> {
        self.strongest().map(|(by, _, why)| (by, why))
    }

    fn strongest(&self) -> Option<(Reliever, u32, &str)> {
        let all = self.0.iter();
        all.map(|(by, (factor, why))| (*by, *factor, why.as_str()))
            .min_by_key(|(_, factor, _)| *factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_factor_counts_and_each_takes_back_its_own() {
        let mut relief = Relief::default();
        assert_eq!((relief.factor(), relief.why()), (WHOLE, None));
        assert!(relief.ask(Reliever::Prevention, Some((600, "memory"))));
        assert!(relief.ask(Reliever::Recovery, Some((500, "cure"))));
        assert_eq!(relief.factor(), 500);
        assert_eq!(relief.why(), Some((Reliever::Recovery, "cure")));
        assert!(!relief.ask(Reliever::Prevention, Some((800, "memory"))));
        assert!(relief.ask(Reliever::Recovery, None));
        assert_eq!(relief.factor(), 800);
        assert!(relief.ask(Reliever::Prevention, Some((WHOLE, "cool"))));
        assert_eq!(relief, Relief::default());
    }

    #[test]
    fn nobody_gets_less_than_the_least() {
        let mut relief = Relief::default();
        relief.ask(Reliever::Recovery, Some((0, "cure")));
        assert_eq!(relief.factor(), LEAST);
        relief.ask(Reliever::AgentCheck, Some((50, "its agent says 5%")));
        assert_eq!(relief.factor(), 50);
    }
}
