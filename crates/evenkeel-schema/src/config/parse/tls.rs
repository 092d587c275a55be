//! `[[listener.tls]]`, `pool.NAME.tls` and TLS of `[admin]`: which files, and what whoever looked into them says.

use std::net::IpAddr;
use std::path::PathBuf;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::settings::{ClientPair, EndpointSpec, HostTls, PoolTls, Protocol};

use super::address;
use super::report::Wrong;
use super::table::Table;
use super::words::{quote, tick};
use crate::config::{Bind, FileProblem, LookAtTls};
use crate::mistake::MistakeKind;

/// A listener's certificates.
pub(super) fn hosts(
    table: &Table<'_, '_>,
    name: &str,
    protocol: &Protocol,
    look: &dyn LookAtTls,
) -> Vec<HostTls> {
    if *protocol == Protocol::Passthrough {
        let hint = "with tls_passthrough the endpoints show their own certificates";
        let wanted = "nothing where TLS goes through as it is";
        table.refuse(&["tls"], wanted, Some(hint));
    }
    let tables = table.tables("tls");
    let given = table
        .get("tls")
        .and_then(|(_, value)| value.value.as_array());
    if given.is_some_and(|list| list.is_empty()) {
        let wrong = Wrong::value("an empty list", "at least one [[listener.tls]], or no tls");
        table.wrong("tls", wrong);
    }
    let (mut hosts, mut places) = (Vec::new(), Vec::new());
    for table in &tables {
        if let Some(host) = host(table) {
            hosts.push(host);
            places.push(table);
        }
    }
    if !hosts.is_empty() {
        for problem in look.listener(name, protocol, &hosts) {
            if let Some(table) = places.get(problem.index) {
                tell(table, problem);
            }
        }
    }
    hosts
}

fn host(table: &Table<'_, '_>) -> Option<HostTls> {
    let client_ca = super::path(table, "client_ca");
    let (certificate, key) = (super::path(table, "certificate"), super::path(table, "key"));
    Some(HostTls {
        certificate: certificate?,
        key: key?,
        client_ca,
    })
}

/// A pool's `tls`.
pub(super) fn pool(
    table: &Table<'_, '_>,
    name: &str,
    endpoints: &[EndpointSpec],
    look: &dyn LookAtTls,
) -> Option<PoolTls> {
    let table = table.table_if_given("tls")?;
    let tls = PoolTls {
        ca: super::path(&table, "ca"),
        server_name: server_name(&table),
        certificate: pair(&table).map(|(certificate, key)| ClientPair { certificate, key }),
    };
    let unix = |e: &&EndpointSpec| matches!(e.target, Target::Address(Address::Unix(_)));
    if let Some(endpoint) = endpoints.iter().find(unix)
        && !table.has("server_name")
    {
        let wrong = Wrong::value("nothing", "the name in the endpoints' certificates");
        let hint = format!(
            "endpoint {} is a unix socket, which has no name",
            endpoint.name
        );
        let wrong = wrong.kind(MistakeKind::Missing).hint(hint);
        table.wrong("server_name", wrong);
    }
    for problem in look.pool(name, &tls) {
        tell(&table, problem);
    }
    Some(tls)
}

pub(super) fn server_name(table: &Table<'_, '_>) -> Option<String> {
    let text = table.text("server_name")?;
    let name = text.value.to_ascii_lowercase();
    let dns = address::host_name(&name) && !name.ends_with('.');
    if !dns && name.parse::<IpAddr>().is_err() {
        let wanted = "a host name or an IP address, without a port";
        let hint = name.strip_prefix("*.").map(|rest| {
            format!("write a name that the certificate is good for, like \"api.{rest}\"")
        });
        table.report.add(
            &text.spot,
            Wrong::value(quote(text.value), wanted).hint(hint),
        );
    }
    Some(name)
}

/// `certificate` and `key`, which belong together.
pub(super) fn pair(table: &Table<'_, '_>) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (super::path(table, "certificate"), super::path(table, "key"));
    for (there, missing) in [("certificate", "key"), ("key", "certificate")] {
        if table.has(there) && !table.has(missing) {
            let wrong = Wrong::value("nothing", "a path").kind(MistakeKind::Missing);
            let hint = format!("{} is there: they belong together", tick(there));
            table.wrong(missing, wrong.hint(hint));
        }
    }
    Some((certificate?, key?))
}

/// TLS of the admin API.
pub(super) fn admin(table: &Table<'_, '_>, bind: &Bind, look: &dyn LookAtTls) -> Option<HostTls> {
    let client_ca = super::path(table, "client_ca");
    let pair = pair(table);
    if let Bind::Unix(_) = bind {
        let hint = "who may open the socket is decided by its file mode, 0600";
        let wanted = "nothing where bind is a unix socket";
        table.refuse(&["certificate", "key", "client_ca"], wanted, Some(hint));
        return None;
    }
    if client_ca.is_some() && !table.has("certificate") && !table.has("key") {
        let found = format!("{} without {}", tick("client_ca"), tick("certificate"));
        let wrong = Wrong::value(found, "a certificate and key of the admin API itself");
        let hint = "client certificates are shown over TLS only".to_owned();
        table.wrong("client_ca", wrong.kind(MistakeKind::Pair).hint(hint));
    }
    let (certificate, key) = pair?;
    let tls = HostTls {
        certificate,
        key,
        client_ca,
    };
    for problem in look.admin(&tls) {
        tell(table, problem);
    }
    Some(tls)
}

/// TLS of `[agents]`.
pub(super) fn agents(table: &Table<'_, '_>, look: &dyn LookAtTls) -> Option<HostTls> {
    let client_ca = super::path(table, "client_ca");
    let pair = pair(table);
    if client_ca.is_some() && !table.has("certificate") && !table.has("key") {
        let found = format!("{} without {}", tick("client_ca"), tick("certificate"));
        let wrong = Wrong::value(found, "a certificate and key of the balancer itself");
        let hint = "client certificates are shown over TLS only".to_owned();
        table.wrong("client_ca", wrong.kind(MistakeKind::Pair).hint(hint));
    }
    let (certificate, key) = pair?;
    let tls = HostTls {
        certificate,
        key,
        client_ca,
    };
    for problem in look.agents(&tls) {
        tell(table, problem);
    }
    Some(tls)
}

/// At the key that names the file; at the table where it is left out.
pub(super) fn tell(table: &Table<'_, '_>, problem: FileProblem) {
    let wrong = Wrong::value(problem.found, problem.wanted).kind(MistakeKind::File);
    table.report.add(&table.value_place(problem.key), wrong);
}
