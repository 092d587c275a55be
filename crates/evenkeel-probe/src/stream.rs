//! Connecting, to whatever an address is, within a time, with words for how it failed.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::diagnose::Evidence;
use evenkeel_core::observe::Contact;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::{Layer, Seen, text};

/// A connection to an endpoint.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<Stream>>),
}

/// Opens a connection within `limit`.
pub(crate) async fn connect(address: &Address, limit: Duration) -> Result<Stream, Seen> {
    let opened = async {
        match address {
            Address::Ip(ip) => TcpStream::connect(ip).await.map(Stream::Tcp),
            Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    };
    match timeout(limit, opened).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            let seen = Seen::fail(layer(&error), words(&error));
            let seen = seen.but(contact(&error));
            Err(match evidence(&error) {
                Some(evidence) => seen.because(evidence),
                None => seen,
            })
        }
        Err(_) => {
            let seen = Seen::fail(Layer::L4, format!("no connection within {}", text(limit)));
            Err(seen.because(Evidence::ConnectTimeout).but(Contact::Silent))
        }
    }
}

/// Who is to blame for a connection that could not be opened. A want of ports (`EADDRNOTAVAIL`) is not ours alone: it is
/// also what an address this machine has no network for gives, and traffic does not get there either.
fn layer(error: &io::Error) -> Layer {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Layer::Here,
        _ => Layer::L4,
    }
}

/// Did the other machine say anything? What the kernel says before it sent a packet, or after it got no answer, did not
/// come from there.
fn contact(error: &io::Error) -> Contact {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::TIMEDOUT) => Contact::Silent,
        Some(
            Errno::NETUNREACH
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::HOSTDOWN
            | Errno::ADDRNOTAVAIL
            | Errno::NODEV,
        ) => Contact::NoWay,
        _ => Contact::Answered,
    }
}

/// What an IO error says of why the other side fails.
pub(crate) fn evidence(error: &io::Error) -> Option<Evidence> {
    match error.kind() {
        // A unix socket that is not there is an address at which nobody listens.
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Some(Evidence::ConnectionRefused),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            Some(Evidence::ConnectionReset)
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Evidence::Unreachable),
        ErrorKind::TimedOut => Some(Evidence::ConnectTimeout),
        _ => None,
    }
}

/// An IO error without the operating system's number, in the words people search for.
pub(crate) fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset => "connection reset".into(),
        ErrorKind::HostUnreachable => "host unreachable".into(),
        ErrorKind::NetworkUnreachable => "network unreachable".into(),
        ErrorKind::NotFound => "no such socket".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
