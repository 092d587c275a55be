//! The listening sockets: opened once, kept for every child to come, closed only on request.
//!
//! They are kept because a socket that is closed loses the connections waiting in its queue. An address is first probed without
//! `SO_REUSEPORT`: with it, a second program of the same user would silently share the address with the first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::wire::{Address, FromKeeper};

/// Connections that may wait until a child accepts them; the kernel clamps it to `net.core.somaxconn` (4096 by default). As many as
/// there may be, because they wait out the replacement of a child here.
const BACKLOG: i32 = 4096;
/// Addresses one keeper holds; more are a mistake of the child.
const KEYS_MAX: usize = 1024;

/// The open sockets of one key.
pub(crate) struct Kept {
    pub(crate) address: Address,
    pub(crate) actual: Address,
    pub(crate) sockets: Vec<Rc<OwnedFd>>,
    /// Of a unix socket: its file, to be removed only while it is still ours.
    file: Option<SocketFile>,
}

struct SocketFile {
    directory: OwnedFd,
    name: std::ffi::OsString,
    device: u64,
    inode: u64,
}

impl Kept {
    /// How a child is told of them.
    pub(crate) fn as_opened(&self, key: &str) -> FromKeeper {
        // There are never more sockets than were asked for in a 16-bit number.
        let count = u16::try_from(self.sockets.len()).unwrap_or(u16::MAX);
        FromKeeper::Opened {
            key: key.to_owned(),
            address: self.address.clone(),
            actual: self.actual.clone(),
            count,
        }
    }
}

/// All open sockets by key.
#[derive(Default)]
pub(crate) struct Sockets {
    kept: BTreeMap<String, Kept>,
}

impl Sockets {
    /// What is open under the key, opened now if it is not yet. The reason in an error is for a person.
    pub(crate) fn open(
        &mut self,
        key: &str,
        address: &Address,
        count: u16,
        mode: u32,
    ) -> Result<&Kept, String> {
        if !self.kept.contains_key(key) {
            if self.kept.len() >= KEYS_MAX {
                return Err(format!(
                    "{KEYS_MAX} addresses are open already, which is the most one keeper holds"
                ));
            }
            let kept = match address {
                Address::Tcp(tcp) => open_tcp(*tcp, count),
                Address::Unix(path) => open_unix(path, mode),
            };
            let kept = kept.map_err(|error| self.explain(address, error))?;
            self.kept.insert(key.to_owned(), kept);
        }
        let kept = &self.kept[key];
        if kept.address == *address {
            Ok(kept)
        } else {
            Err(format!(
                "{key} is open at {}; close it before opening it at {address}",
                kept.address
            ))
        }
    }

    pub(crate) fn close(&mut self, key: &str) {
        if let Some(Kept {
            file: Some(file), ..
        }) = self.kept.remove(key)
        {
            file.remove();
        }
    }

    pub(crate) fn close_all(&mut self) {
        while let Some(key) = self.kept.keys().next().cloned() {
            self.close(&key);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Kept)> {
        self.kept.iter()
    }

    fn explain(&self, address: &Address, error: OpenError) -> String {
        let OpenError::Taken(owner) = error else {
            return format!("cannot listen on {address}: {error}");
        };
        let owner = owner.or_else(|| match address {
            Address::Tcp(tcp) => owner_of_tcp(*tcp),
            Address::Unix(_) => None,
        });
        if owner == Some(std::process::id()) {
            let mut keys = self
                .kept
                .iter()
                .filter(|(_, kept)| overlaps(&kept.actual, address))
                .map(|(key, _)| key.as_str());
            return format!(
                "{address} is already open here, as {}",
                keys.next().unwrap_or("another address")
            );
        }
        match owner {
            Some(pid) => format!(
                "{address} is already taken by pid {pid} ({})",
                program_of(pid)
            ),
            None => format!(
                "{address} is already taken; by whom cannot be seen (it may be another user's; try `ss -ltnp` as root)"
            ),
        }
    }
}

#[derive(Debug)]
enum OpenError {
    /// In use, by this process where it is known already.
    Taken(Option<u32>),
    System(&'static str, Errno),
    Refused(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken(_) => f.write_str("it is already taken"),
            Self::System(what, Errno::ACCESS) if *what == "bind" => {
                f.write_str("only root may bind ports below 1024")
            }
            Self::System(what, Errno::ADDRNOTAVAIL) if *what == "bind" => {
                f.write_str("this machine has no such address")
            }
            Self::System(_, Errno::MFILE | Errno::NFILE) => {
                f.write_str("too many open files: raise the limit (ulimit -n)")
            }
            Self::System(what, error) => write!(f, "{what}: {}", std::io::Error::from(*error)),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

fn system(what: &'static str) -> impl Fn(Errno) -> OpenError {
    move |error| {
        if error == Errno::ADDRINUSE {
            OpenError::Taken(None)
        } else {
            OpenError::System(what, error)
        }
    }
}

fn open_tcp(address: SocketAddr, count: u16) -> Result<Kept, OpenError> {
    let share = count > 1;
    if share && address.port() != 0 {
        // The port the kernel chooses for 0 is nobody's; any other is probed, listening included, and let go again.
        listen_tcp(address, false)?;
    }
    let first = listen_tcp(address, share)?;
    let actual = rustix::net::getsockname(&first)
        .and_then(SocketAddr::try_from)
        .map_err(system("getsockname"))?;
    let mut sockets = vec![Rc::new(first)];
    for _ in 1..count {
        sockets.push(Rc::new(listen_tcp(actual, share)?));
    }
    Ok(Kept {
        address: Address::Tcp(address),
        actual: Address::Tcp(actual),
        sockets,
        file: None,
    })
}

/// `SO_REUSEADDR` lets it bind beside connections of an earlier life in `TIME_WAIT`; a listener still stops it.
fn listen_tcp(address: SocketAddr, share: bool) -> Result<OwnedFd, OpenError> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = new_socket(family)?;
    sockopt::set_socket_reuseaddr(&socket, true).map_err(system("SO_REUSEADDR"))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true).map_err(system("IPV6_V6ONLY"))?;
    }
    if share {
        sockopt::set_socket_reuseport(&socket, true).map_err(system("SO_REUSEPORT"))?;
    }
    rustix::net::bind(&socket, &address).map_err(system("bind"))?;
    rustix::net::listen(&socket, BACKLOG).map_err(system("listen"))?;
    Ok(socket)
}

fn new_socket(family: AddressFamily) -> Result<OwnedFd, OpenError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(family, SocketType::STREAM, flags, None).map_err(system("socket"))
}

fn open_unix(path: &Path, mode: u32) -> Result<Kept, OpenError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(OpenError::Refused("it names no file".to_owned()));
    };
    // Held open, so that what is looked at, removed and later removed again lies in one and the same directory.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory =
        rustix::fs::openat(CWD, parent, flags, Mode::empty()).map_err(system("its directory"))?;
    remove_stale(&directory, name)?;
    let socket = new_socket(AddressFamily::UNIX)?;
    let address = SocketAddrUnix::new(path).map_err(system("path"))?;
    // The mask and not a later chmod: the file is never open to more than it should be, and no link can be followed.
    // The keeper has one thread that makes files, so nothing else sees this mask.
    let before = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = rustix::net::bind(&socket, &address);
    rustix::process::umask(before);
    bound.map_err(system("bind"))?;
    rustix::net::listen(&socket, BACKLOG).map_err(system("listen"))?;
    let stat =
        rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(system("stat"))?;
    let file = SocketFile {
        directory,
        name: name.to_owned(),
        device: stat.st_dev,
        inode: stat.st_ino,
    };
    let address = Address::Unix(path.to_owned());
    Ok(Kept {
        actual: address.clone(),
        address,
        sockets: vec![Rc::new(socket)],
        file: Some(file),
    })
}

/// Removes a socket file on which nobody answers; anything else in the way is an error.
fn remove_stale(directory: &OwnedFd, name: &std::ffi::OsStr) -> Result<(), OpenError> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(system("stat")(error)),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
            return Err(OpenError::Refused(
                "there is a file of this name which is not a socket; it is left alone".to_owned(),
            ));
        }
        Ok(_) => {}
    }
    let through = Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name);
    let address = SocketAddrUnix::new(through).map_err(system("path"))?;
    let probe = new_socket(AddressFamily::UNIX)?;
    match rustix::net::connect(&probe, &address) {
        Ok(()) => {
            let owner = sockopt::socket_peercred(&probe)
                .ok()
                .map(|peer| peer.pid.as_raw_nonzero().get().unsigned_abs());
            Err(OpenError::Taken(owner))
        }
        // Its queue is full, or it is another kind of socket: somebody is there.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(OpenError::Taken(None)),
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::CONNREFUSED) => match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(system("cannot remove the stale socket file")(error)),
        },
        Err(error) => Err(system("connect")(error)),
    }
}

impl SocketFile {
    fn remove(&self) {
        let now = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        if now.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (self.device, self.inode)) {
            // If it cannot be removed it stays as a stale file, which the next opening removes.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Whether two addresses can be in each other's way.
fn overlaps(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Tcp(a), Address::Tcp(b)) => {
            a.port() == b.port()
                && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
        }
        (Address::Unix(a), Address::Unix(b)) => a == b,
        _ => false,
    }
}

/// Who listens where this address would: the socket's inode by the kernel's table, its holder by everybody's descriptors.
/// A best effort: other users' descriptors are hidden from all but root.
fn owner_of_tcp(address: SocketAddr) -> Option<u32> {
    let inodes: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            table
                .lines()
                .filter_map(listener_in_line)
                .collect::<Vec<_>>()
        })
        .filter(|(at, _)| overlaps(&Address::Tcp(*at), &Address::Tcp(address)))
        .map(|(_, inode)| inode)
        .collect();
    let links: Vec<_> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let me = std::process::id();
    // Ourselves first: if the socket is the keeper's own, its child has it too, and would be a confusing answer.
    let others = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    std::iter::once(me)
        .chain(others)
        .find(|pid| holds_any(*pid, &links))
}

fn holds_any(pid: u32, links: &[String]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors.flatten().any(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| {
            target
                .to_str()
                .is_some_and(|t| links.iter().any(|link| link == t))
        })
    })
}

/// A line of `/proc/net/tcp{,6}`: `sl local:port remote:port state … inode` at fields 1, 3 and 9, the address in hexadecimal words of the
/// machine's own byte order.
fn listener_in_line(line: &str) -> Option<(SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTEN {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let mut bytes = Vec::new();
    for word in 0..ip.len() / 8 {
        bytes.extend(
            u32::from_str_radix(ip.get(word * 8..word * 8 + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        );
    }
    let ip = match bytes.len() {
        4 => std::net::IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => std::net::IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some((
        SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?),
        inode.parse().ok()?,
    ))
}

/// By its file, which only its owner and root may see, else by the name it gave itself.
fn program_of(pid: u32) -> String {
    let file = std::fs::read_link(format!("/proc/{pid}/exe"))
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let name = || {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
    };
    file.unwrap_or_else(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};

    /// The file mode mask is the whole process's, and a keeper has one thread that makes files; tests have many.
    static MASK: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn folder() -> (std::sync::MutexGuard<'static, ()>, tempfile::TempDir) {
        let guard = MASK
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (guard, tempfile::tempdir().unwrap())
    }

    fn tcp(text: &str) -> Address {
        Address::Tcp(text.parse().unwrap())
    }

    fn port_of(kept: &Kept) -> SocketAddr {
        match &kept.actual {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{} is no TCP address", path.display()),
        }
    }

    fn refusal(sockets: &mut Sockets, address: &Address, count: u16) -> String {
        match sockets.open("other", address, count, 0) {
            Ok(kept) => panic!("{} was opened although it is taken", kept.actual),
            Err(why) => why,
        }
    }

    #[test]
    fn port_zero_is_chosen_once_for_all_sockets_of_an_address() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let mut sockets = Sockets::default();
            let kept = sockets.open("k", &tcp(any), 4, 0).unwrap();
            assert_eq!(kept.sockets.len(), 4);
            for socket in &kept.sockets {
                let bound =
                    SocketAddr::try_from(rustix::net::getsockname(socket).unwrap()).unwrap();
                assert_eq!(bound, port_of(kept));
            }
            TcpStream::connect(port_of(kept)).unwrap();
        }
    }

    #[test]
    fn an_open_key_gives_the_same_sockets_again_and_never_another_address() {
        let mut sockets = Sockets::default();
        let first = sockets.open("k", &tcp("127.0.0.1:0"), 2, 0).unwrap();
        let (at, raw) = (port_of(first), first.sockets[0].as_raw_fd());
        let again = sockets.open("k", &tcp("127.0.0.1:0"), 2, 0).unwrap();
        assert_eq!((port_of(again), again.sockets[0].as_raw_fd()), (at, raw));
        assert!(
            sockets
                .open("k", &tcp("[::1]:0"), 2, 0)
                .err()
                .unwrap()
                .contains("k is open at 127.0.0.1:0")
        );
    }

    #[test]
    fn a_taken_address_is_refused_even_if_its_owner_would_share_it() {
        let mut owner = Sockets::default();
        let at = port_of(owner.open("k", &tcp("127.0.0.1:0"), 2, 0).unwrap());
        let any = SocketAddr::new("0.0.0.0".parse().unwrap(), at.port());
        for (address, count) in [(at, 1), (at, 3), (any, 1), (any, 3)] {
            let why = refusal(&mut Sockets::default(), &Address::Tcp(address), count);
            assert!(why.contains("already open here"), "{why}");
        }
    }

    #[test]
    fn the_same_port_can_be_had_for_every_v4_and_every_v6_address() {
        let mut sockets = Sockets::default();
        let four = port_of(sockets.open("4", &tcp("0.0.0.0:0"), 2, 0).unwrap());
        let six = Address::Tcp(format!("[::]:{}", four.port()).parse().unwrap());
        match sockets.open("6", &six, 2, 0) {
            Ok(kept) => assert_eq!(port_of(kept).port(), four.port()),
            // Only somebody else's v6 socket on this port may be in the way.
            Err(why) => assert!(why.contains("taken") && !why.contains("here"), "{why}"),
        }
    }

    #[test]
    fn a_second_key_for_an_open_address_is_told_the_first() {
        let mut sockets = Sockets::default();
        let at = port_of(
            sockets
                .open("web 127.0.0.1:0", &tcp("127.0.0.1:0"), 2, 0)
                .unwrap(),
        );
        assert!(
            refusal(&mut sockets, &Address::Tcp(at), 2)
                .ends_with("is already open here, as web 127.0.0.1:0")
        );
    }

    #[test]
    fn connections_of_an_earlier_life_do_not_make_an_address_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        // The side that closes first stays in TIME_WAIT.
        drop(listener.accept().unwrap());
        drop(listener);
        drop(client);
        Sockets::default()
            .open("k", &Address::Tcp(at), 2, 0)
            .map(port_of)
            .unwrap();
    }

    #[test]
    fn a_closed_address_is_free_at_once() {
        let mut sockets = Sockets::default();
        let at = port_of(sockets.open("k", &tcp("127.0.0.1:0"), 3, 0).unwrap());
        sockets.close("k");
        sockets.close("k");
        assert!(TcpStream::connect(at).is_err());
        TcpListener::bind(at).unwrap();
    }

    #[test]
    fn an_address_this_machine_has_not_is_explained() {
        let why = Sockets::default()
            .open("k", &tcp("192.0.2.1:0"), 1, 0)
            .err()
            .unwrap();
        assert_eq!(
            why,
            "cannot listen on 192.0.2.1:0: this machine has no such address"
        );
    }

    #[test]
    fn a_unix_socket_has_the_mode_asked_for_and_its_file_goes_with_it() {
        let (_guard, folder) = folder();
        let path = folder.path().join("a.sock");
        for mode in [0o600, 0o666] {
            let mut sockets = Sockets::default();
            sockets
                .open("k", &Address::Unix(path.clone()), 1, mode)
                .unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
            UnixStream::connect(&path).unwrap();
            sockets.close_all();
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_stale_socket_file_is_replaced_but_a_living_one_and_other_files_never() {
        let (_guard, folder) = folder();
        let (stale, living, file) = (
            folder.path().join("stale"),
            folder.path().join("living"),
            folder.path().join("file"),
        );
        drop(UnixListener::bind(&stale).unwrap());
        let _owner = UnixListener::bind(&living).unwrap();
        std::fs::write(&file, "precious").unwrap();
        let mut sockets = Sockets::default();
        sockets.open("a", &Address::Unix(stale), 1, 0o600).unwrap();
        assert!(
            sockets
                .open("b", &Address::Unix(living), 1, 0o600)
                .err()
                .unwrap()
                .contains("already open here")
        );
        assert!(
            sockets
                .open("c", &Address::Unix(file.clone()), 1, 0o600)
                .err()
                .unwrap()
                .contains("not a socket")
        );
        assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    }

    #[test]
    fn a_socket_file_that_is_another_ones_by_now_is_left_alone() {
        let (_guard, folder) = folder();
        let path = folder.path().join("a.sock");
        let mut sockets = Sockets::default();
        sockets
            .open("k", &Address::Unix(path.clone()), 1, 0o600)
            .unwrap();
        let successor = folder.path().join("b.sock");
        let _owner = UnixListener::bind(&successor).unwrap();
        std::fs::rename(&successor, &path).unwrap();
        let inode = path.metadata().unwrap().ino();
        sockets.close("k");
        assert_eq!(path.metadata().unwrap().ino(), inode);
    }

    #[test]
    fn the_kernels_socket_tables_are_read_right() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 x";
        assert_eq!(
            listener_in_line(line),
            Some(("127.0.0.1:8080".parse().unwrap(), 12345))
        );
        let six = "0: 00000000000000000000000001000000:0050 0:0 0A 0:0 0:0 0 0 0 7 1";
        assert_eq!(
            listener_in_line(six),
            Some(("[::1]:80".parse().unwrap(), 7))
        );
        for odd in [
            "",
            "sl local_address",
            "0: zz:zz 0 0A 0 0 0 0 0 7",
            &line.replace("0A", "01"),
        ] {
            assert_eq!(listener_in_line(odd), None, "{odd}");
        }
    }
}
