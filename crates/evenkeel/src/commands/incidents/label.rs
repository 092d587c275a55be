//! `evenkeel label`: a person says what an incident really was.

use hyper::Method;
use serde_json::json;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::finish;

/// Says it.
pub(crate) fn label(incident: u64, cause: &str, admin: &Admin) -> End {
    let path = format!("/v1/incidents/{incident}/label");
    let body = Some(json!({ "cause": cause }));
    finish(admin, Method::POST, &path, body, |answer| {
        format!("incident {}: {cause}, as you said", answer["id"])
    })
}
