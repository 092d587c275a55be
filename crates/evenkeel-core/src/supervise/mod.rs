//! Supervised services: started, watched, started again, and given up with a clear word when that does not help.

mod backoff;
mod machine;
mod rolling;

pub use machine::{Act, Change, Input, ServiceEvent, ServiceState, Step, Supervisor};
pub use rolling::Rolling;
