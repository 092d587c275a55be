//! How a pool chooses: `balance`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Share;

/// What of a request a policy goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeySource {
    /// The client's address: behind a trusted proxy, the one it names.
    SourceIp,
    /// The normalised path.
    Path,
    /// A header field, by its name in lower case.
    Header(Arc<str>),
    /// A cookie.
    Cookie(Arc<str>),
    /// A parameter of the query.
    Query(Arc<str>),
    /// A claim of the token in `Authorization: Bearer …`. Its signature is not checked: the endpoint does that.
    Jwt(Arc<str>),
}

/// How `utilization` chooses among those below its ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// By lot, all alike.
    Random,
    /// By lot, by weight and what is left below the ceiling.
    WeightedRandom,
}

/// Which of the reported shares `utilization` looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Used {
    /// The highest of all that is known.
    #[default]
    Highest,
    /// Processor.
    Cpu,
    /// Memory.
    Memory,
    /// What the application says of itself.
    Own,
}

impl Used {
    /// What can be reported.
    pub const REPORTED: [Used; 3] = [Used::Cpu, Used::Memory, Used::Own];
}

/// What only `prequal` asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrequalSettings {
    /// Who has more in flight than this share of recent reports is hot; 0 = only what is in flight counts.
    pub quantile: Share,
    /// Independent pools of probes.
    pub pools: u32,
    /// The field of an answer in which endpoints report, in lower case.
    pub header: Arc<str>,
    /// Where endpoints are asked beside the traffic; `None` = they are not.
    pub probe_path: Option<Arc<str>>,
}

impl Default for PrequalSettings {
    fn default() -> PrequalSettings {
        PrequalSettings {
            quantile: Share::percent(84),
            pools: 1,
            header: Arc::from("endpoint-load-metrics"),
            probe_path: None,
        }
    }
}

/// A pool's `balance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// A name from the registry of policies.
    pub name: Arc<str>,
    /// What it goes by, where it goes by a key.
    pub key: Option<KeySource>,
    /// Of `utilization`.
    pub form: Form,
    /// Of `utilization`.
    pub used: Used,
    /// Of `utilization`: from here on an endpoint gets nothing while another is below.
    pub ceiling: Share,
    /// Of `prequal`.
    pub prequal: PrequalSettings,
}

impl PolicySpec {
    /// The policy of this name with its defaults.
    pub fn named(name: &str) -> PolicySpec {
        PolicySpec {
            name: name.into(),
            key: None,
            form: Form::RoundRobin,
            used: Used::Highest,
            // Queueing grows steeply beyond it: at 80 % an M/M/1 answer takes five times its work, at 90 % ten times.
            ceiling: Share::percent(80),
            prequal: PrequalSettings::default(),
        }
    }
}

impl Default for PolicySpec {
    /// Two random choices, the less loaded one: close to least requests without everybody's herd on one server
    /// (Mitzenmacher 2001).
    fn default() -> Self {
        PolicySpec::named("p2c")
    }
}
