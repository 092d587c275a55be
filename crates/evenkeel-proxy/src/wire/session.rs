//! One TLS connection as a machine: ciphertext goes in, plaintext and ciphertext come out. It does no IO and keeps no
//! buffer of its own while there is nothing in it.
//!
//! It is rustls' unbuffered interface with its states gone through in order. rustls remembers positions within the bytes
//! that it is shown, so it is always shown all that it has not yet given up, from the first.

use std::io;
use std::sync::Arc;

use evenkeel_tls::Host;
use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};

use crate::buffer::Buf;

/// Which end we are.
pub(super) enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// A TLS connection.
pub(super) struct Session {
    pub(super) side: Side,
    /// Read, and not yet given up by rustls.
    pub(super) incoming: Buf,
    /// Decrypted, and not yet taken.
    pub(super) plain: Buf,
    /// Sealed, and not yet taken by the socket.
    pub(super) outgoing: Buf,
    /// Plaintext in `outgoing` that its writer was not yet told is gone.
    pub(super) owed: usize,
    /// The virtual host, if we are the server.
    pub(super) host: Option<Arc<Host>>,
    /// The peer said that nothing more comes.
    pub(super) ended: bool,
    /// Nothing more can be read or written.
    pub(super) broken: bool,
    /// We said that nothing more comes.
    pub(super) said_goodbye: bool,
    /// After which nothing more is to be sent at all.
    pub(super) closing: bool,
    /// A close is to be announced.
    pub(super) at_rest: bool,
}

/// What to say as soon as something can be said.
#[derive(Clone, Copy)]
enum Say<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Goodbye,
}

/// One state gone through.
enum Turn {
    /// There may be more to do.
    Again,
    /// Nothing to do with the bytes there are.
    Rest,
    /// The peer's part is over.
    Ended,
    /// What was to be said is said.
    Said,
}

/// Where plaintext goes: to who reads, as much as fits there, the rest aside.
pub(super) struct Sink<'a> {
    pub(super) buf: Option<&'a mut Vec<u8>>,
    pub(super) room: usize,
    pub(super) gave: usize,
}

impl Sink<'_> {
    /// All of it is put aside.
    pub(super) fn aside() -> Sink<'static> {
        Sink {
            buf: None,
            room: 0,
            gave: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.gave > 0 && self.gave == self.room
    }

    fn take(&mut self, aside: &mut Buf, bytes: &[u8]) {
        let fits = match &mut self.buf {
            Some(buf) => {
                let fits = bytes.len().min(self.room - self.gave);
                buf.extend_from_slice(&bytes[..fits]);
                self.gave += fits;
                fits
            }
            None => 0,
        };
        if fits < bytes.len() {
            aside.push(&bytes[fits..]);
        }
    }
}

impl Session {
    pub(super) fn new(side: Side, host: Option<Arc<Host>>) -> Session {
        Session {
            side,
            incoming: Buf::default(),
            plain: Buf::default(),
            outgoing: Buf::default(),
            owed: 0,
            host,
            ended: false,
            broken: false,
            said_goodbye: false,
            closing: false,
            at_rest: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Server(conn) => conn.is_handshaking(),
            Side::Client(conn) => conn.is_handshaking(),
        }
    }

    pub(super) fn is_tls12(&self) -> bool {
        let version = match &self.side {
            Side::Server(conn) => conn.protocol_version(),
            Side::Client(conn) => conn.protocol_version(),
        };
        version == Some(rustls::ProtocolVersion::TLSv1_2)
    }

    pub(super) fn was_resumed(&self) -> bool {
        let kind = match &self.side {
            Side::Server(conn) => conn.handshake_kind(),
            Side::Client(conn) => conn.handshake_kind(),
        };
        kind == Some(rustls::HandshakeKind::Resumed)
    }

    /// Deals with the ciphertext in `bytes` until more is needed, plaintext fills the sink or the peer has ended; says how
    /// much of it was dealt with.
    pub(super) fn open(
        &mut self,
        bytes: &mut [u8],
        sink: &mut Sink<'_>,
    ) -> (usize, Result<(), Error>) {
        let mut out = Vec::new();
        let (used, opened) = self.run(bytes, sink, Say::Nothing, &mut out);
        if !out.is_empty() {
            self.outgoing.push(&out);
        }
        (used, opened)
    }

    /// Appends `bytes` to `out`, sealed.
    pub(super) fn seal(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.say(Say::Bytes(bytes), out)
    }

    /// Appends the word that nothing more comes.
    pub(super) fn goodbye(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.said_goodbye = true;
        self.say(Say::Goodbye, out)
    }

    fn say(&mut self, what: Say<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let (used, said) = self.run(incoming.bytes_mut(), &mut Sink::aside(), what, out);
        incoming.consume(used);
        if !incoming.is_empty() {
            self.incoming = incoming;
        }
        said
    }

    fn run(
        &mut self,
        bytes: &mut [u8],
        sink: &mut Sink<'_>,
        say: Say<'_>,
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), Error>) {
        let mut used = 0;
        loop {
            let rest = &mut bytes[used..];
            let aside = &mut self.plain;
            let (discard, turned) = match &mut self.side {
                Side::Server(conn) => turn(conn.process_tls_records(rest), aside, sink, say, out),
                Side::Client(conn) => turn(conn.process_tls_records(rest), aside, sink, say, out),
            };
            used += discard;
            match turned {
                Ok(Turn::Said) => return (used, Ok(())),
                Ok(Turn::Rest) => {
                    let mute = match say {
                        Say::Nothing => Ok(()),
                        _ => Err(Error::HandshakeNotComplete),
                    };
                    return (used, mute);
                }
                Ok(Turn::Ended) => self.ended = true,
                Ok(Turn::Again) => {}
                Err(error) => {
                    self.broken = true;
                    self.alert(&mut bytes[used..], out);
                    return (used, Err(error));
                }
            }
            let enough = self.ended || sink.is_full() || !self.plain.is_empty();
            if enough && matches!(say, Say::Nothing) {
                return (used, Ok(()));
            }
        }
    }

    /// After an error: what was to be said before it, and what rustls says of it to the peer. Nothing is read any more.
    fn alert(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) {
        let mut nowhere = Buf::default();
        while self.has_to_say() {
            let (aside, sink) = (&mut nowhere, &mut Sink::aside());
            let say = Say::Nothing;
            let (_, turned) = match &mut self.side {
                Side::Server(conn) => turn(conn.process_tls_records(bytes), aside, sink, say, out),
                Side::Client(conn) => turn(conn.process_tls_records(bytes), aside, sink, say, out),
            };
            if !matches!(turned, Ok(Turn::Again)) {
                return;
            }
        }
    }

    fn has_to_say(&self) -> bool {
        match &self.side {
            Side::Server(conn) => conn.wants_write(),
            Side::Client(conn) => conn.wants_write(),
        }
    }
}

/// Goes through one state.
fn turn<D>(
    status: UnbufferedStatus<'_, '_, D>,
    aside: &mut Buf,
    sink: &mut Sink<'_>,
    say: Say<'_>,
    out: &mut Vec<u8>,
) -> (usize, Result<Turn, Error>) {
    let mut discard = status.discard;
    let state = match status.state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let turned = match state {
        ConnectionState::ReadTraffic(mut read) => {
            let mut failed = Ok(Turn::Again);
            while let Some(record) = read.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        sink.take(aside, record.payload);
                    }
                    Err(error) => failed = Err(error),
                }
            }
            failed
        }
        ConnectionState::EncodeTlsData(mut encode) => {
            let written = append(out, 0, |room| match encode.encode(room) {
                Ok(n) => Ok(n),
                Err(EncodeError::InsufficientSize(size)) => Err(Some(size)),
                Err(EncodeError::AlreadyEncoded) => Err(None),
            });
            written.map(|()| Turn::Again)
        }
        // It is in `out`, in its place.
        ConnectionState::TransmitTlsData(transmit) => {
            transmit.done();
            Ok(Turn::Again)
        }
        ConnectionState::WriteTraffic(write) => put(write, say, out),
        ConnectionState::BlockedHandshake => Ok(Turn::Rest),
        ConnectionState::PeerClosed => Ok(Turn::Ended),
        ConnectionState::Closed => match say {
            Say::Nothing => Ok(Turn::Ended),
            _ => Err(Error::General("closed on both sides".to_owned())),
        },
        // Never offered: what is sent twice would be done twice.
        _ => Err(Error::General("data before the handshake".to_owned())),
    };
    (discard, turned)
}

/// Says what there is to say.
fn put<D>(mut write: WriteTraffic<'_, D>, say: Say<'_>, out: &mut Vec<u8>) -> Result<Turn, Error> {
    let lacking = |error| match error {
        EncryptError::InsufficientSize(size) => Some(size),
        EncryptError::EncryptExhausted => None,
    };
    let said = match say {
        Say::Nothing => return Ok(Turn::Rest),
        Say::Bytes(bytes) => append(out, sealed_len(bytes.len()), |room| {
            write.encrypt(bytes, room).map_err(lacking)
        }),
        Say::Goodbye => append(out, sealed_len(2), |room| {
            write.queue_close_notify(room).map_err(lacking)
        }),
    };
    said.map(|()| Turn::Said)
}

/// A guess that nearly always holds: one record more for a new key.
fn sealed_len(plain: usize) -> usize {
    const SEAL: usize = 32;
    plain + (plain / super::scratch::RECORD + 2) * SEAL
}

/// Lets `write` append to `out`, with as much room as it asks for.
fn append(
    out: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Error> {
    let start = out.len();
    let mut room = guess;
    // Once by the guess, once by what is said to be needed.
    for _ in 0..2 {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(n) => {
                out.truncate(start + n);
                return Ok(());
            }
            Err(Some(size)) => room = size.required_size,
            Err(None) => break,
        }
    }
    out.truncate(start);
    Err(Error::EncryptError)
}

/// What an error of TLS is to those above: they know only that the connection broke.
pub(super) fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_tls::{HostFiles, Server, Speaks};
    use rustls::pki_types::ServerName;

    /// A server's session and a client's hello to it.
    fn begun(alpn: &[u8]) -> (Session, rustls::ClientConnection, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let files = HostFiles {
            certificate: folder.path().join("pem"),
            key: folder.path().join("key"),
            client_ca: None,
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let server = Server::load(&[files], Speaks::Http, None).unwrap();
        let host = server.choose(None);
        let conn = UnbufferedServerConnection::new(host.config().clone()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("a.test").unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        (Session::new(Side::Server(conn), Some(host)), client, hello)
    }

    #[test]
    fn a_handshake_that_fails_leaves_an_alert_to_be_sent() {
        let (mut session, mut client, mut hello) = begun(b"h2");
        let (_, opened) = session.open(&mut hello, &mut Sink::aside());
        assert_eq!(opened, Err(Error::NoApplicationProtocol));
        client.read_tls(&mut session.outgoing.bytes()).unwrap();
        let why = rustls::AlertDescription::NoApplicationProtocol;
        assert_eq!(
            client.process_new_packets().err(),
            Some(Error::AlertReceived(why))
        );
    }

    #[test]
    fn a_record_that_was_read_and_not_opened_is_no_silence() {
        let (mut session, mut client, hello) = begun(b"http/1.1");
        session.incoming.push(&hello);
        while session.is_handshaking() || client.is_handshaking() {
            session.open_held(&mut Sink::aside()).unwrap();
            client.read_tls(&mut session.outgoing.bytes()).unwrap();
            session.outgoing = Buf::default();
            client.process_new_packets().unwrap();
            let mut said = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut said).unwrap();
            }
            session.incoming.push(&said);
        }
        let (quiet, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        quiet.set_nonblocking(true).unwrap();
        let raw = crate::rt::Stream::new(quiet.into());
        assert!(session.is_idle(&raw));
        std::io::Write::write_all(&mut client.writer(), b"unasked").unwrap();
        let mut said = Vec::new();
        client.write_tls(&mut said).unwrap();
        session.incoming.push(&said);
        assert!(!session.is_idle(&raw));
    }

    #[test]
    fn a_connection_under_tls_is_small() {
        // What rustls keeps on the heap beside it are two keys of some hundred bytes.
        assert!(size_of::<Session>() <= 1536, "{}", size_of::<Session>());
    }

    #[test]
    fn nothing_is_held_of_a_hello_that_was_answered() {
        let (mut session, _, mut hello) = begun(b"http/1.1");
        let (used, opened) = session.open(&mut hello, &mut Sink::aside());
        assert_eq!((used, opened), (hello.len(), Ok(())));
        assert!(session.is_handshaking());
        assert!(session.incoming.is_empty() && session.plain.is_empty());
    }
}
