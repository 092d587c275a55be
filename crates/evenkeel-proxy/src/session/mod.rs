//! How a pool's clients are known again (where their sessions belong is decided in [`evenkeel_core::session`]).
//!
//! | file | idea |
//! | --- | --- |
//! | `seal` | by a cookie of ours, that carries the session with the client |
//! | `kept` | by what the client brings anyhow; then the session is kept here |

mod kept;
mod seal;

use std::time::Duration;

use evenkeel_core::session::Session;
use evenkeel_core::settings::KeySource;
use evenkeel_tls::TokenKeys;

pub(crate) use kept::{Entry, Kept};
pub use seal::NoKey;
pub(crate) use seal::{Refused, Seal};

/// How one pool knows its clients again.
pub struct Sessions {
    ttl_s: u64,
    pub(crate) by: By,
}

/// By what a client is known again.
pub(crate) enum By {
    /// A cookie of ours.
    Cookie(Seal),
    /// Something of its requests: the session is kept here. If it is a claim of a signed token, and there are keys, then only of one
    /// that is signed by one of them.
    Token(KeySource, Option<TokenKeys>),
}

/// A session that a request came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) session: Session,
    /// When it is over, in seconds since 1970.
    pub(crate) ends_s: u64,
    /// Since when it is where it is.
    pub(crate) since_s: u64,
    /// This process has counted it.
    pub(crate) counted: bool,
    /// Sealed by a key that seals no more.
    pub(crate) old_key: bool,
}

impl Sessions {
    /// By a cookie: for the pool of this name, the cookie's name, how long it lives, and the secret's lines.
    ///
    /// # Errors
    /// Without a single key.
    pub fn new(pool: &str, name: &str, ttl: Duration, keys: &[&str]) -> Result<Sessions, NoKey> {
        let ttl_s = seconds(ttl);
        let by = By::Cookie(Seal::new(pool, name, ttl_s, keys)?);
        Ok(Sessions { ttl_s, by })
    }

    /// By something of their requests, or by their address; a cookie here is the application's own. A session lives for so
    /// long after its last request. `keys`: who must have signed a token whose claim it is.
    pub fn by_token(token: KeySource, ttl: Duration, keys: Option<TokenKeys>) -> Sessions {
        Sessions {
            ttl_s: seconds(ttl),
            by: By::Token(token, keys),
        }
    }

    /// A key of its own making. `None` if this machine has no randomness to give.
    pub fn new_key() -> Option<String> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Are the sessions kept here, and not by the client?
    pub(crate) fn are_kept(&self) -> bool {
        matches!(self.by, By::Token(..))
    }

    /// How long a session lives, in seconds.
    pub(crate) fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// Is it time to prolong a session of which nothing else has changed?
    pub(crate) fn is_due(&self, bound: &Bound, now_s: u64) -> bool {
        match &self.by {
            By::Cookie(seal) => seal.is_due(bound, now_s),
            // That costs next to nothing: with every request, but not twice in a second.
            By::Token(..) => !bound.counted || bound.ends_s < now_s + self.ttl_s,
        }
    }
}

fn seconds(ttl: Duration) -> u64 {
    ttl.as_secs().clamp(1, u64::from(u32::MAX) / 4)
}
