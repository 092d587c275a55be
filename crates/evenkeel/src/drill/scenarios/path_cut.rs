//! `path_cut`: packets to the endpoint and from it are dropped: no refusal, no reset, silence.

use std::net::SocketAddr;
use std::process::Command;

use evenkeel_core::diagnose::Cause;

use super::super::fault::Fault;
use super::super::site::Site;
use super::{Inject, Scenario};

/// The name of our nftables table, which nobody else has.
const TABLE: &str = "evenkeel_drill";

pub(super) const SCENARIO: Scenario = Scenario {
    name: "path_cut",
    summary: "Drops all packets to the endpoint's address and port, and from there.",
    cause: Cause::NetworkPathCut,
    needs: "root and nftables",
    felt: None,
    prepare,
};

fn prepare(site: &Site) -> Result<Inject<'_>, String> {
    let address = site
        .address
        .ok_or("the endpoint's address is no IP address and port: its packets can't be told")?;
    if !rustix::process::geteuid().is_root() {
        return Err("only root can drop packets".into());
    }
    nft("list tables")?;
    // What a drill that was killed left behind.
    let _ = nft(&format!("delete table inet {TABLE}"));
    Ok(Box::new(move || {
        nft(&ruleset(address))?;
        let what = format!("all packets to {address} and from it are dropped");
        Ok(Fault::lasting(what, || {
            nft(&format!("delete table inet {TABLE}"))
        }))
    }))
}

/// On their way in and out: the endpoint may be on this machine or elsewhere.
fn ruleset(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    let family = if ip.is_ipv4() { "ip" } else { "ip6" };
    let mut text = format!("add table inet {TABLE}; ");
    for hook in ["input", "output"] {
        text += &format!(
            "add chain inet {TABLE} {hook} {{ type filter hook {hook} priority 0; }}; \
             add rule inet {TABLE} {hook} {family} daddr {ip} tcp dport {port} drop; \
             add rule inet {TABLE} {hook} {family} saddr {ip} tcp sport {port} drop; "
        );
    }
    text
}

fn nft(ruleset: &str) -> Result<(), String> {
    // Debian has it where only root's path leads.
    let found = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].into_iter();
    let program = found.into_iter().find(|p| std::path::Path::new(p).exists());
    let program = program.ok_or("nft is not installed (package nftables)")?;
    let output = Command::new(program)
        .arg(ruleset)
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "nft: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
