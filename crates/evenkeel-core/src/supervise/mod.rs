//! Supervised services: started, watched, started again, and given up with a clear word when that does not help.

mod backoff;
mod machine;
mod orders;
mod port;
mod rolling;
mod words;

pub use machine::Supervisor;
pub use rolling::Rolling;
pub use words::{Act, Change, Input, ServiceEvent, ServiceOrder, ServiceState, Step};
