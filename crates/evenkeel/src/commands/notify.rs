//! `evenkeel notify`: do messages arrive? One is sent to all who are told of a pool.

use std::time::Duration;

use hyper::Method;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::{call_for, segment};
use crate::style::Out;

/// Sixteen targets, each of which may take ten seconds to fail.
const PATIENCE: Duration = Duration::from_secs(180);

/// Sends it, and says what each target said.
pub(crate) fn notify(pool: &str, admin: &Admin) -> End {
    let path = format!("/v1/pools/{}/notify", segment(pool));
    match call_for(PATIENCE, admin, Method::POST, &path, None) {
        Ok(answer) => {
            let out = Out::new();
            let results = answer.value["results"].as_array();
            let results = results.map(Vec::as_slice).unwrap_or_default();
            if admin.json {
                out.line(answer.text());
            } else {
                for result in results {
                    let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
                    let (state, word) = match result["delivered"].as_bool() {
                        Some(true) => ("up", "took it"),
                        _ => ("down", "did not take it"),
                    };
                    let line = format!("{} {word}: {}", text("target"), text("detail"));
                    out.line(&out.state(state, &line));
                }
            }
            match results.iter().all(|result| result["delivered"] == true) {
                true => End::Done,
                false => End::Failed,
            }
        }
        Err(problem) => problem.report(),
    }
}
