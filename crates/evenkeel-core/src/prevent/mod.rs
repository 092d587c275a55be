//! Prevention: resources are scheduled before there is a fault. Whatever runs hot gets less, gradually and within bounds, and has
//! it back when it cools.
//!
//! ```text
//!  facts, heartbeats ──▶ Gauges ── levels and trends ──▶ Heat, 0 to 100 %
//!                                                          │
//!                           some are hot: weight moves ◀───┴───▶ all are hot: less is admitted
//!                                      Relief                          Admission
//! ```
//!
//! | file | idea |
//! | --- | --- |
//! | `trend` | does a number grow, by more than noise, and how fast |
//! | `heat` | what of an endpoint is near its limit, or will be soon |
//! | `scheduler` | one pool: who gives work away and who takes it, step by step |
//! | `relief` | less than its weight for one endpoint, with the reasons of all who want it so |
//! | `admission` | less at once for a whole pool |
//! | `brake` | still less, when what it does is in vain |

mod admission;
mod brake;
mod heat;
pub mod relief;
mod scheduler;
#[cfg(test)]
mod tests;
mod trend;

pub use admission::Admission;
pub use brake::{Brake, Braked, Ends};
pub use heat::{COOL, Filling, Gauges, HOT, Heat};
pub use relief::{Relief, Reliever};
pub use scheduler::{Decision, Scheduler, Stand, Wanted};
pub use trend::Trend;
