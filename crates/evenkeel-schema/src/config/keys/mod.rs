//! Every key of the configuration, in lists: its name, what it takes, its default, its meaning, and whether this build has
//! it.
//!
//! The reader takes limits and words from here, unknown keys are compared with these names, and the reference is written
//! from them, so a key has one home. A new key is one line here and one where it is read. A test sets every key to the
//! default written here and expects the configuration that leaves it out.

mod agent;
mod pool;
mod root;
mod service;
mod tls;

pub use agent::{AGENT, AGENT_ROOT, AGENTS};
pub use pool::{
    AGENT_CHECK, CHECK, ENDPOINT, FAILOVER, HEARTBEAT, LIMIT, OBJECTIVE, OUTLIER, POLICY, POOL,
    PREQUAL, PREVENTION, RECOVERY, RETRY, SESSION,
};
pub use root::{ADMIN, LISTENER, LOG, NODE, REDIRECT, RESPOND, ROOT, ROUTE};
pub use service::{DATA, READY, RELEASE, RESTART_LIMIT, SERVICE};
pub use tls::{HOST_TLS, POOL_TLS};

use std::time::Duration;

use super::WEIGHT_MAX;

/// One table: `[node]`, `[[route]]`, `[pool.NAME.check]`.
#[derive(Debug)]
pub struct TableDef {
    /// As in a header, with `NAME` where the user chooses: `pool.NAME.check`.
    pub path: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// In the order of the reference.
    pub keys: &'static [Key],
}

impl TableDef {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The value it has when left out, in TOML; empty = off, or it must be given.
    pub default: &'static str,
    /// For people.
    pub meaning: &'static str,
    /// false = promised, but not in this build: refused by name.
    pub built: bool,
    /// Must it be given?
    pub required: bool,
}

impl Key {
    const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        meaning: &'static str,
    ) -> Key {
        Key {
            name,
            kind,
            default,
            meaning,
            built: true,
            required: false,
        }
    }

    const fn required(name: &'static str, kind: Kind, meaning: &'static str) -> Key {
        Key {
            required: true,
            ..Key::new(name, kind, "", meaning)
        }
    }

    const fn later(name: &'static str, meaning: &'static str) -> Key {
        Key {
            built: false,
            ..Key::new(name, Kind::Text, "", meaning)
        }
    }
}

/// A word that a key can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// As written.
    pub name: &'static str,
    /// false = promised, but not in this build.
    pub built: bool,
}

const fn word(name: &'static str) -> Word {
    Word { name, built: true }
}

const fn later(name: &'static str) -> Word {
    Word { name, built: false }
}

/// What a key takes. Limits are inclusive.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// `false` only: `true` is not in this build.
    Off,
    /// A whole number.
    Number(u64, u64),
    /// One of these whole numbers.
    Numbers(&'static [u64]),
    /// A whole number, or one word instead.
    NumberOr(&'static str, u64, u64),
    /// `"2s"`.
    Duration(Duration, Duration),
    /// `"64KiB"`.
    Size(u64, u64),
    /// `"20%"`, in percent.
    Share(u32, u32),
    /// A number with up to three decimals; the limits in thousandths.
    Decimal(u32, u32),
    /// Such a number, or 0.
    DecimalOr0(u32, u32),
    /// `"99.9%"`: [`NINES_MIN`](crate::text::NINES_MIN) to less than all, to nine digits.
    Nines,
    /// One of these words.
    Word(&'static [Word]),
    /// Several of these words.
    Words(&'static [Word]),
    /// A name: letters, digits, `_`, `.` and `-`.
    Name,
    /// The name of a user of this machine.
    User,
    /// Any text; the reader knows more.
    Text,
    /// A list of texts.
    Texts,
    /// A table of texts.
    TextMap,
    /// A table of lists of texts, each a program and its arguments.
    Commands,
    /// One of [`SIGNALS`]; `SIG` before it is allowed.
    Signal,
    /// A path; relative ones start at the file's folder.
    Path,
    /// `"file:PATH"` or `"env:NAME"`.
    Secret,
    /// `"IP:PORT"` or `"unix:PATH"`.
    Bind,
    /// A list of those.
    Binds,
    /// `"HOST:PORT"` or `"unix:PATH"`.
    Target,
    /// A list of `"HOST:PORT"`.
    Targets,
    /// A text, or a table of its own.
    TextOr(&'static TableDef),
    /// A table of its own.
    Table(&'static TableDef),
    /// `[[…]]`: any number of tables.
    Tables(&'static TableDef),
    /// `[….NAME]`: tables by name.
    Named(&'static TableDef),
}

/// Signals that can ask a service to end, with Linux's numbers.
pub const SIGNALS: [(&str, i32); 8] = [
    ("TERM", 15),
    ("INT", 2),
    ("QUIT", 3),
    ("HUP", 1),
    ("USR1", 10),
    ("USR2", 12),
    ("WINCH", 28),
    ("KILL", 9),
];

const ZERO: Duration = Duration::ZERO;
/// The shortest time-out or interval: below this a busy machine's own scheduling decides, not the peer.
const SHORT: Duration = Duration::from_millis(1);
/// The shortest interval between checks of one endpoint: a hundred a second are a load, not a check.
const CHECK_SHORT: Duration = Duration::from_millis(10);
/// The longest interval between heartbeats, and the longest time-out: beyond an hour they detect nothing.
const BEAT_LONG: Duration = Duration::from_secs(3600);
/// See [`crate::text::DURATION_MAX`].
const LONG: Duration = crate::text::DURATION_MAX;
/// The shortest window over which availability is a figure at all.
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest life of a session: cookies count in seconds.
const SECOND: Duration = Duration::from_secs(1);
/// The longest: browsers keep no cookie for longer than 400 days.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const PORT_MAX: u64 = u16::MAX as u64;
const SIZE_MAX: u64 = 1 << 50;
