//! One drill against one site, and what came of it.

use super::harm;
use super::site::Site;
use super::{CONNECTIONS, RATE, Scenario};
use crate::Failure;
use crate::load::Endless;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What one drill showed.
pub(super) struct Outcome {
    pub(super) detect_ms: Option<u64>,
    /// The first cause that was named, and how probable.
    pub(super) cause: String,
    pub(super) probability: f64,
    /// The true one's place.
    pub(super) rank: Option<u64>,
    pub(super) actions: Vec<String>,
    pub(super) restore_ms: Option<u64>,
    /// All served again before the drill took anything back.
    pub(super) by_itself: bool,
    pub(super) harm: Vec<String>,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) first_error: String,
    pub(super) slowest_ms: f64,
}

/// Starts a site and its load, drills, and ends both.
pub(super) fn run(scenario: &Scenario, programs: &Path) -> Result<Outcome, Failure> {
    let site = Site::start(programs)?;
    let load = Endless::start(programs, site.ports.web, RATE, CONNECTIONS)?;
    let output = Command::new(programs.join("evenkeel"))
        .args(["drill", scenario.name])
        .arg(&site.file)
        .args(["--json", "--rate", "0", "--endpoint", "app/a1"])
        .args(["--hold", &scenario.hold_s.to_string()])
        .output()
        .map_err(|e| format!("evenkeel drill: {e}"))?;
    let seen = load.end()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let case: Value = serde_json::from_str(&text).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("the drill said no case: {text}{said}{}", site.log())
    })?;
    let case = &case["record"];
    let incident = &case["incident"];
    let first = &incident["causes"][0];
    let restore_ms = case["times_ms"]["restore"].as_u64();
    Ok(Outcome {
        detect_ms: case["times_ms"]["detect"].as_u64(),
        cause: first["cause"].as_str().unwrap_or("none").to_owned(),
        probability: first["probability"].as_f64().unwrap_or(0.0),
        rank: case["rank"].as_u64(),
        actions: harm::actions(&site.ask("/v1/incidents")?),
        restore_ms,
        by_itself: restore_ms.is_some() && restored_before_healed(case),
        harm: harm::of(&site, scenario.guilty)?,
        requests: seen.requests,
        errors: seen.errors,
        first_error: seen.first_error,
        slowest_ms: seen.max_us / 1e3,
    })
}

/// Moments as text sort as they were: all are in UTC, and of one length but for milliseconds that are zero.
fn restored_before_healed(case: &Value) -> bool {
    let restored = case["incident"]["restored"].as_str();
    match (restored, case["healed"].as_str()) {
        (Some(restored), Some(healed)) => comparable(restored) <= comparable(healed),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn comparable(moment: &str) -> String {
    let (seconds, rest) = moment
        .trim_end_matches('Z')
        .split_at(19.min(moment.len() - 1));
    format!("{seconds}{:0<4}", if rest.is_empty() { "." } else { rest })
}

impl Outcome {
    /// In one line, while it goes on.
    pub(super) fn line(&self) -> String {
        let ms = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("{ms} ms"));
        format!(
            "detected {}, {} {:.0} % (true cause in place {}), did [{}], restored {}{}, {} errors of {}{}, slowest {:.0} ms{}",
            ms(self.detect_ms),
            self.cause,
            self.probability * 100.0,
            self.rank.map_or("-".to_owned(), |rank| rank.to_string()),
            self.actions.join(", "),
            ms(self.restore_ms),
            if self.by_itself {
                ""
            } else {
                " (not by itself)"
            },
            self.errors,
            self.requests,
            match self.errors {
                0 => String::new(),
                _ => format!(" ({})", self.first_error),
            },
            self.slowest_ms,
            match self.harm.is_empty() {
                true => String::new(),
                false => format!(", HARM: {}", self.harm.join("; ")),
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_with_and_without_milliseconds_are_compared_rightly() {
        let case = |restored: &str, healed: &str| serde_json::json!({ "incident": { "restored": restored }, "healed": healed });
        let before = "2026-01-01T00:00:00Z";
        let after = "2026-01-01T00:00:00.005Z";
        assert!(restored_before_healed(&case(before, after)));
        assert!(!restored_before_healed(&case(after, before)));
    }
}
