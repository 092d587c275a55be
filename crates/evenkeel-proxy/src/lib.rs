//! The data plane: accept, route, pick, forward, observe. It knows nothing of the control plane and serves on when that
//! is dead: out comes only what [`evenkeel_core::counters`] and [`evenkeel_core::observe`] hold, in goes only an immutable
//! [`Traffic`].
//!
//! One OS thread per worker, each with its own event loop, listening sockets, idle connections, policy state and
//! randomness; what a request needs in the steady state is already in its worker's hands. The event loop is one module
//! (`rt`), the HTTP/1.1 engine does no IO, and nothing else here knows what drives it.

mod accept;
mod access;
mod buffer;
mod http;
pub mod http1;
mod line;
mod options;
mod pool;
mod proxy;
mod random;
mod redo;
mod room;
mod rt;
mod seldom;
mod session;
mod snapshot;
mod splice;
mod stall;
mod tcp;
mod tunnel;
mod view;
mod wire;
mod worker;

pub use access::{AccessFormat, AccessLog, AccessTarget};
pub use options::{Options, Traffic};
pub use proxy::Proxy;
pub use session::{NoKey, Sessions};
