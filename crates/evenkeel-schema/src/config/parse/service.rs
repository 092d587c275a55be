//! `[service.NAME]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::settings::{Ready, ServiceSpec};

use super::http;
use super::report::{Report, Wrong};
use super::table::{Table, Text};
use super::words::{did_you_mean, one_of, quote};
use crate::config::Node;
use crate::config::keys::SIGNALS;
use crate::mistake::MistakeKind;

pub(super) fn service(name: &Arc<str>, table: &Table<'_, '_>, node: &Node) -> ServiceSpec {
    let directory = super::path(table, "directory").unwrap_or_else(|| table.report.absolute("."));
    let ready_table = table.table_if_given("ready");
    let limit = table.table("restart_limit");
    ServiceSpec {
        name: name.clone(),
        command: command(table),
        environment: environment(table),
        user: user(table, node),
        ready: ready_table
            .as_ref()
            .map_or(Ready::None, |table| ready(table, &directory)),
        // As long as systemd gives a start by default is too long to be down; most services need seconds.
        ready_timeout: ready_table.map_or(READY_TIMEOUT, |table| {
            table.duration("timeout", READY_TIMEOUT)
        }),
        stop_signal: stop_signal(table),
        stop_timeout: table.duration("stop_timeout", Duration::from_secs(10)),
        restart_starts: limit.number("starts").unwrap_or(5),
        restart_within: limit.duration("within", Duration::from_secs(60)),
        care: super::care::care(table, &directory, node),
        directory,
    }
}

const READY_TIMEOUT: Duration = Duration::from_secs(30);

fn command(table: &Table<'_, '_>) -> Vec<String> {
    let Some(texts) = table.texts("command") else {
        return Vec::new();
    };
    if texts.is_empty() {
        table.wrong("command", Wrong::value("an empty list", COMMAND_WANTED));
    }
    program(&texts, table.report)
}

pub(super) const COMMAND_WANTED: &str =
    "program and arguments, like [\"./api\", \"--port\", \"9001\"]";

/// Program and arguments: what is wrong with them is said, and a program with a slash is made absolute.
pub(super) fn program(texts: &[Text<'_>], report: &Report<'_>) -> Vec<String> {
    for (n, text) in texts.iter().enumerate() {
        if text.value.contains('\0') || (n == 0 && text.value.is_empty()) {
            let wrong = Wrong::value(quote(text.value), COMMAND_WANTED);
            report.add(&text.spot, wrong);
        } else if n == 0 && texts.len() == 1 && text.value.contains(' ') {
            let parts: Vec<_> = text.value.split_whitespace().collect();
            let hint = format!("no shell takes it apart: write {parts:?}");
            let wrong = Wrong::value(quote(text.value), COMMAND_WANTED).hint(hint);
            report.add(&text.spot, wrong);
        }
    }
    let mut command: Vec<String> = texts.iter().map(|text| text.value.to_owned()).collect();
    if let Some(program) = command.first_mut()
        && program.contains('/')
    {
        *program = report.absolute(program).to_string_lossy().into_owned();
    }
    command
}

fn environment(table: &Table<'_, '_>) -> Vec<(String, String)> {
    let entries = table.text_map("environment");
    for (name, value) in &entries {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            let wrong = Wrong::value(quote(name.value), "a variable's name");
            table.report.add(&name.spot, wrong);
        }
        if value.value.contains('\0') {
            let wrong = Wrong::value("a text with a NUL", "a text without");
            table.report.add(&value.spot, wrong);
        }
    }
    let owned = |text: &str| text.to_owned();
    let pairs = entries.iter();
    pairs
        .map(|(name, value)| (owned(name.value), owned(value.value)))
        .collect()
}

fn user(table: &Table<'_, '_>, node: &Node) -> Option<String> {
    let Some(user) = super::user(table, "user") else {
        return node.user.clone();
    };
    if let Some(own) = node.user.as_ref().filter(|_| super::is_root(&user.value)) {
        let found = format!("{} beside node.user {}", quote(&user.value), quote(own));
        let wrong = Wrong::value(found, "a user without root's privileges");
        table.report.add(&user.spot, wrong.kind(MistakeKind::Pair));
    }
    Some(user.value)
}

fn ready(table: &Table<'_, '_>, directory: &Path) -> Ready {
    let refuse = |keys: &[&'static str], kind: &str| {
        let wanted = format!("only what kind {kind:?} has");
        table.refuse(keys, &wanted, None);
    };
    match table.word("kind") {
        Some("tcp") => {
            refuse(&["path"], "tcp");
            Ready::Tcp { port: port(table) }
        }
        Some("http") => Ready::Http {
            port: port(table),
            path: ready_path(table).unwrap_or_else(|| "/".into()),
        },
        Some("file") => {
            refuse(&["port"], "file");
            let path = table.text("path").map(|text| text.value);
            if path.is_none_or(str::is_empty) {
                let wrong = Wrong::value("nothing", "the path of the file that says ready");
                table.wrong("path", wrong.kind(MistakeKind::Missing));
            }
            let path = directory.join(path.unwrap_or_default());
            Ready::File { path }
        }
        Some(_) => {
            refuse(&["port", "path", "timeout"], "none");
            Ready::None
        }
        None => Ready::None,
    }
}

fn port(table: &Table<'_, '_>) -> u16 {
    if !table.has("port") {
        let wrong = Wrong::value("nothing", "the port on 127.0.0.1 that answers");
        table.wrong("port", wrong.kind(MistakeKind::Missing));
    }
    table.number("port").unwrap_or(0)
}

fn ready_path(table: &Table<'_, '_>) -> Option<String> {
    let text = table.text("path")?;
    if !http::request_target(text.value) {
        let wrong = Wrong::value(quote(text.value), "a path like \"/readyz\"");
        table.report.add(&text.spot, wrong);
    }
    Some(text.value.to_owned())
}

fn stop_signal(table: &Table<'_, '_>) -> i32 {
    let names = || SIGNALS.iter().map(|(name, _)| *name);
    let default = SIGNALS[0].1;
    let Some(text) = table.text("stop_signal") else {
        return default;
    };
    let bare = text.value.strip_prefix("SIG").unwrap_or(text.value);
    match SIGNALS.iter().find(|(name, _)| *name == bare) {
        Some((_, number)) => *number,
        None => {
            let upper = bare.to_ascii_uppercase();
            let hint = did_you_mean(upper.strip_prefix("SIG").unwrap_or(&upper), names());
            let wrong = Wrong::value(quote(text.value), one_of(names())).hint(hint);
            table.report.add(&text.spot, wrong);
            default
        }
    }
}
