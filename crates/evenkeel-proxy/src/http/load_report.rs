//! What an endpoint says of its load in the head of an answer: `endpoint-load-metrics` of Open Request Cost Aggregation
//! (ORCA), as Envoy and gRPC read it, in its text and JSON forms:
//!
//! ```text
//! endpoint-load-metrics: TEXT cpu_utilization=0.3, mem_utilization=0.8, application_utilization=0.42
//! endpoint-load-metrics: JSON {"cpu_utilization": 0.3, "mem_utilization": 0.8}
//! ```
//!
//! Read only where the pool's policy goes by use. What cannot be read says nothing; the answer is passed on all the same.

use std::time::Duration;

use evenkeel_core::settings::Used;

pub(super) const FIELD: &str = "endpoint-load-metrics";
/// A longer report is not looked into.
const REPORT_MAX: usize = 4 * 1024;

/// In thousandths, in the order of [`Used::REPORTED`].
pub(super) fn read(value: &[u8]) -> [Option<u32>; Used::REPORTED.len()] {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    if text.len() > REPORT_MAX {
        return Default::default();
    }
    match text.split_once(' ') {
        Some(("TEXT", pairs)) => from_text(pairs),
        Some(("JSON", object)) => from_json(object),
        _ => Default::default(),
    }
}

/// Requests in flight and how long one takes there now, where a policy goes by that: `in_flight=12, latency_ms=34.5`, or the same
/// as named metrics of ORCA, in text or JSON. `None` where it does not say what is in flight.
pub(crate) fn report(value: &[u8]) -> Option<(u32, Option<Duration>)> {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    if text.len() > REPORT_MAX {
        return None;
    }
    let (in_flight, latency_ms) = match text.split_once(' ') {
        Some(("JSON", object)) => {
            let object: serde_json::Value = serde_json::from_str(object).ok()?;
            let of = |name: &str| object.get("named_metrics")?.get(name)?.as_f64();
            (of("in_flight"), of("latency_ms"))
        }
        Some(("TEXT", pairs)) => (pair(pairs, "in_flight"), pair(pairs, "latency_ms")),
        _ => (pair(text, "in_flight"), pair(text, "latency_ms")),
    };
    let sound = |number: &f64| number.is_finite() && *number >= 0.0;
    let in_flight = in_flight.filter(sound)?.min(f64::from(u32::MAX)) as u32;
    let latency = latency_ms.filter(sound);
    // An hour is as good as never.
    let latency = latency.map(|ms| Duration::from_secs_f64(ms.min(3.6e6) / 1000.0));
    Some((in_flight, latency))
}

/// The number of this name, alone or among named metrics.
fn pair(pairs: &str, name: &str) -> Option<f64> {
    let mut pairs = pairs
        .split(',')
        .filter_map(|pair| pair.split_once(['=', ':']));
    let is_it = |key: &str| key.strip_prefix("named_metrics.").unwrap_or(key) == name;
    let found = pairs.find(|(key, _)| is_it(key.trim()))?;
    found.1.trim().parse().ok()
}

const fn name(used: Used) -> &'static str {
    match used {
        Used::Cpu => "cpu_utilization",
        Used::Memory => "mem_utilization",
        Used::Own | Used::Highest => "application_utilization",
    }
}

fn from_text(pairs: &str) -> [Option<u32>; Used::REPORTED.len()] {
    Used::REPORTED.map(|used| {
        let mut pairs = pairs
            .split(',')
            .filter_map(|pair| pair.split_once(['=', ':']));
        let found = pairs.find(|(key, _)| key.trim() == name(used))?;
        thousandths(found.1.trim().parse().ok()?)
    })
}

fn from_json(object: &str) -> [Option<u32>; Used::REPORTED.len()] {
    let object: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
    Used::REPORTED.map(|used| thousandths(object.get(name(used))?.as_f64()?))
}

/// A share above 1 is allowed: it is over what it wants to be used.
fn thousandths(share: f64) -> Option<u32> {
    (share.is_finite() && share >= 0.0).then_some((share.min(1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_what_they_do_not_say_is_not_known() {
        let text = b"TEXT cpu_utilization=0.3, mem_utilization=0.8,rps=10";
        assert_eq!(read(text), [Some(300), Some(800), None]);
        let json = br#"JSON {"application_utilization": 1.7, "named_metrics": {"a": 1}}"#;
        assert_eq!(read(json), [None, None, Some(1000)]);
    }

    #[test]
    fn what_is_in_flight_is_read_alone_and_as_named_metrics() {
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(report(b"in_flight=12, latency_ms=34"), Some((12, ms(34))));
        assert_eq!(report(b" in_flight = 0 "), Some((0, None)));
        let text =
            b"TEXT cpu_utilization=0.3, named_metrics.latency_ms=5, named_metrics.in_flight=7";
        assert_eq!(report(text), Some((7, ms(5))));
        let json = br#"JSON {"named_metrics": {"in_flight": 3, "latency_ms": 250}}"#;
        assert_eq!(report(json), Some((3, ms(250))));
        assert_eq!(
            report(b"in_flight=1e99, latency_ms=1e99"),
            Some((u32::MAX, ms(3_600_000)))
        );
        assert_eq!(report(b"in_flight=1, latency_ms=-1"), Some((1, None)));
    }

    #[test]
    fn garbage_says_nothing() {
        let garbage: [&[u8]; 8] = [
            b"",
            b"TEXT",
            b"TEXT cpu_utilization",
            b"TEXT cpu_utilization=NaN, mem_utilization=-1",
            b"JSON {\"cpu_utilization\": \"0.3\"",
            b"JSON [1,2]",
            b"BIN CAEQAg==",
            b"\xff\xfe",
        ];
        for value in garbage {
            assert_eq!(read(value), [None; 3], "{value:?}");
            assert_eq!(report(value), None, "{value:?}");
        }
        let deep = format!("JSON {}", "[".repeat(2000));
        assert_eq!(read(deep.as_bytes()), [None; 3]);
    }
}
