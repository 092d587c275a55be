//! Where agents of other hosts connect: the listening socket, who is let in, and both directions of each connection. What an
//! agent says is handed to the control loop, which decides; what it is to be told comes from there.
//!
//! A stranger costs little and not for long: few are greeted at once, and where more come the oldest goes; each has ten seconds for
//! its handshake and its hello together, and a hello is short. Whoever is in is bound by the size and the number of its messages
//! and by the lines they may make the log say, and waits when the loop does.

mod door;
mod link;
mod quiet;

use std::net::SocketAddr;

use evenkeel_core::remote::LinkId;
use evenkeel_schema::agent::{FromAgent, Hello, ToAgent};
use tokio::sync::mpsc;

pub(crate) use door::{AgentDoor, Rules};
pub(crate) use quiet::{Quiet, Talk};

/// Messages of agents that wait for the loop; an agent whose message finds no room waits.
pub(crate) const SAID_MAX: usize = 1024;

/// What came over a connection.
pub(crate) struct Said {
    pub(crate) link: LinkId,
    pub(crate) what: What,
}

/// What it was.
pub(crate) enum What {
    /// An agent that has shown what it must. Whatever goes into `says` is sent to it; it is closed when that is dropped.
    Hello {
        hello: Hello,
        from: SocketAddr,
        says: mpsc::Sender<ToAgent>,
    },
    /// It says more.
    More(FromAgent),
    /// The connection ended.
    Ended {
        /// By a host that lives.
        closed: bool,
        why: String,
    },
}
