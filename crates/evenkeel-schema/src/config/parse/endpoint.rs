//! `[[pool.NAME.endpoint]]`, and who stands by for whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::settings::{EndpointSpec, FailoverMode};

use super::report::{Report, Wrong};
use super::table::{Table, Text};
use super::words::{did_you_mean, quote};
use super::{Names, address};
use crate::mistake::MistakeKind;
use crate::text::is_name;

/// An endpoint's weight, if nothing is said: in the middle, so that others can be given more or less.
const WEIGHT: u32 = 100;

/// Other addresses of one endpoint: who has more networks than this has one that routes between them.
const OTHERS_MAX: usize = 8;

pub(super) fn endpoints(
    tables: &[Table<'_, '_>],
    mode: FailoverMode,
    names: &Names<'_>,
) -> Vec<EndpointSpec> {
    let mut seen = BTreeMap::new();
    let mut endpoints = Vec::with_capacity(tables.len());
    for table in tables {
        let name = table.name("name");
        if let Some(name) = &name {
            super::once(&mut seen, name, table.report);
        }
        endpoints.push(endpoint(table, name.map_or("", |name| name.value), names));
    }
    standbys(tables, mode);
    endpoints
}

fn endpoint(table: &Table<'_, '_>, name: &str, names: &Names<'_>) -> EndpointSpec {
    let target = target(table);
    EndpointSpec {
        name: name.into(),
        others: others(table, &target),
        target,
        weight: table.number("weight").unwrap_or(WEIGHT),
        tier: table.number("tier").unwrap_or(0),
        standby: table.name("standby").map(|name| Arc::from(name.value)),
        service: table.text("service").map(|text| {
            match text.value.split_once('/') {
                Some((agent, service)) => elsewhere(&text, agent, service, names, table.report),
                None => {
                    names.find(&text, &names.services, "service", table.report);
                }
            }
            Arc::from(text.value)
        }),
        machine: table.name("machine").map(|name| Arc::from(name.value)),
        zone: table.name("zone").map(|name| Arc::from(name.value)),
    }
}

/// A service of an agent: which services that has is known to it alone.
fn elsewhere(text: &Text<'_>, agent: &str, service: &str, names: &Names<'_>, report: &Report<'_>) {
    if !is_name(agent) || !is_name(service) {
        let wanted = "the name of a service, or AGENT/SERVICE for one of an agent";
        report.add(&text.spot, Wrong::value(quote(text.value), wanted));
    } else if !names.agents {
        let found = format!("{}, a service of an agent", quote(text.value));
        let hint = "agents connect where [agents] says, and there is none".to_owned();
        let wrong = Wrong::value(found, "a service of this file, or [agents]");
        report.add(&text.spot, wrong.kind(MistakeKind::Name).hint(hint));
    }
}

fn target(table: &Table<'_, '_>) -> Target {
    let parsed = table.text("address").and_then(|text| {
        let parsed = address::target(text.value, table.report);
        parsed
            .map_err(|hint| {
                let wrong = Wrong::value(quote(text.value), address::TARGET_WANTED);
                table.report.add(&text.spot, wrong.hint(hint));
            })
            .ok()
    });
    // Only stands in for a value that was refused.
    parsed.unwrap_or_else(|| Target::Address(Address::Unix("/".into())))
}

/// The same endpoint on other networks. A bound, since each is asked again and again for as long as evenkeel runs.
fn others(table: &Table<'_, '_>, first: &Target) -> Vec<Target> {
    let texts = table.texts("other_addresses").unwrap_or_default();
    if let (Target::Address(Address::Unix(_)), true) = (first, table.has("address"))
        && let Some(text) = texts.first()
    {
        let wrong = Wrong::value(quote(text.value), "no other address beside a unix socket");
        let hint = "a unix socket is on this machine, so there is no other way to it".to_owned();
        let wrong = wrong.kind(MistakeKind::Pair).hint(Some(hint));
        table.report.add(&text.spot, wrong);
        return Vec::new();
    }
    if let Some(text) = texts.get(OTHERS_MAX) {
        let wanted = format!("at most {OTHERS_MAX} other addresses");
        let wrong = Wrong::value(format!("{} of them", texts.len()), wanted);
        table.report.add(&text.spot, wrong);
    }
    let mut others: Vec<Target> = Vec::new();
    for text in &texts {
        let Some(other) = other(table, text) else {
            continue;
        };
        if other == *first || others.contains(&other) {
            let found = format!("{} twice", quote(text.value));
            let wrong = Wrong::value(found, "each address of an endpoint once");
            table.report.add(&text.spot, wrong.kind(MistakeKind::Pair));
        } else {
            others.push(other);
        }
    }
    others
}

fn other(table: &Table<'_, '_>, text: &Text<'_>) -> Option<Target> {
    let refuse = |hint: Option<String>| {
        let wrong = Wrong::value(quote(text.value), address::OTHER_WANTED).hint(hint);
        table.report.add(&text.spot, wrong);
        None
    };
    match address::target(text.value, table.report) {
        Ok(Target::Address(Address::Unix(_))) => {
            refuse(Some("a unix socket is on no network".into()))
        }
        Ok(target) => Some(target),
        Err(hint) => refuse(hint),
    }
}

/// A standby is another endpoint of the pool, which has no standby itself: chains would leave open who takes over.
fn standbys(tables: &[Table<'_, '_>], mode: FailoverMode) {
    let named = |table| Some((Table::peek(table, "name")?, table));
    let by_name: BTreeMap<&str, &Table<'_, '_>> = tables.iter().filter_map(named).collect();
    for table in tables {
        let Some(standby) = table.peek("standby") else {
            continue;
        };
        if mode == FailoverMode::Dynamic {
            let hint = "set mode = \"static\" under failover, or use tier";
            table.refuse(
                &["standby"],
                "no standby with mode = \"dynamic\"",
                Some(hint),
            );
            continue;
        }
        let shown = quote(standby);
        let wrong = if table.peek("name") == Some(standby) {
            let found = format!("{shown}, the endpoint itself");
            Wrong::value(found, "another endpoint of the pool").kind(MistakeKind::Pair)
        } else if let Some(other) = by_name.get(standby) {
            let Some(next) = other.peek("standby") else {
                continue;
            };
            let found = format!("{shown}, which has the standby {} itself", quote(next));
            Wrong::value(found, "an endpoint without a standby").kind(MistakeKind::Pair)
        } else {
            let near = did_you_mean(standby, by_name.keys().copied());
            Wrong::value(shown, "the name of an endpoint of this pool")
                .kind(MistakeKind::Name)
                .hint(near)
        };
        table.report.add(&table.value_place("standby"), wrong);
    }
}
