//! Epoll, level-triggered, with a number for each socket. Level-triggered because then a stale event does no harm: the
//! socket is tried and says that it would block.

use rustix::event::epoll::{self, EventFlags};
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::Timespec;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// What a socket waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Bytes or an end to read.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
    /// Only errors, which are always told.
    Nothing,
}

/// Is there a line of our own input to be read?
pub(crate) fn is_told() -> io::Result<bool> {
    let input = io::stdin();
    let mut watched = [PollFd::new(&input, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(rustix::event::poll(&mut watched, Some(&now))? > 0)
}

impl Interest {
    /// From the two halves.
    pub(crate) fn of(read: bool, write: bool) -> Interest {
        match (read, write) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => Interest::Nothing,
        }
    }

    fn flags(self) -> EventFlags {
        match self {
            Interest::Read => EventFlags::IN,
            Interest::Write => EventFlags::OUT,
            Interest::Both => EventFlags::IN | EventFlags::OUT,
            Interest::Nothing => EventFlags::empty(),
        }
    }
}

/// One epoll and room for the events of a turn.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

/// Events of one turn at most; the rest comes in the next.
const EVENTS_MAX: usize = 512;

impl Poller {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Poller> {
        Ok(Poller {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Begins to watch.
    pub(crate) fn add(
        &self,
        source: &impl AsFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            source,
            epoll::EventData::new_u64(token as u64),
            interest.flags(),
        )?)
    }

    /// Watches for something else.
    pub(crate) fn modify(
        &self,
        source: &impl AsFd,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            source,
            epoll::EventData::new_u64(token as u64),
            interest.flags(),
        )?)
    }

    /// Waits and puts the numbers of the sockets that have something to tell into `ready`.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<usize>,
    ) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.clear();
        ready.extend(self.events.iter().map(|event| {
            let data = event.data;
            usize::try_from(data.u64()).unwrap_or(usize::MAX)
        }));
        Ok(())
    }
}

/// Accepts one waiting connection, or says that there is none.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    use rustix::net::{SocketFlags, accept_with};
    match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(socket) => {
            let stream = TcpStream::from(socket);
            stream.set_nodelay(true)?;
            Ok(Some(stream))
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes what fits; how much that was.
pub(crate) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Reads once. `None`: nothing there yet; `Some(0)`: the end.
pub(crate) fn read(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    use std::io::Read;
    match stream.read(buffer) {
        Ok(count) => Ok(Some(count)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A table of things by number, with free places used again.
pub(crate) struct Table<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Table<T> {
    /// An empty one.
    pub(crate) fn new() -> Table<T> {
        Table {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Puts something in; its number.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        if let Some(index) = self.free.pop() {
            self.places[index] = Some(value);
            return index;
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    /// What has this number, if it is still there.
    pub(crate) fn at(&mut self, index: usize) -> Option<&mut T> {
        self.places.get_mut(index)?.as_mut()
    }

    /// Takes it out.
    pub(crate) fn remove(&mut self, index: usize) {
        if self.places[index].take().is_some() {
            self.free.push(index);
        }
    }
}
