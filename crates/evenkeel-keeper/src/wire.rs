//! What the keeper and its child say to each other, and the strict codec for it.
//!
//! Hand-written because the keeper parses as root what a possibly broken or taken-over child sends: every length is bounded before
//! it is used, every tag is known or the message is refused, and nothing may follow a message's last field. One message is one
//! packet of a `SOCK_SEQPACKET` socket pair, so borders need no framing. File descriptors travel beside the bytes.
//!
//! Numbers are little-endian; texts and lists carry a `u32` length; an absent optional is a 0 byte, a present one a 1 and its value.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

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
    /// The fence: refused if a newer one was seen for this name.
    pub epoch: u64,
}

/// What the child says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToKeeper {
    /// The first message. Answered with everything kept for a replacement (see [`FromKeeper::AdoptionDone`]).
    Hello {
        /// The child's own idea of its pid; must be right.
        pid: u32,
    },
    /// From now on, until the keeper ends, nothing is started as user 0. It can't be taken back.
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
    /// A service ended; what was left of its process group was killed. Kept until a child has heard of it.
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

/// The bytes of a message to the keeper.
///
/// # Errors
/// If it breaks a bound that the other side would refuse it for.
pub fn encode_to_keeper(message: &ToKeeper) -> Result<Vec<u8>, Malformed> {
    let mut w = Writer::default();
    match message {
        ToKeeper::Hello { pid } => w.tag(1).u32(*pid),
        ToKeeper::Restrict => w.tag(2),
        ToKeeper::Open {
            key,
            address,
            count,
            mode,
        } => w.tag(3).text(key).address(address).u16(*count).u32(*mode),
        ToKeeper::Close { key } => w.tag(4).text(key),
        ToKeeper::Hold { name } => w.tag(5).text(name),
        ToKeeper::Start(start) => w.tag(6).start(start),
        ToKeeper::Signal {
            name,
            signal,
            epoch,
        } => w.tag(7).text(name).i32(*signal).u64(*epoch),
        ToKeeper::LogFormat(format) => w.tag(8).tag(u8::from(*format == LogFormat::Json)),
        ToKeeper::Ready => w.tag(9),
        ToKeeper::Alive => w.tag(10),
        ToKeeper::Bye => w.tag(11),
    };
    let bytes = w.finish()?;
    // What the keeper would kill its child for is an error here, where the caller can still do something about it.
    decode_to_keeper(&bytes)?;
    Ok(bytes)
}

/// Reads a message of the child. Never panics; accepts exactly what [`encode_to_keeper`] writes.
///
/// # Errors
/// On anything else.
pub fn decode_to_keeper(bytes: &[u8]) -> Result<ToKeeper, Malformed> {
    let mut r = Reader::new(bytes)?;
    let message = match r.u8()? {
        1 => ToKeeper::Hello { pid: r.u32()? },
        2 => ToKeeper::Restrict,
        3 => {
            let (key, address, count, mode) = (r.name()?, r.address()?, r.u16()?, r.u32()?);
            let most = if matches!(address, Address::Unix(_)) {
                1
            } else {
                SOCKETS_PER_ADDRESS_MAX
            };
            check((1..=most).contains(&count), "socket count")?;
            check(mode <= 0o777, "mode")?;
            ToKeeper::Open {
                key,
                address,
                count,
                mode,
            }
        }
        4 => ToKeeper::Close { key: r.name()? },
        5 => ToKeeper::Hold { name: r.name()? },
        6 => ToKeeper::Start(r.start()?),
        7 => ToKeeper::Signal {
            name: r.name()?,
            signal: r.i32()?,
            epoch: r.u64()?,
        },
        8 => ToKeeper::LogFormat(if r.flag()? {
            LogFormat::Json
        } else {
            LogFormat::Text
        }),
        9 => ToKeeper::Ready,
        10 => ToKeeper::Alive,
        11 => ToKeeper::Bye,
        _ => return Err(Malformed("unknown kind")),
    };
    r.end()?;
    Ok(message)
}

/// The bytes of a message to the child. Long reasons are cut, so it always fits.
///
/// # Errors
/// If a name or path breaks a bound, which nothing that was decoded from the child can.
pub fn encode_from_keeper(message: &FromKeeper) -> Result<Vec<u8>, Malformed> {
    let mut w = Writer::default();
    match message {
        FromKeeper::Opened {
            key,
            address,
            actual,
            count,
        } => w
            .tag(1)
            .text(key)
            .address(address)
            .address(actual)
            .u16(*count),
        FromKeeper::OpenFailed { key, address, why } => {
            w.tag(2).text(key).address(address).reason(why)
        }
        FromKeeper::Started { name, pid, epoch } => w.tag(3).text(name).u32(*pid).u64(*epoch),
        FromKeeper::StartFailed { name, epoch, why } => {
            w.tag(4).text(name).u64(*epoch).refusal(why)
        }
        FromKeeper::SignalRefused { name, epoch, why } => {
            w.tag(5).text(name).u64(*epoch).reason(why)
        }
        FromKeeper::Exited {
            name,
            pid,
            epoch,
            ending,
            at_ns,
            ran_ns,
        } => w
            .tag(6)
            .text(name)
            .u32(*pid)
            .u64(*epoch)
            .ending(*ending)
            .u64(*at_ns)
            .u64(*ran_ns),
        FromKeeper::Adopted {
            name,
            pid,
            epoch,
            since_ns,
            ran_ns,
            restarts,
        } => w
            .tag(7)
            .text(name)
            .u32(*pid)
            .u64(*epoch)
            .u64(*since_ns)
            .u64(*ran_ns)
            .u64(*restarts),
        FromKeeper::Held { name } => w.tag(8).text(name),
        FromKeeper::AdoptionDone {
            keeper_pid,
            replaced,
            restricted,
            exits_lost,
        } => w
            .tag(9)
            .u32(*keeper_pid)
            .u64(*replaced)
            .tag(u8::from(*restricted))
            .u64(*exits_lost),
        FromKeeper::Shutdown => w.tag(10),
        FromKeeper::Reload => w.tag(11),
    };
    w.finish()
}

/// Reads a message of the keeper. Never panics; accepts exactly what [`encode_from_keeper`] writes.
///
/// # Errors
/// On anything else.
pub fn decode_from_keeper(bytes: &[u8]) -> Result<FromKeeper, Malformed> {
    let mut r = Reader::new(bytes)?;
    let message = match r.u8()? {
        1 => {
            let (key, address, actual, count) = (r.name()?, r.address()?, r.address()?, r.u16()?);
            check(
                (1..=SOCKETS_PER_ADDRESS_MAX).contains(&count),
                "socket count",
            )?;
            FromKeeper::Opened {
                key,
                address,
                actual,
                count,
            }
        }
        2 => FromKeeper::OpenFailed {
            key: r.name()?,
            address: r.address()?,
            why: r.reason()?,
        },
        3 => FromKeeper::Started {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
        },
        4 => FromKeeper::StartFailed {
            name: r.name()?,
            epoch: r.u64()?,
            why: r.refusal()?,
        },
        5 => FromKeeper::SignalRefused {
            name: r.name()?,
            epoch: r.u64()?,
            why: r.reason()?,
        },
        6 => FromKeeper::Exited {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
            ending: r.ending()?,
            at_ns: r.u64()?,
            ran_ns: r.u64()?,
        },
        7 => FromKeeper::Adopted {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
            since_ns: r.u64()?,
            ran_ns: r.u64()?,
            restarts: r.u64()?,
        },
        8 => FromKeeper::Held { name: r.name()? },
        9 => FromKeeper::AdoptionDone {
            keeper_pid: r.u32()?,
            replaced: r.u64()?,
            restricted: r.flag()?,
            exits_lost: r.u64()?,
        },
        10 => FromKeeper::Shutdown,
        11 => FromKeeper::Reload,
        _ => return Err(Malformed("unknown kind")),
    };
    r.end()?;
    Ok(message)
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

impl Launch {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut w = Writer::default();
        w.u32(self.keeper_pid)
            .tag(u8::from(self.restricted))
            .tag(u8::from(self.keep_stdin))
            .start(&self.start);
        let bytes = w.finish()?;
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes)?;
        let launch = Self {
            keeper_pid: r.u32()?,
            restricted: r.flag()?,
            keep_stdin: r.flag()?,
            start: r.start()?,
        };
        r.end()?;
        Ok(launch)
    }
}

fn check(good: bool, what: &'static str) -> Result<(), Malformed> {
    if good { Ok(()) } else { Err(Malformed(what)) }
}

/// Names appear in log lines, so they must not be able to fake one.
fn check_name(name: &str) -> Result<(), Malformed> {
    check(
        !name.is_empty() && name.len() <= NAME_BYTES_MAX,
        "name length",
    )?;
    check(
        !name.chars().any(char::is_control),
        "control character in a name",
    )
}

/// Appends fields; remembers nothing but the bytes, so bounds are checked once at the end.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn tag(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        // Longer than u32 is longer than a message: finish() refuses it.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend(value);
        self
    }
    fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }
    fn reason(&mut self, value: &str) -> &mut Self {
        let end = value.floor_char_boundary(REASON_BYTES_MAX);
        self.text(&value[..end])
    }
    fn os(&mut self, value: &OsStr) -> &mut Self {
        self.bytes(value.as_bytes())
    }
    fn option_u32(&mut self, value: Option<u32>) -> &mut Self {
        match value {
            None => self.tag(0),
            Some(value) => self.tag(1).u32(value),
        }
    }
    fn length(&mut self, value: usize) -> &mut Self {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }
    fn address(&mut self, address: &Address) -> &mut Self {
        match address {
            Address::Tcp(SocketAddr::V4(a)) => {
                self.tag(4).0.extend(a.ip().octets());
                self.u16(a.port())
            }
            Address::Tcp(SocketAddr::V6(a)) => {
                self.tag(6).0.extend(a.ip().octets());
                self.u16(a.port()).u32(a.flowinfo()).u32(a.scope_id())
            }
            Address::Unix(path) => self.tag(1).os(path.as_os_str()),
        }
    }
    fn start(&mut self, start: &Start) -> &mut Self {
        self.text(&start.name)
            .os(&start.program)
            .length(start.args.len());
        for arg in &start.args {
            self.os(arg);
        }
        match &start.directory {
            None => self.tag(0),
            Some(directory) => self.tag(1).os(directory.as_os_str()),
        };
        self.length(start.environment.len());
        for (key, value) in &start.environment {
            self.os(key).os(value);
        }
        self.option_u32(start.uid)
            .option_u32(start.gid)
            .u64(start.epoch)
    }
    fn refusal(&mut self, why: &StartRefusal) -> &mut Self {
        match why {
            StartRefusal::AlreadyRunning { pid } => self.tag(1).u32(*pid),
            StartRefusal::Stale { newest } => self.tag(2).u64(*newest),
            StartRefusal::Forbidden(why) => self.tag(3).reason(why),
            StartRefusal::CannotExecute(why) => self.tag(4).reason(why),
        }
    }
    fn ending(&mut self, ending: Ending) -> &mut Self {
        match ending {
            Ending::Code(code) => self.tag(0).i32(code),
            Ending::Signal(number) => self.tag(1).i32(number),
        }
    }
    fn finish(self) -> Result<Vec<u8>, Malformed> {
        check(
            self.0.len() <= MESSAGE_BYTES_MAX,
            "longer than a message may be",
        )?;
        Ok(self.0)
    }
}

/// Reasons are cut to this, so that no refusal can be too long to be sent.
const REASON_BYTES_MAX: usize = 4096;

/// Takes fields off the front; every take checks what is left first.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        check(
            bytes.len() <= MESSAGE_BYTES_MAX,
            "longer than a message may be",
        )?;
        Ok(Self(bytes))
    }
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }
    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }
    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither 0 nor 1")),
        }
    }
    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_le_bytes(self.array()?))
    }
    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        self.take(length)
    }
    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("text is not UTF-8"))
    }
    fn name(&mut self) -> Result<String, Malformed> {
        let name = self.text()?;
        check_name(&name)?;
        Ok(name)
    }
    fn reason(&mut self) -> Result<String, Malformed> {
        let reason = self.text()?;
        check(reason.len() <= REASON_BYTES_MAX, "reason too long")?;
        Ok(reason)
    }
    /// A text for the system: a zero byte would cut it there, so it is refused.
    fn os(&mut self) -> Result<OsString, Malformed> {
        let bytes = self.bytes()?;
        check(!bytes.contains(&0), "zero byte in a text")?;
        Ok(OsString::from_vec(bytes.to_vec()))
    }
    fn option_u32(&mut self) -> Result<Option<u32>, Malformed> {
        if self.flag()? {
            self.u32().map(Some)
        } else {
            Ok(None)
        }
    }
    fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.u32()? as usize;
        check(length <= LIST_MAX, "list too long")?;
        Ok(length)
    }
    fn address(&mut self) -> Result<Address, Malformed> {
        Ok(match self.u8()? {
            4 => {
                let ip = Ipv4Addr::from(self.array::<4>()?);
                Address::Tcp(SocketAddrV4::new(ip, self.u16()?).into())
            }
            6 => {
                let ip = Ipv6Addr::from(self.array::<16>()?);
                Address::Tcp(SocketAddrV6::new(ip, self.u16()?, self.u32()?, self.u32()?).into())
            }
            1 => {
                let path = PathBuf::from(self.os()?);
                check_socket_path(&path)?;
                Address::Unix(path)
            }
            _ => return Err(Malformed("unknown kind of address")),
        })
    }
    fn start(&mut self) -> Result<Start, Malformed> {
        let (name, program) = (self.name()?, self.os()?);
        check(!program.is_empty(), "no program")?;
        let mut args = Vec::new();
        for _ in 0..self.length()? {
            args.push(self.os()?);
        }
        let directory = if self.flag()? {
            Some(PathBuf::from(self.os()?))
        } else {
            None
        };
        let mut environment = Vec::new();
        for _ in 0..self.length()? {
            let (key, value) = (self.os()?, self.os()?);
            check(
                !key.is_empty() && !key.as_bytes().contains(&b'='),
                "name of an environment variable",
            )?;
            environment.push((key, value));
        }
        let (uid, gid, epoch) = (self.option_u32()?, self.option_u32()?, self.u64()?);
        // All ones means "leave as it is" to the kernel, which would be the keeper's own user.
        check(
            uid != Some(u32::MAX) && gid != Some(u32::MAX),
            "impossible user or group",
        )?;
        Ok(Start {
            name,
            program,
            args,
            directory,
            environment,
            uid,
            gid,
            epoch,
        })
    }
    fn refusal(&mut self) -> Result<StartRefusal, Malformed> {
        Ok(match self.u8()? {
            1 => StartRefusal::AlreadyRunning { pid: self.u32()? },
            2 => StartRefusal::Stale {
                newest: self.u64()?,
            },
            3 => StartRefusal::Forbidden(self.reason()?),
            4 => StartRefusal::CannotExecute(self.reason()?),
            _ => return Err(Malformed("unknown kind of refusal")),
        })
    }
    fn ending(&mut self) -> Result<Ending, Malformed> {
        Ok(if self.flag()? {
            Ending::Signal(self.i32()?)
        } else {
            Ending::Code(self.i32()?)
        })
    }
    fn end(self) -> Result<(), Malformed> {
        check(self.0.is_empty(), "bytes after its end")
    }
}

/// Absolute, because the keeper's working directory is nobody's business, and with a file name to put a socket at.
fn check_socket_path(path: &Path) -> Result<(), Malformed> {
    let bytes = path.as_os_str().as_bytes();
    check(
        bytes.len() <= UNIX_PATH_BYTES_MAX,
        "unix path longer than 107 bytes",
    )?;
    check(
        path.is_absolute() && path.file_name().is_some(),
        "unix path is not absolute or names no file",
    )
}

impl From<IpAddr> for Address {
    /// Any free port of this host address.
    fn from(ip: IpAddr) -> Self {
        Self::Tcp(SocketAddr::new(ip, 0))
    }
}
