//! Which configurations were applied: a bounded list of texts by number, and which of them is in force.

use std::collections::BTreeMap;

use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::RevisionStatus;
use evenkeel_schema::records::RevisionRecord;

/// Revisions kept: weeks of a busy team's changes.
pub(crate) const REVISIONS_MAX: usize = 50;
/// Bytes of all their texts together: they are in memory too, so that a rollback needs no disk that works.
pub(crate) const REVISION_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The kept revisions.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    kept: BTreeMap<u64, RevisionRecord>,
    current: u64,
}

/// What became of a configuration that was applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// To be stored.
    pub(crate) new: Option<RevisionRecord>,
    /// To be deleted: too old.
    pub(crate) dropped: Vec<u64>,
}

impl Revisions {
    /// What the store had; `current` is the number of the last applied one, where that is known.
    pub(crate) fn new(stored: Vec<RevisionRecord>, current: Option<u64>) -> Revisions {
        let kept: BTreeMap<_, _> = stored.into_iter().map(|r| (r.number, r)).collect();
        let newest = kept.keys().next_back().copied();
        let current = current.or(newest).unwrap_or(0);
        Revisions { kept, current }
    }

    pub(crate) fn current(&self) -> u64 {
        self.current
    }

    /// `text` is in force now. The current revision if it is that one's text, else a new one.
    pub(crate) fn apply(&mut self, text: &str, at: WallTime) -> Noted {
        if self.kept.get(&self.current).is_some_and(|r| r.text == text) {
            return Noted::default();
        }
        let newest = self.kept.keys().next_back().copied().unwrap_or(0);
        self.insert(newest.max(self.current) + 1, text, at)
    }

    /// A replaced balancer goes on with what was applied last, whether or not the store has it.
    pub(crate) fn resume(&mut self, number: u64, text: &str, at: WallTime) -> Noted {
        self.current = number;
        if self.kept.contains_key(&number) {
            return self.apply(text, at);
        }
        self.insert(number, text, at)
    }

    fn insert(&mut self, number: u64, text: &str, at: WallTime) -> Noted {
        let record = RevisionRecord::new(number, Stamp(at), text);
        self.kept.insert(number, record.clone());
        self.current = number;
        Noted {
            new: Some(record),
            dropped: self.trim(),
        }
    }

    /// Drops the oldest until all bounds hold; never the current one.
    fn trim(&mut self) -> Vec<u64> {
        let mut bytes: usize = self.kept.values().map(|r| r.text.len()).sum();
        let mut dropped = Vec::new();
        while self.kept.len() > REVISIONS_MAX || bytes > REVISION_BYTES_MAX {
            let oldest = self.kept.keys().find(|&&n| n != self.current).copied();
            let Some(record) = oldest.and_then(|n| self.kept.remove(&n)) else {
                break;
            };
            bytes -= record.text.len();
            dropped.push(record.number);
        }
        dropped
    }

    /// The text to go back to: revision `number`, or the one before the current.
    pub(crate) fn back_to(&self, number: Option<u64>) -> Option<(u64, String)> {
        let found = match number {
            Some(number) => self.kept.get(&number),
            None => self.kept.range(..self.current).next_back().map(|(_, r)| r),
        };
        found.map(|r| (r.number, r.text.clone()))
    }

    /// An older one is in force again.
    pub(crate) fn went_back(&mut self, number: u64) {
        self.current = number;
    }

    /// The store opened late: what it had joins what was applied meanwhile. Numbers are never used twice, so what
    /// collides gets a new one.
    pub(crate) fn merge(&mut self, stored: Vec<RevisionRecord>) -> Noted {
        let ours: Vec<_> = std::mem::take(&mut self.kept).into_values().collect();
        self.kept = stored.into_iter().map(|r| (r.number, r)).collect();
        let mut noted = Noted::default();
        for record in ours {
            match self.kept.get(&record.number) {
                Some(theirs) if theirs.text == record.text => {}
                None => {
                    self.kept.insert(record.number, record.clone());
                    noted.new = Some(record);
                }
                Some(_) => noted = self.apply_anew(&record),
            }
        }
        noted.dropped.extend(self.trim());
        noted
    }

    fn apply_anew(&mut self, record: &RevisionRecord) -> Noted {
        let newest = self.kept.keys().next_back().copied().unwrap_or(0);
        self.insert(newest + 1, &record.text, record.applied.0)
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.kept.keys().copied().collect()
    }

    /// Newest first.
    pub(crate) fn list(&self) -> Vec<RevisionStatus> {
        let newest_first = self.kept.values().rev();
        newest_first
            .map(|r| RevisionStatus {
                revision: r.number,
                applied: r.applied,
                etag: r.etag.clone(),
                current: r.number == self.current,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: WallTime = WallTime(1);

    fn stored(numbers: &[u64]) -> Vec<RevisionRecord> {
        let text = |n| format!("text {n}");
        let record = |n| RevisionRecord::new(n, Stamp(AT), &text(n));
        numbers.iter().map(|&n| record(n)).collect()
    }

    #[test]
    fn a_text_that_did_not_change_is_no_new_revision() {
        let mut revisions = Revisions::new(Vec::new(), None);
        assert_eq!(revisions.apply("a", AT).new.unwrap().number, 1);
        assert_eq!(revisions.apply("a", AT), Noted::default());
        assert_eq!(revisions.apply("b", AT).new.unwrap().number, 2);
        assert_eq!(revisions.current(), 2);
    }

    #[test]
    fn going_back_goes_one_further_each_time_and_the_next_new_text_gets_a_new_number() {
        let mut revisions = Revisions::new(stored(&[1, 2, 3]), None);
        assert_eq!(revisions.current(), 3);
        let (number, text) = revisions.back_to(None).unwrap();
        assert_eq!((number, text.as_str()), (2, "text 2"));
        revisions.went_back(2);
        assert_eq!(revisions.back_to(None).unwrap().0, 1);
        assert_eq!(revisions.back_to(Some(3)).unwrap().0, 3);
        assert!(revisions.back_to(Some(9)).is_none());
        assert_eq!(revisions.apply("text 2", AT), Noted::default());
        assert_eq!(revisions.apply("new", AT).new.unwrap().number, 4);
        let currents: Vec<_> = revisions.list().iter().map(|r| r.current).collect();
        assert_eq!(currents, [true, false, false, false]);
    }

    #[test]
    fn the_oldest_are_dropped_but_never_the_one_in_force() {
        let numbers: Vec<u64> = (1..=REVISIONS_MAX as u64).collect();
        let mut revisions = Revisions::new(stored(&numbers), Some(1));
        assert_eq!(revisions.current(), 1);
        let noted = revisions.apply("x", AT);
        assert_eq!(noted.dropped, [1]);
        revisions.went_back(2);
        assert_eq!(revisions.resume(2, "text 2", AT), Noted::default());
        assert_eq!(revisions.numbers().len(), REVISIONS_MAX);
        let large = "y".repeat(REVISION_BYTES_MAX + 1);
        let dropped = revisions.apply(&large, AT).dropped;
        assert_eq!(dropped.len(), REVISIONS_MAX);
        assert_eq!(revisions.numbers().len(), 1);
    }

    #[test]
    fn a_replaced_balancer_keeps_its_number_even_if_the_store_comes_late() {
        let mut revisions = Revisions::new(Vec::new(), None);
        let noted = revisions.resume(7, "text 7", AT);
        assert_eq!(noted.new.unwrap().number, 7);
        assert_eq!(revisions.merge(stored(&[5, 6, 7])).new, None);
        assert_eq!(revisions.numbers(), [5, 6, 7]);
        let mut revisions = Revisions::new(Vec::new(), None);
        revisions.apply("fresh", AT);
        let noted = revisions.merge(stored(&[1, 2]));
        assert_eq!(noted.new.unwrap().number, 3);
        assert_eq!(revisions.current(), 3);
        assert_eq!(revisions.back_to(None).unwrap().0, 2);
    }
}
