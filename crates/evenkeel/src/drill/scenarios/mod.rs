//! Every fault that can be drilled: a file and a line in [`SCENARIOS`].
//!
//! A scenario is prepared first, which refuses what it cannot do here before anything is touched, and then injected. What it does
//! must be a real fault of the kind it names: its cause is taken for the truth.

mod cpu_burn;
mod dependency_down;
mod disk_full;
mod errors_after_release;
mod kill;
mod memory_leak;
mod path_cut;
mod port_blocked;
mod slow_answers;
mod stop;

use evenkeel_core::diagnose::Cause;

use super::fault::Fault;
use super::site::Site;

/// Does it.
pub(super) type Inject<'s> = Box<dyn FnOnce() -> Result<Fault<'s>, String> + 's>;

/// A fault that can be drilled.
pub(crate) struct Scenario {
    /// Its name.
    pub(super) name: &'static str,
    /// What is done, in one sentence.
    pub(super) summary: &'static str,
    /// What it then really is.
    pub(super) cause: Cause,
    /// What it cannot do without; empty = any supervised service.
    pub(super) needs: &'static str,
    /// Can the fault still be felt, whatever incidents say? `None` = evenkeel's word is taken for it.
    pub(super) felt: Option<fn(&Site) -> bool>,
    /// Looks whether it can be done here.
    pub(super) prepare: fn(&Site) -> Result<Inject<'_>, String>,
}

/// All of them, the plainest first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    kill::SCENARIO,
    stop::SCENARIO,
    port_blocked::SCENARIO,
    slow_answers::SCENARIO,
    errors_after_release::SCENARIO,
    memory_leak::SCENARIO,
    cpu_burn::SCENARIO,
    disk_full::SCENARIO,
    dependency_down::SCENARIO,
    path_cut::SCENARIO,
];

/// The one of this name.
pub(super) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_have_names_of_their_own_and_say_what_they_do() {
        for (n, scenario) in SCENARIOS.iter().enumerate() {
            assert!(scenario.summary.ends_with('.'), "{}", scenario.name);
            assert!(!scenario.needs.ends_with('.'), "{}", scenario.name);
            let names = SCENARIOS[..n].iter().map(|s| s.name);
            assert!(names.into_iter().all(|name| name != scenario.name));
        }
    }
}
