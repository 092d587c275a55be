//! Addresses, blocks of addresses and host names, from text.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::settings::Cidr;

use super::report::Report;
use crate::config::Bind;

pub(super) const BIND_WANTED: &str = "\"IP:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\"";
pub(super) const TARGET_WANTED: &str = "\"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:PATH\"";
/// What an endpoint's further address is: a unix socket is on no network.
pub(super) const OTHER_WANTED: &str = "\"HOST:PORT\" or \"[IPV6]:PORT\"";
pub(super) const CIDR_WANTED: &str = "an address or a block like \"10.0.0.0/8\" or \"fd00::/8\"";

/// What a unix socket's path may have, its end included (`sun_path`).
const UNIX_PATH_MAX: usize = 107;

/// An address to listen on; else a hint.
pub(super) fn bind(text: &str, report: &Report<'_>) -> Result<Bind, Option<String>> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path, report).map(Bind::Unix);
    }
    if let Ok(ip) = text.parse::<SocketAddr>() {
        return Ok(Bind::Ip(ip));
    }
    Err(match text.rsplit_once(':') {
        Some(("" | "*", port)) if port.parse::<u16>().is_ok() => Some(format!(
            "write \"0.0.0.0:{port}\" for every IPv4 address, \"[::]:{port}\" for every IPv6 one"
        )),
        Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
            Some(format!("write \"127.0.0.1:{port}\""))
        }
        _ => address_hint(text),
    })
}

/// Where an endpoint is; else a hint.
pub(super) fn target(text: &str, report: &Report<'_>) -> Result<Target, Option<String>> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = unix(path, report)?;
        return Ok(Target::Address(Address::Unix(path)));
    }
    let zero = || Some("port 0 is no port to connect to".to_owned());
    if let Ok(ip) = text.parse::<SocketAddr>() {
        return if ip.port() == 0 {
            Err(zero())
        } else {
            Ok(Target::Address(Address::Ip(ip)))
        };
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(address_hint(text));
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(0) => Err(zero()),
        Ok(port) if digits && host_name(host) => Ok(Target::Name {
            host: host.to_ascii_lowercase(),
            port,
        }),
        _ => Err(address_hint(text)),
    }
}

/// What is often written instead of an address.
fn address_hint(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        return Some(format!("leave the scheme out: {host:?}"));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && let (Ok(ip), true) = (host.parse::<Ipv6Addr>(), port.parse::<u16>().is_ok())
    {
        return Some(format!(
            "write an IPv6 address in brackets: \"[{ip}]:{port}\""
        ));
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(format!("add a port: \"[{ip}]:80\""));
    }
    if text.starts_with('/') {
        return Some(format!("did you mean \"unix:{text}\"?"));
    }
    if let Some((_, port)) = text.rsplit_once(':') {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let large = digits && port.parse::<u16>().is_err();
        return large.then(|| "a port is 1 to 65535".into());
    }
    let complete = host_name(text) || text.parse::<IpAddr>().is_ok();
    complete.then(|| format!("add a port: \"{text}:80\""))
}

/// Letters, digits, `-`, `_` in labels of at most 63; all digits in the last label would be a mistyped IPv4 address.
pub(super) fn host_name(name: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    let numeric = bare
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    bare.len() <= 253 && !numeric && bare.split('.').all(label)
}

fn unix(path: &str, report: &Report<'_>) -> Result<PathBuf, Option<String>> {
    if path.is_empty() || path.contains('\0') {
        return Err(None);
    }
    let path = report.absolute(path);
    match path.as_os_str().len() {
        length if length > UNIX_PATH_MAX => Err(Some(format!(
            "a socket's path has at most {UNIX_PATH_MAX} bytes, {} has {length}",
            path.display()
        ))),
        _ => Ok(path),
    }
}

/// A block of addresses; a single one is a block of itself.
pub(super) fn cidr(text: &str) -> Result<Cidr, Option<String>> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| None)?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match prefix {
        None => Some(width),
        Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= width),
    };
    match bits {
        Some(prefix) => Ok(Cidr { address, prefix }),
        None => Err(Some(format!("the length of its prefix is 0 to {width}"))),
    }
}
