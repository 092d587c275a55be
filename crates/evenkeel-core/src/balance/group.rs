//! Those among whom a policy chooses.

use std::sync::Arc;

use crate::counters::EndpointShared;
use crate::failover::ramp::WHOLE;
use crate::id::EndpointId;

use super::hash;

/// One endpoint that may be chosen.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Index in [`PoolTable::endpoints`](crate::table::PoolTable::endpoints).
    pub index: usize,
    /// Stays when the index does not.
    pub id: EndpointId,
    /// What it is known by wherever it is configured: the hash of its name.
    pub name: u64,
    /// Its weight now, ramp counted in, in thousandths of the configured unit; 0 = not now.
    pub weight: u32,
    /// Its weight when it has all of it.
    pub whole: u32,
    /// Tries in flight that it may have, all workers together; 0 = no limit.
    pub limit: u32,
    /// In trial: only with a permit.
    pub trial: bool,
    /// Its counters, here too: a policy that looks at everybody would else go by way of a row of the table for each, which
    /// is a cache line more than the one it wants.
    pub(crate) shared: Arc<EndpointShared>,
}

impl Candidate {
    /// Is this key one of those it is given now? As its weight grows to the whole, keys only come.
    pub(super) fn takes(&self, key: u64) -> bool {
        self.weight >= self.whole || {
            let drawn = hash::mix(key, !self.name);
            let drawn = (u128::from(drawn) * u128::from(self.whole)) >> 64;
            drawn < u128::from(self.weight)
        }
    }
}

/// The whole of a configured weight as a candidate's weight.
pub(crate) fn scaled(weight: u32, factor: u32) -> u32 {
    debug_assert!(factor <= WHOLE);
    weight.saturating_mul(factor)
}

/// Candidates of one tier.
#[derive(Clone, Debug, Default)]
pub struct Group {
    pub(crate) candidates: Vec<Candidate>,
    /// By index in the table: its position here, if it has one.
    pub(crate) positions: Vec<Option<u32>>,
    pub(crate) total: u64,
    /// The weights up to each, so that a lot finds its holder without going through all.
    sums: Vec<u64>,
    /// All weights are the same and not 0.
    pub(crate) even: bool,
    /// Someone is in trial.
    pub(crate) trials: bool,
    /// Someone has a limit.
    pub(crate) limited: bool,
}

impl Group {
    /// All of them, in the order of the configuration.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The position of the endpoint with this index in the table, if it is one of them.
    pub fn position_of(&self, index: usize) -> Option<usize> {
        let position = self.positions.get(index).copied().flatten()?;
        Some(position as usize)
    }

    /// Are these the same, in the same order, with the same whole weights? Then what is built of them by name stays.
    pub(super) fn has_members(&self, others: &[Candidate]) -> bool {
        let member = |candidate: &Candidate| (candidate.name, candidate.whole);
        others
            .iter()
            .map(member)
            .eq(self.candidates.iter().map(member))
    }

    /// The sum of their weights.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Who holds this lot of [`total`](Group::total), each as many as its weight.
    pub(super) fn holder(&self, lot: u64) -> usize {
        match self.even {
            true => (lot / u64::from(self.candidates[0].weight)) as usize,
            false => self.sums.partition_point(|&up_to| up_to <= lot),
        }
    }

    /// Their average weight.
    pub(crate) fn average(&self) -> f64 {
        self.total as f64 / self.candidates.len().max(1) as f64
    }

    /// Is everybody's weight the same (and not 0)?
    pub fn even(&self) -> bool {
        self.even
    }

    /// After candidates were added.
    pub(crate) fn number(&mut self) {
        let size = self.candidates.iter().map(|c| c.index + 1).max();
        self.positions = vec![None; size.unwrap_or(0)];
        for (position, candidate) in (0..).zip(&self.candidates) {
            self.positions[candidate.index] = Some(position);
        }
    }

    /// After weights were changed.
    pub(crate) fn sum_up(&mut self) {
        self.sums.clear();
        self.total = 0;
        for candidate in &self.candidates {
            self.total += u64::from(candidate.weight);
            self.sums.push(self.total);
        }
        let first = self.candidates.first().map_or(0, |c| c.weight);
        self.even = first > 0 && self.candidates.iter().all(|c| c.weight == first);
        self.trials = self.candidates.iter().any(|c| c.trial);
        self.limited = self.candidates.iter().any(|c| c.limit > 0);
    }
}
