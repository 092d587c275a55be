//! A connection as everything above sees it: clear text, or TLS. Both read and write plaintext; what is under TLS is moved
//! through buffers that all connections of a worker share, so that an idle one holds none.
//!
//! | file | idea |
//! | --- | --- |
//! | `session` | one TLS connection as a machine: bytes in, bytes out, no IO |
//! | `sealed` | that machine on a socket |
//! | `scratch` | the buffers of a worker |
//! | `hello` | reading a ClientHello before anything is answered |
//! | `handshake` | how TLS with a client, or with an endpoint, comes about |

mod handshake;
mod hello;
mod scratch;
mod sealed;
mod session;

use std::cell::RefCell;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use evenkeel_tls::Host;

use crate::rt;
use session::Session;

pub(crate) use handshake::{connect, refuse, secure};
pub(crate) use hello::{HelloError, SSL_REQUEST, peek};

/// A connected socket, maybe with TLS on it. One that has none pays for the other kind with one comparison.
pub(crate) struct Stream {
    raw: rt::Stream,
    /// Boxed, so that a connection in clear text is no larger for it.
    tls: Option<Box<RefCell<Session>>>,
}

impl From<rt::Stream> for Stream {
    fn from(raw: rt::Stream) -> Stream {
        Stream { raw, tls: None }
    }
}

impl Stream {
    fn sealed(raw: rt::Stream, session: Session) -> Stream {
        Stream {
            raw,
            tls: Some(Box::new(RefCell::new(session))),
        }
    }

    /// Is it in clear text, so that the kernel may move its bytes by itself?
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// The virtual host that a client's handshake was made with.
    pub(crate) fn host(&self) -> Option<Arc<Host>> {
        self.tls.as_ref()?.borrow().host.clone()
    }

    /// Waits until there is something to read (or an end, or an error), without a buffer to read it into.
    #[inline]
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tls {
            None => self.raw.poll_readable(cx),
            Some(tls) => tls.borrow_mut().poll_readable(cx, &self.raw),
        }
    }

    /// Appends what is there to `buf`, at most its spare capacity; 0 is the end. Under TLS an end that the peer did not
    /// announce is an error: anybody on the way can make one.
    #[inline]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        match &self.tls {
            None => self.raw.poll_read(cx, buf),
            Some(tls) => {
                let room = buf.capacity() - buf.len();
                tls.borrow_mut().poll_read(cx, &self.raw, buf, room)
            }
        }
    }

    /// Appends at most `max` bytes: what lies behind them stays where it is.
    pub(crate) fn poll_read_at_most(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
        max: usize,
    ) -> Poll<io::Result<usize>> {
        match &self.tls {
            None => self.raw.poll_read_at_most(cx, buf, max),
            Some(tls) => tls.borrow_mut().poll_read(cx, &self.raw, buf, max),
        }
    }

    /// Moves at most `len` bytes into a pipe that is empty; 0 is the end. In clear text only.
    pub(crate) fn poll_splice_to(
        &self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_plain());
        self.raw.poll_splice_to(cx, pipe, len)
    }

    /// Moves at most `len` bytes out of a pipe that holds as many. In clear text only.
    pub(crate) fn poll_splice_from(
        &self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_plain());
        self.raw.poll_splice_from(cx, pipe, len)
    }

    /// Writes what the socket takes. After `Pending`, or less than all, the next call must go on with the bytes that were
    /// not taken: under TLS they may be sealed already.
    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.tls {
            None => self.raw.poll_write(cx, bytes),
            Some(tls) => tls.borrow_mut().poll_write(cx, &self.raw, bytes),
        }
    }

    /// The same, where more follows at once: a small head then leaves in one segment with it. Under TLS it is a record of
    /// its own either way.
    #[inline]
    pub(crate) fn poll_write_more(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &self.tls {
            None => self.raw.poll_write_more(cx, bytes),
            Some(tls) => tls.borrow_mut().poll_write(cx, &self.raw, bytes),
        }
    }

    /// Of a connection that is kept idle: have neither bytes nor an end come? As old as the loop's last turn.
    #[inline]
    pub(crate) fn seems_quiet(&self) -> bool {
        match &self.tls {
            None => self.raw.seems_quiet(),
            Some(tls) => self.raw.seems_quiet() && tls.borrow().is_clean() || self.is_idle(),
        }
    }

    /// Of a connection that is kept idle: are there neither bytes nor an end to read, right now? What TLS says for itself
    /// (a ticket, a new key) is read and counts as neither.
    pub(crate) fn is_idle(&self) -> bool {
        match &self.tls {
            None => self.raw.is_quiet(),
            Some(tls) => tls.borrow_mut().is_idle(&self.raw),
        }
    }

    /// Are there neither bytes nor an end to read, right now? Takes nothing from the socket.
    pub(crate) fn is_quiet(&self) -> bool {
        let clean = self.tls.as_ref().is_none_or(|tls| tls.borrow().is_clean());
        clean && self.raw.is_quiet()
    }

    /// Has the peer gone for good (both directions, or an error)? A half-close does not count. Wakes the task when that
    /// happens, if the stream was waited for before; costs no system call.
    #[inline]
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        self.raw.poll_gone(cx)
    }

    /// Has the peer closed at least its sending side? Wakes the task when that happens.
    pub(crate) fn poll_closing(&self, cx: &mut Context<'_>) -> bool {
        self.raw.poll_closing(cx)
    }

    /// Tells the peer that nothing more will come.
    pub(crate) fn shutdown_write(&self) {
        match &self.tls {
            None => self.raw.shutdown_write(),
            Some(tls) => tls.borrow_mut().shutdown_write(&self.raw),
        }
    }

    /// Whether a close from here on is a proper end, between two messages: then TLS says so. Anywhere else a close is not
    /// announced, so that nobody takes what was cut for whole. In clear text there is no such word.
    #[inline]
    pub(crate) fn at_rest(&self, rest: bool) {
        if let Some(tls) = &self.tls {
            tls.borrow_mut().at_rest = rest;
        }
    }

    /// Makes the coming close a reset, so that the peer cannot take it for a proper end.
    pub(crate) fn reset_on_close(&self) {
        self.at_rest(false);
        self.raw.reset_on_close();
    }

    /// Small writes leave at once; the other side is told of a dead peer after some two minutes of silence.
    pub(crate) fn tune(&self, keepalive: bool) {
        self.raw.tune(keepalive);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(tls) = &self.tls
            && let Ok(mut tls) = tls.try_borrow_mut()
            && tls.at_rest
        {
            tls.say_goodbye(&self.raw);
        }
    }
}
