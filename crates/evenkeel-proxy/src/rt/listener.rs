//! A listening socket on the event loop.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;

use nix::{getsockopt_impl, libc, setsockopt_impl, sockopt_impl};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};

use super::poller::READ;
use super::{Stream, Watched};

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

/// The kernel takes this much for a client that its window has no room for. By itself it takes megabytes, which a few hundred
/// clients that do not read make the machine run out of, for everybody's connections; and for as long as it goes on taking,
/// it looks as if they read.
const UNSENT_BYTES: u32 = 1024 * 1024;
/// The same where there are many. It costs who reads as fast as we write a fifth more CPU time for large bodies.
const UNSENT_BYTES_MANY: u32 = 256 * 1024;

sockopt_impl!(
    /// `TCP_NOTSENT_LOWAT` (`linux/tcp.h`), which no crate offers ready-made.
    UnsentMost,
    Both,
    libc::IPPROTO_TCP,
    libc::TCP_NOTSENT_LOWAT,
    u32
);

/// A listening socket of one worker. Dropping it stops accepting; the socket itself lives on with whoever else holds it.
pub(crate) struct Listener {
    watched: Watched,
    fd: OwnedFd,
    /// Told to take less; `None` = not told anything yet.
    many: Cell<Option<bool>>,
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
            watched: super::watch(fd.as_fd(), false)?,
            fd,
            many: Cell::new(None),
        })
    }

    /// Whether the kernel takes less for those who are accepted from now on, because there are many.
    pub(crate) fn bound_unsent(&self, many: bool) {
        if self.many.get() != Some(many) {
            self.many.set(Some(many));
            let bytes = if many {
                UNSENT_BYTES_MANY
            } else {
                UNSENT_BYTES
            };
            // A unix socket knows no such thing.
            let _ = nix::sys::socket::setsockopt(&self.fd, UnsentMost, &bytes);
        }
    }

    /// Whether to be told of a connection only when its first bytes are there: right where the client speaks first, since
    /// one wake-up and one read in vain are saved. A unix socket knows no such thing.
    pub(crate) fn defer(&self, on: bool) {
        let seconds = if on { DEFER_S } else { 0 };
        let _ = nix::sys::socket::setsockopt(&self.fd, DeferAccept, &seconds);
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        poll_fn(|_| {
            if self.watched.is(READ) {
                match self.accept_now() {
                    Ok(Some(accepted)) => return Poll::Ready(Ok(accepted)),
                    Ok(None) => self.watched.take_back(READ),
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
            self.watched.wait_for(READ);
            Poll::Pending
        })
        .await
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

impl Drop for Listener {
    fn drop(&mut self) {
        // The socket is also the keeper's, so closing it here does not end the watching.
        self.watched.end(self.fd.as_fd());
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
    use crate::rt;

    #[test]
    fn the_kernel_is_told_whether_the_client_speaks_first() {
        rt::block_on(|| async { tells_who_speaks_first() });
    }

    fn tells_who_speaks_first() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = Listener::new(socket.into()).unwrap();
        for on in [true, false] {
            listener.defer(on);
            let seconds = nix::sys::socket::getsockopt(&listener.fd, DeferAccept).unwrap();
            assert_eq!(seconds > 0, on);
        }
    }

    #[test]
    fn what_is_accepted_sends_small_writes_at_once_and_fills_the_kernel_less_among_many() {
        rt::block_on(|| async { accepted_as_told() });
    }

    fn accepted_as_told() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener::new(socket.into()).unwrap();
        for (many, bytes) in [
            (false, UNSENT_BYTES),
            (true, UNSENT_BYTES_MANY),
            (false, UNSENT_BYTES),
        ] {
            listener.bound_unsent(many);
            let _client = std::net::TcpStream::connect(address).unwrap();
            let accepted = net::accept(&listener.fd).unwrap();
            assert_eq!(net::sockopt::tcp_nodelay(&accepted), Ok(true));
            let unsent = nix::sys::socket::getsockopt(&accepted, UnsentMost);
            assert_eq!(unsent, Ok(bytes));
        }
    }
}
