//! Certificates and TLS configurations: read from files, checked, chosen by server name, replaced when the files change.
//!
//! All of TLS itself is rustls; here is only which certificate, which trust, and what a person is told when a file is
//! wrong. Nothing here opens a socket, asks a clock or keeps a key's bytes: files are read when [`Server::load`],
//! [`Client::load`] or one of the `refresh`es is called, and whoever calls decides when.
//!
//! | file | idea |
//! | --- | --- |
//! | `server` | a listener's virtual hosts, chosen by server name |
//! | `host` | one of them: certificate, client authentication, tickets of its own |
//! | `client` | how we are towards endpoints, checks and the admin API |
//! | `trust` | certificate authorities, from a file or from this machine |
//! | `pair` | a certificate chain and its key, or what is wrong with them |
//! | `file` | bytes of a file, bounded, and whether they changed |
//! | `hello` | what a ClientHello says, without answering it |
//! | `problem` | what a person is told |
//! | `token` | are tokens signed by whom they should be? |
//! | `view` | what status and metrics show of a certificate |
//! | `words` | why a handshake failed, for a person |

mod client;
mod file;
mod hello;
mod host;
mod pair;
mod problem;
mod server;
#[cfg(feature = "testing")]
pub mod testing;
mod token;
mod trust;
mod view;
mod words;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use client::{Client, ClientFiles};
pub use hello::{ClientHello, HELLO_MAX, Hello, Peek, hello};
pub use host::{Host, HostFiles};
pub use pair::Pair;
pub use problem::{Change, Outcome, Part, Problem, Unfit};
pub use server::Server;
pub use token::{Refused, TOKEN_MAX, TokenKeys, WANTED as TOKEN_KEYS_WANTED};
pub use trust::authorities;
pub use view::{CertificateView, names};
pub use words::{day, says_expired, words, words_of_io};

/// What is spoken inside of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1, and so it is said by ALPN; a peer that offers only something else is refused, as RFC 7301 wants it.
    Http,
    /// Something that we do not look at: no word about it by ALPN.
    Bytes,
}

/// What is done with a client that shows no certificate, where `client_ca` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// It is refused.
    Refused,
    /// It is let in; whoever serves it looks whether it showed one.
    LetIn,
}

impl Speaks {
    /// What is accepted from clients, the best first. HTTP/1.0 because curl offers nothing else when it is told to speak that.
    fn accepted(self) -> Vec<Vec<u8>> {
        match self {
            Speaks::Http => vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()],
            Speaks::Bytes => Vec::new(),
        }
    }

    /// What endpoints are offered.
    fn offered(self) -> Vec<Vec<u8>> {
        match self {
            Speaks::Http => vec![b"http/1.1".to_vec()],
            Speaks::Bytes => Vec::new(),
        }
    }
}

/// The one set of algorithms of the whole process, named everywhere instead of installed somewhere.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}
