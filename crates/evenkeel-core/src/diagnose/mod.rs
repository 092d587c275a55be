//! Why something fails: from evidence to ranked causes.
//!
//! ```text
//!  cause ──▶ conditions ("nobody listens", "stuck", …) ──▶ evidence ("connection refused", "no answer in time", …)
//!    └───────────────────────────────────────────────────────▲
//! ```
//!
//! [`EVIDENCE`], [`CONDITIONS`] and [`CAUSES`] are lists; a Bayesian [`Network`](network::Network) is built of them once.
//! The conditions are there because evidence of one condition is not independent: a refused connection seen by the check
//! and one seen by traffic are both explained by "nobody listens", and count as one, not twice. Evidence that nobody
//! looked for says nothing; that something was looked for and was not there ("the process is alive") says a lot.

mod board;
mod cause;
mod causes;
mod condition;
mod evidence;
pub mod network;
mod reasoner;

pub use board::{Board, Item, Source};
pub use cause::{CAUSES, Cause, CauseEntry, Scope};
pub use condition::{CONDITIONS, Condition, ConditionEntry};
pub use evidence::{Class, EVIDENCE, Evidence, EvidenceEntry};
pub use reasoner::{Ranked, Reason, Reasoner};
