//! The network made of the lists, and the question put to it: given this evidence, which cause?
//!
//! An observation of worth w (its freshness) is the likelihood `w + (1 − w)/2` for what was seen and `(1 − w)/2` for its
//! opposite: new, it decides; old, it says nothing. What moved a verdict is told by leaving each observation out:
//! `weight = ln(odds with it / odds without it)`, so that 0.7 doubles the odds and −0.7 halves them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

use super::board::{Item, Source};
use super::cause::{CAUSES, Cause};
use super::condition::{CONDITIONS, Condition};
use super::evidence::{EVIDENCE, Evidence};
use super::network::{Network, Scratch, Variable};

/// Nothing is impossible and nothing is certain: without this one wrong figure could not be outweighed by anything.
const LEAST: f64 = 1e-6;

/// An observation and what it did to the probability of a cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What was observed.
    pub evidence: Evidence,
    /// Seen, or looked for and not there.
    pub present: bool,
    /// By whom.
    pub source: Source,
    /// The particulars.
    pub value: String,
    /// How old it was at the verdict.
    pub age: Duration,
    /// Natural logarithm of what it multiplied the odds of this cause by.
    pub weight: f64,
}

/// A cause and how probable it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Which.
    pub cause: Cause,
    /// 0 to 1.
    pub probability: f64,
    /// What moved it most, strongest first.
    pub because: Vec<Reason>,
}

/// Reasons told for one cause.
const REASONS_MAX: usize = 8;
/// A weight below this changes no probability that anybody would notice.
const WEIGHT_MIN: f64 = 0.05;
/// Causes told besides the first: more nobody reads.
const CAUSES_MAX: usize = 5;
/// Less probable ones are not told.
const PROBABILITY_MIN: f64 = 0.001;

/// The network and the buffers of its questions.
#[derive(Clone, Debug)]
pub struct Reasoner {
    network: Network,
    cause: Variable,
    evidence: Vec<Variable>,
    scratch: Scratch,
    answer: Vec<f64>,
}

impl Default for Reasoner {
    fn default() -> Self {
        Reasoner::new()
    }
}

impl Reasoner {
    /// Builds the network of the lists.
    pub fn new() -> Reasoner {
        let mut network = Network::new();
        let total: f64 = CAUSES.iter().map(|entry| entry.prior).sum();
        let priors = CAUSES.iter().map(|entry| entry.prior / total).collect();
        let cause = added(network.add(CAUSES.len(), &[], priors));
        let mut conditions: Vec<Variable> = Vec::with_capacity(CONDITIONS.len());
        for entry in CONDITIONS {
            let own = |cause: usize| of(CAUSES[cause].conditions, entry.condition, entry.leak);
            let node = Node {
                own: &own,
                from: entry.from,
            };
            conditions.push(node.add(&mut network, cause, &conditions));
        }
        let mut evidence = Vec::with_capacity(EVIDENCE.len());
        for entry in EVIDENCE {
            let own = |cause: usize| of(CAUSES[cause].evidence, entry.evidence, entry.leak);
            let node = Node {
                own: &own,
                from: entry.from,
            };
            evidence.push(node.add(&mut network, cause, &conditions));
        }
        Reasoner {
            network,
            cause,
            evidence,
            scratch: Scratch::default(),
            answer: Vec::new(),
        }
    }

    /// The probability of each cause, in the order of [`CAUSES`].
    pub fn posterior(&mut self, items: &[Item], now: Time) -> Vec<f64> {
        let likelihoods = likelihoods(items, now);
        let sums = self.ask(&likelihoods, None);
        let total: f64 = sums.iter().sum();
        sums.iter().map(|sum| sum / total).collect()
    }

    /// The causes that can be told from the evidence, most probable first, each with what moved it.
    pub fn rank(&mut self, items: &[Item], now: Time) -> Vec<Ranked> {
        let likelihoods = likelihoods(items, now);
        let all = self.ask(&likelihoods, None);
        let total: f64 = all.iter().sum();
        let mut order: Vec<usize> = (0..CAUSES.len()).collect();
        order.sort_by(|a, b| all[*b].total_cmp(&all[*a]));
        order.truncate(CAUSES_MAX);
        order.retain(|cause| all[*cause] / total >= PROBABILITY_MIN);
        let without: Vec<Vec<f64>> = (0..items.len())
            .map(|left_out| self.ask(&likelihoods, Some(left_out)))
            .collect();
        let ranked = order.into_iter().map(|cause| {
            let moved = items.iter().zip(&without);
            let reasons = moved.map(|(item, without)| Reason {
                evidence: item.evidence,
                present: item.present,
                source: item.source,
                value: item.value.clone(),
                age: now.since(item.at),
                weight: (odds(&all, cause) / odds(without, cause)).ln(),
            });
            Ranked {
                cause: CAUSES[cause].cause,
                probability: all[cause] / total,
                because: strongest(reasons.collect()),
            }
        });
        ranked.collect()
    }

    fn ask(&mut self, likelihoods: &[(Evidence, [f64; 2])], left_out: Option<usize>) -> Vec<f64> {
        let kept = likelihoods.iter().enumerate();
        let kept = kept.filter(|(number, _)| Some(*number) != left_out);
        let seen: Vec<(Variable, &[f64])> = kept
            .map(|(_, (evidence, l))| (self.evidence[*evidence as usize], &l[..]))
            .collect();
        let network = &self.network;
        network.ask(self.cause, &seen, &mut self.scratch, &mut self.answer);
        self.answer.clone()
    }
}

/// A binary variable below the cause and some conditions.
struct Node<'a> {
    own: &'a dyn Fn(usize) -> f64,
    from: &'a [(Condition, f64)],
}

impl Node<'_> {
    /// Noisy-or: it is absent only if its cause does not bring it about and none of its conditions does.
    fn add(&self, network: &mut Network, cause: Variable, conditions: &[Variable]) -> Variable {
        let mut parents = vec![cause];
        parents.extend(self.from.iter().map(|(from, _)| conditions[*from as usize]));
        let mut table = Vec::new();
        for cause in 0..CAUSES.len() {
            for there in 0..1usize << self.from.len() {
                let mut absent = 1.0 - (self.own)(cause);
                for (bit, (_, strength)) in self.from.iter().rev().enumerate() {
                    if there & 1 << bit != 0 {
                        absent *= 1.0 - strength;
                    }
                }
                let absent = absent.clamp(LEAST, 1.0 - LEAST);
                table.extend([absent, 1.0 - absent]);
            }
        }
        added(network.add(2, &parents, table))
    }
}

/// The lists are part of the program: a test builds the network of them.
fn added(result: Result<Variable, super::network::Malformed>) -> Variable {
    match result {
        Ok(variable) => variable,
        Err(why) => unreachable!("the lists of causes and evidence make no network: {why:?}"),
    }
}

fn of<K: PartialEq + Copy>(table: &[(K, f64)], key: K, leak: f64) -> f64 {
    let found = table.iter().find(|(of, _)| *of == key);
    found.map_or(leak, |(_, p)| *p)
}

fn likelihoods(items: &[Item], now: Time) -> Vec<(Evidence, [f64; 2])> {
    let of = |item: &Item| {
        let worth = item.worth(now);
        let (like, unlike) = (worth + (1.0 - worth) / 2.0, (1.0 - worth) / 2.0);
        match item.present {
            true => [unlike, like],
            false => [like, unlike],
        }
    };
    items.iter().map(|item| (item.evidence, of(item))).collect()
}

/// Against all other causes together.
fn odds(sums: &[f64], cause: usize) -> f64 {
    let others = sums.iter().enumerate().filter(|(other, _)| *other != cause);
    let others: f64 = others.map(|(_, sum)| sum).sum();
    sums[cause].max(f64::MIN_POSITIVE) / others.max(f64::MIN_POSITIVE)
}

fn strongest(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.retain(|reason| reason.weight.abs() >= WEIGHT_MIN);
    reasons.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    reasons.truncate(REASONS_MAX);
    reasons
}

#[cfg(test)]
mod tests;
