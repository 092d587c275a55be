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

use crate::registry::Part;
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
    /// Names of the causes it treats, those it treats best first.
    pub treats: &'static [&'static str],
    /// What it costs if it was the wrong one.
    pub harm: Harm,
    /// Between two of it for the same service.
    pub rest: Duration,
    /// Must the endpoint be drained first?
    pub drains: bool,
    /// Who carries it out.
    pub hand: Hand,
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

/// The action of this name.
pub fn find(name: &str) -> Option<&'static Action> {
    ACTIONS
        .iter()
        .copied()
        .find(|action| action.part.name == name)
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

    /// The names of causes as users see them.
    const CAUSES: [&str; 17] = [
        "process_dead",
        "process_hung",
        "host_dead",
        "network_path_cut",
        "network_slow",
        "cpu_overload",
        "memory_leak",
        "memory_exhausted",
        "disk_full",
        "disk_slow",
        "dependency_down",
        "bad_release",
        "bad_config",
        "certificate_expired",
        "port_taken",
        "balancer_itself",
        "unknown",
    ];

    #[test]
    fn every_action_says_what_it_is_and_treats_causes_that_exist() {
        for action in ACTIONS {
            let name = action.part.name;
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
            assert!(action.part.summary.ends_with('.'), "{name}");
            assert!(!action.treats.is_empty(), "{name}");
            for (n, cause) in action.treats.iter().enumerate() {
                assert!(CAUSES.contains(cause), "{name} treats {cause}");
                assert!(
                    !action.treats[..n].contains(cause),
                    "{name} treats {cause} twice"
                );
            }
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
                .all(|action| !action.treats.contains(&"balancer_itself"))
        );
    }
}
