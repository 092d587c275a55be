//! What is known of an endpoint, and from what: the check's verdict, its agent's, the heartbeat's, the outlier's, the operator's word, and when to look
//! again. Each is a machine with its own fields; [`Endpoint`] puts them together into the one state everybody sees.

mod agent_check;
mod check;
mod endpoint;
mod heartbeat;
mod outlier;
mod schedule;
mod standing;
pub mod traffic;
mod usage;

pub use agent_check::{AgentCheck, AgentCheckView};
pub use check::{Check, Seen, Turn, Verdict};
pub(crate) use endpoint::rules as path_rules;
pub use endpoint::{Around, Endpoint, Outcome, Sign};
pub use heartbeat::{Beat, BeatsView, CarriedBeats, Heartbeat, Says};
pub use outlier::{Outlier, Ruling, TRIAL_REQUESTS};
pub use schedule::{Pace, Schedule};
pub(crate) use standing::clip;
pub use standing::{DecidedBy, Order, Standing};
