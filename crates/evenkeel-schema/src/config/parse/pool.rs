//! `[pool.NAME]` and its tables.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::settings::{
    AgentCheckSettings, CheckKind, CheckSettings, FailoverMode, FailoverSettings,
    HeartbeatSettings, LimitSettings, ObjectiveSettings, OutlierSettings, PoolSpec, PreventionMode,
    PreventionSettings, RetryOn, RetrySettings, TransportSettings,
};

use super::report::Wrong;
use super::table::{Table, Text};
use super::words::quote;
use super::{Names, endpoint, http, policy, recovery, session, tls};
use crate::config::{Secret, Session};
use crate::mistake::MistakeKind;

/// A pool, and beside it what is no part of the settings that decisions go by, which are printed and recorded.
pub(super) struct Parsed {
    pub(super) spec: PoolSpec,
    /// Signs its webhooks.
    pub(super) webhook_secret: Option<Secret>,
    pub(super) session: Option<Session>,
}

pub(super) fn pool(name: &Arc<str>, table: &Table<'_, '_>, names: &Names<'_>) -> Parsed {
    table.word("protocol");
    table.word("proxy_protocol");
    if names.tcp_pools.contains(&**name) {
        let hint = "it is the pool of a tcp listener: leave it out";
        table.refuse(
            &["protocol"],
            "nothing where bytes are passed on",
            Some(hint),
        );
    }
    let transport = TransportSettings::default();
    let failover = failover(&table.table("failover"));
    let endpoints = endpoint::endpoints(&table.tables("endpoint"), failover.mode, names);
    let (recovery, webhook_secret) = recovery::recovery(&table.table("recovery"), names.secrets);
    let spec = PoolSpec {
        name: name.clone(),
        policy: policy::policy(table, names.tcp_pools.contains(&**name)),
        check: check(&table.table("check")),
        agent_check: table
            .table_if_given("agent_check")
            .and_then(|t| agent_check(&t)),
        heartbeat: table.table_if_given("heartbeat").map(|t| heartbeat(&t)),
        outlier: outlier(&table.table("outlier")),
        retry: retry(&table.table("retry")),
        limit: limit(&table.table("limit")),
        transport: TransportSettings {
            connect_timeout: table.duration("connect_timeout", transport.connect_timeout),
            idle_timeout: table.duration("idle_timeout", transport.idle_timeout),
            max_idle: table.number("max_idle").unwrap_or(transport.max_idle),
        },
        tls: tls::pool(table, name, &endpoints, names.tls),
        recovery,
        prevention: prevention(&table.table("prevention")),
        objective: objective(&table.table("objective")),
        endpoints,
        failover,
    };
    Parsed {
        spec,
        webhook_secret,
        session: session::session(
            table,
            names.tcp_pools.contains(&**name),
            (names.secrets, names.tls),
        ),
    }
}

/// Keys of a check that only a GET has.
const HTTP_ONLY: [&str; 5] = ["path", "host", "headers", "expect", "body"];

fn check(table: &Table<'_, '_>) -> CheckSettings {
    let defaults = CheckSettings::default();
    let interval = table.duration("interval", defaults.interval);
    // Left out it follows a shorter interval; written, it must not contradict it.
    let fast_default = defaults.fast_interval.min(interval);
    let fast_interval = table.duration("fast_interval", fast_default);
    if fast_interval > interval {
        fast_over_interval(table, fast_interval, interval);
    }
    CheckSettings {
        kind: check_kind(table),
        port: table.number("port"),
        interval,
        fast_interval,
        timeout: table.duration("timeout", defaults.timeout),
        rise: table.number("rise").unwrap_or(defaults.rise),
        fall: table.number("fall").unwrap_or(defaults.fall),
    }
}

fn fast_over_interval(table: &Table<'_, '_>, fast: Duration, interval: Duration) {
    let shown = crate::text::duration;
    let found = format!("{:?} beside interval {:?}", shown(fast), shown(interval));
    let wrong = Wrong::value(found, "at most interval").kind(MistakeKind::Pair);
    table.wrong("fast_interval", wrong);
}

fn check_kind(table: &Table<'_, '_>) -> CheckKind {
    let kind = table.word("kind");
    if kind != Some("http") {
        if kind == Some("tcp") || !table.has("kind") {
            let hint = "it is for kind = \"http\"";
            table.refuse(&HTTP_ONLY, "only what a tcp check has", Some(hint));
        }
        return CheckKind::Tcp;
    }
    let path = table.text("path");
    let valid = |text: &&Text<'_>| !http::request_target(text.value);
    if let Some(text) = path.as_ref().filter(valid) {
        let wrong = Wrong::value(quote(text.value), "a path like \"/healthz\"");
        table.report.add(&text.spot, wrong);
    }
    let host = table.text("host");
    if let Some(text) = host
        .as_ref()
        .filter(|t| t.value.is_empty() || !http::field_value(t.value))
    {
        let wrong = Wrong::value(quote(text.value), "a host name");
        table.report.add(&text.spot, wrong);
    }
    CheckKind::Http {
        path: path.map_or("/", |text| text.value).to_owned(),
        host: host.map(|text| text.value.to_owned()),
        headers: http::headers(table, "headers"),
        expect: table
            .text("expect")
            .map_or(vec![(200, 399)], |text| expect(table, &text)),
        body: table.text("body").map(|text| text.value.to_owned()),
    }
}

fn expect(table: &Table<'_, '_>, text: &Text<'_>) -> Vec<(u16, u16)> {
    let number = |s: &str| s.parse::<u16>().ok().filter(|n| (100..=599).contains(n));
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (number(low.trim())?, number(high.trim())?);
        (low <= high).then_some((low, high))
    };
    let ranges: Option<Vec<_>> = text.value.split(',').map(range).collect();
    ranges.unwrap_or_else(|| {
        let wanted = "statuses from 100 to 599 like \"200\", \"200-399\" or \"200,204,300-310\"";
        let wrong = Wrong::value(quote(text.value), wanted);
        table.report.add(&text.spot, wrong);
        Vec::new()
    })
}

/// As often as the check, which it stands beside.
const AGENT_INTERVAL: Duration = Duration::from_secs(2);

fn agent_check(table: &Table<'_, '_>) -> Option<AgentCheckSettings> {
    let interval = table.duration("interval", AGENT_INTERVAL);
    let port = table.number("port")?;
    Some(AgentCheckSettings { port, interval })
}

fn heartbeat(table: &Table<'_, '_>) -> HeartbeatSettings {
    let defaults = HeartbeatSettings::default();
    HeartbeatSettings {
        interval: table.duration("interval", defaults.interval),
        detector: table.word("detector").unwrap_or(defaults.detector),
        threshold: table.decimal("threshold", defaults.threshold),
        timeout: table.duration("timeout", defaults.timeout),
    }
}

fn outlier(table: &Table<'_, '_>) -> OutlierSettings {
    let defaults = OutlierSettings::default();
    OutlierSettings {
        consecutive_failures: table
            .number("consecutive_failures")
            .unwrap_or(defaults.consecutive_failures),
        success_rate_stdev: table.decimal("success_rate_stdev", defaults.success_rate_stdev),
        latency_factor: table.decimal("latency_factor", defaults.latency_factor),
        base_ejection: table.duration("base_ejection", defaults.base_ejection),
        max_ejection: table.share("max_ejection", defaults.max_ejection),
        min_healthy: table.number("min_healthy").unwrap_or(defaults.min_healthy),
        enforce: table.flag("enforce", defaults.enforce),
    }
}

fn retry(table: &Table<'_, '_>) -> RetrySettings {
    let defaults = RetrySettings::default();
    RetrySettings {
        retries: table.number("retries").unwrap_or(defaults.retries),
        on: table
            .words("on")
            .map_or(defaults.on, |words| retry_on(&words)),
        budget: table.share("budget", defaults.budget),
        per_try_timeout: table.duration("per_try_timeout", defaults.per_try_timeout),
        body_buffer: table.size("body_buffer", defaults.body_buffer),
        non_idempotent: table.flag("non_idempotent", defaults.non_idempotent),
    }
}

fn retry_on(words: &[&str]) -> RetryOn {
    let has = |word| words.contains(&word);
    RetryOn {
        connect: has("connect"),
        reset: has("reset"),
        timeout: has("timeout"),
        garbage: has("garbage"),
        status_500: has("500"),
        status_502: has("502"),
        status_503: has("503"),
        status_504: has("504"),
    }
}

fn limit(table: &Table<'_, '_>) -> LimitSettings {
    let defaults = LimitSettings::default();
    table.word("adaptive");
    LimitSettings {
        per_endpoint: table
            .number("per_endpoint")
            .unwrap_or(defaults.per_endpoint),
        queue: table.number("queue").unwrap_or(defaults.queue),
        queue_timeout: table.duration("queue_timeout", defaults.queue_timeout),
        ..defaults
    }
}

fn failover(table: &Table<'_, '_>) -> FailoverSettings {
    let defaults = FailoverSettings::default();
    FailoverSettings {
        mode: match table.word("mode") {
            Some("static") => FailoverMode::Static,
            _ => defaults.mode,
        },
        overprovision: table.share("overprovision", defaults.overprovision),
        try_all: table
            .word("when_all_down")
            .map_or(defaults.try_all, |word| word == "try-all"),
        failback_auto: table
            .word("failback")
            .map_or(defaults.failback_auto, |word| word == "auto"),
        hold: table.duration("hold", defaults.hold),
        ramp: table.duration("ramp", defaults.ramp),
        ..defaults
    }
}

fn prevention(table: &Table<'_, '_>) -> PreventionSettings {
    PreventionSettings {
        mode: match table.word("mode") {
            Some("advise") => PreventionMode::Advise,
            Some("off") => PreventionMode::Off,
            _ => PreventionMode::default(),
        },
    }
}

fn objective(table: &Table<'_, '_>) -> ObjectiveSettings {
    let defaults = ObjectiveSettings::default();
    ObjectiveSettings {
        availability: table.nines("availability", defaults.availability),
        window: table.duration("window", defaults.window),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::keys::{HEARTBEAT, Kind};

    #[test]
    fn every_detector_has_its_word_and_every_word_its_detector() {
        let Some(Kind::Word(words)) = HEARTBEAT.key("detector").map(|key| key.kind) else {
            panic!("the detector is a word")
        };
        let words: Vec<_> = words.iter().map(|word| word.name).collect();
        let listed = evenkeel_core::detect::DETECTORS.iter();
        assert_eq!(
            words,
            listed.map(|entry| entry.part.name).collect::<Vec<_>>()
        );
        for entry in evenkeel_core::detect::DETECTORS {
            for setting in entry.part.settings {
                let key = HEARTBEAT.key(setting.key).expect("it is a key");
                assert_eq!(key.default.trim_matches('"'), setting.default);
            }
        }
    }
}
