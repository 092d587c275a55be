//! What was done, and whether it was done to somebody who was not at fault.

use super::site::{NAMES, Site};
use crate::Failure;
use serde_json::Value;

/// The actions of all incidents, the oldest first: "restart of app/a1: cured".
pub(super) fn actions(incidents: &Value) -> Vec<String> {
    let incidents = incidents.as_array().into_iter().flatten().rev();
    let actions = incidents.flat_map(|i| i["actions"].as_array().into_iter().flatten());
    let word = |action: &Value, key: &str| action[key].as_str().unwrap_or("?").to_owned();
    actions
        .map(|a| {
            format!(
                "{} of {}: {}",
                word(a, "action"),
                word(a, "target"),
                word(a, "outcome")
            )
        })
        .collect()
}

/// Everything that was done to services other than the guilty ones, by what incidents and status say.
pub(super) fn of(site: &Site, guilty: &[&str]) -> Result<Vec<String>, Failure> {
    let innocent = |name: &str| !guilty.contains(&name);
    let mut harm = Vec::new();
    let incidents = site.ask("/v1/incidents")?;
    for incident in incidents.as_array().into_iter().flatten() {
        for action in incident["actions"].as_array().into_iter().flatten() {
            let target = action["target"].as_str().unwrap_or_default();
            let name = target.rsplit('/').next().unwrap_or_default();
            let done = action["outcome"] != "advised" && action["action"] != "notify";
            if innocent(name) && done {
                harm.push(format!(
                    "{} of {target}",
                    action["action"].as_str().unwrap_or("?")
                ));
            }
        }
    }
    let status = site.ask("/v1/status")?;
    for service in status["services"].as_array().into_iter().flatten() {
        let name = service["name"].as_str().unwrap_or_default();
        let restarts = service["restarts"].as_u64().unwrap_or(0);
        let known = NAMES.contains(&name) || name == "store";
        if known && innocent(name) && restarts > 0 {
            harm.push(format!("{name} was restarted {restarts} times"));
        }
    }
    Ok(harm)
}
