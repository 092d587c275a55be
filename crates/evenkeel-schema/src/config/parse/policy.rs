//! A pool's `balance`: a policy's name, or a table with what it goes by.

use std::sync::Arc;

use evenkeel_core::balance::{self, Entry, Key};
use evenkeel_core::settings::{Form, KeySource, PolicySpec, PrequalSettings, Used};

use super::report::Wrong;
use super::table::{Table, Text};
use super::wanted::not_built;
use super::words::{did_you_mean, one_of, quote};
use crate::mistake::MistakeKind;

/// Promised policies; those of the registry are built.
const PROMISED: [&str; 16] = [
    "round_robin",
    "random",
    "weighted_random",
    "p2c",
    "least_requests",
    "first",
    "least_time",
    "peak_ewma",
    "load_inverse",
    "utilization",
    "source_ip",
    "ring_hash",
    "rendezvous",
    "maglev",
    "prequal",
    "learned",
];

const KEYS: &str =
    "\"source_ip\", \"header:NAME\", \"cookie:NAME\", \"query:NAME\", \"path\" or \"jwt:CLAIM\"";

/// `tcp`: nothing is known of its requests.
pub(super) fn policy(table: &Table<'_, '_>, tcp: bool) -> PolicySpec {
    let mut spec = by_name(table, tcp);
    if let Some(own) = table.table_if_given("prequal") {
        spec.prequal = prequal(&own, tcp);
        if !balance::goes_by_reports(&spec) {
            let found = format!("`prequal` beside balance {:?}", spec.name);
            let wrong = Wrong::value(found, "balance = \"prequal\", or no such table");
            table.wrong("prequal", wrong.kind(MistakeKind::Pair));
        }
    }
    spec
}

/// What is only its own.
fn prequal(own: &Table<'_, '_>, tcp: bool) -> PrequalSettings {
    let default = PrequalSettings::default();
    let header = own.text("header").and_then(|text| {
        let good = is_name(text.value);
        if !good {
            let wrong = Wrong::value(quote(text.value), "the name of a header field");
            own.wrong("header", wrong);
        }
        good.then(|| Arc::from(text.value.to_ascii_lowercase()))
    });
    let probe_path = own.text("probe_path").and_then(|text| {
        let good = text.value.starts_with('/') && text.value.bytes().all(|b| b.is_ascii_graphic());
        let wrong = match (good, tcp) {
            (false, _) => Wrong::value(
                quote(text.value),
                "a path to be asked for, as it goes into a request: \"/load\"",
            ),
            (true, true) => Wrong::value(
                format!("{} in the pool of a tcp listener", quote(text.value)),
                "no probe_path: bytes have no header field to report in",
            )
            .kind(MistakeKind::Pair),
            (true, false) => return Some(Arc::from(text.value)),
        };
        own.wrong("probe_path", wrong);
        None
    });
    PrequalSettings {
        quantile: own.share("quantile", default.quantile),
        pools: own.number("pools").unwrap_or(default.pools),
        header: header.unwrap_or(default.header),
        probe_path,
    }
}

fn by_name(table: &Table<'_, '_>, tcp: bool) -> PolicySpec {
    match table.text_or_table("balance") {
        None => PolicySpec::default(),
        Some(Ok(text)) => known(table, &text).map_or_else(PolicySpec::default, |entry| {
            PolicySpec::named(entry.part.name)
        }),
        Some(Err(long)) => in_full(table, &long, tcp),
    }
}

fn in_full(table: &Table<'_, '_>, long: &Table<'_, '_>, tcp: bool) -> PolicySpec {
    let text = long.text("policy");
    let entry = text.as_ref().and_then(|text| known(table, text));
    let name = entry.map(|entry| entry.part.name);
    let mut spec = name.map_or_else(PolicySpec::default, PolicySpec::named);
    let key = long.text("key");
    if let (Some(entry), Some(_)) = (entry, &key)
        && entry.key != Key::Configured
    {
        let found = format!("`key` beside policy {:?}", entry.part.name);
        let by_key = balance::POLICIES.iter();
        let by_key = by_key.filter(|entry| entry.key == Key::Configured);
        let wanted = format!("no key, or {}", one_of(by_key.map(|entry| entry.part.name)));
        let wrong = Wrong::value(found, wanted);
        long.wrong("key", wrong.kind(MistakeKind::Pair));
    }
    spec.key = key.and_then(|key| source(long, &key, tcp));
    if let Some(entry) = entry {
        for own in ["form", "used", "ceiling"] {
            let has = entry.part.settings.iter().any(|setting| setting.key == own);
            if !has && long.has(own) {
                let found = format!("`{own}` beside policy {:?}", entry.part.name);
                let wrong = Wrong::value(found, "policy \"utilization\", or none of this");
                long.wrong(own, wrong.kind(MistakeKind::Pair));
            }
        }
    }
    spec.form = match long.word("form") {
        Some("random") => Form::Random,
        Some("weighted_random") => Form::WeightedRandom,
        _ => Form::RoundRobin,
    };
    spec.used = match long.word("used") {
        Some("cpu") => Used::Cpu,
        Some("memory") => Used::Memory,
        Some("own") => Used::Own,
        _ => Used::Highest,
    };
    spec.ceiling = long.share("ceiling", spec.ceiling);
    spec
}

/// What of a request these words name.
pub(super) fn source_of(text: &str) -> Option<KeySource> {
    let name = |name: &str| Some(Arc::from(name)).filter(|name: &Arc<str>| is_name(name));
    match text.split_once(':') {
        None if text == "source_ip" => Some(KeySource::SourceIp),
        None if text == "path" => Some(KeySource::Path),
        Some(("header", of)) => name(&of.to_ascii_lowercase()).map(KeySource::Header),
        Some(("cookie", of)) => name(of).map(KeySource::Cookie),
        Some(("query", of)) => name(of).map(KeySource::Query),
        Some(("jwt", of)) => Some(KeySource::Jwt(of.into())).filter(|_| !of.is_empty()),
        _ => None,
    }
}

/// What is hashed.
fn source(long: &Table<'_, '_>, text: &Text<'_>, tcp: bool) -> Option<KeySource> {
    let Some(source) = source_of(text.value) else {
        let wrong = Wrong::value(quote(text.value), KEYS.to_owned());
        long.wrong("key", wrong);
        return None;
    };
    if tcp && source != KeySource::SourceIp {
        let found = format!("{} in the pool of a tcp listener", quote(text.value));
        let wrong = Wrong::value(found, "\"source_ip\": nothing else is known of bytes");
        long.wrong("key", wrong.kind(MistakeKind::Pair));
        return None;
    }
    Some(source)
}

/// What a field, a cookie or a parameter may be called: a token (RFC 9110 section 5.6.2).
pub(super) fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token)
}

fn known(table: &Table<'_, '_>, text: &Text<'_>) -> Option<&'static Entry> {
    if let Some(entry) = balance::policy(text.value) {
        return Some(entry);
    }
    let wrong = match PROMISED.contains(&text.value) {
        true => not_built(&format!("policy {:?}", text.value)),
        false => {
            let built = balance::POLICIES.iter().map(|entry| entry.part.name);
            let hint = match text.value {
                // As HAProxy and nginx call it.
                "leastconn" | "least_conn" => Some("did you mean \"least_requests\"?".into()),
                other => did_you_mean(other, PROMISED.into_iter()),
            };
            Wrong::value(quote(text.value), one_of(built)).hint(hint)
        }
    };
    table.report.add(&text.spot, wrong);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{POLICY, PREQUAL};

    #[test]
    fn every_policy_that_is_built_was_promised() {
        for entry in balance::POLICIES {
            assert!(PROMISED.contains(&entry.part.name), "{}", entry.part.name);
        }
    }

    #[test]
    fn every_setting_of_a_policy_is_a_key_with_its_default() {
        for setting in balance::POLICIES
            .iter()
            .flat_map(|entry| entry.part.settings)
        {
            let key = POLICY.key(setting.key).or(PREQUAL.key(setting.key));
            let key = key.expect("it is a key");
            assert_eq!(key.default.trim_matches('"'), setting.default);
        }
    }
}
