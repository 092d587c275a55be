//! Exact means exact: whatever the network, elimination says what adding up the whole joint table says.

use super::*;
use crate::rng::Rng;

fn unit(rng: &mut Rng) -> f64 {
    (rng.draw() >> 11) as f64 / (1u64 << 53) as f64
}

/// A random network of up to nine variables with two to four values and up to three parents each.
fn random(rng: &mut Rng) -> (Network, Vec<Variable>) {
    let mut network = Network::new();
    let mut all: Vec<Variable> = Vec::new();
    for _ in 0..2 + rng.draw() % 8 {
        let mut parents = Vec::new();
        for _ in 0..rng.draw() % 4 {
            if !all.is_empty() {
                let parent = all[(rng.draw() % all.len() as u64) as usize];
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
        }
        let values = 2 + (rng.draw() % 3) as usize;
        let rows: usize = parents.iter().map(|p| network.values(*p)).product();
        let mut table = Vec::new();
        for _ in 0..rows {
            let row: Vec<f64> = (0..values).map(|_| 1e-6 + unit(rng)).collect();
            let sum: f64 = row.iter().sum();
            table.extend(row.iter().map(|p| p / sum));
        }
        all.push(network.add(values, &parents, table).unwrap());
    }
    (network, all)
}

/// Adds up the whole joint table.
pub(crate) fn brute_force(
    network: &Network,
    query: Variable,
    seen: &[(Variable, &[f64])],
) -> Vec<f64> {
    let mut answer = vec![0.0; network.values(query)];
    let mut digits = vec![0usize; network.nodes.len()];
    loop {
        let mut p = 1.0;
        for (number, node) in network.nodes.iter().enumerate() {
            let row = node.parents.iter().fold(0, |row, parent| {
                let parent = usize::from(*parent);
                row * network.nodes[parent].values + digits[parent]
            });
            p *= node.table[row * node.values + digits[number]];
        }
        for (variable, likelihood) in seen {
            p *= likelihood[digits[usize::from(variable.0)]];
        }
        answer[digits[usize::from(query.0)]] += p;
        let mut at = 0;
        loop {
            if at == digits.len() {
                return answer;
            }
            digits[at] += 1;
            if digits[at] < network.nodes[at].values {
                break;
            }
            digits[at] = 0;
            at += 1;
        }
    }
}

fn normal(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights
}

#[test]
fn elimination_equals_brute_force_in_random_networks() {
    let mut scratch = Scratch::default();
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let (network, all) = random(&mut rng);
        let query = all[(rng.draw() % all.len() as u64) as usize];
        let mut likelihoods = Vec::new();
        for variable in &all {
            if rng.chance(1, 2) {
                let of: Vec<f64> = (0..network.values(*variable))
                    .map(|_| unit(&mut rng))
                    .collect();
                likelihoods.push((*variable, of));
            }
        }
        let seen: Vec<_> = likelihoods
            .iter()
            .map(|(v, l)| (*v, l.as_slice()))
            .collect();
        let mut answer = Vec::new();
        network.ask(query, &seen, &mut scratch, &mut answer);
        let (found, wanted) = (normal(answer), normal(brute_force(&network, query, &seen)));
        for (f, w) in found.iter().zip(&wanted) {
            assert!(
                (f - w).abs() < 1e-12,
                "seed {seed}: {found:?}, wanted {wanted:?}"
            );
        }
    }
}

#[test]
fn a_table_that_is_no_distribution_is_refused() {
    let mut network = Network::new();
    assert_eq!(network.add(2, &[], vec![0.5, 0.4]), Err(Malformed::Table));
    assert_eq!(network.add(2, &[], vec![0.5]), Err(Malformed::Table));
    assert_eq!(network.add(2, &[], vec![1.5, -0.5]), Err(Malformed::Table));
    assert_eq!(network.add(1, &[], vec![1.0]), Err(Malformed::Values));
    let root = network.add(2, &[], vec![0.5, 0.5]).unwrap();
    let doubled = network.add(2, &[root, root], vec![0.5; 8]);
    assert_eq!(doubled, Err(Malformed::Parents));
    let rows = vec![0.1, 0.9, 0.2, 0.8];
    assert!(network.add(2, &[root], rows).is_ok());
}
