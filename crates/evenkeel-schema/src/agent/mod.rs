//! What an agent on another host and a balancer say to each other.
//!
//! ```text
//!  agent                                       balancer
//!    ── Hello: version, name, token, actions ──▶
//!    ◀── Welcome, or Refused and why ───────────
//!    ── Services: all it has ───────────────────▶
//!    ── Service: one changed ───────────────────▶
//!    ── Beat: number n, each service's state ───▶
//!    ◀── Acknowledged: n ───────────────────────
//!    ── Facts: of the host and its services ────▶
//!    ◀── Order: fence, service, action ─────────
//!    ── Done: it was carried out, or why not ───▶
//!    ── Bye ────────────────────────────────────▶
//! ```
//!
//! One connection over TCP, TLS around it unless both ends are on one host. A message is JSON behind its length, because it is
//! looked at by people when something is wrong and none is sent often; every one has a bound and is checked before anybody acts on
//! it. Fields may be added, and a reader passes over those it does not know; anything else is another [`PROTOCOL`], said in the
//! first message.

mod frame;
mod message;
mod points;
mod report;
#[cfg(test)]
mod tests;

pub use frame::{FIRST_FRAME_BYTES_MAX, FRAME_BYTES_MAX, FrameError, Frames, encode};
pub use message::{
    Beat, FromAgent, Hello, Message, Order, PROTOCOL, Refusal, ServiceBeat, ToAgent, Token,
    VERIFY_DATA, printable, read,
};
pub use points::{POINTS_BYTES_MAX, PointReport, PointsProblem, PointsReport};
pub use report::{CareReport, Ended, FactsReport, ServiceFactsReport, ServiceReport};
