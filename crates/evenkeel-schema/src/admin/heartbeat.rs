//! Heartbeats over the API: what a service or agent sends, and what is shown of it.

use std::time::Duration;

use evenkeel_core::engine::{Beat, Says};
use serde::{Deserialize, Serialize};

use super::error::{ErrorAnswer, ErrorBody, ErrorCode};
use super::request::{Request, parse_request};
use crate::stamp::Stamp;

/// Beats in one body: an agent's host has far fewer services, and the body is bounded anyway.
pub const BEATS_MAX: usize = 1000;
/// The shortest and the longest interval a sender may have, in milliseconds: as in the configuration.
const INTERVAL_MS: (u64, u64) = (10, 3_600_000);

/// `POST /v1/heartbeats`, or one of a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// `POOL/ENDPOINT`.
    pub endpoint: String,
    /// One more each time.
    pub sequence: u64,
    /// Between two; left out = the pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// Left out = ready.
    #[serde(default)]
    pub state: BeatState,
    /// How busy it is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
}

/// What the sender says of itself. Anything but `ready` means: no new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeatState {
    /// It takes work.
    #[default]
    Ready,
    /// Not yet.
    Starting,
    /// What runs may finish.
    Draining,
    /// It is about to end.
    Stopping,
}

/// The answer to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswer {
    /// The number that was sent.
    pub acknowledged: u64,
}

/// The answer to each of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeartbeatResult {
    /// Taken.
    Taken(HeartbeatAnswer),
    /// Not taken, and why.
    Refused {
        /// As alone.
        error: ErrorBody,
    },
}

/// One of [`EndpointStatus::heartbeat`](super::EndpointStatus::heartbeat).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatStatus {
    /// The detector that listens.
    pub detector: String,
    /// The newest number; `null` = none since the balancer began.
    pub sequence: Option<u64>,
    /// When it arrived.
    pub heard: Option<Stamp>,
    /// How long ago that was, or the wait for it began.
    pub age_ms: u64,
    /// Between two, as the sender says.
    pub interval_ms: u64,
    /// 0 not at all, from 1 on suspected.
    pub suspicion: f64,
    /// A crash now would be seen within this.
    pub detects_within_ms: u64,
    /// What it says of itself.
    pub state: BeatState,
    /// How busy it says it is, 0 to 1.
    pub utilization: Option<f64>,
    /// That counted, since the balancer began.
    pub beats: u64,
    /// Times it was suspected and had lived.
    pub mistakes: u64,
}

impl Request for HeartbeatRequest {
    const EXAMPLE: &'static str = r#"{"endpoint":"app/a1","sequence":17,"interval_ms":1000,"state":"ready","utilization":0.42}; interval_ms, state and utilization may be left out"#;

    fn validate(&self) -> Result<(), String> {
        self.names()?;
        let (low, high) = INTERVAL_MS;
        if let Some(ms) = self.interval_ms.filter(|ms| !(low..=high).contains(ms)) {
            return Err(format!("found interval_ms {ms}, wanted {low} to {high}"));
        }
        match self.utilization {
            Some(share) if !(0.0..=1.0).contains(&share) => {
                Err(format!("found utilization {share}, wanted 0 to 1"))
            }
            _ => Ok(()),
        }
    }
}

impl HeartbeatRequest {
    /// The pool's name and the endpoint's.
    ///
    /// # Errors
    /// It is not of the form `POOL/ENDPOINT`.
    pub fn names(&self) -> Result<(&str, &str), String> {
        let wrong = || {
            format!(
                "found endpoint {:.100?}, wanted POOL/ENDPOINT",
                self.endpoint
            )
        };
        self.endpoint.split_once('/').ok_or_else(wrong)
    }

    /// As the engine takes it.
    pub fn beat(&self) -> Beat {
        Beat {
            sequence: self.sequence,
            interval: self.interval_ms.map(beat_interval),
            says: self.state.into(),
            utilization: self.utilization,
        }
    }
}

/// One beat, or the beats of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Heartbeats {
    /// Answered by itself.
    One(HeartbeatRequest),
    /// Each answered in its place.
    List(Vec<Result<HeartbeatRequest, ErrorAnswer>>),
}

/// Reads a body: one beat, or a list of up to [`BEATS_MAX`].
///
/// # Errors
/// It is neither.
pub fn parse_heartbeats(body: &[u8]) -> Result<Heartbeats, ErrorAnswer> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return parse_request(body).map(Heartbeats::One);
    }
    let refuse = |message: String| {
        let hint = format!(
            "send a list of up to {BEATS_MAX}, each {}",
            HeartbeatRequest::EXAMPLE
        );
        ErrorAnswer::new(ErrorCode::BadRequest, message, hint)
    };
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(body).map_err(|e| refuse(e.to_string()))?;
    if list.len() > BEATS_MAX {
        return Err(refuse(format!("found {} heartbeats", list.len())));
    }
    let each = |value: &serde_json::Value| parse_request(value.to_string().as_bytes());
    Ok(Heartbeats::List(list.iter().map(each).collect()))
}

/// A sender's interval within its limits, whatever a record or an older build says.
pub fn beat_interval(ms: u64) -> Duration {
    Duration::from_millis(ms.clamp(INTERVAL_MS.0, INTERVAL_MS.1))
}

impl From<BeatState> for Says {
    fn from(state: BeatState) -> Says {
        match state {
            BeatState::Ready => Says::Ready,
            BeatState::Starting => Says::Starting,
            BeatState::Draining => Says::Draining,
            BeatState::Stopping => Says::Stopping,
        }
    }
}

impl From<Says> for BeatState {
    fn from(says: Says) -> BeatState {
        match says {
            Says::Ready => BeatState::Ready,
            Says::Starting => BeatState::Starting,
            Says::Draining => BeatState::Draining,
            Says::Stopping => BeatState::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(body: &str) -> Result<HeartbeatRequest, ErrorAnswer> {
        match parse_heartbeats(body.as_bytes())? {
            Heartbeats::One(beat) => Ok(beat),
            Heartbeats::List(list) => panic!("{list:?}"),
        }
    }

    #[test]
    fn a_beat_is_read_as_promised() {
        let text = r#"{"endpoint":"app/a1","sequence":17,"interval_ms":1000,"state":"ready","utilization":0.42}"#;
        let beat = one(text).unwrap();
        assert_eq!(beat.names().unwrap(), ("app", "a1"));
        assert_eq!(serde_json::to_string(&beat).unwrap(), text);
        let beat = one(r#"{"endpoint":"app/a1","sequence":0}"#).unwrap().beat();
        assert_eq!(beat, Beat::default());
    }

    #[test]
    fn what_is_no_beat_is_refused_with_an_example() {
        let bad = [
            r#"{"endpoint":"a1","sequence":1}"#,
            r#"{"endpoint":"app/a1"}"#,
            r#"{"endpoint":"app/a1","sequence":-1}"#,
            r#"{"endpoint":"app/a1","sequence":1.5}"#,
            r#"{"endpoint":"app/a1","sequence":1,"interval_ms":1}"#,
            r#"{"endpoint":"app/a1","sequence":1,"interval_ms":3600001}"#,
            r#"{"endpoint":"app/a1","sequence":1,"utilization":1.01}"#,
            r#"{"endpoint":"app/a1","sequence":1,"state":"up"}"#,
            r#"{"endpoint":"app/a1","sequence":1,"load":1}"#,
            "17",
        ];
        for body in bad {
            let answer = one(body).unwrap_err();
            assert_eq!(answer.status(), 400, "{body}");
            assert!(
                answer.error.hint.unwrap().contains("\"sequence\":17"),
                "{body}"
            );
        }
    }

    #[test]
    fn of_a_list_each_is_judged_by_itself_and_there_is_a_bound() {
        let body = br#" [{"endpoint":"app/a1","sequence":1},{"endpoint":"app"},7]"#;
        let Heartbeats::List(list) = parse_heartbeats(body).unwrap() else {
            panic!("it is a list")
        };
        let taken: Vec<_> = list.iter().map(Result::is_ok).collect();
        assert_eq!(taken, [true, false, false]);
        let many = format!("[{}1]", "1,".repeat(BEATS_MAX));
        assert_eq!(parse_heartbeats(many.as_bytes()).unwrap_err().status(), 400);
        let taken = HeartbeatResult::Taken(HeartbeatAnswer { acknowledged: 17 });
        assert_eq!(
            serde_json::to_string(&taken).unwrap(),
            r#"{"acknowledged":17}"#
        );
    }
}
