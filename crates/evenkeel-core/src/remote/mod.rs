//! What a balancer and the agents of other hosts hold each other to, without a socket: when an agent calls again (`dial`), which
//! orders it takes (`fences`), and which agent is who (`roster`).

mod dial;
mod fences;
mod roster;
#[cfg(test)]
mod tests;

pub use dial::{Dial, Happened};
pub use fences::{Fences, SERVICES_MAX, Unfit, ahead, calendar, following};
pub use roster::{AGENTS_MAX, LinkId, Roster, SILENCE_MAX, Verdict};
