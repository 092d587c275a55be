//! `[[route]]`.

use std::sync::Arc;

use evenkeel_core::settings::{HostPattern, PathPattern, ROUTE_TIMEOUT, RouteAction, RouteSpec};

use super::report::Wrong;
use super::table::{Table, Text};
use super::words::{quote, tick};
use super::{Names, address, http};
use crate::mistake::MistakeKind;

/// A compiled expression may be this large: routes are many, and each worker reads them all.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// What a route can do; it does exactly one.
const ACTIONS: [&str; 4] = ["pool", "split", "redirect", "respond"];
const ACTION_WANTED: &str = "exactly one of `pool`, `redirect`, `respond`";

/// Keys of a route that only what reads a request can follow.
const HTTP_ONLY: [&str; 16] = [
    "path",
    "methods",
    "headers",
    "redirect",
    "respond",
    "timeout",
    "max_body",
    "rewrite_prefix",
    "set_headers",
    "add_headers",
    "remove_headers",
    "response_set_headers",
    "response_add_headers",
    "response_remove_headers",
    "mirror",
    "journal",
];

pub(super) fn route(table: &Table<'_, '_>, names: &Names<'_>) -> RouteSpec {
    let journal = journal(table);
    if table
        .peek("listener")
        .is_some_and(|name| names.passthrough.contains(name))
    {
        passthrough(table, names);
    }
    RouteSpec {
        listener: table.name("listener").map(|name| {
            on_listener(table, &name, names);
            Arc::from(name.value)
        }),
        host: table.text("host").and_then(|text| host(table, &text)),
        path: table.text("path").and_then(|text| path(table, &text)),
        methods: methods(table),
        headers: http::headers(table, "headers"),
        action: action(table, names),
        timeout: table.duration("timeout", ROUTE_TIMEOUT),
        max_body: table.size("max_body", 0),
        journal,
    }
}

/// Only what is forwarded can be sent again.
fn journal(table: &Table<'_, '_>) -> bool {
    let journal = table.flag("journal", false);
    if journal && (table.has("redirect") || table.has("respond")) {
        let wrong = Wrong::value("journal = true", "a route with a pool");
        let hint = "what evenkeel answers itself is never lost".to_owned();
        table.wrong("journal", wrong.kind(MistakeKind::Pair).hint(Some(hint)));
    }
    journal
}

fn on_listener(table: &Table<'_, '_>, name: &Text<'_>, names: &Names<'_>) {
    if !names.find(name, &names.listeners, "listener", table.report) {
        return;
    }
    if names.tcp_listeners.contains(name.value) && !names.passthrough.contains(name.value) {
        let wrong = Wrong::value(
            format!("{}, a tcp listener", quote(name.value)),
            "an http listener, or one with tls_passthrough",
        );
        let hint = "a tcp listener names its pool itself; with tls_passthrough = true routes choose by host";
        let wrong = wrong.hint(hint.to_owned());
        table.report.add(&name.spot, wrong.kind(MistakeKind::Pair));
    }
}

/// Of a stream whose TLS goes through as it is only the name is seen that the client asks for.
fn passthrough(table: &Table<'_, '_>, names: &Names<'_>) {
    let hint = "its TLS goes through unread, so only `host` and `pool` can be said";
    let wanted = "only what a route of a tls_passthrough listener has";
    table.refuse(&HTTP_ONLY, wanted, Some(hint));
    let address = |host: &str| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<std::net::IpAddr>().is_ok()
    };
    if let Some(host) = table.peek("host").filter(|host| address(host)) {
        let wrong = Wrong::value(quote(host), "a host name");
        let hint = "a client asks for names only (SNI); leave host out for those that ask for none";
        let wrong = wrong.kind(MistakeKind::Pair).hint(hint.to_owned());
        table.report.add(&table.value_place("host"), wrong);
    }
    if let Some(pool) = table.peek("pool").filter(|p| names.tls_pools.contains(p)) {
        let found = format!("{}, a pool with tls", quote(pool));
        let wrong = Wrong::value(found, "a pool without tls").kind(MistakeKind::Pair);
        let hint = "what goes through is the client's own TLS, and would be in TLS twice";
        let wrong = wrong.hint(hint.to_owned());
        table.report.add(&table.value_place("pool"), wrong);
    }
}

fn host(table: &Table<'_, '_>, text: &Text<'_>) -> Option<HostPattern> {
    let wanted = "a host name, \"*.\" and a host name, or an IP address, without a port";
    let lower = text.value.to_ascii_lowercase();
    if let Some(suffix) = lower.strip_prefix("*.") {
        if address::host_name(suffix) && !suffix.ends_with('.') {
            return Some(HostPattern::Suffix(format!(".{suffix}")));
        }
    } else if is_host(&lower) {
        return Some(HostPattern::Exact(lower));
    }
    let bare = lower.rsplit_once(':').map(|(host, _)| host);
    let hint = match bare {
        _ if lower == "*" => Some("leave it out for any host".to_owned()),
        Some(bare) if is_host(bare) => Some(format!("leave the port out: {bare:?}")),
        _ if lower.ends_with('.') => Some("leave the last dot out".to_owned()),
        _ => None,
    };
    let wrong = Wrong::value(quote(text.value), wanted).hint(hint);
    table.report.add(&text.spot, wrong);
    None
}

fn is_host(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let v6 = bracketed.is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    let v4 = host.parse::<std::net::Ipv4Addr>().is_ok();
    v4 || v6 || (address::host_name(host) && !host.ends_with('.'))
}

fn path(table: &Table<'_, '_>, text: &Text<'_>) -> Option<PathPattern> {
    let refuse = |wanted: &str, hint: Option<String>| {
        let wrong = Wrong::value(quote(text.value), wanted).hint(hint);
        table.report.add(&text.spot, wrong);
        None
    };
    if let Some(expression) = text.value.strip_prefix('~') {
        let built = regex::RegexBuilder::new(expression)
            .size_limit(REGEX_BYTES_MAX)
            .build();
        return match built {
            Ok(regex) => Some(PathPattern::Regex(regex)),
            Err(e) => refuse(
                "\"~\" and a regular expression",
                Some(http::regex_error(&e)),
            ),
        };
    }
    let (exact, path) = match text.value.strip_prefix('=') {
        Some(path) => (true, path),
        None => (false, text.value),
    };
    if let Err(hint) = http::normal_path(path) {
        return refuse(
            "\"/prefix\", \"=/exact\" or \"~regex\", as it is after normalising",
            hint,
        );
    }
    let path = path.to_owned();
    Some(match exact {
        true => PathPattern::Exact(path),
        false => PathPattern::Prefix(path),
    })
}

fn methods(table: &Table<'_, '_>) -> Vec<String> {
    let Some(texts) = table.texts("methods") else {
        return Vec::new();
    };
    if texts.is_empty() {
        let wrong = Wrong::value("an empty list", "at least one method");
        let hint = "leave it out for any method".to_owned();
        table.wrong("methods", wrong.hint(hint));
    }
    for text in &texts {
        let upper = text.value.to_ascii_uppercase();
        if !http::token(text.value) {
            let wrong = Wrong::value(quote(text.value), "a method like \"GET\"");
            table.report.add(&text.spot, wrong);
        } else if upper != text.value && http::METHODS.contains(&upper.as_str()) {
            let wrong = Wrong::value(quote(text.value), "a method like \"GET\"");
            let hint = format!("did you mean {upper:?}? Methods are compared with case");
            table.report.add(&text.spot, wrong.hint(hint));
        }
    }
    texts.iter().map(|text| text.value.to_owned()).collect()
}

fn action(table: &Table<'_, '_>, names: &Names<'_>) -> RouteAction {
    let given: Vec<&str> = ACTIONS.into_iter().filter(|name| table.has(name)).collect();
    match given.as_slice() {
        [] => {
            let wrong = Wrong::value("nothing to do", ACTION_WANTED).kind(MistakeKind::Missing);
            table.report.add(&table.spot, wrong);
        }
        [_] => {}
        [first, more @ ..] => {
            for name in more {
                let found = format!("{} beside {}", tick(name), tick(first));
                let wrong = Wrong::value(found, ACTION_WANTED).kind(MistakeKind::Pair);
                table.wrong(name, wrong);
            }
        }
    }
    let pool = table.name("pool").map(|name| {
        names.find(&name, &names.pools, "pool", table.report);
        RouteAction::Pool(name.value.into())
    });
    let redirect = table.table_if_given("redirect").map(|t| redirect(&t));
    let respond = table.table_if_given("respond").map(|t| respond(&t));
    pool.or(redirect)
        .or(respond)
        .unwrap_or(RouteAction::Pool("".into()))
}

fn redirect(table: &Table<'_, '_>) -> RouteAction {
    let to = table.text("to");
    if let Some(text) = to.as_ref().filter(|text| !http::location(text.value)) {
        let wanted =
            "an absolute URL like \"https://www.example.com/new\", or a path like \"/new\"";
        let wrong = Wrong::value(quote(text.value), wanted);
        table.report.add(&text.spot, wrong);
    }
    let status = table.number("status").unwrap_or(308);
    RouteAction::Redirect {
        to: to.map_or("", |text| text.value).to_owned(),
        status,
    }
}

fn respond(table: &Table<'_, '_>) -> RouteAction {
    let status = table.number("status").unwrap_or(200);
    let body = table.text("body").map_or("", |text| text.value).to_owned();
    if !body.is_empty() && matches!(status, 204 | 205 | 304) {
        let found = format!("a body beside status {status}");
        let wanted = "no body, or another status";
        table.wrong("body", Wrong::value(found, wanted).kind(MistakeKind::Pair));
    }
    let content_type = table.text("content_type");
    if let Some(text) = content_type
        .as_ref()
        .filter(|t| !http::field_value(t.value))
    {
        let wrong = Wrong::value(quote(text.value), "a field's value like \"text/plain\"");
        table.report.add(&text.spot, wrong);
    }
    RouteAction::Respond {
        status,
        body,
        content_type: content_type
            .map_or("text/plain", |text| text.value)
            .to_owned(),
    }
}
