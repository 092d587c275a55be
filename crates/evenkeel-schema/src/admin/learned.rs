//! What the policy `learned` has learned, as the admin API shows it.

use serde::{Deserialize, Serialize};

/// [`PoolStatus::learned`](super::PoolStatus::learned): what is expected of endpoints, and whether it is gone by. Each worker learns
/// for itself; here they are put together, each counting for what it has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnedStatus {
    /// Workers that have told.
    pub workers: u32,
    /// Those of them that go by what was learned now; the others give out as `p2c` does.
    pub using: u32,
    /// The share of the plain mean's squared error that is gone if one goes by the endpoint too; below 0: it only adds to it.
    pub skill: f64,
    /// How many times as long requests took in turns of what was learned, beside turns of `p2c`; null = not known yet.
    pub ratio: Option<f64>,
    /// The share by which each request in flight at an endpoint makes the next one longer.
    pub each_in_flight: f64,
    /// The sorts of requests seen most often, the most frequent first.
    pub kinds: Vec<LearnedKind>,
}

/// One of [`LearnedStatus::kinds`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnedKind {
    /// The route, as it is written in the configuration: host and path. `*` = all that are not known by themselves.
    pub route: String,
    /// `read`, `write` or `delete`.
    pub method: String,
    /// How large the request's body is.
    pub body: String,
    /// Answers it is known by; older ones count for less.
    pub answers: f64,
    /// What one takes at an endpoint with nothing else to do, in milliseconds.
    pub mean_ms: f64,
    /// As [`LearnedStatus::skill`], of this sort.
    pub skill: f64,
    /// In file order; of many, the fastest and the slowest.
    pub endpoints: Vec<LearnedEndpoint>,
}

/// One of [`LearnedKind::endpoints`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LearnedEndpoint {
    /// The endpoint's name.
    pub name: String,
    /// Answers it is known by there.
    pub answers: f64,
    /// What one is expected to take there with nothing else to do, in milliseconds.
    pub expected_ms: f64,
}
