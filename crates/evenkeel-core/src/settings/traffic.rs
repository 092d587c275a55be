//! Listeners and routes: where requests come in, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

/// What a listener speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, by the routes.
    Http,
    /// Bytes both ways, to this pool.
    Tcp {
        /// Pool's name.
        pool: Arc<str>,
    },
    /// Bytes both ways, TLS of somebody else: the routes of this listener choose the pool by the name the client asks for
    /// in its hello, which goes to the endpoint as it came.
    Passthrough,
}

/// `[[listener]]` without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Unique.
    pub name: Arc<str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whose `X-Forwarded-*` and `traceparent` are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Open at once, all workers together; beyond it the longest idle make room.
    pub max_connections: u32,
    /// Whole request head.
    pub header_timeout: Duration,
    /// Bytes a second, after 5 s; a slower request body is cut off, and one that stalls for 10 s. 0 = no limit.
    pub body_min_rate: u64,
    /// The client takes nothing of an answer for this long, or next to nothing: cut off.
    pub read_stall: Duration,
    /// Keep-alive between requests.
    pub idle_timeout: Duration,
    /// tcp and tunnels: no byte in either direction. Also bounds an endpoint's silence in the middle of its answer.
    pub tunnel_timeout: Duration,
    /// Largest request head, bytes.
    pub max_header_bytes: u32,
    /// Most fields in a head.
    pub max_headers: u32,
    /// Chosen by the name the client asks for, the first is the default; empty = clear text.
    pub tls: Vec<super::HostTls>,
}

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Any address of the block.
    pub address: std::net::IpAddr,
    /// Leading bits that must agree.
    pub prefix: u8,
}

impl Cidr {
    /// Is `ip` inside? An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, ip: std::net::IpAddr) -> bool {
        use std::net::IpAddr::{V4, V6};
        let bits = |value: u128, width: u32| {
            let host = width.saturating_sub(u32::from(self.prefix));
            value.checked_shr(host).unwrap_or(0)
        };
        match (self.address, ip.to_canonical()) {
            (V4(a), V4(b)) => bits(u32::from(a).into(), 32) == bits(u32::from(b).into(), 32),
            (V6(a), V6(b)) => bits(a.into(), 128) == bits(b.into(), 128),
            _ => false,
        }
    }
}

impl ListenerSettings {
    /// The defaults, for a listener of this name.
    pub fn new(name: &str, protocol: Protocol) -> ListenerSettings {
        ListenerSettings {
            name: name.into(),
            protocol,
            trusted_proxies: Vec::new(),
            max_connections: 20_000,
            header_timeout: Duration::from_secs(10),
            body_min_rate: 1024,
            read_stall: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            tunnel_timeout: Duration::from_secs(3600),
            max_header_bytes: 32 * 1024,
            max_headers: 128,
            tls: Vec::new(),
        }
    }
}

/// A route's `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Exactly this, lower case, without port.
    Exact(String),
    /// One or more labels before this suffix (which begins with its dot), lower case: `*.example.com` is `.example.com`.
    Suffix(String),
}

/// A route's `path`.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// Begins with this, on segment borders: `/api/` and `/api` fit `/api/x`; `/api` does not fit `/apix`.
    Prefix(String),
    /// Exactly this.
    Exact(String),
    /// Matches this.
    Regex(regex::Regex),
}

/// What a route does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// Forward to this pool.
    Pool(Arc<str>),
    /// Send the client elsewhere.
    Redirect {
        /// `Location`.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// Answer at once.
    Respond {
        /// 200–599.
        status: u16,
        /// The whole body.
        body: String,
        /// `Content-Type`.
        content_type: String,
    },
}

/// `[[route]]`.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Only on the listener of this name; `None` = every http listener.
    pub listener: Option<Arc<str>>,
    /// Any, if `None`.
    pub host: Option<HostPattern>,
    /// Any, if `None`.
    pub path: Option<PathPattern>,
    /// Any, if empty.
    pub methods: Vec<String>,
    /// All must match exactly; names in lower case.
    pub headers: Vec<(String, String)>,
    /// What to do.
    pub action: RouteAction,
    /// From the end of the request to the head of the answer, all tries together.
    pub timeout: Duration,
    /// Largest request body, bytes; 0 = no limit.
    pub max_body: u64,
    /// Are requests that may be done twice journalled, and sent again if they were never answered?
    pub journal: bool,
}

/// The default of [`RouteSpec::timeout`].
pub const ROUTE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_its_own_addresses_only() {
        let cidr = |a: &str, prefix| Cidr {
            address: a.parse().unwrap(),
            prefix,
        };
        assert!(cidr("10.0.0.0", 8).contains("10.9.8.7".parse().unwrap()));
        assert!(!cidr("10.0.0.0", 8).contains("11.0.0.1".parse().unwrap()));
        assert!(cidr("0.0.0.0", 0).contains("203.0.113.9".parse().unwrap()));
        assert!(!cidr("0.0.0.0", 0).contains("::1".parse().unwrap()));
        assert!(cidr("10.0.0.0", 8).contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(cidr("::", 0).contains("::1".parse().unwrap()));
        assert!(cidr("fd00::", 8).contains("fd12::1".parse().unwrap()));
    }
}
