//! The child's side of the conversation with its keeper.
//!
//! It arrives as descriptor 0, because that is the one descriptor a started program can take over without unsafe code and without
//! being told a number. Sending is one system call per message and may be done from any thread.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketType, sockopt,
};

use crate::wire::{self, DESCRIPTORS_PER_MESSAGE_MAX, FromKeeper, MESSAGE_BYTES_MAX, ToKeeper};

/// A message of the keeper with the descriptors that came with it.
#[derive(Debug)]
pub struct Received {
    /// What was said.
    pub message: FromKeeper,
    /// The sockets of `Opened`, the one descriptor of `Held`; else empty.
    pub descriptors: Vec<OwnedFd>,
}

/// The child's end. Clones speak over the same socket.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: OwnedFd,
    /// Held while receiving, so that the packets of one `Opened` are gathered by one thread.
    receiving: Mutex<()>,
}

impl Link {
    /// Takes the link over from descriptor 0, which becomes `/dev/null`.
    ///
    /// # Errors
    /// If descriptor 0 is not a link, that is, this program was not started by a keeper.
    pub fn from_stdin() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        if sockopt::socket_type(stdin) != Ok(SocketType::SEQPACKET) {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "descriptor 0 is not a link to a keeper: this command is started by `evenkeel run`, not by hand",
            ));
        }
        let socket = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Ok(Self::over(socket))
    }

    pub(crate) fn over(socket: OwnedFd) -> Self {
        Self {
            shared: Arc::new(Shared {
                socket,
                receiving: Mutex::new(()),
            }),
        }
    }

    /// Says something. Waits if the keeper is far behind.
    ///
    /// # Errors
    /// If the message breaks a bound of [`wire`] (nothing is sent then), or the keeper is gone.
    pub fn send(&self, message: &ToKeeper) -> io::Result<()> {
        self.transmit(message, None, SendFlags::NOSIGNAL)
    }

    /// Gives the keeper a descriptor to keep for every replacement of this process.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn hold(&self, name: &str, descriptor: impl AsFd) -> io::Result<()> {
        let message = ToKeeper::Hold {
            name: name.to_owned(),
        };
        self.transmit(&message, Some(descriptor.as_fd()), SendFlags::NOSIGNAL)
    }

    /// Says that the workers turn. Never waits: when the keeper is so far behind that there is no room, it has enough to read
    /// and will not judge before it has read it.
    ///
    /// # Errors
    /// If the keeper is gone.
    pub fn alive(&self) -> io::Result<()> {
        match self.transmit(
            &ToKeeper::Alive,
            None,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        ) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    fn transmit(
        &self,
        message: &ToKeeper,
        descriptor: Option<BorrowedFd<'_>>,
        flags: SendFlags,
    ) -> io::Result<()> {
        let bytes = wire::encode_to_keeper(message)?;
        loop {
            match send_packet(
                self.shared.socket.as_fd(),
                &bytes,
                descriptor.as_slice(),
                flags,
            ) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Waits for the keeper's next message.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the keeper is gone: this process must end then, since nobody watches it, replaces it,
    /// or would ever learn of it. Any other error means the same, with another reason (for example too low a limit on open files
    /// to take the sockets).
    pub fn recv(&self) -> io::Result<Received> {
        let _turn = self
            .shared
            .receiving
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut received = self.packet()?;
        if let FromKeeper::Opened { count, .. } = received.message {
            while received.descriptors.len() < usize::from(count) {
                let more = self.packet()?;
                if more.message != received.message || more.descriptors.is_empty() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the keeper sent fewer sockets than it announced",
                    ));
                }
                received.descriptors.extend(more.descriptors);
            }
        }
        Ok(received)
    }

    fn packet(&self) -> io::Result<Received> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            match receive_packet(self.shared.socket.as_fd(), &mut buffer, RecvFlags::empty()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok((0, _)) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the keeper is gone",
                    ));
                }
                Ok((length, descriptors)) => {
                    return Ok(Received {
                        message: wire::decode_from_keeper(&buffer[..length])?,
                        descriptors,
                    });
                }
            }
        }
    }
}

impl AsFd for Link {
    /// For waiting until there is something to receive.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.socket.as_fd()
    }
}

/// Sends one packet whole or not at all.
pub(crate) fn send_packet(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<()> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "more descriptors than one packet can carry",
        ));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(())
}

/// Receives one packet whole, with its descriptors. 0 bytes mean the other side is gone: neither side sends an empty packet.
pub(crate) fn receive_packet(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        flags | RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a packet longer than a message may be",
        ));
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        let why =
            "fewer descriptors arrived than were sent: raise the limit on open files (ulimit -n)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok((got.bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Address;
    use rustix::net::{AddressFamily, SocketFlags};

    fn pair() -> (Link, OwnedFd) {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        (Link::over(ours), theirs)
    }

    fn opened(count: u16) -> FromKeeper {
        let address = Address::Tcp("127.0.0.1:80".parse().unwrap());
        FromKeeper::Opened {
            key: "web".to_owned(),
            address: address.clone(),
            actual: address,
            count,
        }
    }

    fn say(keeper: &OwnedFd, message: &FromKeeper, descriptors: usize) {
        let file = std::fs::File::open("/dev/null").unwrap();
        let descriptors = vec![file.as_fd(); descriptors];
        let bytes = wire::encode_from_keeper(message).unwrap();
        send_packet(keeper.as_fd(), &bytes, &descriptors, SendFlags::empty()).unwrap();
    }

    #[test]
    fn the_end_of_the_keeper_is_an_error_and_not_a_message() {
        let (link, keeper) = pair();
        say(&keeper, &FromKeeper::Reload, 0);
        drop(keeper);
        assert_eq!(link.recv().unwrap().message, FromKeeper::Reload);
        assert_eq!(
            link.recv().unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert!(link.alive().is_err());
    }

    #[test]
    fn sockets_in_several_packets_come_as_one_message() {
        let (link, keeper) = pair();
        for part in [253, 253, 94] {
            say(&keeper, &opened(600), part);
        }
        say(&keeper, &FromKeeper::Shutdown, 0);
        assert_eq!(link.recv().unwrap().descriptors.len(), 600);
        assert_eq!(link.recv().unwrap().message, FromKeeper::Shutdown);
    }

    #[test]
    fn fewer_sockets_than_announced_are_an_error() {
        let (link, keeper) = pair();
        say(&keeper, &opened(2), 1);
        say(&keeper, &FromKeeper::Shutdown, 0);
        assert_eq!(link.recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn saying_alive_never_waits_for_a_keeper_that_does_not_read() {
        let (link, _keeper) = pair();
        for _ in 0..10_000 {
            link.alive().unwrap();
        }
    }

    #[test]
    fn a_packet_too_long_is_an_error() {
        let (link, keeper) = pair();
        send_packet(
            keeper.as_fd(),
            &vec![0; MESSAGE_BYTES_MAX + 1],
            &[],
            SendFlags::empty(),
        )
        .unwrap();
        assert_eq!(link.recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_message_the_keeper_would_refuse_is_never_sent() {
        let (link, keeper) = pair();
        let bad = ToKeeper::Close { key: String::new() };
        assert_eq!(
            link.send(&bad).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        link.send(&ToKeeper::Ready).unwrap();
        let mut buffer = [0; 64];
        let (length, _) = receive_packet(keeper.as_fd(), &mut buffer, RecvFlags::empty()).unwrap();
        assert_eq!(
            wire::decode_to_keeper(&buffer[..length]),
            Ok(ToKeeper::Ready)
        );
    }
}
