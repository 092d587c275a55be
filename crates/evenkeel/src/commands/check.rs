//! `evenkeel check FILE`: every mistake at once of a balancer's or an agent's file, without touching anything but the file and what it names.

use std::path::Path;

use evenkeel_control::Tls;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_schema::Config;
use evenkeel_schema::config::{AgentConfig, TEXT_BYTES_MAX, is_agents_file};

use crate::End;
use crate::style::{Out, complain};

/// Checks a file of either kind, the balancer's or an agent's; `json` prints for programs.
pub(crate) fn check(file: &Path, json: bool) -> End {
    let out = Out::new();
    let checked = match is_agents(file) {
        true => evenkeel_agent::file::load(file)
            .map(|loaded| (agent(&loaded.config), warnings(&loaded.config.services))),
        false => {
            Tls::load(file, None).map(|(config, _)| (balancer(&config), warnings(&config.services)))
        }
    };
    match checked {
        Ok((what, warnings)) => {
            if json {
                let good = serde_json::json!({ "ok": true, "mistakes": [], "warnings": warnings });
                out.line(&good.to_string());
            } else {
                out.line(&format!("{}: good ({what})", file.display()));
                for warning in warnings {
                    out.line(&out.state("down", &format!("warning: {warning}")));
                }
            }
            End::Done
        }
        Err(mistakes) => {
            if json {
                out.line(&serde_json::json!({ "ok": false, "mistakes": mistakes }).to_string());
            } else {
                complain(evenkeel_schema::explain(&mistakes).trim_end());
            }
            End::Usage
        }
    }
}

/// What is no mistake in the file, and will not do what is hoped for on this machine as it is now.
fn warnings(services: &[ServiceSpec]) -> Vec<String> {
    let unrestorable = |spec: &ServiceSpec| {
        let data = spec.care.data.as_ref()?;
        let why = evenkeel_agent::recovery::restorable(&data.directory).err()?;
        Some(format!("service {}: data: {why}", spec.name))
    };
    services.iter().filter_map(unrestorable).collect()
}

/// Only what can be read as a configuration at all is looked into; what cannot is told as of a balancer's.
fn is_agents(file: &Path) -> bool {
    let small = |about: std::fs::Metadata| about.is_file() && about.len() <= TEXT_BYTES_MAX as u64;
    let text = std::fs::metadata(file).is_ok_and(small);
    let text = text.then(|| std::fs::read_to_string(file).unwrap_or_default());
    text.is_some_and(|text| is_agents_file(&text))
}

fn balancer(config: &Config) -> String {
    let endpoints: usize = config.pools.iter().map(|p| p.endpoints.len()).sum();
    format!(
        "{} listeners, {} routes, {} pools, {endpoints} endpoints, {} services",
        config.listeners.len(),
        config.routes.len(),
        config.pools.len(),
        config.services.len(),
    )
}

fn agent(config: &AgentConfig) -> String {
    let services = config.services.len();
    let balancers = config.agent.control.len();
    format!(
        "agent {}, {services} services, {balancers} balancers, allows {}",
        config.agent.name,
        config.agent.allow.join(", ")
    )
}
