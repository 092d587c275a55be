//! Who takes part: each policy of evenkeel that does not go by a key, and what the others have against a slow endpoint. All with one
//! worker and set up as in `bench proxy`; nothing is told to anybody of who is slow.

use super::envoy;
use crate::Failure;
use crate::bench::proxies::{Place, evenkeel, haproxy, nginx};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;

/// A balancer with a policy.
pub(super) struct Contestant {
    pub(super) balancer: &'static str,
    pub(super) policy: &'static str,
    how: How,
}

enum How {
    Evenkeel,
    Haproxy(&'static str),
    Nginx(&'static str),
    /// The program, and whether it looks at all endpoints.
    Envoy(PathBuf, bool),
}

/// Round robin is there to show what a policy is worth.
const OURS: &[&str] = &[
    "round_robin",
    "p2c",
    "least_requests",
    "load_inverse",
    "peak_ewma",
    "least_time",
    "prequal",
    "learned",
];

/// All of them; without Envoy if there is none.
pub(super) fn all(envoy: Option<&PathBuf>) -> Vec<Contestant> {
    let contestant = |balancer, policy, how| Contestant {
        balancer,
        policy,
        how,
    };
    let mut all: Vec<Contestant> = OURS
        .iter()
        .map(|policy| contestant("evenkeel", policy, How::Evenkeel))
        .collect();
    all.extend([
        contestant("haproxy", "leastconn", How::Haproxy("balance leastconn")),
        contestant("haproxy", "random(2)", How::Haproxy("balance random(2)")),
        contestant("nginx", "least_conn", How::Nginx("least_conn;")),
        contestant(
            "nginx",
            "random two least_conn",
            How::Nginx("random two least_conn;"),
        ),
    ]);
    if let Some(program) = envoy {
        let two = How::Envoy(program.clone(), false);
        let whole = How::Envoy(program.clone(), true);
        all.extend([
            contestant("envoy", "LEAST_REQUEST", two),
            contestant("envoy", "LEAST_REQUEST, full scan", whole),
        ]);
    }
    all
}

impl Contestant {
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.how, How::Evenkeel)
    }

    /// As one word for `--only` and one for people.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.balancer, self.policy)
    }

    /// Starts it.
    pub(super) fn command(&self, place: Place<'_>) -> Result<Command, Failure> {
        match &self.how {
            How::Evenkeel => {
                // The others have nothing that takes out who is slow; here it is to be the policy's work alone.
                let policy = format!(
                    "balance = \"{}\"\n\n[pool.app.outlier]\nenforce = false\n",
                    self.policy
                );
                evenkeel(&Place {
                    policy: Some(&policy),
                    ..place
                })
            }
            How::Haproxy(policy) => haproxy(&Place {
                policy: Some(policy),
                ..place
            }),
            How::Nginx(policy) => nginx(&Place {
                policy: Some(policy),
                ..place
            }),
            How::Envoy(program, whole) => {
                let selection = match whole {
                    true => json!({ "selection_method": "FULL_SCAN" }),
                    false => json!({ "choice_count": 2 }),
                };
                envoy::command(&place, program, selection)
            }
        }
    }
}
