//! `[[listener]]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::settings::{ListenerSettings, Protocol};

use super::report::{Report, Wrong};
use super::table::{Table, Text};
use super::words::quote;
use super::{Binds, Names, address};
use crate::config::{Bind, Listener};
use crate::mistake::MistakeKind;

/// Keys that mean nothing where bytes are passed on unread.
const HTTP_ONLY: [&str; 7] = [
    "trusted_proxies",
    "header_timeout",
    "body_min_rate",
    "read_stall",
    "idle_timeout",
    "max_header_bytes",
    "max_headers",
];

pub(super) fn listeners(
    tables: &[Table<'_, '_>],
    names: &Names<'_>,
    binds: &mut Binds,
) -> Vec<Listener> {
    let mut seen = BTreeMap::new();
    tables
        .iter()
        .map(|table| {
            let name = table.name("name");
            if let Some(name) = &name {
                super::once(&mut seen, name, table.report);
            }
            listener(table, name.map_or("", |name| name.value), names, binds)
        })
        .collect()
}

fn listener(table: &Table<'_, '_>, name: &str, names: &Names<'_>, binds: &mut Binds) -> Listener {
    let defaults = ListenerSettings::new(name, protocol(table, name, names));
    table.flag("proxy_protocol", false);
    Listener {
        bind: addresses(table, binds),
        settings: ListenerSettings {
            trusted_proxies: trusted(table),
            max_connections: table
                .number("max_connections")
                .unwrap_or(defaults.max_connections),
            header_timeout: table.duration("header_timeout", defaults.header_timeout),
            body_min_rate: table.size("body_min_rate", defaults.body_min_rate),
            read_stall: table.duration("read_stall", defaults.read_stall),
            idle_timeout: table.duration("idle_timeout", defaults.idle_timeout),
            tunnel_timeout: table.duration("tunnel_timeout", defaults.tunnel_timeout),
            max_header_bytes: u32::try_from(
                table.size("max_header_bytes", defaults.max_header_bytes.into()),
            )
            .unwrap_or(defaults.max_header_bytes),
            max_headers: table.number("max_headers").unwrap_or(defaults.max_headers),
            tls: super::tls::hosts(table, name, &defaults.protocol, names.tls),
            ..defaults
        },
    }
}

fn protocol(table: &Table<'_, '_>, name: &str, names: &Names<'_>) -> Protocol {
    // A protocol that cannot be read may be either: then neither's rules are held against the rest.
    let readable = !table.has("protocol") || matches!(table.peek("protocol"), Some("http" | "tcp"));
    let tcp = table.word("protocol") == Some("tcp");
    let through = table.flag("tls_passthrough", false);
    if tcp {
        table.refuse(
            &HTTP_ONLY,
            "only what a tcp listener has",
            Some("it is for http listeners"),
        );
        return match through {
            true => passthrough(table, name, names),
            false => tcp_pool(table, names),
        };
    }
    if readable {
        let hint = "write a [[route]] with this pool, or protocol = \"tcp\"";
        table.refuse(&["pool"], "only what an http listener has", Some(hint));
        if through {
            let wrong = Wrong::value("true on an http listener", "false, or protocol = \"tcp\"");
            let hint = "what an http listener forwards it must read: give it a [[listener.tls]]";
            let wrong = wrong.kind(MistakeKind::Pair).hint(hint.to_owned());
            table
                .report
                .add(&table.value_place("tls_passthrough"), wrong);
        }
    }
    Protocol::Http
}

/// TLS goes through as it is: the routes say where to.
fn passthrough(table: &Table<'_, '_>, name: &str, names: &Names<'_>) -> Protocol {
    let hint = "write a [[route]] with this listener and pool; without a host it takes what no other takes";
    let wanted = "no pool where tls_passthrough = true";
    table.refuse(&["pool"], wanted, Some(hint));
    if !name.is_empty() && !names.routed.contains(name) {
        let found = "tls_passthrough = true and no route";
        let wanted = format!("at least one [[route]] with listener = {name:?}, a host and a pool");
        let wrong = Wrong::value(found, wanted).kind(MistakeKind::Missing);
        table.wrong("tls_passthrough", wrong);
    }
    Protocol::Passthrough
}

fn tcp_pool(table: &Table<'_, '_>, names: &Names<'_>) -> Protocol {
    let pool = match table.name("pool") {
        Some(pool) => {
            names.find(&pool, &names.pools, "pool", table.report);
            Arc::from(pool.value)
        }
        None => {
            if !table.has("pool") {
                let wrong = Wrong::value("nothing", "the pool of this tcp listener");
                table.wrong("pool", wrong.kind(MistakeKind::Missing));
            }
            Arc::from("")
        }
    };
    Protocol::Tcp { pool }
}

fn addresses(table: &Table<'_, '_>, binds: &mut Binds) -> Vec<Bind> {
    let Some(texts) = table.texts("bind") else {
        return Vec::new();
    };
    if texts.is_empty() {
        let wanted = format!("at least one address, {}", address::BIND_WANTED);
        table.wrong("bind", Wrong::value("an empty list", wanted));
    }
    let mut addresses = Vec::with_capacity(texts.len());
    for text in &texts {
        let parsed = address::bind(text.value, table.report);
        if let Some(bind) = checked_bind(parsed, text, table.report) {
            binds.claim(&bind, &text.spot, table.report);
            addresses.push(bind);
        }
    }
    addresses
}

pub(super) fn checked_bind(
    parsed: Result<Bind, Option<String>>,
    text: &Text<'_>,
    report: &Report<'_>,
) -> Option<Bind> {
    parsed
        .map_err(|hint| {
            let wrong = Wrong::value(quote(text.value), address::BIND_WANTED);
            report.add(&text.spot, wrong.hint(hint));
        })
        .ok()
}

fn trusted(table: &Table<'_, '_>) -> Vec<evenkeel_core::settings::Cidr> {
    let texts = table.texts("trusted_proxies").unwrap_or_default();
    let parse = |text: &Text<'_>| match address::cidr(text.value) {
        Ok(cidr) => Some(cidr),
        Err(hint) => {
            let wrong = Wrong::value(quote(text.value), address::CIDR_WANTED);
            table.report.add(&text.spot, wrong.hint(hint));
            None
        }
    };
    texts.iter().filter_map(parse).collect()
}
