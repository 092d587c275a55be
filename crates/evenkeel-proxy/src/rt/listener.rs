//! A listening socket on the event loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Stream;

/// The kernel holds a connection back for this long at most while nothing was sent on it. Rounded by the kernel to its
/// first repeated handshake, so a client that only connects is accepted after that second.
const DEFER_S: u32 = 1;

sockopt_impl!(
    /// `TCP_DEFER_ACCEPT` (tcp(7)), which no crate offers ready-made.
    DeferAccept,
    Both,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    u32
);

/// A listening socket of one worker. Dropping it stops accepting; the socket itself lives on with whoever else holds it.
pub(crate) struct Listener {
    fd: AsyncFd<OwnedFd>,
}

/// A connection as accepted.
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    /// `None` for a unix socket.
    pub(crate) peer: Option<SocketAddr>,
}

impl Listener {
    /// `fd` must listen already; it is made non-blocking.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Listener> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        // What is accepted inherits it: one system call less for each connection. A unix socket has no such delay.
        let _ = net::sockopt::set_tcp_nodelay(&fd, true);
        Ok(Listener {
            fd: super::watch(fd, Interest::READABLE)?,
        })
    }

    /// Whether to be told of a connection only when its first bytes are there: right where the client speaks first, since
    /// one wake-up and one read in vain are saved. A unix socket knows no such thing.
    pub(crate) fn defer(&self, on: bool) {
        let seconds = if on { DEFER_S } else { 0 };
        let _ = nix::sys::socket::setsockopt(self.fd.get_ref(), DeferAccept, &seconds);
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        loop {
            let mut guard = self.fd.readable().await?;
            match self.accept_now() {
                Ok(Some(accepted)) => {
                    guard.retain_ready();
                    return Ok(accepted);
                }
                Ok(None) => guard.clear_ready(),
                Err(e) => return Err(e),
            }
        }
    }

    /// A connection that waits already, if there is one.
    pub(crate) fn accept_now(&self) -> io::Result<Option<Accepted>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match net::acceptfrom_with(&self.fd, flags) {
                Ok((fd, peer)) => {
                    let peer = peer.and_then(|p| SocketAddr::try_from(p).ok()).map(plain);
                    return Ok(Some(Accepted {
                        stream: Stream::new(fd),
                        peer,
                    }));
                }
                Err(Errno::AGAIN) => return Ok(None),
                // These belong to the connection that is no more, not to the listener (accept(2)).
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PROTO
                    | Errno::NETDOWN
                    | Errno::NETUNREACH
                    | Errno::HOSTUNREACH
                    | Errno::PERM,
                ) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn plain(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(IpAddr::V4(v4), peer.port()),
        IpAddr::V6(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_is_told_whether_the_client_speaks_first() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::new(socket.into()).unwrap();
        for on in [true, false] {
            listener.defer(on);
            let seconds = nix::sys::socket::getsockopt(listener.fd.get_ref(), DeferAccept).unwrap();
            assert_eq!(seconds > 0, on);
        }
    }

    #[tokio::test]
    async fn what_is_accepted_sends_small_writes_at_once() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener::new(socket.into()).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let accepted = net::accept(listener.fd.get_ref()).unwrap();
        assert_eq!(net::sockopt::tcp_nodelay(&accepted), Ok(true));
    }
}
