//! What the keeper and its child say to each other, and the strict codec for it.
//!
//! Hand-written because the keeper parses as root what a possibly broken or taken-over child sends: every length is bounded before
//! it is used, every tag is known or the message is refused, and nothing may follow a message's last field. One message is one
//! packet of a `SOCK_SEQPACKET` socket pair, so borders need no framing. File descriptors travel beside the bytes.
//!
//! Numbers are little-endian; texts and lists carry a `u32` length; an absent optional is a 0 byte, a present one a 1 and its value.

mod codec;
mod fields;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use codec::{decode_from_keeper, decode_to_keeper, encode_from_keeper, encode_to_keeper};

/// The longest message either side sends. Holds any sane command line and environment, and stays well below the
/// default send buffer (208 KiB), so that a message can always be sent.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The longest name of a service, socket key or held descriptor.
pub const NAME_BYTES_MAX: usize = 256;
/// The most arguments or environment entries of one start; far above real ones, far below what a message could fake.
pub const LIST_MAX: usize = 4096;
/// Descriptors in one packet: the kernel's own limit (`SCM_MAX_FD`).
pub const DESCRIPTORS_PER_MESSAGE_MAX: usize = 253;
/// The most sockets one address may be opened with: one per data-plane worker.
pub const SOCKETS_PER_ADDRESS_MAX: u16 = 1024;
/// The longest path a unix socket can have (`sun_path` without its final zero).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// Where a listening socket is bound.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A TCP address; port 0 lets the kernel choose. v6 addresses take v6 connections only.
    Tcp(SocketAddr),
    /// A unix stream socket at this absolute path.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How service output and the keeper's own lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `name | line`.
    Text,
    /// One JSON object per line.
    Json,
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// What the service is called; one process of a name at a time.
    pub name: String,
    /// A name without a slash is looked up in `PATH`; a relative path starts at `directory`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Its working directory; `None` = the keeper's.
    pub directory: Option<PathBuf>,
    /// Added to the keeper's own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The user to run as; `None` = the keeper's own. Supplementary groups come from the user database, never from this message.
    pub uid: Option<u32>,
    /// The group to run as; `None` = the user's own. Ignored without `uid`. After [`ToKeeper::Restrict`] it must be one the user is in.
    pub gid: Option<u32>,
    /// The memory it may use, swap included, bytes; `None` = no limit. Where the kernel can't be had to see to it, it is started
    /// all the same, and [`Limits`] say so.
    pub memory_max: Option<u64>,
    /// The processor time it may use, thousandths of one core; `None` = no limit.
    pub cpu_max: Option<u32>,
    /// The fence: refused if a newer one was seen for this name.
    pub epoch: u64,
}

/// What became of a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Limited {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// By this control group of version 2.
    Cgroup2(PathBuf),
    /// By this control group of version 1.
    Cgroup1(PathBuf),
    /// Not at all; for a person.
    Not(String),
}

impl Limited {
    /// The control group, where there is one.
    #[must_use]
    pub fn group(&self) -> Option<&std::path::Path> {
        match self {
            Self::Cgroup2(group) | Self::Cgroup1(group) => Some(group),
            Self::NotAsked | Self::Not(_) => None,
        }
    }
}

/// What became of the limits of a [`Start`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of `memory_max`.
    pub memory: Limited,
    /// Of `cpu_max`.
    pub cpu: Limited,
}

/// What the child says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToKeeper {
    /// The first message. Answered with everything kept for a replacement (see [`FromKeeper::AdoptionDone`]).
    Hello {
        /// The child's own idea of its pid; must be right.
        pid: u32,
    },
    /// From now on, until the keeper ends, nothing is started as user 0. It can't be taken back. Addresses may still be opened with the
    /// keeper's rights: that is what it keeps them for.
    Restrict,
    /// Open this address, or hand over again what is already open under this key. Answered by [`FromKeeper::Opened`] or [`FromKeeper::OpenFailed`].
    Open {
        /// The child's name for it; sockets are kept by it.
        key: String,
        /// Where to bind.
        address: Address,
        /// How many sockets share the address (`SO_REUSEPORT`), 1 to [`SOCKETS_PER_ADDRESS_MAX`]. Must be 1 for a unix path.
        count: u16,
        /// Permission bits of a unix socket's file; unused for TCP.
        mode: u32,
    },
    /// Close what is open under this key. Unknown keys are ignored: it is closed then, as was wanted.
    Close {
        /// As given to `Open`.
        key: String,
    },
    /// Keep the one descriptor sent with this message, and hand it to every replacement. One already held under the name is closed.
    Hold {
        /// The child's name for it.
        name: String,
    },
    /// Start a service. Answered by [`FromKeeper::Started`] or [`FromKeeper::StartFailed`].
    Start(Start),
    /// Send a signal to a service's whole process group. Answered only when refused ([`FromKeeper::SignalRefused`]).
    Signal {
        /// Which service.
        name: String,
        /// The signal's number (only those with a name are accepted).
        signal: i32,
        /// The fence: refused if a newer one was seen for this name.
        epoch: u64,
    },
    /// Write service output and the keeper's own lines in this form. Text until said.
    LogFormat(LogFormat),
    /// The child serves; from now on it must say `Alive` at least every 2 s (four times a second is right).
    Ready,
    /// The child's workers turn.
    Alive,
    /// The child ends on purpose: don't replace it, clean up, end with its exit code.
    Bye,
}

/// Why a service was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartRefusal {
    /// It runs already.
    AlreadyRunning {
        /// Its process.
        pid: u32,
    },
    /// A newer command for this name was seen.
    Stale {
        /// Its fence.
        newest: u64,
    },
    /// It would run as user 0 after [`ToKeeper::Restrict`], or too many services run, or the keeper is ending.
    Forbidden(
        /// For a person.
        String,
    ),
    /// The program could not be executed (missing, not executable, no such directory, …).
    CannotExecute(
        /// For a person.
        String,
    ),
}

impl fmt::Display for StartRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRunning { pid } => write!(f, "it runs already as pid {pid}"),
            Self::Stale { newest } => write!(
                f,
                "the command is older than epoch {newest}, which was already obeyed"
            ),
            Self::Forbidden(why) | Self::CannotExecute(why) => f.write_str(why),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ending {
    /// Whether it ended by itself and called that a success.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

/// How the last child that did not say it would go came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// For a person: "killed by signal 9".
    pub why: String,
    /// How long ago, nanoseconds.
    pub ago_ns: u64,
}

/// What the keeper says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromKeeper {
    /// The sockets of a key, as descriptors beside this message: listening, non-blocking, close-on-exec.
    Opened {
        /// As given to `Open`.
        key: String,
        /// What was asked for.
        address: Address,
        /// What it is bound to (the port the kernel chose).
        actual: Address,
        /// How many sockets there are in all. A packet carries at most [`DESCRIPTORS_PER_MESSAGE_MAX`]; [`crate::Link::recv`] gathers them.
        count: u16,
    },
    /// An address could not be had.
    OpenFailed {
        /// As given to `Open`.
        key: String,
        /// What was asked for.
        address: Address,
        /// For a person; names the owner of a taken address where it can be found.
        why: String,
    },
    /// The service's program runs.
    Started {
        /// Which service.
        name: String,
        /// Its process, which leads a process group of the same number.
        pid: u32,
        /// The fence of the command.
        epoch: u64,
        /// What holds it to its limits.
        limits: Limits,
    },
    /// The service was not started.
    StartFailed {
        /// Which service.
        name: String,
        /// The fence of the command.
        epoch: u64,
        /// Why not.
        why: StartRefusal,
    },
    /// A signal was not sent.
    SignalRefused {
        /// Which service.
        name: String,
        /// The fence of the command.
        epoch: u64,
        /// For a person.
        why: String,
    },
    /// A service ended; what was left of its process group was killed. One that ends while no child listens is told to the next.
    /// One told to a child that died before it read it is not told again: a service that is not among `Adopted` does not run.
    Exited {
        /// Which service.
        name: String,
        /// Its process.
        pid: u32,
        /// The fence it was started under.
        epoch: u64,
        /// How.
        ending: Ending,
        /// When, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
        /// How long it had run.
        ran_ns: u64,
        /// Did the kernel end something of it since its start because it reached its `memory_max`?
        out_of_memory: bool,
    },
    /// A service that runs since before this child: it is this child's now.
    Adopted {
        /// Which service.
        name: String,
        /// Its process.
        pid: u32,
        /// The newest fence seen for it; commands must not be older.
        epoch: u64,
        /// Since when it runs, nanoseconds of `CLOCK_MONOTONIC`.
        since_ns: u64,
        /// How long it has run.
        ran_ns: u64,
        /// How often this keeper started a service of this name again.
        restarts: u64,
        /// What holds it to its limits.
        limits: Limits,
    },
    /// A descriptor held for the child, beside this message.
    Held {
        /// As given to `Hold`.
        name: String,
    },
    /// Everything kept has been handed over; comes after `Hello`.
    AdoptionDone {
        /// The keeper's process.
        keeper_pid: u32,
        /// How many children there were before this one; 0 means a fresh start.
        replaced: u64,
        /// Whether `Restrict` holds already.
        restricted: bool,
        /// How many `Exited` were lost because nobody listened for too long.
        exits_lost: u64,
        /// How the last of those children ended.
        died: Option<Death>,
    },
    /// Drain, stop the services, and exit with code 0.
    Shutdown,
    /// Read the configuration again.
    Reload,
}

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed message: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, malformed)
    }
}

/// What the keeper tells the process that will become a service or the balancer (see [`crate::exec`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Who must still be the parent when the program begins.
    pub(crate) keeper_pid: u32,
    /// Whether user 0 is out of the question.
    pub(crate) restricted: bool,
    /// Whether descriptor 0 stays the socket this came by (the balancer's link) or becomes `/dev/null`.
    pub(crate) keep_stdin: bool,
    /// What to execute.
    pub(crate) start: Start,
}
