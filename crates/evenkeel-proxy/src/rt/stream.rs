//! A connected socket, TCP or unix, that is registered with epoll only when it must wait.
//!
//! Reads ask the loop first once registered (after a short read the socket is known to be empty, so the next read would
//! only say so); writes try first, because a socket is nearly always writable, and only one that was refused asks the
//! loop to watch for room. All calls take `&self`: one task moves bytes in both directions, and it is that task which is
//! woken, whatever the waker of the context given here.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::address::Address;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use rustix::pipe::{SpliceFlags, splice};

use super::Watched;
use super::poller::{ENDED, GONE, READ, WRITE};

/// A non-blocking connected socket.
pub(crate) struct Stream {
    watched: OnceCell<Watched>,
    fd: OwnedFd,
}

/// What a read from a quiet connection would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    Something,
}

impl Stream {
    /// `fd` must be a non-blocking stream socket.
    pub(crate) fn new(fd: OwnedFd) -> Stream {
        Stream {
            watched: OnceCell::new(),
            fd,
        }
    }

    fn watch(&self) -> io::Result<&Watched> {
        if let Some(watched) = self.watched.get() {
            return Ok(watched);
        }
        let watched = super::watch(self.fd.as_fd(), false)?;
        Ok(self.watched.get_or_init(|| watched))
    }

    /// The same with room to write.
    fn watch_writes(&self) -> io::Result<&Watched> {
        if let Some(watched) = self.watched.get() {
            watched.writes(self.fd.as_fd())?;
            return Ok(watched);
        }
        let watched = super::watch(self.fd.as_fd(), true)?;
        Ok(self.watched.get_or_init(|| watched))
    }

    /// Waits until there is something to read (or an end, or an error), without a buffer to read it into.
    pub(crate) fn poll_readable(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watched = self.watch()?;
        if watched.is(READ) {
            return Poll::Ready(Ok(()));
        }
        watched.wait_for(READ);
        Poll::Pending
    }

    /// Appends what is there to `buf`, at most its spare capacity; 0 is the end.
    pub(crate) fn poll_read(
        &self,
        _cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let room = buf.capacity() - buf.len();
        debug_assert!(room > 0, "a read without room would look like an end");
        self.poll_in(room, |fd| {
            net::recv(fd, spare_capacity(buf), RecvFlags::empty()).map(|(_, n)| n)
        })
    }

    /// Appends at most `max` bytes: what lies behind them stays in the socket.
    pub(crate) fn poll_read_at_most(
        &self,
        _cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        let start = buf.len();
        buf.resize(start + max, 0);
        let polled = self.poll_in(max, |fd| {
            net::recv(fd, &mut buf[start..], RecvFlags::empty()).map(|(n, _)| n)
        });
        let n = match &polled {
            Poll::Ready(Ok(n)) => *n,
            _ => 0,
        };
        buf.truncate(start + n);
        polled
    }

    /// Moves at most `len` bytes into a pipe that is empty; 0 is the end.
    pub(crate) fn poll_splice_to(
        &self,
        _cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        // Never "short": how much fits a pipe depends on how the bytes lie in the kernel.
        self.poll_in(0, |fd| splice(fd, None, pipe, None, len, SPLICE))
    }

    fn poll_in(
        &self,
        asked: usize,
        mut read: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        let watched = self.watched.get();
        if let Some(watched) = watched
            && !watched.is(READ)
        {
            watched.wait_for(READ);
            return Poll::Pending;
        }
        match uninterrupted(|| read(self.fd.as_fd())) {
            Err(Errno::AGAIN) => {
                // What comes from here on is a new event; what came before the watching began is told at once.
                let watched = self.watch()?;
                watched.take_back(READ);
                watched.wait_for(READ);
                Poll::Pending
            }
            Err(e) => Poll::Ready(Err(e.into())),
            Ok(n) => {
                // The socket was empty after this; only an end that was told already is not told again.
                if n < asked
                    && let Some(watched) = watched
                    && !watched.is(ENDED)
                {
                    watched.take_back(READ);
                }
                Poll::Ready(Ok(n))
            }
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn poll_write(
        &self,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_out(|fd| net::send(fd, bytes, SendFlags::NOSIGNAL))
    }

    /// The same, telling the kernel that more follows at once: a small head then leaves in one segment with it. Whoever
    /// calls this must have the rest at hand, or the head waits.
    pub(crate) fn poll_write_more(
        &self,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_out(|fd| net::send(fd, bytes, SendFlags::NOSIGNAL | SendFlags::MORE))
    }

    /// Moves at most `len` bytes out of a pipe that holds as many.
    pub(crate) fn poll_splice_from(
        &self,
        _cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll_out(|fd| splice(pipe, None, fd, None, len, SPLICE))
    }

    fn poll_out(
        &self,
        mut write: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        match uninterrupted(|| write(self.fd.as_fd())) {
            Err(Errno::AGAIN) => {
                let watched = self.watch_writes()?;
                watched.take_back(WRITE);
                watched.wait_for(WRITE);
                Poll::Pending
            }
            other => Poll::Ready(other.map_err(io::Error::from)),
        }
    }

    /// Has the loop seen neither bytes nor an end on it? No system call, so as old as the loop's last turn.
    pub(crate) fn seems_quiet(&self) -> bool {
        let Some(watched) = self.watched.get() else {
            return self.is_quiet();
        };
        if !watched.is(READ) {
            return true;
        }
        // A byte read long ago may have left the mark up: ask the kernel.
        let quiet = self.is_quiet();
        if quiet {
            watched.take_back(READ);
        }
        quiet
    }

    /// Are there neither bytes nor an end to read, right now? One system call.
    pub(crate) fn is_quiet(&self) -> bool {
        self.pending() == Pending::Nothing
    }

    fn pending(&self) -> Pending {
        let mut byte = [0u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match uninterrupted(|| net::recv(&self.fd, &mut byte[..], flags)) {
            Err(Errno::AGAIN) => Pending::Nothing,
            _ => Pending::Something,
        }
    }

    /// Has the peer gone for good (both directions, or an error)? A half-close does not count. Wakes the task when that
    /// happens, if the stream was waited for before; costs no system call.
    pub(crate) fn poll_gone(&self, _cx: &mut Context<'_>) -> bool {
        let Some(watched) = self.watched.get() else {
            return false;
        };
        let gone = watched.is(GONE);
        if !gone {
            watched.wait_for(GONE);
        }
        gone
    }

    /// Has the peer closed at least its sending side? Wakes the task when that happens.
    pub(crate) fn poll_closing(&self, _cx: &mut Context<'_>) -> bool {
        let Ok(watched) = self.watch() else {
            return true;
        };
        let closing = watched.is(ENDED);
        if !closing {
            watched.wait_for(ENDED);
        }
        closing
    }

    /// The descriptor's number: the kernel gives the lowest that is free, so it says how many there are.
    pub(crate) fn descriptor(&self) -> u64 {
        u64::try_from(self.fd.as_raw_fd()).unwrap_or(0)
    }

    /// Tells the peer that nothing more will come.
    pub(crate) fn shutdown_write(&self) {
        // An error means that the peer is gone already.
        let _ = net::shutdown(&self.fd, Shutdown::Write);
    }

    /// Makes the coming close a reset, so that the peer cannot take it for a proper end.
    pub(crate) fn reset_on_close(&self) {
        let _ = net::sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }

    /// Small writes leave at once; the other side is told of a dead peer after some two minutes of silence. Does nothing
    /// on a unix socket.
    pub(crate) fn tune(&self, keepalive: bool) {
        use rustix::net::sockopt;
        if sockopt::set_tcp_nodelay(&self.fd, true).is_err() || !keepalive {
            return;
        }
        // 60 s of silence, then 4 probes 15 s apart: faster than any NAT forgets, and cheap.
        let _ = sockopt::set_socket_keepalive(&self.fd, true);
        let _ = sockopt::set_tcp_keepidle(&self.fd, Duration::from_secs(60));
        let _ = sockopt::set_tcp_keepintvl(&self.fd, Duration::from_secs(15));
        let _ = sockopt::set_tcp_keepcnt(&self.fd, 4);
    }
}

const SPLICE: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A unix listener whose queue is full says so at once instead of letting one wait: asked again after this.
const UNIX_QUEUE_FULL: Duration = Duration::from_millis(5);

/// Opens a connection. The caller bounds how long it may take.
pub(crate) async fn connect(address: &Address) -> io::Result<Stream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match address {
        Address::Ip(ip) => {
            let family = if ip.is_ipv4() {
                AddressFamily::INET
            } else {
                AddressFamily::INET6
            };
            let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
            let pending = net::connect(&fd, ip);
            let stream = Stream::new(fd);
            stream.tune(false);
            match pending {
                Ok(()) => Ok(stream),
                Err(Errno::INPROGRESS) => stream.connected().await,
                Err(e) => Err(e.into()),
            }
        }
        Address::Unix(path) => {
            let to = net::SocketAddrUnix::new(path.as_path())?;
            let fd = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            loop {
                match net::connect(&fd, &to) {
                    Ok(()) => return Ok(Stream::new(fd)),
                    Err(Errno::AGAIN) => super::sleep(UNIX_QUEUE_FULL).await,
                    Err(e) => return Err(e.into()),
                }
            }
        }
    }
}

impl Stream {
    async fn connected(self) -> io::Result<Stream> {
        let watched = self.watch_writes()?;
        poll_fn(|_| {
            if watched.is(WRITE) {
                return Poll::Ready(());
            }
            watched.wait_for(WRITE);
            Poll::Pending
        })
        .await;
        match net::sockopt::socket_error(&self.fd)? {
            Ok(()) => Ok(self),
            Err(e) => Err(e.into()),
        }
    }
}
