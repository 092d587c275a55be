//! A table turned into groups of candidates: who may be given work at all, in which tier, with which weight now.
//!
//! Built once per table. While somebody ramps, only the weights are computed again, at most every 100 ms and without
//! allocating; the groups stay as they are.
//!
//! Who serves: those usable and not under suspicion; if nobody is, those usable; then those never seen; if there are none either, everybody who is not taken out by
//! an operator (`when_all_down = "try-all"`). The first of these that has anybody is the plan.
//!
//! Where the balancer has a zone, each tier has two sides, those near and those far, and each side is a group of its own. Lots
//! are drawn among sides as among tiers, so that no policy has to know of zones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::failover::{ramp, tiers, zones};
use crate::settings::{FailoverMode, Share};
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

/// One tier, or one side of it: its candidates and how their weights come about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tier {
    number: u32,
    /// The side in other zones.
    far: bool,
    pub(crate) group: Group,
    sources: Vec<Source>,
    /// Weight of all endpoints of the tier, usable or not, on both sides.
    whole: u64,
    /// Zones they are in.
    zones: u64,
}

/// Everything the picker needs of a table.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) tiers: Vec<Tier>,
    /// The part of the traffic of each of these.
    parts: Vec<u32>,
    /// The same with both sides of a tier together.
    whole_parts: Vec<u32>,
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
            whole_parts: vec![0; sides_of(&tiers).count()],
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
        self.divide(table.failover.overprovision);
        self.sole = self.parts.iter().position(|&part| part == tiers::ALL);
        let ramps = |row: &EndpointRow| row.ramp.is_some_and(|ramp| !ramp::ended(&ramp, now));
        self.refresh_at = match table.endpoints.iter().any(ramps) {
            true => now + REFRESH,
            false => Time::NEVER,
        };
    }

    /// Between the tiers, and then between the sides of each.
    fn divide(&mut self, overprovision: Share) {
        let weights = sides_of(&self.tiers).map(|sides| tiers::Weights {
            usable: sides.iter().map(|side| side.group.total).sum(),
            whole: sides[0].whole,
        });
        tiers::divide(weights, overprovision, &mut self.whole_parts);
        let mut parts = self.parts.iter_mut();
        for (sides, &whole_part) in sides_of(&self.tiers).zip(&self.whole_parts) {
            let near = match sides {
                [near, far] => zones::stays(sides_weights(near, far), overprovision),
                _ => tiers::ALL,
            };
            let near = (u64::from(whole_part) * u64::from(near)).div_ceil(u64::from(tiers::ALL));
            let both = [near as u32, whole_part - near as u32];
            for (part, share) in parts.by_ref().take(sides.len()).zip(both) {
                *part = share;
            }
        }
    }

    /// Where the others of the same tier are.
    pub(crate) fn other_side(&self, of: usize) -> Option<usize> {
        let number = self.tiers[of].number;
        let same = |&at: &usize| at != of && self.tiers[at].number == number;
        (0..self.tiers.len()).find(same)
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

/// What of the traffic stays in the balancer's own zone now; `None` where zones do not count: it is in none, nobody is in the
/// same, or all are down.
pub fn stays_near(table: &PoolTable, now: Time) -> Option<Share> {
    let zone = table.failover.zone.as_deref()?;
    let mut rows = table.endpoints.iter();
    rows.find(|row| row.zone.as_deref() == Some(zone))?;
    let plan = Plan::new(table, now);
    plan.tiers.iter().find(|tier| tier.zones > 0)?;
    let both = plan.tiers.iter().zip(&plan.parts);
    let near = both.filter(|(tier, _)| !tier.far);
    Some(Share(near.map(|(_, part)| part).sum()))
}

/// The tiers, each with its sides.
fn sides_of(tiers: &[Tier]) -> impl Iterator<Item = &[Tier]> {
    tiers.chunk_by(|a, b| a.number == b.number)
}

fn sides_weights(near: &Tier, far: &Tier) -> zones::Sides {
    zones::Sides {
        near: near.group.total,
        far: far.group.total,
        whole: near.whole,
        zones: near.zones,
    }
}

impl Tier {
    /// Which one it is, whatever the table.
    pub(crate) fn place(&self) -> (u32, bool) {
        (self.number, self.far)
    }

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
    fn candidate(&mut self, table: &PoolTable, index: usize) -> usize {
        let row = &table.endpoints[index];
        let known = self.group.candidates.iter().rposition(|c| c.index == index);
        known.unwrap_or_else(|| {
            self.group.candidates.push(Candidate {
                index,
                id: row.id,
                name: hash::key(row.name.as_bytes()),
                weight: 0,
                whole: 0,
                limit: table.limit_of(row),
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
        let candidate = self.candidate(table, index);
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
        (_, FailoverMode::Static) => with_standbys(table, serving),
        (_, FailoverMode::Dynamic) => by_number(table, serving),
    };
    match tiers.iter().all(|tier| tier.group.candidates.is_empty()) {
        true => Vec::new(),
        false => tiers,
    }
}

/// All down: no tier, no zone, no standby, everybody.
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
    let mut places = Places::new(table);
    for (index, row) in table.endpoints.iter().enumerate() {
        places.count(row.tier, row);
        let side = places.side(row.tier, row);
        if serves(table, row, serving) {
            side.add(table, index, index);
        }
    }
    places.tiers()
}

/// Each endpoint for itself, and its standby for what it cannot carry: on its own side, wherever its primary is.
fn with_standbys(table: &PoolTable, serving: Serving) -> Vec<Tier> {
    let mut places = Places::new(table);
    for (index, row) in table.endpoints.iter().enumerate() {
        if row.is_standby {
            continue;
        }
        places.count(0, row);
        let side = places.side(0, row);
        let itself = serves(table, row, serving);
        if itself {
            side.add(table, index, index);
        }
        let whole_share =
            row.state != State::Trial && row.ramp.is_none() && row.relief >= ramp::WHOLE;
        let standby = row.standby.filter(|&standby| standby != index);
        let standby = standby.filter(|_| !(itself && whole_share));
        if let Some(standby) = standby
            && let Some(row) = table.endpoints.get(standby)
            && serves(table, row, serving)
        {
            places.side(0, row).add(table, standby, index);
        }
    }
    places.tiers()
}

/// Tiers and their sides while they are gathered.
struct Places<'t> {
    own: Option<&'t str>,
    sides: BTreeMap<(u32, bool), Tier>,
    /// The whole weight of each tier, and its zones; all that say none are one.
    wholes: BTreeMap<u32, (u64, BTreeSet<Option<&'t str>>)>,
}

impl<'t> Places<'t> {
    fn new(table: &'t PoolTable) -> Places<'t> {
        Places {
            own: table.failover.zone.as_deref(),
            sides: BTreeMap::new(),
            wholes: BTreeMap::new(),
        }
    }

    /// One of the tier, whether it can serve or not.
    fn count(&mut self, tier: u32, row: &'t EndpointRow) {
        let (whole, zones) = self.wholes.entry(tier).or_default();
        *whole += whole_weight(row);
        if row.weight > 0 {
            zones.insert(row.zone.as_deref());
        }
    }

    /// The side of the tier where this one is.
    fn side(&mut self, number: u32, row: &EndpointRow) -> &mut Tier {
        let far = self.own.is_some_and(|own| row.zone.as_deref() != Some(own));
        let side = self.sides.entry((number, far)).or_default();
        (side.number, side.far) = (number, far);
        side
    }

    fn tiers(mut self) -> Vec<Tier> {
        for side in self.sides.values_mut() {
            if let Some((whole, zones)) = self.wholes.get(&side.number) {
                side.whole = *whole;
                side.zones = zones.len() as u64;
            }
        }
        self.sides.into_values().collect()
    }
}

fn whole_weight(row: &EndpointRow) -> u64 {
    u64::from(scaled(row.weight, ramp::WHOLE))
}
