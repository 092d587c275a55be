//! A [`Session`] on a socket.
//!
//! What could not be written is held sealed, and its writer is told so: bytes count as written when the socket has taken
//! them, so back-pressure, stalls and "was anything of it written?" mean the same as in clear text.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use rustls::Error;

use super::scratch::{self, INBOX, SEALED_AT_ONCE};
use super::session::{Session, Side, Sink, broken};
use crate::rt;

/// Reads in one poll that bring no plaintext, after which others get their turn: empty records cost their sender little.
const BARREN_READS: u32 = 8;
/// Ciphertext held at most until it makes sense: a handshake's message may have 64 KiB, in records of any size.
const INCOMING_MAX: usize = 128 * 1024;

impl Session {
    /// Is there nothing that was read and not yet taken?
    pub(super) fn is_clean(&self) -> bool {
        self.plain.is_empty() && self.incoming.is_empty() && !self.ended && !self.broken
    }

    pub(super) fn poll_readable(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
    ) -> Poll<io::Result<()>> {
        if !self.plain.is_empty() || self.ended {
            return Poll::Ready(Ok(()));
        }
        self.poll_fill(cx, raw, &mut Sink::aside())
    }

    /// At most `room` bytes, which is not 0.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
        buf: &mut Vec<u8>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        if !self.plain.is_empty() {
            let n = room.min(self.plain.len());
            buf.extend_from_slice(&self.plain.bytes()[..n]);
            self.plain.consume(n);
            if self.plain.is_empty() {
                self.plain = Default::default();
            }
            return Poll::Ready(Ok(n));
        }
        let mut sink = Sink {
            buf: Some(buf),
            room,
            gave: 0,
        };
        ready!(self.poll_fill(cx, raw, &mut sink))?;
        Poll::Ready(Ok(sink.gave))
    }

    /// Ready with plaintext in the sink or aside, or at the peer's end.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
        sink: &mut Sink<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..BARREN_READS {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if !self.incoming.is_empty() {
                self.open_held(sink).map_err(broken)?;
                if self.ended || sink.gave > 0 || !self.plain.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            ready!(self.poll_more(cx, raw, sink))?;
            if self.ended || sink.gave > 0 || !self.plain.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Deals with what was read before.
    pub(super) fn open_held(&mut self, sink: &mut Sink<'_>) -> Result<(), Error> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let (used, opened) = self.open(incoming.bytes_mut(), sink);
        incoming.consume(used);
        if !incoming.is_empty() {
            self.incoming = incoming;
        }
        opened
    }

    /// One read from the socket, and what comes of it.
    pub(super) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
        sink: &mut Sink<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inbox = scratch::inbox();
        inbox.extend_from_slice(self.incoming.bytes());
        if inbox.len() > INCOMING_MAX {
            return Poll::Ready(Err(broken(Error::General("too long a message".to_owned()))));
        }
        if inbox.capacity() == inbox.len() {
            inbox.reserve(INBOX);
        }
        let polled = self.poll_inbox(cx, raw, &mut inbox, sink);
        scratch::put_inbox(inbox);
        if polled.is_pending() {
            // Not before: what TLS has to say for itself leaves with an answer, if there is one to come at once.
            self.poll_flush(cx, raw)?;
        }
        polled
    }

    fn poll_inbox(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
        inbox: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(raw.poll_read(cx, inbox))?;
        if n == 0 {
            self.broken = true;
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let (used, opened) = self.open(inbox, sink);
        self.incoming = Default::default();
        if used < inbox.len() {
            self.incoming.push(&inbox[used..]);
        }
        Poll::Ready(opened.map_err(broken))
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        raw: &rt::Stream,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.owed > 0 {
            return self.poll_owed(cx, raw);
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.broken || self.said_goodbye {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = &bytes[..bytes.len().min(SEALED_AT_ONCE)];
        let mut outbox = scratch::outbox();
        // What TLS has to say for itself goes first, and in the same packet.
        outbox.extend_from_slice(self.outgoing.bytes());
        self.outgoing = Default::default();
        if let Err(error) = self.seal(bytes, &mut outbox) {
            self.outgoing.push(&outbox);
            return Poll::Ready(Err(broken(error)));
        }
        self.owed = bytes.len();
        let mut sent = 0;
        let mut failed = Ok(());
        while sent < outbox.len() {
            match raw.poll_write(cx, &outbox[sent..]) {
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(error)) => {
                    failed = Err(error);
                    break;
                }
                Poll::Pending => break,
            }
        }
        if sent < outbox.len() {
            self.outgoing.push(&outbox[sent..]);
        }
        scratch::put_outbox(outbox);
        failed?;
        self.tell_owed(sent)
    }

    /// Goes on with what is sealed already.
    fn poll_owed(&mut self, cx: &mut Context<'_>, raw: &rt::Stream) -> Poll<io::Result<usize>> {
        let before = self.outgoing.len();
        self.poll_flush(cx, raw)?;
        self.tell_owed(before - self.outgoing.len())
    }

    /// Of bytes that the socket has taken `sent` more of: how many the writer is to be told are gone. Never the last one
    /// before all are; and one at least as soon as a whole record is, for that can be understood.
    fn tell_owed(&mut self, sent: usize) -> Poll<io::Result<usize>> {
        let gone = match self.outgoing.is_empty() {
            true => self.owed,
            false => sent.min(self.owed - 1),
        };
        self.owed -= gone;
        match gone {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        }
    }

    /// Writes what is sealed, as far as the socket takes it: it goes on whenever something is read or written.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, raw: &rt::Stream) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match raw.poll_write(cx, self.outgoing.bytes()) {
                Poll::Ready(Ok(n)) => self.outgoing.consume(n),
                // After our end there is nothing that the peer waits for.
                Poll::Ready(Err(_)) if self.closing => self.outgoing.clear(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
            if self.outgoing.is_empty() {
                self.outgoing = Default::default();
            }
        }
        if self.closing {
            raw.shutdown_write();
        }
        Ok(())
    }

    /// Says that nothing more will come, and ends our direction of the connection with it.
    pub(super) fn shutdown_write(&mut self, raw: &rt::Stream) {
        self.closing = true;
        self.say_goodbye(raw);
    }

    /// Says that nothing more will come, as far as the socket takes it now; what it does not is sent with what is read or
    /// written later.
    pub(super) fn say_goodbye(&mut self, raw: &rt::Stream) {
        if !self.said_goodbye && !self.broken && !self.is_handshaking() {
            let mut outbox = scratch::outbox();
            if self.goodbye(&mut outbox).is_ok() {
                self.outgoing.push(&outbox);
            }
            scratch::put_outbox(outbox);
        }
        let mut cx = Context::from_waker(Waker::noop());
        // An error means that the peer is gone already.
        let _ = self.poll_flush(&mut cx, raw);
    }

    /// See [`Stream::is_idle`](super::Stream::is_idle). Only where no task waits on the socket.
    pub(super) fn is_idle(&mut self, raw: &rt::Stream) -> bool {
        // A record that nobody asked for may lie here already.
        let opened = match self.incoming.is_empty() {
            true => Ok(()),
            false => self.open_held(&mut Sink::aside()),
        };
        if opened.is_err() || !self.plain.is_empty() || self.ended || self.broken {
            return false;
        }
        if raw.is_quiet() {
            return true;
        }
        if matches!(self.side, Side::Server(_)) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_readable(&mut cx, raw).is_pending()
    }
}
