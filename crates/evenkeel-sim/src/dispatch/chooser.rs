//! Who chooses: the picker that serves traffic, or a rule of theory that evenkeel does not offer and that is only here so that the
//! simulator can be held against what is known of it.

use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::balance::{Choice, Ended, Note, POLICIES, Picker, Report, Request, policy};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{PolicySpec, Share};
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::Time;

use super::lots::unit;

/// So many at most are looked at by `best_of_N`.
const BEST_OF_MAX: usize = 16;

/// Chooses for one balancer.
#[derive(Debug)]
pub(super) enum Chooser {
    /// A policy of evenkeel.
    Policy(Box<Picker>),
    /// The least loaded of so many drawn ones, in theory's JSQ(d).
    BestOf { looked_at: usize, rng: Rng },
}

/// `best_of_N`.
fn best_of(name: &str) -> Option<usize> {
    let looked_at = name.strip_prefix("best_of_")?.parse().ok()?;
    (1..=BEST_OF_MAX).contains(&looked_at).then_some(looked_at)
}

/// A policy as a scenario names it: `NAME`, or `NAME(SETTING=VALUE)` where it is to be compared with another of its kind.
pub(super) fn spec(name: &str) -> Option<PolicySpec> {
    let (name, settings) = match name.strip_suffix(')') {
        Some(whole) => whole.split_once('(')?,
        None => (name, ""),
    };
    let mut spec = PolicySpec::named(policy(name)?.part.name);
    for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=')? {
            ("quantile", percent) if name == "prequal" => {
                let percent: u32 = percent.parse().ok()?;
                spec.prequal.quantile = Share::percent(percent.min(100));
            }
            ("pools", pools) if name == "prequal" => spec.prequal.pools = pools.parse().ok()?,
            _ => return None,
        }
    }
    Some(spec)
}

/// Is there a policy of this name, or a rule of theory? If not: what there is.
pub(super) fn known(name: &str) -> Result<(), String> {
    if spec(name).is_some() || best_of(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = POLICIES.iter().map(|entry| entry.part.name).collect();
    Err(format!(
        "there is no policy `{name}`; there are {}, and best_of_1 to best_of_{BEST_OF_MAX} of theory",
        names.join(", ")
    ))
}

impl Chooser {
    /// The chooser of this name; `seed` differs from balancer to balancer.
    pub(super) fn new(name: &str, table: &PoolTable, seed: u64) -> Chooser {
        match best_of(name) {
            Some(looked_at) => Chooser::BestOf {
                looked_at,
                rng: Rng::new(seed).stream("best of"),
            },
            None => Chooser::Policy(Box::new(Picker::new(table, seed))),
        }
    }

    /// Chooses.
    pub(super) fn pick(&mut self, table: &PoolTable, request: &Request<'_>) -> Choice {
        match self {
            Chooser::Policy(picker) => picker.pick(table, request),
            Chooser::BestOf { looked_at, rng } => {
                let n = table.endpoints.len();
                let mut drawn = [0; BEST_OF_MAX];
                for nth in 0..n.min(*looked_at) {
                    // Few are drawn already; the next that is not takes the place of one that is.
                    drawn[nth] = rng.index(n);
                    while drawn[..nth].contains(&drawn[nth]) {
                        drawn[nth] = (drawn[nth] + 1) % n;
                    }
                }
                let drawn = drawn[..n.min(*looked_at)].iter();
                let load = |index: usize| table.endpoints[index].shared.in_flight.load(Relaxed);
                let least = drawn
                    .map(|&index| (load(index), unit(rng), index))
                    .min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
                least.map_or(Choice::Nobody, |(.., index)| Choice::Endpoint(index))
            }
        }
    }

    /// What goes with the last choice.
    pub(super) fn note(&self) -> Note {
        match self {
            Chooser::Policy(picker) => picker.note(),
            Chooser::BestOf { .. } => Note::default(),
        }
    }

    /// Whom its policy wants to ask for its load.
    pub(super) fn wants_to_ask(&mut self, table: &PoolTable, now: Time) -> Option<usize> {
        match self {
            Chooser::Policy(picker) => picker.to_ask(table, now),
            Chooser::BestOf { .. } => None,
        }
    }

    /// An endpoint reported.
    pub(super) fn reported(&mut self, table: &PoolTable, index: usize, report: &Report) {
        if let Chooser::Policy(picker) = self {
            picker.reported(table.epoch, index, report);
        }
    }

    /// A try ended.
    pub(super) fn ended(&mut self, table: &PoolTable, index: usize, how: &Ended) {
        if let Chooser::Policy(picker) = self
            && picker.learns()
        {
            picker.ended(table.epoch, index, how);
        }
    }
}
