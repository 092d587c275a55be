//! Recovery: what can be done about a fault, which of it is done, and when copies of data are made.
//!
//! [`actions`] describe themselves; `choose` takes the least harmful that fits; a `course` is one action on its way from decision to
//! proof; `history` remembers what was tried; the `planner` holds all of it for all pools.

pub mod actions;
mod case;
mod choose;
mod course;
mod history;
mod order;
mod planner;
pub mod points;
pub mod redo;
mod told;
mod wanted;

pub(crate) use case::{Behind, Case, Condition};
pub use order::{CarriedRecovery, Cures, End, Order, Tried};
pub(crate) use planner::Planner;
pub(crate) use wanted::Do;
pub use wanted::RecoveryView;
