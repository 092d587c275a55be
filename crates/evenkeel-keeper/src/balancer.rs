//! One life of the child: its process, the keeper's end of the link, and what still waits to be sent over it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, Signal};

use crate::children::{Launched, number, signal_group};
use crate::life::Judge;
use crate::link::{receive_packet, send_packet};
use crate::wire::{
    self, DESCRIPTORS_PER_MESSAGE_MAX, Ending, FromKeeper, MESSAGE_BYTES_MAX, ToKeeper,
};

/// Packets that may wait for a child that does not read. Far above what a start needs (every socket, service and exit once);
/// a child behind by more does not read at all.
const WAITING_MAX: usize = 8192;

/// The running child.
pub(crate) struct Balancer {
    pub(crate) pid: Pid,
    pub(crate) started: Duration,
    pub(crate) judge: Judge,
    /// It said `Hello`; before that nothing is said to it.
    pub(crate) greeted: bool,
    /// It said `Bye`.
    pub(crate) leaving: bool,
    /// It was killed, or its words are not believed any more: nothing it still says counts.
    pub(crate) doomed: bool,
    /// Why the keeper killed it.
    condemned: Option<String>,
    /// Its end of the link is closed.
    pub(crate) closed: bool,
    /// It was reaped: its number may be another process's by now.
    pub(crate) ended: bool,
    link: OwnedFd,
    waiting: VecDeque<Packet>,
}

struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<Rc<OwnedFd>>,
}

/// What came over the link.
pub(crate) enum Heard {
    /// A message, with its descriptors.
    Message(ToKeeper, Vec<OwnedFd>),
    /// Why the program could not be executed.
    NotExecuted(String),
    /// Nothing more for now.
    Nothing,
    /// The child's end is closed.
    Closed,
    /// Not a message.
    Garbage(String),
}

impl Balancer {
    pub(crate) fn new(launched: Launched, now: Duration) -> Self {
        Self {
            pid: launched.pid,
            started: now,
            judge: Judge::new(now),
            greeted: false,
            leaving: false,
            doomed: false,
            condemned: None,
            closed: false,
            ended: false,
            link: launched.channel,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn number(&self) -> u32 {
        number(self.pid)
    }

    pub(crate) fn link(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }

    /// The next thing the child said. Never waits.
    pub(crate) fn hear(&self, buffer: &mut [u8]) -> Heard {
        match receive_packet(
            self.link.as_fd(),
            &mut buffer[..MESSAGE_BYTES_MAX],
            RecvFlags::empty(),
        ) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Heard::Closed,
            Err(error) => Heard::Garbage(error.to_string()),
            Ok((0, _)) => Heard::Closed,
            Ok((length, _)) if buffer[0] == crate::exec::FAILED && !self.greeted => {
                Heard::NotExecuted(String::from_utf8_lossy(&buffer[1..length]).into_owned())
            }
            Ok((length, descriptors)) => match wire::decode_to_keeper(&buffer[..length]) {
                Ok(message) => Heard::Message(message, descriptors),
                Err(malformed) => Heard::Garbage(malformed.to_string()),
            },
        }
    }

    /// Puts a message in the queue, cut into packets of as many descriptors as the kernel takes at once. False if the queue is full.
    #[must_use]
    pub(crate) fn say(&mut self, message: &FromKeeper, descriptors: &[Rc<OwnedFd>]) -> bool {
        // Everything in it was decoded from the child or is bounded by the keeper, so it can be encoded.
        let Ok(bytes) = wire::encode_from_keeper(message) else {
            return false;
        };
        let mut parts: Vec<&[Rc<OwnedFd>]> =
            descriptors.chunks(DESCRIPTORS_PER_MESSAGE_MAX).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        for part in parts {
            self.waiting.push_back(Packet {
                bytes: bytes.clone(),
                descriptors: part.to_vec(),
            });
        }
        self.waiting.len() <= WAITING_MAX
    }

    /// Sends what the child has room for. True if something still waits.
    pub(crate) fn send_waiting(&mut self) -> bool {
        while let Some(packet) = self.waiting.front() {
            let descriptors: Vec<_> = packet
                .descriptors
                .iter()
                .map(|descriptor| descriptor.as_fd())
                .collect();
            match send_packet(
                self.link.as_fd(),
                &packet.bytes,
                &descriptors,
                SendFlags::NOSIGNAL,
            ) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No room, or too many descriptors under way (an unprivileged user's limit): later.
                Err(error) if is_for_now(&error) => return true,
                // Closed: its end will be noticed by itself.
                Err(_) => self.waiting.clear(),
            }
        }
        false
    }

    /// Whether there is any use in listening.
    pub(crate) fn may_speak(&self) -> bool {
        !self.doomed && !self.closed
    }

    /// How it came to its end, for a person.
    pub(crate) fn died_of(&self, ending: Ending) -> String {
        match (&self.condemned, ending) {
            (Some(why), _) => format!("killed by the keeper: it {why}"),
            (None, Ending::Signal(number)) => format!("killed by signal {number}"),
            (None, Ending::Code(code)) => format!("ended by itself with exit code {code}"),
        }
    }

    /// Ends it and its process group at once: it did this.
    pub(crate) fn kill(&mut self, why: &str) {
        self.doomed = true;
        self.condemned.get_or_insert_with(|| why.to_owned());
        if self.ended {
            return;
        }
        // It can only fail if the group is gone, or if it became another user's by a set-user-id program.
        let _ = signal_group(self.pid, Signal::KILL);
    }
}

fn is_for_now(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [
        Errno::AGAIN,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::TOOMANYREFS,
    ]
    .iter()
    .any(|e| number == Some(e.raw_os_error()))
}
