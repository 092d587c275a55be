//! What can be done about a fault. Each action is a file that says what it treats, how harmful it is, how long it must rest and
//! whose hand carries it out; whoever plans never names one, but takes the least harmful that fits. The numbers' reasons stand
//! in each file.

mod free_disk;
mod kill_hung;
mod notify;
mod redo;
mod relieve_cpu;
mod relieve_memory;
mod reload_service;
mod restart;
mod restore_data;
mod rollback_release;
mod run;
mod switch_network;

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::diagnose::Cause;
use crate::registry::{Name, Part};
use crate::settings::ServiceSpec;
use crate::supervise::ServiceOrder;

/// Every action, the least harmful first.
pub static ACTIONS: &[&Action] = &[
    &notify::ACTION,
    &redo::ACTION,
    &switch_network::ACTION,
    &free_disk::ACTION,
    &reload_service::ACTION,
    &relieve_cpu::ACTION,
    &relieve_memory::ACTION,
    &restart::ACTION,
    &kill_hung::ACTION,
    &rollback_release::ACTION,
    &run::ACTION,
    &restore_data::ACTION,
];

/// What an action says of itself.
#[derive(Debug)]
pub struct Action {
    /// Its name and one sentence.
    pub part: Part,
    /// The causes it treats, and how probably it helps against each; those it treats best first. Estimates, each with its reason:
    /// between actions that are equally harmless what was counted here decides.
    pub treats: &'static [(Cause, f64)],
    /// What it costs if it was the wrong one.
    pub harm: Harm,
    /// Between two of it for the same service.
    pub rest: Duration,
    /// Must the endpoint be drained first?
    pub drains: bool,
    /// What must be there for it.
    pub needs: Needs,
    /// What is done, in order; each step waits for the one before it.
    pub steps: &'static [Step],
    /// What is done if it did not help.
    pub undo: &'static [Step],
}

/// What must be there for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// An endpoint.
    Endpoint,
    /// A supervised service.
    Service,
    /// A service with `memory_max`: without it nobody has said how much is too much.
    MemoryMax,
    /// A service with `disk_paths`.
    DiskPaths,
    /// A service with `release`.
    Release,
    /// A service with `data`, and a recovery point from before the fault.
    Data,
    /// A service with a command that is named as the cause is, or `recover`.
    Command,
}

/// One thing that is done, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The supervisor ends the service gracefully and starts it again, and waits until it is ready; one that was given up it tries again.
    Restart,
    /// The supervisor ends it at once and starts it again, and waits until it is ready.
    Kill,
    /// The supervisor sends it this signal.
    Signal(i32),
    /// The supervisor tries a service again that it has given up; any other is left alone.
    TryAgain,
    /// The agent on the service's host: files and programs.
    Host,
    /// The data plane.
    Balancer,
    /// The control plane.
    Control,
    /// Less work for the endpoint, until it is well for a while.
    Relief,
    /// Is it well within this, the steps that follow are not taken.
    Watch(Duration),
}

/// What an action costs if it was the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Nobody notices.
    Nothing,
    /// Something that can be made again is gone, or some traffic moves.
    Little,
    /// The service is away for a moment.
    Some,
    /// Work in progress is lost, or another program serves.
    More,
    /// Data is exchanged, or nobody but the operator knows.
    Much,
}

/// Who carries an action out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// The machine that supervises the service.
    Supervisor,
    /// The agent on the service's host: files and programs.
    Host,
    /// The data plane.
    Balancer,
    /// The control plane.
    Control,
}

impl Action {
    /// Whose its first step is.
    pub fn hand(&self) -> Hand {
        match self.steps.first() {
            Some(Step::Host) => Hand::Host,
            Some(Step::Restart | Step::Kill | Step::Signal(_) | Step::TryAgain) => Hand::Supervisor,
            Some(Step::Control) => Hand::Control,
            Some(Step::Balancer | Step::Relief | Step::Watch(_)) | None => Hand::Balancer,
        }
    }
}

/// An action in something that is kept: by its name.
#[derive(Clone, Copy, Debug)]
pub struct Kept(pub &'static Action);

impl Kept {
    /// Its name.
    pub fn name(self) -> Name {
        self.0.part.name
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Kept) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Kept) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kept, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = find(&name).ok_or_else(|| de::Error::custom(format!("no action {name:?}")));
        found.map(Kept)
    }
}

/// The action of this name.
pub fn find(name: &str) -> Option<&'static Action> {
    ACTIONS
        .iter()
        .copied()
        .find(|action| action.part.name == name)
}

/// What a person can have done to this service: names of actions, `run` with that of a command.
pub fn of(spec: &ServiceSpec) -> Vec<String> {
    let care = &spec.care;
    let possible = |action: &&&Action| match action.needs {
        Needs::Nothing | Needs::Endpoint => false,
        // Who relieves it by hand needs no limit for it.
        Needs::Service | Needs::MemoryMax => true,
        Needs::DiskPaths => !care.disk_paths.is_empty(),
        Needs::Release => care.release.is_some(),
        Needs::Data => care.data.is_some(),
        Needs::Command => !care.commands.is_empty(),
    };
    let mut all = Vec::new();
    for action in ACTIONS.iter().filter(possible) {
        let name = action.part.name;
        match action.needs {
            Needs::Command => {
                all.extend(care.commands.iter().map(|(of, _)| format!("{name} {of}")));
            }
            _ => all.push(name.to_owned()),
        }
    }
    all
}

/// `SIGHUP`: read your configuration again.
const HUP: i32 = 1;

/// What a supervisor is told for this action, wherever it is: of [`Hand::Supervisor`]'s the rest is a restart.
pub fn supervisors_order(name: &str) -> ServiceOrder {
    match name {
        "kill_hung" => ServiceOrder::Kill,
        "reload_service" => ServiceOrder::Signal(HUP),
        _ => ServiceOrder::Restart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_says_what_it_is_and_what_it_treats() {
        for action in ACTIONS {
            let name = action.part.name;
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(action.part.summary.ends_with('.'), "{name}");
            for (n, (cause, helps)) in action.treats.iter().enumerate() {
                assert!((0.0..1.0).contains(helps), "{name} {cause:?}");
                let twice = action.treats[..n].iter().any(|(other, _)| other == cause);
                assert!(!twice, "{name} treats {cause:?} twice");
            }
            assert!(!action.steps.is_empty(), "{name}");
            assert!(action.rest >= Duration::from_secs(1), "{name}");
            assert_eq!(find(name).map(|found| found.part.name), Some(name));
        }
    }

    #[test]
    fn the_list_begins_with_the_least_harmful_and_has_no_name_twice() {
        assert!(ACTIONS.is_sorted_by_key(|action| action.harm));
        for (n, action) in ACTIONS.iter().enumerate() {
            assert!(
                ACTIONS[..n]
                    .iter()
                    .all(|other| other.part.name != action.part.name)
            );
        }
        assert_eq!(find("reboot").map(|_| ()), None);
    }

    #[test]
    fn what_takes_a_service_away_is_drained_first() {
        for action in ACTIONS.iter().filter(|action| action.harm >= Harm::Some) {
            assert!(action.drains, "{}", action.part.name);
        }
    }

    #[test]
    fn nobody_is_restarted_for_the_balancers_own_fault() {
        assert!(
            ACTIONS
                .iter()
                .flat_map(|action| action.treats)
                .all(|(cause, _)| *cause != Cause::BalancerItself)
        );
    }
}
