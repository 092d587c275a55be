//! The list of keys against the reader: every key in it is read, what it says of a default is true, and what is not built
//! is refused.

use std::path::Path;

use evenkeel_schema::config::keys::{self, Key, TableDef};
use evenkeel_schema::config::{AgentConfig, is_agents_file};
use evenkeel_schema::mistake::MistakeKind;
use evenkeel_schema::{Config, Mistake, explain};

/// A configuration around one table; `KEYS` is where the table's keys go.
struct Frame {
    def: &'static TableDef,
    path: &'static str,
    before: &'static str,
    keys: &'static str,
    after: &'static str,
}

const LISTENER: &str = "[[listener]]\nname = \"l\"\nbind = [\"127.0.0.1:0\"]\n";
const POOL: &str = "[[pool.p.endpoint]]\nname = \"e\"\naddress = \"127.0.0.1:1\"\n";
const SERVICE: &str = "[service.s]\ncommand = [\"x\"]\n";

fn frames() -> Vec<Frame> {
    let frame = |def, path, before, keys, after| Frame {
        def,
        path,
        before,
        keys,
        after,
    };
    vec![
        frame(&keys::NODE, "node", "[node]\n", "", LISTENER),
        frame(&keys::ADMIN, "admin", "[admin]\n", "", LISTENER),
        frame(&keys::LOG, "log", "[log]\n", "", LISTENER),
        frame(
            &keys::AGENTS,
            "agents",
            "[agents]\n",
            "bind = \"127.0.0.1:1\"\ntoken = \"env:T\"\n",
            LISTENER,
        ),
        frame(
            &keys::AGENT,
            "agent",
            "[agent]\n",
            "name = \"h\"\ncontrol = [\"lb:1\"]\ntoken = \"env:T\"\n",
            "",
        ),
        frame(
            &keys::LISTENER,
            "listener[1]",
            "[[listener]]\n",
            "name = \"l\"\nbind = [\"127.0.0.1:0\"]\n",
            "",
        ),
        frame(
            &keys::HOST_TLS,
            "listener[1].tls[1]",
            "[[listener]]\nname = \"l\"\nbind = [\"127.0.0.1:0\"]\n[[listener.tls]]\n",
            "certificate = \"c\"\nkey = \"k\"\n",
            "",
        ),
        frame(&keys::POOL_TLS, "pool.p.tls", "[pool.p.tls]\n", "", POOL),
        frame(
            &keys::ROUTE,
            "route[1]",
            "[[route]]\n",
            "respond = { status = 200 }\n",
            LISTENER,
        ),
        frame(
            &keys::REDIRECT,
            "route[1].redirect",
            "[[route]]\n[route.redirect]\n",
            "to = \"/x\"\n",
            LISTENER,
        ),
        frame(
            &keys::RESPOND,
            "route[1].respond",
            "[[route]]\n[route.respond]\n",
            "",
            LISTENER,
        ),
        frame(
            &keys::POOL,
            "pool.p",
            "[pool.p]\n",
            "endpoint = [{ name = \"e\", address = \"127.0.0.1:1\" }]\n",
            LISTENER,
        ),
        frame(
            &keys::POLICY,
            "pool.p.balance",
            "[pool.p.balance]\n",
            "policy = \"utilization\"\n",
            POOL,
        ),
        frame(
            &keys::PREQUAL,
            "pool.p.prequal",
            "[pool.p]\nbalance = \"prequal\"\n[pool.p.prequal]\n",
            "",
            POOL,
        ),
        frame(
            &keys::SESSION,
            "pool.p.session",
            "[pool.p.session]\n",
            "",
            POOL,
        ),
        frame(
            &keys::CHECK,
            "pool.p.check",
            "[pool.p.check]\n",
            "kind = \"http\"\n",
            POOL,
        ),
        frame(
            &keys::AGENT_CHECK,
            "pool.p.agent_check",
            "[pool.p.agent_check]\n",
            "port = 9990\n",
            POOL,
        ),
        frame(
            &keys::HEARTBEAT,
            "pool.p.heartbeat",
            "[pool.p.heartbeat]\n",
            "",
            POOL,
        ),
        frame(
            &keys::OUTLIER,
            "pool.p.outlier",
            "[pool.p.outlier]\n",
            "",
            POOL,
        ),
        frame(&keys::RETRY, "pool.p.retry", "[pool.p.retry]\n", "", POOL),
        frame(&keys::LIMIT, "pool.p.limit", "[pool.p.limit]\n", "", POOL),
        frame(
            &keys::FAILOVER,
            "pool.p.failover",
            "[pool.p.failover]\n",
            "",
            POOL,
        ),
        frame(
            &keys::RECOVERY,
            "pool.p.recovery",
            "[pool.p.recovery]\n",
            "",
            POOL,
        ),
        frame(
            &keys::PREVENTION,
            "pool.p.prevention",
            "[pool.p.prevention]\n",
            "",
            POOL,
        ),
        frame(
            &keys::OBJECTIVE,
            "pool.p.objective",
            "[pool.p.objective]\n",
            "",
            POOL,
        ),
        frame(
            &keys::ENDPOINT,
            "pool.p.endpoint[1]",
            "[[pool.p.endpoint]]\n",
            "name = \"e\"\naddress = \"127.0.0.1:1\"\n",
            "",
        ),
        frame(
            &keys::SERVICE,
            "service.s",
            "[service.s]\n",
            "command = [\"x\"]\n",
            LISTENER,
        ),
        frame(
            &keys::READY,
            "service.s.ready",
            "[service.s.ready]\n",
            "kind = \"tcp\"\nport = 1\n",
            SERVICE,
        ),
        frame(
            &keys::RELEASE,
            "service.s.release",
            "[service.s.release]\n",
            "current = \"r/a\"\nprevious = \"r/b\"\n",
            SERVICE,
        ),
        frame(
            &keys::DATA,
            "service.s.data",
            "[service.s.data]\n",
            "directory = \"data\"\n",
            SERVICE,
        ),
        frame(
            &keys::RESTART_LIMIT,
            "service.s.restart_limit",
            "[service.s.restart_limit]\n",
            "",
            SERVICE,
        ),
    ]
}

impl Frame {
    /// The configuration with this key set to `value`, or left out.
    fn with(&self, key: &Key, value: Option<&str>) -> String {
        let own = |line: &&str| line.split(" = ").next() != Some(key.name);
        let mut text = self.before.to_owned();
        for line in self.keys.lines().filter(own) {
            text += &format!("{line}\n");
        }
        if let Some(value) = value {
            text += &format!("{} = {value}\n", key.name);
        }
        text += self.after;
        if is_agents_file(&text) {
            return text;
        }
        for (mark, part) in [("[[listener]]", LISTENER), ("pool.p", POOL)] {
            if !text.contains(mark) {
                text += part;
            }
        }
        text
    }

    fn path(&self, key: &Key) -> String {
        format!("{}.{}", self.path, key.name)
    }
}

/// As the file it is: what it came to without its text, or its mistakes.
fn read(text: &str) -> Result<String, Vec<Mistake>> {
    let file = Path::new("/srv/c.toml");
    if is_agents_file(text) {
        let mut config = AgentConfig::peruse(text, file)?;
        config.text = "".into();
        return Ok(format!("{config:#?}"));
    }
    let mut config = Config::parse(text, file)?;
    config.text = "".into();
    Ok(format!("{config:#?}"))
}

fn mistakes(text: &str) -> Vec<Mistake> {
    read(text).err().unwrap_or_default()
}

fn shape(text: &str) -> String {
    read(text).unwrap_or_else(|m| panic!("{text}\n{}", explain(&m)))
}

#[test]
fn every_table_of_the_list_is_tried_here() {
    fn tables(def: &'static TableDef, found: &mut Vec<&'static str>) {
        found.push(def.path);
        for key in def.keys {
            if let keys::Kind::Table(def)
            | keys::Kind::TextOr(def)
            | keys::Kind::Tables(def)
            | keys::Kind::Named(def) = key.kind
            {
                tables(def, found);
            }
        }
    }
    let mut listed = Vec::new();
    tables(&keys::ROOT, &mut listed);
    tables(&keys::AGENT_ROOT, &mut listed);
    let mut tried: Vec<_> = frames().iter().map(|frame| frame.def.path).collect();
    tried.push("");
    listed.sort_unstable();
    tried.sort_unstable();
    // What both kinds of file have is one table.
    listed.dedup();
    assert_eq!(listed, tried);
}

/// No key takes a date, so one that says nothing about it was not read.
#[test]
fn no_key_of_the_list_is_ignored() {
    for frame in frames() {
        for key in frame.def.keys {
            let text = frame.with(key, Some("1979-05-27"));
            let path = frame.path(key);
            let found = mistakes(&text);
            let told: Vec<_> = found.iter().filter(|m| m.path == path).collect();
            assert_eq!(told.len(), 1, "{path}: {}\n{text}", explain(&found));
            let not_built = told[0].kind == MistakeKind::NotBuilt;
            assert_eq!(not_built, !key.built, "{path}");
        }
    }
}

#[test]
fn a_default_written_out_changes_nothing() {
    let mut tried = 0;
    for frame in frames() {
        for key in frame.def.keys.iter().filter(|key| !key.default.is_empty()) {
            let written = shape(&frame.with(key, Some(key.default)));
            assert_eq!(
                written,
                shape(&frame.with(key, None)),
                "{}",
                frame.path(key)
            );
            tried += 1;
        }
    }
    assert!(tried > 50, "{tried} defaults");
}

#[test]
fn a_key_that_must_be_given_is_missed() {
    for frame in frames() {
        for key in frame.def.keys.iter().filter(|key| key.required) {
            let found = mistakes(&frame.with(key, None));
            let missed = |m: &Mistake| m.kind == MistakeKind::Missing && m.path == frame.path(key);
            assert!(
                found.iter().any(missed),
                "{}: {}",
                frame.path(key),
                explain(&found)
            );
        }
    }
}

#[test]
fn names_in_a_table_are_its_own_and_everything_has_a_meaning() {
    for frame in frames() {
        for (n, key) in frame.def.keys.iter().enumerate() {
            assert!(!key.meaning.is_empty(), "{}", frame.path(key));
            let again = frame.def.keys[..n]
                .iter()
                .any(|other| other.name == key.name);
            assert!(!again, "{} is listed twice", frame.path(key));
        }
    }
}
