//! `evenkeel label`: a person says what an incident really was.

use hyper::Method;
use serde_json::json;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::call;
use crate::style::Out;

/// Says it.
pub(crate) fn label(incident: u64, cause: &str, admin: &Admin) -> End {
    let path = format!("/v1/incidents/{incident}/label");
    match call(admin, Method::POST, &path, Some(json!({ "cause": cause }))) {
        Ok(answer) => {
            let out = Out::new();
            match admin.json {
                true => out.line(answer.text()),
                false => out.line(&format!(
                    "incident {}: {cause}, as you said",
                    answer.value["id"]
                )),
            }
            End::Done
        }
        Err(problem) => problem.report(),
    }
}
