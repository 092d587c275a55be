//! What a policy keeps of each candidate: by position while a group lasts, carried over by id to the next.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::{Candidate, Group};

/// One `T` for each candidate, in their order.
#[derive(Debug, Default)]
pub(super) struct Kept<T>(Vec<T>);

impl<T: Default> Kept<T> {
    /// For so many candidates of which nothing is known.
    pub(super) fn new(candidates: usize) -> Kept<T> {
        Kept((0..candidates).map(|_| T::default()).collect())
    }

    /// The group was built anew: who stays keeps its own, who is new begins with the default.
    pub(super) fn rebuilt(&mut self, before: &[Candidate], after: &Group) {
        let ids = before.iter().map(|candidate| candidate.id);
        let mut old: BTreeMap<_, _> = ids.zip(self.0.drain(..)).collect();
        let candidates = after.candidates().iter();
        self.0
            .extend(candidates.map(|candidate| old.remove(&candidate.id).unwrap_or_default()));
    }
}

impl<T> Deref for Kept<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
