//! Which listening sockets this balancer has, and for which listener each is used.
//!
//! Sockets are kept by address, not by listener: a listener that is renamed, or an address that moves from one to another,
//! keeps its socket and so every connection that waits in its queue.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use evenkeel_core::settings::Protocol;
use evenkeel_schema::config::{Bind, Config};

/// One address, open.
pub(crate) struct Slot {
    /// As clients reach it.
    pub(crate) actual: String,
    /// The sockets themselves; the data plane is given copies.
    pub(crate) sockets: Vec<OwnedFd>,
    /// Whom the data plane accepts for here.
    pub(crate) used_by: Option<Use>,
}

/// A listener as far as its sockets are concerned. Another protocol is another use: http sockets defer accepting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Listener's name.
    pub(crate) listener: Arc<str>,
    /// http or tcp.
    pub(crate) http: bool,
}

/// An address a configuration wants.
pub(crate) struct Wanted {
    /// By which the keeper keeps it.
    pub(crate) key: String,
    /// As configured.
    pub(crate) bind: Bind,
    /// For whom.
    pub(crate) by: Use,
}

/// All open addresses by their key.
pub(crate) type Slots = BTreeMap<String, Slot>;

/// Every address of a configuration. One with port 0 is known by its listener and place, since many may ask for "any port".
pub(crate) fn wanted(config: &Config) -> Vec<Wanted> {
    let mut all = Vec::new();
    for listener in &config.listeners {
        let by = Use {
            listener: listener.settings.name.clone(),
            http: matches!(listener.settings.protocol, Protocol::Http),
        };
        for (at, bind) in listener.bind.iter().enumerate() {
            let any_port = matches!(bind, Bind::Ip(ip) if ip.port() == 0);
            let key = if any_port {
                format!("{bind} of {} {at}", by.listener)
            } else {
                bind.to_string()
            };
            all.push(Wanted {
                key,
                bind: bind.clone(),
                by: by.clone(),
            });
        }
    }
    all
}

impl Slot {
    /// Copies of the sockets for the data plane.
    pub(crate) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(OwnedFd::try_clone).collect()
    }
}
