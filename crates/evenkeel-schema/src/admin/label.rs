//! What somebody who knows says of an incident: its true cause.

use evenkeel_core::diagnose::Cause;
use evenkeel_core::incident::Labeller;
use serde::{Deserialize, Serialize};

use super::incident::known;
use super::request::Request;

/// `POST /v1/incidents/ID/label`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelRequest {
    /// What it was, by the name of a cause.
    pub cause: String,
    /// Who says so: `operator`, or `drill` if it was made to happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl LabelRequest {
    /// The cause it names; `None` only if it was not validated.
    pub fn cause(&self) -> Option<Cause> {
        Cause::named(&self.cause)
    }

    /// Who says so; `None` only if it was not validated.
    pub fn by(&self) -> Option<Labeller> {
        let said = self.by.as_deref();
        said.map_or(Some(Labeller::Operator), |by| {
            known(&Labeller::ALL, Labeller::name, by)
        })
    }
}

impl Request for LabelRequest {
    const EXAMPLE: &'static str = r#"{"cause":"bad_release"}"#;

    fn validate(&self) -> Result<(), String> {
        if self.by().is_none() {
            let found: String = self.by.iter().flat_map(|by| by.chars()).take(40).collect();
            return Err(format!("found by {found:?}, wanted operator or drill"));
        }
        if self.cause().is_some() {
            return Ok(());
        }
        let all = evenkeel_core::diagnose::CAUSES.iter();
        let names: Vec<_> = all.map(|entry| entry.part.name).collect();
        let found: String = self.cause.chars().take(40).collect();
        Err(format!(
            "found cause {found:?}, wanted one of {}",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::parse_request;
    use super::*;

    #[test]
    fn a_label_is_the_name_of_a_cause() {
        let good: LabelRequest = parse_request(br#"{"cause":"bad_release"}"#).unwrap();
        assert_eq!(good.cause(), Some(Cause::BadRelease));
        assert_eq!(good.by(), Some(Labeller::Operator));
        let drill: LabelRequest =
            parse_request(br#"{"cause":"bad_release","by":"drill"}"#).unwrap();
        assert_eq!(drill.by(), Some(Labeller::Drill));
        for bad in [
            &br#"{"cause":"gremlins"}"#[..],
            b"{}",
            br#"{"cause":"unknown","x":1}"#,
            br#"{"cause":"unknown","by":"a stranger"}"#,
        ] {
            assert_eq!(
                parse_request::<LabelRequest>(bad).unwrap_err().status(),
                400
            );
        }
    }
}
