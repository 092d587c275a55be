//! `[node]`, `[admin]` and `[log]`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::report::Wrong;
use super::secret::{Secrets, secret};
use super::table::Table;
use super::words::quote;
use super::{Binds, address};
use crate::config::{AccessFormat, AccessLog, Admin, Bind, Log, LogFormat, LookAtTls, Node};
use crate::mistake::MistakeKind;

/// The host's own name, as the kernel knows it.
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";

pub(super) fn node(table: &Table<'_, '_>) -> Node {
    let state_dir = super::path(table, "state_dir");
    Node {
        name: table
            .name("name")
            .map_or_else(host, |name| name.value.to_owned()),
        state_dir: state_dir.unwrap_or_else(|| table.report.absolute("evenkeel-state")),
        workers: table.number("workers"),
        user: node_user(table),
        zone: table.name("zone").map(|name| Arc::from(name.value)),
        shutdown_delay: table.duration("shutdown_delay", Duration::ZERO),
        drain_timeout: table.duration("drain_timeout", Duration::from_secs(30)),
    }
}

/// The host's name; a host without one is called by what every host is called.
fn host() -> String {
    let name = std::fs::read_to_string(HOST_NAME_FILE).unwrap_or_default();
    match name.trim() {
        "" => "localhost".into(),
        name => name.to_owned(),
    }
}

fn node_user(table: &Table<'_, '_>) -> Option<String> {
    let user = super::user(table, "user")?;
    if super::is_root(&user.value) {
        let wrong = Wrong::value(quote(&user.value), "a user without root's privileges");
        let hint = "leave it out to run as who started it".to_owned();
        table.report.add(&user.spot, wrong.hint(hint));
    }
    Some(user.value)
}

pub(super) fn admin(
    table: &Table<'_, '_>,
    binds: &mut Binds,
    secrets: Secrets,
    look: &dyn LookAtTls,
) -> Admin {
    let default = Bind::Ip(SocketAddr::from(([127, 0, 0, 1], 9440)));
    let given = table.text("bind").and_then(|text| {
        let parsed = address::bind(text.value, table.report);
        super::listener::checked_bind(parsed, &text, table.report)
    });
    let bind = given.unwrap_or(default);
    binds.claim(&bind, &table.place("bind"), table.report);
    let open = match &bind {
        Bind::Ip(ip) => !ip.ip().to_canonical().is_loopback(),
        Bind::Unix(_) => false,
    };
    if open && !table.has("token") && !table.has("client_ca") {
        let wrong = Wrong::value("nothing", "\"file:PATH\" or \"env:NAME\"");
        let hint = format!(
            "whoever reaches {bind} could change everything: set a token or client_ca, or bind to loopback or unix:"
        );
        table.wrong("token", wrong.kind(MistakeKind::Missing).hint(hint));
    }
    Admin {
        tls: super::tls::admin(table, &bind, look),
        bind,
        token: table
            .text("token")
            .and_then(|text| secret(&text, table.report, secrets)),
    }
}

pub(super) fn log(table: &Table<'_, '_>) -> Log {
    let access = match table.text("access") {
        None => AccessLog::Off,
        Some(text) => match text.value {
            "off" => AccessLog::Off,
            "stdout" => AccessLog::Stdout,
            "" => {
                let wrong = Wrong::value("\"\"", "\"off\", \"stdout\" or a path");
                table.report.add(&text.spot, wrong);
                AccessLog::Off
            }
            path => AccessLog::File(table.report.absolute(path)),
        },
    };
    Log {
        level: table.word("level").unwrap_or("info").to_owned(),
        format: match table.word("format") {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        },
        access,
        access_format: match table.word("access_format") {
            Some("common") => AccessFormat::Common,
            _ => AccessFormat::Json,
        },
    }
}
