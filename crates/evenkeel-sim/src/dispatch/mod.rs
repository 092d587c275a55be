//! Which rule fits a fleet: `evenkeel simulate`. Queues of simulated endpoints under simulated requests, and between them the very
//! pickers, tables and counters that serve traffic.
//!
//! A [`Scenario`] is a TOML file; [`shipped`] are those that come with evenkeel. Many of them stand for something that is known
//! exactly (an M/M/1, the power of two choices): they show that the simulator is right, and the policy in it. What it
//! computes is the same for the same seed, and every policy meets the same requests.
//!
//! - [`scenario`]: what can be described. [`shipped`]: those that come with it. [`Outcome`]: what comes out.
//! - [`beside`]: `learned` and its guard. [`report`]: all of them, as a page.
//! - [`drawn`]: fleets by lot. [`among`]: `learned` and its guard in many of those, as a page.
//! - `fleet`: one run. `endpoint`: a queue with cores. `chooser`: who chooses. `burden`: what control says meanwhile.

mod agenda;
pub mod among;
mod antagonist;
pub mod beside;
mod burden;
mod chooser;
pub mod drawn;
mod endpoint;
mod expect;
mod figures;
mod fleet;
mod line;
mod lots;
pub mod report;
pub mod scenario;
pub mod shipped;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use expect::{Expect, Figure, Unchecked, Verdict, check};
pub use figures::{Curves, Outcome};
pub use scenario::Scenario;
pub use svg::svg;

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use evenkeel_core::balance::POLICIES;

/// The outcomes at one load.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRun {
    /// Which; `None` where the scenario gives no load.
    pub load: Option<f64>,
    /// Of each policy.
    pub outcomes: Vec<Outcome>,
}

/// Nanoseconds in a second.
const NS: f64 = 1e9;

fn to_ns(seconds: f64) -> u64 {
    (seconds * NS).ceil() as u64
}

fn to_s(ns: u64) -> f64 {
    ns as f64 / NS
}

/// The policies of a scenario, or those that were asked for.
pub fn policies(scenario: &Scenario, asked: &[String]) -> Result<Vec<String>, String> {
    asked.iter().try_for_each(|name| chooser::known(name))?;
    let named = match asked.is_empty() {
        true => &scenario.policies[..],
        false => asked,
    };
    Ok(match named.is_empty() {
        true => POLICIES.iter().map(|e| e.part.name.to_owned()).collect(),
        false => named.to_vec(),
    })
}

/// Runs one policy.
pub fn run(
    scenario: &Scenario,
    policy: &str,
    seed: u64,
    progress: &dyn Fn(f64),
) -> Result<Outcome, String> {
    chooser::known(policy)?;
    Ok(fleet::Fleet::new(scenario, policy, seed)?.run(policy, progress))
}

/// Runs several at once, as many as this machine has cores; what comes out does not depend on how many that are. `progress` hears
/// which share of all is done.
pub fn run_all(
    scenario: &Scenario,
    policies: &[String],
    seed: u64,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Vec<Outcome>, String> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![0.0; policies.len()]);
    let outcomes = Mutex::new(vec![None; policies.len()]);
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(policy) = policies.get(at) else {
                return;
            };
            let outcome = run(scenario, policy, seed, &|share| {
                let mut done = lock(&done);
                done[at] = share;
                progress(done.iter().sum::<f64>() / done.len() as f64);
            });
            lock(&outcomes)[at] = Some(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores.min(policies.len()) {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner();
    let outcomes = outcomes.unwrap_or_else(|poisoned| poisoned.into_inner());
    outcomes.into_iter().flatten().collect()
}

/// A thread that panicked takes the whole run with it: `scope` sees to that.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
