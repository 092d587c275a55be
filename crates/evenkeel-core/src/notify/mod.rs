//! Telling a person: what is worth it, and how a message gets there.
//!
//! [`Teller`] decides what is told. It thinks as whoever is called at night: what heals by itself is not told at all. A message
//! goes out when a person is needed (nothing is left to try, the budget of actions is used up, a service was given up), when a pool
//! has had nothing usable for a while, when an error budget burns; and once more when what was told is over.
//!
//! [`Outbox`] decides when each message goes to each of its targets, and again if it did not get there. A message stays until its
//! target took it, at least once; its number lets the target drop doubles.

mod outbox;
mod teller;
#[cfg(test)]
mod tests;

pub use outbox::{Dropped, Failure, Outbox, Parcel, Verdict, WAITING_MAX};
pub use teller::{Event, Message, OUTAGE_AFTER, Teller};
