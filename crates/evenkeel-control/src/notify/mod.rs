//! Bringing one message to one target: a program of this machine, or a webhook. When, and whether again, is decided in core.

mod sign;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::notify::Failure;
use evenkeel_core::settings::Messenger;
use evenkeel_schema::admin::Notice;
use evenkeel_schema::config::Secret;

use crate::Host;

pub(crate) use sign::number;

/// A program or a server that needs longer to take a message has not taken it.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);

/// How a message did not get there: what follows, and why, for a person.
pub(crate) type Missed = (Failure, String);

/// Brings it there; says what the target said.
pub(crate) async fn send(
    to: &Messenger,
    secret: Option<&Secret>,
    notice: &Notice,
    host: &Arc<dyn Host>,
) -> Result<String, Missed> {
    let failed = |why: String| (Failure::Failed { not_before: None }, why);
    let body = serde_json::to_vec(notice).map_err(|e| failed(e.to_string()))?;
    match to {
        Messenger::Webhook(url) => webhook::post(url, secret, notice, body).await,
        Messenger::Exec(program) => {
            let (host, program) = (host.clone(), program.clone());
            let environment = notice.environment();
            let told = tokio::task::spawn_blocking(move || {
                host.tell(&program, &environment, &body, WITHIN)
            });
            let told = told.await.map_err(|e| failed(e.to_string()))?;
            told.map_err(failed)
        }
    }
}

/// As the configuration has it.
pub(crate) fn written(to: &Messenger) -> String {
    match to {
        Messenger::Exec(program) => format!("exec:{program}"),
        Messenger::Webhook(url) => url.to_string(),
    }
}

/// As it may be shown: what follows the host of a URL is often its secret.
pub(crate) fn shown(to: &Messenger) -> String {
    match to {
        Messenger::Exec(program) => program.to_string(),
        Messenger::Webhook(url) => {
            let start = url.find("://").map_or(0, |at| at + 3);
            let end = url[start..].find(['/', '?', '#']).map(|at| start + at);
            match end {
                Some(end) => format!("{}/…", &url[..end]),
                None => url.to_string(),
            }
        }
    }
}
