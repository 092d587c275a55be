//! Where an endpoint is: data only, nothing here opens anything.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An address a connection can be opened to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    /// IPv4 or IPv6 and a port.
    Ip(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

/// What the configuration says of an address: it may still have to be resolved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// Known as it stands.
    Address(Address),
    /// A host name, resolved at start and followed after that.
    Name {
        /// The name as written.
        host: String,
        /// TCP port.
        port: u16,
    },
}

impl Target {
    /// The address, where no resolving is needed.
    pub fn fixed(&self) -> Option<&Address> {
        match self {
            Target::Address(address) => Some(address),
            Target::Name { .. } => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(ip) => ip.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}
