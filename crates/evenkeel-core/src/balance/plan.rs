//! A table turned into groups of candidates: who may be given work at all, in which tier, with which weight now.
//!
//! Built once per table. While somebody ramps, only the weights are computed again, at most every 100 ms and without
//! allocating; the groups stay as they are.
//!
//! Who serves: those usable and not under suspicion; if nobody is, those usable; then those never seen; if there are none either, everybody who is not taken out by
//! an operator (`when_all_down = "try-all"`). The first of these that has anybody is the plan.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::failover::{ramp, tiers};
use crate::settings::FailoverMode;
use crate::table::{EndpointRow, PoolTable, State};
use crate::time::Time;

use super::group::{Candidate, Group, scaled};
use super::hash;

/// While somebody ramps: fine enough that no share moves by more than 1 % at a time on a ramp of 10 s or more.
const REFRESH: Duration = Duration::from_millis(100);

/// So that which tier a key falls into says nothing of where it falls within it.
const TIER: u64 = 0x7469_6572;

/// Who is asked to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    Trusted,
    Usable,
    Unknown,
    LastResort,
}

/// Where a candidate's weight comes from.
#[derive(Clone, Debug)]
struct Source {
    /// Position within the group.
    candidate: usize,
    /// Index of the row whose share it is.
    row: usize,
    /// The row itself, or its standby for what is missing.
    stands_in: bool,
    /// In thousandths.
    whole: u32,
}

/// One tier: its candidates and how their weights come about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tier {
    pub(crate) number: u32,
    pub(crate) group: Group,
    sources: Vec<Source>,
    /// Weight of all its endpoints, usable or not.
    whole: u64,
}

/// Everything the picker needs of a table.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) tiers: Vec<Tier>,
    /// Each tier's part of the traffic.
    parts: Vec<u32>,
    /// The tier that gets everything, if one does.
    sole: Option<usize>,
    /// When weights are computed again.
    pub(crate) refresh_at: Time,
}

impl Plan {
    pub(crate) fn new(table: &PoolTable, now: Time) -> Plan {
        let order = [
            Serving::Trusted,
            Serving::Usable,
            Serving::Unknown,
            Serving::LastResort,
        ];
        let tiers = order
            .into_iter()
            .map(|serving| tiers_of(table, serving))
            .find(|tiers| !tiers.is_empty())
            .unwrap_or_default();
        let mut tiers: Vec<Tier> = tiers;
        tiers.iter_mut().for_each(|tier| tier.group.number());
        let mut plan = Plan {
            parts: vec![0; tiers.len()],
            tiers,
            sole: None,
            refresh_at: Time::NEVER,
        };
        plan.refresh(table, now);
        plan
    }

    /// Computes the weights as they are now.
    pub(crate) fn refresh(&mut self, table: &PoolTable, now: Time) {
        for tier in &mut self.tiers {
            tier.weigh(table, now);
        }
        let weights = self.tiers.iter().map(|tier| tiers::Weights {
            usable: tier.group.total,
            whole: tier.whole,
        });
        tiers::divide(weights, table.failover.overprovision, &mut self.parts);
        self.sole = self.parts.iter().position(|&part| part == tiers::ALL);
        let ramps = |row: &EndpointRow| row.ramp.is_some_and(|ramp| !ramp::ended(&ramp, now));
        self.refresh_at = match table.endpoints.iter().any(ramps) {
            true => now + REFRESH,
            false => Time::NEVER,
        };
    }

    /// Draws the tier of one request; those with the same key get the same.
    pub(crate) fn draw(&self, key: Option<u64>, rng: &mut crate::rng::Rng) -> usize {
        if let Some(sole) = self.sole {
            return sole;
        }
        let lot = key.map_or_else(|| rng.draw(), |key| hash::mix(key, TIER));
        let mut drawn = ((u128::from(lot) * u128::from(tiers::ALL)) >> 64) as u32;
        for (index, &part) in self.parts.iter().enumerate() {
            if drawn < part {
                return index;
            }
            drawn -= part;
        }
        0
    }
}

impl Tier {
    fn weigh(&mut self, table: &PoolTable, now: Time) {
        for candidate in &mut self.group.candidates {
            candidate.weight = 0;
        }
        for source in &self.sources {
            let row = &table.endpoints[source.row];
            let factor = match source.stands_in {
                false => share_of(row, now),
                true if row.trusted() && row.weight > 0 => ramp::WHOLE - share_of(row, now),
                true => ramp::WHOLE,
            };
            let weight = &mut self.group.candidates[source.candidate].weight;
            *weight = weight.saturating_add(scaled(source.whole, factor));
        }
        self.group.sum_up();
    }

    /// The position of the row's candidate, made if it is not there yet.
    fn candidate(&mut self, index: usize, row: &EndpointRow) -> usize {
        let known = self.group.candidates.iter().rposition(|c| c.index == index);
        known.unwrap_or_else(|| {
            self.group.candidates.push(Candidate {
                index,
                id: row.id,
                name: hash::key(row.name.as_bytes()),
                weight: 0,
                whole: 0,
                trial: row.state == State::Trial,
                shared: row.shared.clone(),
            });
            self.group.candidates.len() - 1
        })
    }

    fn add(&mut self, table: &PoolTable, index: usize, for_row: usize) {
        let row = &table.endpoints[index];
        let own = &table.endpoints[for_row];
        // Stood in for with its own weight by a standby whose primary an operator has set to 0.
        let whole = if own.weight > 0 {
            own.weight
        } else {
            row.weight
        };
        let candidate = self.candidate(index, row);
        let sum = &mut self.group.candidates[candidate].whole;
        *sum = sum.saturating_add(scaled(whole, ramp::WHOLE));
        self.sources.push(Source {
            candidate,
            row: for_row,
            stands_in: index != for_row,
            whole,
        });
    }
}

/// What a row gets of its weight now, in thousandths.
fn share_of(row: &EndpointRow, now: Time) -> u32 {
    let share = match (row.state, &row.ramp) {
        (State::Trial, _) => ramp::FLOOR,
        (State::Up, Some(ramp)) => ramp::factor(ramp, now),
        _ => ramp::WHOLE,
    };
    (share * row.relief.min(ramp::WHOLE) / ramp::WHOLE).max(1)
}

fn serves(table: &PoolTable, row: &EndpointRow, serving: Serving) -> bool {
    let state = match serving {
        Serving::Trusted => row.trusted(),
        Serving::Usable => row.state.usable(),
        Serving::Unknown => row.state == State::Unknown,
        Serving::LastResort => table.failover.try_all && row.state.last_resort(),
    };
    state && row.weight > 0 && row.address.is_some()
}

fn tiers_of(table: &PoolTable, serving: Serving) -> Vec<Tier> {
    let tiers = match (serving, table.failover.mode) {
        (Serving::LastResort, _) => vec![everybody(table)],
        (_, FailoverMode::Static) => vec![with_standbys(table, serving)],
        (_, FailoverMode::Dynamic) => by_number(table, serving),
    };
    match tiers.iter().all(|tier| tier.group.candidates.is_empty()) {
        true => Vec::new(),
        false => tiers,
    }
}

/// All down: no tier, no standby, everybody.
fn everybody(table: &PoolTable) -> Tier {
    let mut tier = Tier::default();
    for (index, row) in table.endpoints.iter().enumerate() {
        if serves(table, row, Serving::LastResort) {
            tier.add(table, index, index);
            tier.whole += whole_weight(row);
        }
    }
    tier
}

fn by_number(table: &PoolTable, serving: Serving) -> Vec<Tier> {
    let mut tiers: BTreeMap<u32, Tier> = BTreeMap::new();
    for (index, row) in table.endpoints.iter().enumerate() {
        let tier = tiers.entry(row.tier).or_default();
        tier.number = row.tier;
        tier.whole += whole_weight(row);
        if serves(table, row, serving) {
            tier.add(table, index, index);
        }
    }
    tiers.into_values().collect()
}

/// Each endpoint for itself, and its standby for what it cannot carry.
fn with_standbys(table: &PoolTable, serving: Serving) -> Tier {
    let mut tier = Tier::default();
    for (index, row) in table.endpoints.iter().enumerate() {
        if row.is_standby {
            continue;
        }
        tier.whole += whole_weight(row);
        let itself = serves(table, row, serving);
        if itself {
            tier.add(table, index, index);
        }
        let whole_share =
            row.state != State::Trial && row.ramp.is_none() && row.relief >= ramp::WHOLE;
        let standby = row.standby.filter(|&standby| standby != index);
        let standby = standby.filter(|_| !(itself && whole_share));
        if let Some(standby) = standby
            && table
                .endpoints
                .get(standby)
                .is_some_and(|s| serves(table, s, serving))
        {
            tier.add(table, standby, index);
        }
    }
    tier
}

fn whole_weight(row: &EndpointRow) -> u64 {
    u64::from(scaled(row.weight, ramp::WHOLE))
}
