//! The keys of agents on other hosts: where the balancer meets them, and the file each of them has.

use std::time::Duration;

use super::{BEAT_LONG, Key, Kind, TableDef, Word, word};

/// `[agents]`, in the balancer's file.
#[rustfmt::skip] // one line a key
pub static AGENTS: TableDef = TableDef {
    path: "agents",
    meaning: "Where agents of other hosts connect.",
    keys: &[
        Key::required("bind", Kind::Bind, "\"IP:PORT\"; beyond loopback only with certificate and key"),
        Key::new("token", Kind::Secret, "", "what agents must show; this or client_ca is required"),
        Key::new("certificate", Kind::Path, "", "PEM: set, together with key = TLS; read again when it changes"),
        Key::new("key", Kind::Path, "", "PEM: its private key, not encrypted"),
        Key::new("client_ca", Kind::Path, "", "PEM: a certificate that one of these authorities signed for the agent's name is as good as the token"),
    ],
};

/// An agent's file.
#[rustfmt::skip] // one line a key
pub static AGENT_ROOT: TableDef = TableDef {
    path: "",
    meaning: "An agent's file.",
    keys: &[
        Key::required("agent", Kind::Table(&AGENT), "who it is, and which balancers it serves"),
        Key::new("log", Kind::Table(&super::LOG), "", "what is written down"),
        Key::new("service", Kind::Named(&super::SERVICE), "", "processes that the agent starts, watches and starts again"),
    ],
};

/// `[agent]`.
#[rustfmt::skip] // one line a key
pub static AGENT: TableDef = TableDef {
    path: "agent",
    meaning: "Who the agent is, and which balancers it serves.",
    keys: &[
        Key::required("name", Kind::Name, "unique; endpoints name its services as NAME/SERVICE"),
        Key::required("control", Kind::Texts, "\"HOST:PORT\" of the [agents] of each balancer, 16 at most"),
        Key::new("token", Kind::Secret, "", "what it shows to balancers; this or certificate is required"),
        Key::new("certificate", Kind::Path, "", "PEM: shown to balancers, made for the agent's name; together with key"),
        Key::new("key", Kind::Path, "", "PEM: its private key, not encrypted"),
        Key::new("ca", Kind::Path, "", "PEM: the authorities that sign balancers' certificates; default: those this machine trusts. Where all of control is loopback, and neither this nor certificate nor server_name is given, clear text is spoken"),
        Key::new("server_name", Kind::Text, "", "the name balancers' certificates must have; default: the host in control"),
        Key::new("state_dir", Kind::Path, "\"agent-state\"", "fences and recovery points; a second agent on it is refused with the first one's pid"),
        Key::new("facts_interval", Kind::Duration(FACTS_SHORT, BEAT_LONG), "\"1s\"", "between two readings of the host and its services"),
        Key::new("heartbeat_interval", Kind::Duration(BEAT_SHORT, BEAT_MAX), "\"1s\"", "between two heartbeats of its services"),
        Key::new("allow", Kind::Words(ALLOWED), "[\"restart\"]", "the actions that balancers may ask for, whatever they say"),
    ],
};

/// What can be done on a service's host. A test holds it against core's list of actions.
const ALLOWED: &[Word] = &[
    word("restart"),
    word("reload_service"),
    word("kill_hung"),
    word("relieve_memory"),
    word("free_disk"),
    word("rollback_release"),
    word("run"),
    word("restore_data"),
];

/// More often, reading would be a load of its own.
const FACTS_SHORT: Duration = Duration::from_millis(100);
/// As many a second would be more messages than a balancer takes from one agent.
const BEAT_SHORT: Duration = Duration::from_millis(50);
/// Either side takes the other for gone after 10 s of silence.
const BEAT_MAX: Duration = Duration::from_secs(3);
