//! One file a cause: its prior, what it brings about and shows, in figures that can be read and argued about.
//!
//! The figures are judgements, not measurements: what matters is their order of magnitude. `prior` is the share of all
//! faults; a figure in a table is P(condition or evidence | this cause), and what a table does not name has its leak.

pub(super) mod bad_config;
pub(super) mod bad_release;
pub(super) mod balancer_itself;
pub(super) mod certificate_expired;
pub(super) mod cpu_overload;
pub(super) mod dependency_down;
pub(super) mod disk_full;
pub(super) mod disk_slow;
pub(super) mod host_dead;
pub(super) mod memory_exhausted;
pub(super) mod memory_leak;
pub(super) mod network_path_cut;
pub(super) mod network_slow;
pub(super) mod port_taken;
pub(super) mod process_dead;
pub(super) mod process_hung;
pub(super) mod unknown;
