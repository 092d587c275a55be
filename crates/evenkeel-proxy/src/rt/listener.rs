//! A listening socket on the event loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Stream;

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
        Ok(Listener {
            fd: super::watch(fd, Interest::READABLE)?,
        })
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
