//! The fields messages are made of. Every take checks what is left before it takes, and every length before it is believed.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{
    Address, Death, Ending, LIST_MAX, Limited, Limits, MESSAGE_BYTES_MAX, Malformed,
    NAME_BYTES_MAX, Start, StartRefusal, UNIX_PATH_BYTES_MAX,
};

pub(super) fn check(good: bool, what: &'static str) -> Result<(), Malformed> {
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
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn tag(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        // Longer than u32 is longer than a message: finish() refuses it.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend(value);
        self
    }
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }
    pub(super) fn reason(&mut self, value: &str) -> &mut Self {
        let end = value.floor_char_boundary(REASON_BYTES_MAX);
        self.text(&value[..end])
    }
    pub(super) fn death(&mut self, death: Option<&Death>) -> &mut Self {
        match death {
            None => self.tag(0),
            Some(death) => self.tag(1).reason(&death.why).u64(death.ago_ns),
        }
    }
    pub(super) fn os(&mut self, value: &OsStr) -> &mut Self {
        self.bytes(value.as_bytes())
    }
    pub(super) fn option_u32(&mut self, value: Option<u32>) -> &mut Self {
        match value {
            None => self.tag(0),
            Some(value) => self.tag(1).u32(value),
        }
    }
    pub(super) fn option_u64(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            None => self.tag(0),
            Some(value) => self.tag(1).u64(value),
        }
    }
    pub(super) fn length(&mut self, value: usize) -> &mut Self {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }
    pub(super) fn address(&mut self, address: &Address) -> &mut Self {
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
    pub(super) fn start(&mut self, start: &Start) -> &mut Self {
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
            .option_u64(start.memory_max)
            .option_u32(start.cpu_max)
            .u64(start.epoch)
    }
    pub(super) fn limits(&mut self, limits: &Limits) -> &mut Self {
        self.limited(&limits.memory).limited(&limits.cpu)
    }
    fn limited(&mut self, limited: &Limited) -> &mut Self {
        match limited {
            Limited::NotAsked => self.tag(0),
            Limited::Cgroup2(group) => self.tag(2).os(group.as_os_str()),
            Limited::Cgroup1(group) => self.tag(1).os(group.as_os_str()),
            Limited::Not(why) => self.tag(3).reason(why),
        }
    }
    pub(super) fn refusal(&mut self, why: &StartRefusal) -> &mut Self {
        match why {
            StartRefusal::AlreadyRunning { pid } => self.tag(1).u32(*pid),
            StartRefusal::Stale { newest } => self.tag(2).u64(*newest),
            StartRefusal::Forbidden(why) => self.tag(3).reason(why),
            StartRefusal::CannotExecute(why) => self.tag(4).reason(why),
        }
    }
    pub(super) fn ending(&mut self, ending: Ending) -> &mut Self {
        match ending {
            Ending::Code(code) => self.tag(0).i32(code),
            Ending::Signal(number) => self.tag(1).i32(number),
        }
    }
    pub(super) fn finish(self) -> Result<Vec<u8>, Malformed> {
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
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        check(
            bytes.len() <= MESSAGE_BYTES_MAX,
            "longer than a message may be",
        )?;
        Ok(Self(bytes))
    }
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(*taken)
    }
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }
    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither 0 nor 1")),
        }
    }
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_le_bytes(self.array()?))
    }
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        self.take(length)
    }
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("text is not UTF-8"))
    }
    pub(super) fn name(&mut self) -> Result<String, Malformed> {
        let name = self.text()?;
        check_name(&name)?;
        Ok(name)
    }
    pub(super) fn reason(&mut self) -> Result<String, Malformed> {
        let reason = self.text()?;
        check(reason.len() <= REASON_BYTES_MAX, "reason too long")?;
        Ok(reason)
    }
    pub(super) fn death(&mut self) -> Result<Option<Death>, Malformed> {
        Ok(match self.flag()? {
            false => None,
            true => Some(Death {
                why: self.reason()?,
                ago_ns: self.u64()?,
            }),
        })
    }
    /// A text for the system: a zero byte would cut it there, so it is refused.
    pub(super) fn os(&mut self) -> Result<OsString, Malformed> {
        let bytes = self.bytes()?;
        check(!bytes.contains(&0), "zero byte in a text")?;
        Ok(OsString::from_vec(bytes.to_vec()))
    }
    pub(super) fn option_u32(&mut self) -> Result<Option<u32>, Malformed> {
        if self.flag()? {
            self.u32().map(Some)
        } else {
            Ok(None)
        }
    }
    pub(super) fn option_u64(&mut self) -> Result<Option<u64>, Malformed> {
        if self.flag()? {
            self.u64().map(Some)
        } else {
            Ok(None)
        }
    }
    pub(super) fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.u32()? as usize;
        check(length <= LIST_MAX, "list too long")?;
        Ok(length)
    }
    pub(super) fn address(&mut self) -> Result<Address, Malformed> {
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
    pub(super) fn start(&mut self) -> Result<Start, Malformed> {
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
        let (uid, gid) = (self.option_u32()?, self.option_u32()?);
        let (memory_max, cpu_max) = (self.option_u64()?, self.option_u32()?);
        let epoch = self.u64()?;
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
            memory_max,
            cpu_max,
            epoch,
        })
    }
    pub(super) fn limits(&mut self) -> Result<Limits, Malformed> {
        Ok(Limits {
            memory: self.limited()?,
            cpu: self.limited()?,
        })
    }
    fn limited(&mut self) -> Result<Limited, Malformed> {
        Ok(match self.u8()? {
            0 => Limited::NotAsked,
            1 => Limited::Cgroup1(PathBuf::from(self.os()?)),
            2 => Limited::Cgroup2(PathBuf::from(self.os()?)),
            3 => Limited::Not(self.reason()?),
            _ => return Err(Malformed("unknown way of a limit")),
        })
    }
    pub(super) fn refusal(&mut self) -> Result<StartRefusal, Malformed> {
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
    pub(super) fn ending(&mut self) -> Result<Ending, Malformed> {
        Ok(if self.flag()? {
            Ending::Signal(self.i32()?)
        } else {
            Ending::Code(self.i32()?)
        })
    }
    pub(super) fn end(self) -> Result<(), Malformed> {
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
