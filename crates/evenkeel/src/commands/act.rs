//! `evenkeel act`: an operator has an action carried out on a service.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::{call_for, segment, show};

/// A command may take a minute, a disk full of small files as well.
const PATIENCE: Duration = Duration::from_secs(620);

/// Asks for it, and says what came of it.
pub(crate) fn act(service: &str, action: &str, command: Option<&str>, admin: &Admin) -> End {
    let path = format!("/v1/services/{}/actions", segment(service));
    let body = json!({ "action": action, "command": command });
    let asked = call_for(PATIENCE, admin, Method::POST, &path, Some(body));
    show(admin, asked, |out, answer| {
        let outcome = answer["outcome"].as_str().unwrap_or_default();
        out.line(&format!("{service}: {action}: {outcome}"));
        End::Done
    })
}
