//! Health checks that touch the network. A probe says what it saw and at which layer, never "down": that is a decision,
//! and decisions are taken elsewhere.
//!
//! The HTTP client is not the data plane's own, so that a bug in one cannot hide in the other. Every probe opens a
//! connection of its own and ends within its time, whatever the other side does.

mod agent;
pub mod clock;
mod http;
mod kind;
mod ready;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::diagnose::Evidence;
use evenkeel_core::observe::Contact;
use evenkeel_core::settings::{CheckKind, CheckSettings};
use evenkeel_tls::Client;

pub use agent::{LINE_BYTES_MAX, agent_line};
pub use kind::{KINDS, Kind, Setting};
pub use ready::ready;

/// At most this much of an answer's body is read and searched: a health answer is small, and one that is not must not
/// cost memory.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Where a probe ended, as in HAProxy's L4CON and L7STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Before the network: this machine had no descriptor or memory left for it. It says nothing of the endpoint.
    Here,
    /// At connecting.
    L4,
    /// At the TLS handshake.
    L6,
    /// At the answer.
    L7,
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Was it what was wanted?
    pub passed: bool,
    /// How far it came.
    pub layer: Layer,
    /// What came back of the endpoint's machine.
    pub contact: Contact,
    /// What it says of why it failed, where that has a name.
    pub evidence: Option<Evidence>,
    /// For a person: "HTTP 503, wanted 200-399", "connection refused", "tls: certificate expired on 2026-01-01".
    pub detail: String,
    /// From the start of the probe to its end.
    pub took: Duration,
}

/// What a probe saw, before it is known how long it took.
struct Seen {
    passed: bool,
    layer: Layer,
    contact: Contact,
    evidence: Option<Evidence>,
    detail: String,
}

impl Seen {
    fn pass(layer: Layer, detail: impl Into<String>) -> Seen {
        Seen {
            passed: true,
            layer,
            contact: Contact::Answered,
            evidence: None,
            detail: detail.into(),
        }
    }
    fn fail(layer: Layer, detail: impl Into<String>) -> Seen {
        Seen {
            passed: false,
            layer,
            contact: Contact::Answered,
            evidence: None,
            detail: detail.into(),
        }
    }
    fn but(self, contact: Contact) -> Seen {
        Seen { contact, ..self }
    }
    /// A failure that says why.
    fn because(self, evidence: Evidence) -> Seen {
        Seen {
            evidence: Some(evidence),
            ..self
        }
    }
}

/// How an endpoint is checked whose pool speaks TLS: as traffic would speak to it.
#[derive(Clone, Copy)]
pub struct Tls<'a> {
    /// Whom we trust and what we show.
    pub client: &'a Client,
    /// The endpoint's name or address as configured, without a port; the client's own server name comes first.
    pub host: &'a str,
}

/// Asks `address` what `check` wants to know; `host` is the `Host` field where the check does not name its own. With `tls`
/// a tcp check does a handshake too, and an http check is one of https. It ends within [`CheckSettings::timeout`].
pub async fn run(
    check: &CheckSettings,
    address: &Address,
    host: &str,
    tls: Option<Tls<'_>>,
) -> Outcome {
    let begun = Instant::now();
    let address = with_port(address, check.port);
    let deadline = tokio::time::Instant::now() + check.timeout;
    let opened = match stream::connect(&address, check.timeout).await {
        Ok(stream) => match tls {
            Some(tls) => tls::handshake(stream, tls, &check.kind, deadline, check.timeout).await,
            None => Ok(stream),
        },
        Err(seen) => Err(seen),
    };
    let seen = match (opened, &check.kind) {
        (Err(seen), _) => seen,
        (Ok(_), CheckKind::Tcp) if tls.is_some() => Seen::pass(Layer::L6, "connected over TLS"),
        (Ok(_), CheckKind::Tcp) => Seen::pass(Layer::L4, "connected"),
        (Ok(stream), CheckKind::Http { .. }) => http::probe(check, stream, host, deadline).await,
    };
    Outcome {
        passed: seen.passed,
        layer: seen.layer,
        contact: seen.contact,
        evidence: seen.evidence,
        detail: seen.detail,
        took: begun.elapsed(),
    }
}

/// The address with the check's own port, where it has one; a unix socket has none to change.
fn with_port(address: &Address, port: Option<u16>) -> Address {
    let mut address = address.clone();
    if let (Address::Ip(ip), Some(port)) = (&mut address, port) {
        ip.set_port(port);
    }
    address
}

/// A duration as the configuration writes it: "500ms", "2s".
fn text(time: Duration) -> String {
    if time.subsec_millis() == 0 && time.as_secs() > 0 {
        format!("{}s", time.as_secs())
    } else {
        format!("{}ms", time.as_millis())
    }
}
