//! The choice of an endpoint, once per try: tier by lot, then the pool's policy within it.
//!
//! In the steady state a pick takes no lock and allocates nothing: everything that depends only on the table is in the
//! [`Plan`], and what moves (loads, trial permits) is read from the endpoints' shared counters.

use std::sync::atomic::Ordering::Relaxed;

use crate::id::Epoch;
use crate::rng::Rng;
use crate::settings::PolicySpec;
use crate::table::{PoolTable, State};
use crate::time::Time;

use super::ask::Ask;
use super::plan::Plan;
use super::{
    Candidate, Ended, Entry, Key, Learned, Note, POLICIES, Policy, Report, Request, policy,
};

/// Where the next try goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To this index of [`PoolTable::endpoints`].
    Endpoint(usize),
    /// Somebody is usable, but everybody who could take it is at his limit.
    Full,
    /// Nobody may be given it.
    Nobody,
}

/// Chooses for one pool on one worker.
#[derive(Debug)]
pub struct Picker {
    rng: Rng,
    epoch: Epoch,
    spec: PolicySpec,
    entry: &'static Entry,
    plan: Plan,
    /// One for each tier of the plan.
    policies: Vec<Box<dyn Policy>>,
    /// Of the last pick.
    note: Note,
}

impl Picker {
    /// For this table. `seed` should differ from worker to worker, so that they do not choose in step.
    pub fn new(table: &PoolTable, seed: u64) -> Picker {
        let mut picker = Picker {
            rng: Rng::new(seed).stream(&table.name),
            epoch: table.epoch,
            entry: entry(&table.policy),
            spec: table.policy.clone(),
            plan: Plan::new(table, Time::ZERO),
            policies: Vec::new(),
            note: Note::default(),
        };
        picker.plan.refresh_at = Time::ZERO;
        picker.policies = picker.policies_for(None, Vec::new());
        picker
    }

    /// Goes over to a new table of the same pool; what is known of endpoints that stay is kept. `pick` does this by
    /// itself when it is given a table with another epoch; doing it beforehand keeps the work out of a request.
    pub fn adopt(&mut self, table: &PoolTable, now: Time) {
        let before = std::mem::replace(&mut self.plan, Plan::new(table, now));
        let policies = std::mem::take(&mut self.policies);
        let kept = (self.spec == table.policy).then_some(&before);
        self.entry = entry(&table.policy);
        self.spec.clone_from(&table.policy);
        self.epoch = table.epoch;
        self.policies = self.policies_for(kept, policies);
    }

    /// Chooses an endpoint where the request did not fail before, or one of those if there is no other. Whoever sends the try
    /// then counts it in the endpoint's `in_flight`, and tells how it ended ([`ended`](Picker::ended)).
    ///
    /// For a request that may be sent only once it is within the drawn tier rather one whose last try did not just fail. Until
    /// enough failures have ejected an endpoint, only requests that can be tried elsewhere find out about it.
    pub fn pick(&mut self, table: &PoolTable, request: &Request<'_>) -> Choice {
        self.renew(table, request.now);
        let choice = self.choose(table, request);
        if let Choice::Endpoint(index) = choice
            && self.entry.key == Key::Kind
        {
            self.note = self.note_on(index, request);
        }
        choice
    }

    /// What goes with the last pick, and is to be given back with its end.
    pub fn note(&self) -> Note {
        self.note
    }

    /// What its policy has learned, of each tier that has learned something.
    pub fn learned(&self, now: Time) -> impl Iterator<Item = Learned> {
        let both = self.plan.tiers.iter().zip(&self.policies);
        both.filter_map(move |(tier, policy)| policy.learned(tier.group.candidates(), now))
    }

    fn note_on(&mut self, index: usize, request: &Request<'_>) -> Note {
        let ask = Ask::new(*request);
        for (tier, policy) in self.plan.tiers.iter().zip(&mut self.policies) {
            if let Some(position) = tier.group.position_of(index) {
                return policy.note(position, &tier.group, &ask);
            }
        }
        Note::default()
    }

    fn choose(&mut self, table: &PoolTable, request: &Request<'_>) -> Choice {
        if let Some(choice) = self.preferred(table, request) {
            return choice;
        }
        if self.plan.tiers.is_empty() {
            return Choice::Nobody;
        }
        let ask = Ask::new(*request);
        let drawn = self.plan.draw(request.key, &mut self.rng);
        for side in std::iter::once(drawn).chain(self.plan.other_side(drawn)) {
            if let Some(index) = self.pick_in(side, &ask) {
                return Choice::Endpoint(index);
            }
        }
        self.pick_elsewhere(drawn, ask.steady())
    }

    /// Where the request's session belongs, if that one may serve: those up, in trial with a permit, or draining (which keeps
    /// what it has), whatever their weight; another only where everybody in its state is asked to serve. One whose place is
    /// merely taken is waited for.
    fn preferred(&self, table: &PoolTable, request: &Request<'_>) -> Option<Choice> {
        let index = request.prefer?.index_in(table)?;
        let row = &table.endpoints[index];
        if row.address.is_none() || request.tried.contains(&row.id) {
            return None;
        }
        let mut tiers = self.plan.tiers.iter();
        let serves = match row.state {
            State::Up | State::Trial => row.trusted(),
            State::Draining => true,
            State::Unknown | State::Down => {
                tiers.any(|tier| tier.group.position_of(index).is_some())
            }
            State::Maintenance => false,
        };
        if !serves {
            return None;
        }
        let limit = table.limit_of(row);
        if limit > 0 && row.shared.in_flight.load(Relaxed) >= limit {
            return Some(Choice::Full);
        }
        let granted = row.state != State::Trial || row.shared.take_trial();
        granted.then_some(Choice::Endpoint(index))
    }

    /// Does its policy learn from how tries ended? If not, nobody needs to tell it.
    pub fn learns(&self) -> bool {
        self.entry.learns
    }

    /// A try that was picked from the table of this epoch has ended. From another table than the current one it says nothing
    /// any more: who is meant would have to be looked for.
    pub fn ended(&mut self, epoch: Epoch, index: usize, how: &Ended) {
        if epoch != self.epoch || !self.entry.learns {
            return;
        }
        for (tier, policy) in self.plan.tiers.iter().zip(&mut self.policies) {
            if let Some(position) = tier.group.position_of(index) {
                policy.ended(position, how);
            }
        }
    }

    /// Does its policy go by what endpoints report of their load? If not, nobody needs to read it.
    pub fn goes_by_reports(&self) -> bool {
        self.entry.reports
    }

    /// An endpoint of the table of this epoch reported its load. Of another table than the current one it says nothing.
    pub fn reported(&mut self, epoch: Epoch, index: usize, report: &Report) {
        if epoch != self.epoch || !self.entry.reports {
            return;
        }
        for (tier, policy) in self.plan.tiers.iter().zip(&mut self.policies) {
            if let Some(position) = tier.group.position_of(index) {
                policy.reported(position, report, &tier.group, &mut self.rng);
            }
        }
    }

    /// Who is to be asked for its load now, beside the traffic: an index of the table's endpoints. To be called after each pick
    /// until there is nobody.
    pub fn to_ask(&mut self, table: &PoolTable, now: Time) -> Option<usize> {
        if !self.entry.reports || table.epoch != self.epoch {
            return None;
        }
        let ask = Ask::new(Request::at(now));
        for (tier, policy) in self.plan.tiers.iter().zip(&mut self.policies) {
            if let Some(position) = policy.to_ask(&tier.group, &ask, &mut self.rng) {
                return Some(tier.group.candidates()[position].index);
            }
        }
        None
    }

    /// Goes over to the table if it is another one, and on with the ramps.
    fn renew(&mut self, table: &PoolTable, now: Time) {
        if table.epoch != self.epoch {
            self.adopt(table, now);
        } else if now >= self.plan.refresh_at {
            self.plan.refresh(table, now);
        }
    }

    /// The drawn tier has nobody: the others in their order, then those tried before, then those whose trial has no
    /// permit left. Waiting for one that is merely full comes before trying one again.
    fn pick_elsewhere(&mut self, drawn: usize, ask: Ask<'_>) -> Choice {
        let again = Ask {
            request: ask.request.without(&[]),
            ..ask
        };
        let without_permits = Ask {
            permits: false,
            ..again
        };
        for ask in [ask, again, without_permits] {
            let others = (0..self.plan.tiers.len()).filter(|&tier| tier != drawn);
            for tier in std::iter::once(drawn).chain(others) {
                if let Some(index) = self.pick_in(tier, &ask) {
                    return Choice::Endpoint(index);
                }
            }
            let mut all = self
                .plan
                .tiers
                .iter()
                .flat_map(|tier| tier.group.candidates());
            if all.any(|candidate| candidate.weight > 0 && ask.allowed(candidate)) {
                return Choice::Full;
            }
        }
        Choice::Nobody
    }

    /// One of this tier, with its permit if it is in trial. Another worker may take the last permit between the choice
    /// and the taking: then that one does not fit any more, so the loop ends.
    fn pick_in(&mut self, tier: usize, ask: &Ask<'_>) -> Option<usize> {
        let group = &self.plan.tiers[tier].group;
        for _ in 0..=group.candidates().len() {
            let position = self.policies[tier].pick(group, ask, &mut self.rng)?;
            let candidate: &Candidate = &group.candidates()[position];
            let granted = !candidate.trial || candidate.shared.take_trial();
            if granted || !ask.permits {
                return Some(candidate.index);
            }
        }
        None
    }

    fn make(&self) -> Box<dyn Policy> {
        (self.entry.make)(&self.spec)
    }

    /// A policy for each tier: the one that tier had, if there is a plan to go over from.
    fn policies_for(
        &mut self,
        before: Option<&Plan>,
        mut policies: Vec<Box<dyn Policy>>,
    ) -> Vec<Box<dyn Policy>> {
        let old_tiers = before.map_or(&[][..], |plan| &plan.tiers);
        let mut made = Vec::with_capacity(self.plan.tiers.len());
        for tier in &self.plan.tiers {
            let old = old_tiers.iter().position(|old| old.place() == tier.place());
            let mut policy = match old {
                Some(index) => std::mem::replace(&mut policies[index], self.make()),
                None => self.make(),
            };
            let candidates = old.map_or(&[][..], |index| old_tiers[index].group.candidates());
            policy.rebuilt(candidates, &tier.group, &mut self.rng);
            made.push(policy);
        }
        made
    }
}

fn entry(spec: &PolicySpec) -> &'static Entry {
    policy(&spec.name).unwrap_or(&POLICIES[0])
}

#[cfg(test)]
mod tests;
