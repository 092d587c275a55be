//! The list of everything the API can do. The routes are made from it, `/` prints it, and `/openapi.json` is tested
//! against it.

use std::future::Future;
use std::pin::Pin;

use axum::http::Method;
use axum::response::Response;

use super::{Call, handlers};
use crate::ask::Outcome;

type Answer = Pin<Box<dyn Future<Output = Outcome<Response>> + Send>>;

/// One operation.
pub(crate) struct Operation {
    /// `GET`, `POST` or `PUT`.
    pub(crate) method: &'static str,
    /// With `{name}` for a segment.
    pub(crate) path: &'static str,
    /// One sentence.
    pub(crate) about: &'static str,
    /// Does it change anything? Then not everybody may.
    pub(crate) changes: bool,
    pub(crate) handler: fn(Call) -> Answer,
}

impl Operation {
    pub(crate) fn method(&self) -> Method {
        match self.method {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            _ => Method::GET,
        }
    }

    /// Is `path` one of this operation's?
    pub(crate) fn fits(&self, path: &str) -> bool {
        let (mut wanted, mut found) = (self.path.split('/'), path.split('/'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(w), Some(f)) if w == f || w.starts_with('{') => {}
                _ => return false,
            }
        }
    }
}

macro_rules! operations {
    ($($method:literal $path:literal $changes:literal $handler:ident $about:literal)*) => {
        /// Every operation.
        pub(crate) const OPERATIONS: &[Operation] = &[$(Operation {
            method: $method,
            path: $path,
            about: $about,
            changes: $changes,
            handler: |call| Box::pin(handlers::$handler(call)),
        }),*];
    };
}

operations! {
    "GET" "/" false index "What there is, in plain text."
    "GET" "/healthz" false healthz "200 while the control plane turns."
    "GET" "/readyz" false readyz "200 once every endpoint was probed; 503 before that and while shutting down."
    "GET" "/metrics" false metrics "Metrics in the Prometheus text format."
    "GET" "/openapi.json" false openapi "This API as OpenAPI 3.1."
    "GET" "/v1/status" false status "Listeners, pools, endpoints and services, and why they are as they are."
    "GET" "/v1/pools" false pools "All pools."
    "GET" "/v1/pools/{pool}" false pool "One pool."
    "POST" "/v1/pools/{pool}/endpoints/{endpoint}/state" true state "Drain an endpoint, take it into maintenance, or take that back."
    "POST" "/v1/pools/{pool}/endpoints/{endpoint}/weight" true weight "Give an endpoint another weight, or its configured one again."
    "POST" "/v1/heartbeats" true heartbeats "An endpoint says that it lives and how it is; or a list of such."
    "GET" "/v1/availability" false availabilities "The accounts of all pools: time up and down, requests, error budgets."
    "GET" "/v1/availability/{pool}" false availability "One pool's account; ?what_if=endpoints=4,crews=1 asks the model of another fleet."
    "GET" "/v1/incidents" false incidents "Faults with their causes, what was done and how long it took; newest first."
    "GET" "/v1/incidents/{id}" false incident "One incident."
    "POST" "/v1/incidents/{id}/label" true label "Say what an incident really was."
    "POST" "/v1/reload" true reload "Apply FILE again."
    "GET" "/v1/config" false config "The configuration in force, as TOML, with its ETag."
    "PUT" "/v1/config" true put_config "Replace FILE and apply it; If-Match is required."
    "GET" "/v1/revisions" false revisions "The configurations that were applied, newest first."
    "POST" "/v1/rollback" true rollback "Go back to an earlier revision; FILE is replaced."
    "POST" "/v1/services/{service}/actions" true act "Carry out an action on a service: restart it, free its disk, run one of its commands."
    "POST" "/v1/pools/{pool}/notify" true notify "Send a test message to all who are told of this pool, and say what became of it."
    "GET" "/v1/recovery-points" false recovery_points "Copies of services' data that can be gone back to."
    "POST" "/v1/recovery-points/{service}/{id}/verify" true verify "Read a recovery point back and compare it with its manifest."
    "POST" "/v1/recovery-points/{service}/{id}/restore" true restore "Hold the service, put a recovery point in the place of its data, and let it run again."
}
