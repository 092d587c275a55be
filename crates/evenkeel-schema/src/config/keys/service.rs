//! The keys of services.

use super::{Key, Kind, LONG, PORT_MAX, SHORT, SIZE_MAX, TableDef, ZERO, word};

/// `[service.NAME]`.
#[rustfmt::skip] // one line a key
pub static SERVICE: TableDef = TableDef {
    path: "service.NAME",
    meaning: "A process that evenkeel starts, watches and starts again.",
    keys: &[
        Key::required("command", Kind::Texts, "program and arguments; a program with a slash is relative to the file's folder"),
        Key::new("directory", Kind::Path, "\".\"", "where it runs"),
        Key::new("environment", Kind::TextMap, "{}", "added to evenkeel's own"),
        Key::new("user", Kind::User, "", "default: node.user; root is refused where node.user is set"),
        Key::new("ready", Kind::Table(&READY), "", "when it counts as ready; omitted = as soon as it runs"),
        Key::new("stop_signal", Kind::Signal, "\"TERM\"", "asks it to end; \"SIGTERM\" is the same"),
        Key::new("stop_timeout", Kind::Duration(ZERO, LONG), "\"10s\"", "then it is killed"),
        Key::new("restart_limit", Kind::Table(&RESTART_LIMIT), "", "more starts than this, and it needs a person"),
        Key::new("memory_max", Kind::Size(MEMORY_MIN, SIZE_MAX), "", "the memory it may use, swap included: by cgroup v2, else v1, else watched and restarted gracefully; status says which"),
        Key::new("cpu_max", Kind::Share(1, 102_400), "", "the processor time it may use, \"100%\" = one core: by cgroup v2, else v1, else only shown"),
        Key::new("disk_paths", Kind::Texts, "[]", "action free_disk may delete files from these folders only, oldest first; from the service's directory"),
        Key::new("disk_keep", Kind::Size(0, SIZE_MAX), "\"1GiB\"", "free_disk stops once this much is free there; never more than half of the disk"),
        Key::new("release", Kind::Table(&RELEASE), "", "where its releases are, for action rollback_release"),
        Key::new("data", Kind::Table(&DATA), "", "what recovery points are made of; omitted = none are made"),
        Key::new("commands", Kind::Commands, "{}", "what action \"run\" may run: name and command"),
    ],
};

/// A service's `ready`.
#[rustfmt::skip] // one line a key
pub static READY: TableDef = TableDef {
    path: "service.NAME.ready",
    meaning: "When a service counts as ready.",
    keys: &[
        Key::required("kind", Kind::Word(&[word("none"), word("tcp"), word("http"), word("file")]), "as soon as it runs, when a port answers, when a GET is answered with 200–399, when a file exists"),
        Key::new("port", Kind::Number(1, PORT_MAX), "", "tcp, http: on 127.0.0.1"),
        Key::new("path", Kind::Text, "", "http: path and query, default \"/\"; file: its path, from the service's directory"),
        Key::new("timeout", Kind::Duration(SHORT, LONG), "\"30s\"", "ready by then, or it is stopped and started again"),
    ],
};

/// A service's `restart_limit`.
#[rustfmt::skip] // one line a key
pub static RESTART_LIMIT: TableDef = TableDef {
    path: "service.NAME.restart_limit",
    meaning: "More starts than this, and it needs a person.",
    keys: &[
        Key::new("starts", Kind::Number(1, 10_000), "5", "at most this many (systemd's)"),
        Key::new("within", Kind::Duration(SHORT, LONG), "\"60s\"", "in this time"),
    ],
};

/// A service's `release`.
#[rustfmt::skip] // one line a key
pub static RELEASE: TableDef = TableDef {
    path: "service.NAME.release",
    meaning: "Two symbolic links, each to a release; what the command names should go through the first.",
    keys: &[
        Key::required("current", Kind::Path, "the link to the release that runs; from the service's directory"),
        Key::required("previous", Kind::Path, "the link to the one before, in the same folder"),
    ],
};

/// A service's `data`.
#[rustfmt::skip] // one line a key
pub static DATA: TableDef = TableDef {
    path: "service.NAME.data",
    meaning: "Recovery points: checked copies of a folder, kept in state_dir.",
    keys: &[
        Key::required("directory", Kind::Path, "copied whole; from the service's directory"),
        Key::new("every", Kind::Duration(EVERY_SHORT, LONG), "\"1h\"", "between two points"),
        Key::new("keep", Kind::Number(1, 1000), "24", "so many are kept; the oldest goes first"),
    ],
};

/// Less would not even hold the pages of a program's start.
const MEMORY_MIN: u64 = 1 << 20;
/// More often than once a second copying would be all the disk does.
const EVERY_SHORT: std::time::Duration = std::time::Duration::from_secs(1);
