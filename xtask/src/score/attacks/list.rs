//! The attacks: what each does, how many come, what ends it, and what the balancer they come upon is set to.

use crate::score::site::Addresses;

/// One attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// As the attacker program calls it.
    pub(super) kind: &'static str,
    pub(super) connections: u32,
    pub(super) limit: Limit,
    /// What it may be counted as.
    pub(super) reasons: &'static [&'static str],
    /// Descriptors the balancer may have; with few, new clients wait behind as many attackers as wait too.
    pub(super) descriptors: Option<u64>,
}

/// What ends it.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    Head,
    /// The first seconds of `body_min_rate`.
    Body,
    /// The most that a body may have earned.
    Stall,
    Read,
    Idle,
}

/// How hard it is tried.
pub(super) struct Scale {
    pub(super) head_s: f64,
    pub(super) read_s: f64,
    pub(super) idle_s: f64,
    /// Every attack's connections are divided by this.
    pub(super) part: u32,
    /// Beyond its limit nobody may stay longer than this.
    pub(super) late_max_s: f64,
    pub(super) p99_max_ms: f64,
    /// Of new clients where descriptors are few.
    pub(super) wait_max_ms: f64,
}

pub(super) const SCORE: Scale = Scale {
    head_s: 5.0,
    read_s: 5.0,
    idle_s: 8.0,
    part: 1,
    late_max_s: 2.0,
    p99_max_ms: 50.0,
    wait_max_ms: 2000.0,
};

pub(super) const SMOKE: Scale = Scale {
    head_s: 1.0,
    read_s: 1.0,
    idle_s: 1.0,
    part: 10,
    late_max_s: 4.0,
    // The debug build beside other work; a client that waits for the attackers would wait for a second and more.
    p99_max_ms: 500.0,
    wait_max_ms: 5000.0,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow head",
        kind: "slow-head",
        connections: 5000,
        limit: Limit::Head,
        reasons: &["head_timeout"],
        descriptors: None,
    },
    Attack {
        name: "header flood",
        kind: "head-flood",
        connections: 2000,
        limit: Limit::Head,
        reasons: &["head_timeout", "head_too_large", "made_room"],
        descriptors: None,
    },
    Attack {
        name: "slow body",
        kind: "slow-body",
        connections: 2000,
        limit: Limit::Body,
        reasons: &["body_too_slow"],
        descriptors: None,
    },
    Attack {
        name: "slow chunks",
        kind: "slow-chunks",
        connections: 2000,
        limit: Limit::Body,
        reasons: &["body_too_slow"],
        descriptors: None,
    },
    Attack {
        name: "stalled body",
        kind: "stalled-body",
        connections: 2000,
        limit: Limit::Stall,
        reasons: &["body_too_slow"],
        descriptors: None,
    },
    Attack {
        name: "slow read",
        kind: "slow-read",
        connections: 500,
        limit: Limit::Read,
        reasons: &["read_stall"],
        descriptors: None,
    },
    Attack {
        name: "trickled read",
        kind: "trickle-read",
        connections: 500,
        limit: Limit::Read,
        reasons: &["read_stall"],
        descriptors: None,
    },
    Attack {
        name: "pipelining",
        kind: "pipeline",
        connections: 200,
        limit: Limit::Read,
        reasons: &["read_stall"],
        descriptors: None,
    },
    Attack {
        name: "slow handshake",
        kind: "slow-handshake",
        connections: 2000,
        limit: Limit::Head,
        reasons: &["handshake_timeout"],
        descriptors: None,
    },
    Attack {
        name: "silent",
        kind: "silent",
        connections: 10_000,
        limit: Limit::Head,
        reasons: &["head_timeout", "made_room"],
        descriptors: None,
    },
    Attack {
        name: "idle",
        kind: "idle",
        connections: 10_000,
        limit: Limit::Idle,
        reasons: &["idle_timeout", "made_room"],
        descriptors: None,
    },
    Attack {
        name: "descriptors, idle",
        kind: "idle",
        connections: 2000,
        limit: Limit::Idle,
        reasons: &["idle_timeout", "made_room"],
        descriptors: Some(512),
    },
    Attack {
        name: "descriptors, slow head",
        kind: "slow-head",
        connections: 2000,
        limit: Limit::Head,
        reasons: &["head_timeout", "made_room"],
        descriptors: Some(512),
    },
    Attack {
        name: "descriptors, slow read",
        kind: "slow-read",
        connections: 2000,
        limit: Limit::Read,
        reasons: &["read_stall", "made_room"],
        descriptors: Some(512),
    },
];

impl Attack {
    pub(super) fn limit_s(&self, scale: &Scale) -> f64 {
        match self.limit {
            // A connection on which nothing was sent is not shown by the kernel for its first second.
            Limit::Head if self.kind == "silent" => scale.head_s + 1.0,
            Limit::Head => scale.head_s,
            Limit::Body => 5.0,
            Limit::Stall => 10.0,
            // The little that its kernel takes late counts as reading, once.
            Limit::Read if self.kind == "pipeline" => 2.0 * scale.read_s,
            Limit::Read => scale.read_s,
            Limit::Idle => scale.idle_s,
        }
    }

    /// Do the attackers fill every place there is with requests that are being served? Then who is new waits until one of
    /// them has been stalled for long enough to go, behind all of them that wait too.
    pub(super) fn all_served(&self) -> bool {
        self.kind == "slow-read" && self.descriptors.is_some()
    }

    /// How many come: with fewer descriptors they are many already.
    pub(super) fn connections(&self, scale: &Scale) -> u32 {
        match self.descriptors {
            Some(_) => self.connections,
            None => self.connections / scale.part,
        }
    }
}

/// The configuration all of them run against.
pub(super) fn config(addresses: &Addresses, scale: &Scale) -> String {
    let ms = |seconds: f64| format!("{}ms", seconds * 1000.0);
    let endpoints: String = addresses
        .endpoints
        .iter()
        .enumerate()
        .map(|(number, address)| {
            format!("[[pool.app.endpoint]]\nname = \"e{number}\"\naddress = \"{address}\"\n")
        })
        .collect();
    format!(
        r#"[[listener]]
name = "web"
bind = ["{}"]
header_timeout = "{}"
read_stall = "{}"
idle_timeout = "{}"

[[listener]]
name = "secure"
bind = ["{}"]
header_timeout = "{}"
[[listener.tls]]
certificate = "{}"
key = "{}"

[[route]]
methods = ["POST"]
pool = "sink"

[[route]]
path = "=/bytes/16777216"
pool = "large"

[[route]]
path = "=/bytes/20000"
pool = "large"

[[route]]
pool = "app"

[pool.large]
[[pool.large.endpoint]]
name = "large"
address = "{}"

[pool.sink.check]
kind = "tcp"
[[pool.sink.endpoint]]
name = "sink"
address = "{}"

[pool.app.check]
kind = "http"
path = "/healthz"
{endpoints}"#,
        addresses.listen,
        ms(scale.head_s),
        ms(scale.read_s),
        ms(scale.idle_s),
        addresses.secure,
        ms(scale.head_s),
        addresses.certificate.chain.display(),
        addresses.certificate.key.display(),
        addresses.large,
        addresses.sink,
    )
}
