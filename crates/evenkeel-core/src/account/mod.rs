//! The account: how long everything was up, down, planned and unknown, what that says, and what it may cost.
//!
//! One [`PoolAccount`] a pool, fed with the states the engine decided and the requests the data plane counted. It adds time
//! up ([`History`]), watches the error budget ([`burn`]), and says what the figures are worth ([`reliability`], [`markov`]).
//! Time is counted on the machine's steady clock in whole nanoseconds, so the four kinds add up to elapsed time exactly,
//! whatever becomes of the calendar's clock. Time nobody looked (before the first probe, while the balancer did not run or
//! was itself paused) is unknown: it is never made into up, nor into down.

pub mod burn;
mod causes;
mod counts;
mod history;
mod kept;
pub mod markov;
mod pool;
pub mod reliability;
mod view;
pub mod what_if;

#[cfg(test)]
mod tests;

pub use causes::{CauseTimes, Stage, Times};
pub use counts::Counts;
pub use history::{History, Kind, Piece};
pub use kept::{Kept, KeptBook, KeptCause, KeptCounts, KeptEndpoint};
pub use pool::{AccountEvent, PoolAccount, Seen};
pub use view::{EndpointReport, Figures, PoolReport};
