//! What a configuration asks for, checked and in the shapes the machines use. The schema crate parses into these, so a
//! value of these types is already known to be right (ranges, names that exist). Defaults live beside their
//! settings, each with its reason.

mod care;
mod heartbeat;
mod objective;
mod policy;
mod pool;
mod prevention;
mod recovery;
mod service;
mod tls;
mod traffic;

pub use care::*;
pub use heartbeat::*;
pub use objective::*;
pub use policy::*;
pub use pool::*;
pub use prevention::*;
pub use recovery::*;
pub use service::*;
pub use tls::*;
pub use traffic::*;
