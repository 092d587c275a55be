//! What a cause brings about before anybody sees anything: the layer between causes and evidence.
//!
//! A condition is there by itself with its `leak`, by its cause with the figure of that cause's table, and by each other
//! condition that brings it about with that link's strength, each independently (noisy-or: Pearl, 1988, 4.3.2).

/// A condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // CONDITIONS says what each is
pub enum Condition {
    Gone,
    Deaf,
    Stranger,
    Unreachable,
    Busy,
    Cramped,
    Stuck,
    Slow,
    Erring,
    Distrusted,
}

/// A condition in the list.
#[derive(Clone, Copy, Debug)]
pub struct ConditionEntry {
    /// Which.
    pub condition: Condition,
    /// The word.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// How probable it is under a cause whose table does not name it.
    pub leak: f64,
    /// Earlier conditions that bring it about, and how surely.
    pub from: &'static [(Condition, f64)],
}

use Condition::{
    Busy, Cramped, Deaf, Distrusted, Erring, Gone, Slow, Stranger, Stuck, Unreachable,
};

/// All conditions, in the order of their numbers; one depends only on those before it.
#[rustfmt::skip] // one line a condition
pub const CONDITIONS: &[ConditionEntry] = &[
    ConditionEntry { condition: Gone, name: "gone", summary: "The process has ended, and nothing stands in its place.", leak: 0.005, from: &[] },
    ConditionEntry { condition: Deaf, name: "deaf", summary: "Nobody listens at the address.", leak: 0.003, from: &[(Gone, 0.99)] },
    ConditionEntry { condition: Stranger, name: "stranger", summary: "Somebody else answers at the address.", leak: 0.0005, from: &[] },
    ConditionEntry { condition: Unreachable, name: "unreachable", summary: "Packets do not get there or not back.", leak: 0.002, from: &[] },
    ConditionEntry { condition: Busy, name: "busy", summary: "The processors have more to do than they can.", leak: 0.03, from: &[] },
    ConditionEntry { condition: Cramped, name: "cramped", summary: "Memory is short.", leak: 0.02, from: &[] },
    ConditionEntry { condition: Stuck, name: "stuck", summary: "It takes connections and answers nothing.", leak: 0.005, from: &[(Cramped, 0.05)] },
    ConditionEntry { condition: Slow, name: "slow", summary: "It answers much later than it should.", leak: 0.01, from: &[(Busy, 0.7), (Cramped, 0.4)] },
    ConditionEntry { condition: Erring, name: "erring", summary: "It answers with errors.", leak: 0.01, from: &[(Stranger, 0.2)] },
    ConditionEntry { condition: Distrusted, name: "distrusted", summary: "TLS with it does not come about.", leak: 0.001, from: &[] },
];

impl Condition {
    /// Its entry.
    pub fn entry(self) -> &'static ConditionEntry {
        &CONDITIONS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_at_their_numbers_and_depend_only_on_earlier_ones() {
        for (number, entry) in CONDITIONS.iter().enumerate() {
            assert_eq!(entry.condition as usize, number, "{}", entry.name);
            assert!(entry.from.iter().all(|(from, _)| (*from as usize) < number));
        }
    }
}
