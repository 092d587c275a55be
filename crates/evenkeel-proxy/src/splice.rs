//! Moving bytes from one socket to another without looking at them: by `splice` through a pipe, or through a buffer where
//! no pipe can be had.
//!
//! A pump holds a pipe only while there are bytes in it, so an idle tunnel costs no descriptors; pipes are pooled.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::buffer::{Buf, IO_SIZE};
use crate::room;
use crate::wire::Stream;

/// Bodies larger than this are spliced: below it, two system calls more cost more than the copy they save.
pub(crate) const SPLICE_FROM: u64 = 32 * 1024;
/// Bytes a pipe may hold. Measured with 1 MiB bodies: a tenth less CPU time than 256 KiB, and 1 MiB is no better. A user's
/// share of pipe memory (64 MiB) is that of 128 such pipes; those opened beyond it are small, and as right.
const PIPE_SIZE: usize = 512 * 1024;
/// Pipes of one worker that hold something, at most: what clients that do not read leave in them is the kernel's memory, half
/// a gigabyte for a thousand. Beyond it bytes are copied, which holds 16 KiB.
const PIPES_MAX: usize = 128;
/// Empty pipes kept per worker (two descriptors each).
const PIPES_KEPT: usize = 64;

/// Empty pipes of one worker.
pub(crate) struct Pipes {
    kept: RefCell<Vec<Pipe>>,
    /// Taken and not given back.
    taken: Cell<usize>,
    /// The first descriptor that is kept for connections.
    reserved_from: u64,
}

impl Default for Pipes {
    fn default() -> Pipes {
        Pipes {
            kept: RefCell::default(),
            taken: Cell::new(0),
            reserved_from: room::reserved_from(),
        }
    }
}

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipes {
    fn take(&self) -> Option<Pipe> {
        if self.taken.get() >= PIPES_MAX {
            return None;
        }
        let kept = self.kept.borrow_mut().pop();
        let pipe = kept.or_else(|| self.open())?;
        self.taken.set(self.taken.get() + 1);
        Some(pipe)
    }

    fn open(&self) -> Option<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        if u64::try_from(write.as_raw_fd()).is_ok_and(|fd| fd >= self.reserved_from) {
            return None;
        }
        // Refused beyond the user's share of pipe memory; the default size does too.
        let _ = fcntl_setpipe_size(&write, PIPE_SIZE);
        Some(Pipe { read, write })
    }

    /// It comes back. One that still holds something is of no use to anybody.
    fn put(&self, pipe: Pipe, holds: usize) {
        self.taken.set(self.taken.get() - 1);
        let mut kept = self.kept.borrow_mut();
        if holds > 0 {
            return;
        }
        if kept.len() < PIPES_KEPT {
            kept.push(pipe);
        }
    }
}

enum Store {
    Nothing,
    Pipe(Pipe, usize),
    Buffer(Buf),
}

/// One direction.
pub(crate) struct Pump {
    pipes: Rc<Pipes>,
    store: Store,
    /// No pipe could be had: copy from now on.
    copying: bool,
}

/// Which side failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PumpError {
    /// Reading.
    Source,
    /// Writing.
    Sink,
}

/// What one poll of a [`Pump`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// This many were taken from the source.
    Took(u64),
    /// This many were given to the sink.
    Gave(u64),
    /// The source ended; everything was given to the sink.
    Ended,
}

impl Pump {
    pub(crate) fn new(pipes: &Rc<Pipes>) -> Pump {
        Pump {
            pipes: pipes.clone(),
            store: Store::Nothing,
            copying: false,
        }
    }

    /// Is nothing under way between the two?
    pub(crate) fn is_empty(&self) -> bool {
        match &self.store {
            Store::Nothing => true,
            Store::Pipe(_, n) => *n == 0,
            Store::Buffer(buf) => buf.is_empty(),
        }
    }

    /// One step: gives what is under way to the sink, else takes at most `limit` more (at least 1) from the source.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        sink: &Stream,
        limit: u64,
    ) -> Poll<Result<Pumped, PumpError>> {
        if !self.is_empty() {
            let gave = ready!(self.poll_give(cx, sink)).map_err(|_| PumpError::Sink)?;
            return Poll::Ready(Ok(Pumped::Gave(gave as u64)));
        }
        self.poll_fill(cx, source, sink, limit)
    }

    /// The taking half of a step, for an empty pump: what it takes, a later [`poll`](Self::poll) gives to this sink.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        sink: &Stream,
        limit: u64,
    ) -> Poll<Result<Pumped, PumpError>> {
        debug_assert!(self.is_empty());
        if !source.is_plain() || !sink.is_plain() {
            // What is sealed or opened has to pass through here.
            self.copying = true;
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let taken = self.poll_take(cx, source, limit);
        if self.is_empty() {
            self.release();
        }
        let took = ready!(taken).map_err(|_| PumpError::Source)?;
        Poll::Ready(Ok(match took {
            0 => Pumped::Ended,
            n => Pumped::Took(n as u64),
        }))
    }

    fn poll_give(&mut self, cx: &mut Context<'_>, sink: &Stream) -> Poll<io::Result<usize>> {
        let n = match &mut self.store {
            Store::Nothing => 0,
            Store::Pipe(pipe, held) => {
                let n = ready!(sink.poll_splice_from(cx, pipe.read.as_fd(), *held))?;
                *held -= n;
                n
            }
            Store::Buffer(buf) => {
                let n = ready!(sink.poll_write(cx, buf.bytes()))?;
                buf.consume(n);
                n
            }
        };
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(n))
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        source: &Stream,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        if matches!(self.store, Store::Nothing) {
            // Nothing is held while nothing comes.
            ready!(source.poll_readable(cx))?;
            let pipe = (!self.copying).then(|| self.pipes.take()).flatten();
            self.store = pipe.map_or_else(
                || Store::Buffer(Buf::default()),
                |pipe| Store::Pipe(pipe, 0),
            );
        }
        match &mut self.store {
            Store::Nothing => Poll::Ready(Ok(0)),
            Store::Pipe(pipe, held) => {
                let len = limit.min(PIPE_SIZE);
                let took = source.poll_splice_to(cx, pipe.write.as_fd(), len);
                match took {
                    Poll::Ready(Ok(n)) => *held = n,
                    // This kind of socket cannot splice.
                    Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::InvalidInput => {
                        self.copying = true;
                        self.release();
                        return self.poll_take(cx, source, limit);
                    }
                    _ => {}
                }
                took
            }
            Store::Buffer(buf) => {
                source.poll_read_at_most(cx, buf.tail(IO_SIZE), limit.min(IO_SIZE))
            }
        }
    }

    /// Gives the pipe or buffer back.
    fn release(&mut self) {
        if let Store::Pipe(pipe, holds) = std::mem::replace(&mut self.store, Store::Nothing) {
            self.pipes.put(pipe, holds);
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.release();
    }
}
