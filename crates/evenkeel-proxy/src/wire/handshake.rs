//! How TLS comes about: with a client, whose hello chooses the host; with an endpoint, whose certificate must be right.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker, ready};

use evenkeel_core::counters::{Handshake, Reject};
use evenkeel_core::observe::TlsFailure;
use evenkeel_core::time::Time;
use evenkeel_tls::{Client, Server, Speaks};
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{CertificateError, Error};

use super::Stream;
use super::hello::{HelloError, peek};
use super::session::{Session, Side, Sink, broken};
use crate::rt::{self, Timer};
use crate::worker::{Conn, ListenerView};

/// Reads in one poll, after which others get their turn.
const READS: u32 = 16;

/// TLS with a client where it is spoken, counted. A listener that should and has nothing to speak it with serves nobody.
pub(crate) async fn secure(
    listener: &ListenerView,
    conn: &Conn,
    raw: rt::Stream,
) -> Option<Stream> {
    if !listener.speaks_tls() {
        return Some(raw.into());
    }
    let server = listener.tls()?;
    let began = rt::now();
    let deadline = began + listener.settings().header_timeout;
    // Boxed, so that a connection has no room for it once it is over.
    let accepting = Box::pin(accept(raw, server, &conn.timer, deadline));
    let Some((stream, how)) = conn.unless_it_must_go(began, accepting).await else {
        listener.reject(Reject::MadeRoom);
        return None;
    };
    listener.counters().handshakes(how).inc();
    stream
}

/// Answers a client's handshake, by the host that it names. Also says how it went; the reason of a failure is worth a line
/// only to who looks for it, since anybody can cause it.
async fn accept(
    raw: rt::Stream,
    server: &Server,
    timer: &Timer,
    deadline: Time,
) -> (Option<Stream>, Handshake) {
    match accepted(&raw, server, timer, deadline).await {
        Ok(session) => {
            let how = match session.was_resumed() {
                true => Handshake::Resumed,
                false => Handshake::Full,
            };
            (Some(Stream::sealed(raw, session)), how)
        }
        Err(HelloError::Late) => (None, Handshake::Timeout),
        Err(HelloError::Gone) => (None, Handshake::Failed),
        Err(HelloError::Refused { why, alert }) => {
            tracing::debug!(why, "a TLS handshake failed");
            refuse(&raw, &alert);
            (None, Handshake::Failed)
        }
    }
}

/// Tells a client why there is no TLS, as far as its socket takes it, and nothing after that.
pub(crate) fn refuse(raw: &rt::Stream, alert: &[u8]) {
    if !alert.is_empty() {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = raw.poll_write(&mut cx, alert);
    }
    raw.shutdown_write();
}

async fn accepted(
    raw: &rt::Stream,
    server: &Server,
    timer: &Timer,
    deadline: Time,
) -> Result<Session, HelloError> {
    let opening = peek(raw, timer, deadline, false).await?;
    let host = server.choose(opening.hello.server_name.as_deref());
    let conn = UnbufferedServerConnection::new(host.config().clone());
    let conn = conn.map_err(|error| HelloError::Refused {
        why: error.to_string(),
        alert: Vec::new(),
    })?;
    let mut session = Session::new(Side::Server(conn), Some(host));
    session.incoming.push(&opening.bytes);
    drop(opening);
    let shaken = poll_fn(|cx| session.poll_handshake(cx, raw));
    match timer
        .within(deadline, shaken)
        .await
        .ok_or(HelloError::Late)?
    {
        Ok(()) => Ok(session),
        Err(error) => Err(HelloError::Refused {
            why: error.to_string(),
            alert: session.outgoing.bytes().to_vec(),
        }),
    }
}

/// Makes a fresh connection to an endpoint one under TLS. The caller bounds how long it may take.
pub(crate) async fn connect(
    raw: rt::Stream,
    client: &Client,
    host: &str,
    speaks: Speaks,
) -> Result<Stream, TlsFailure> {
    // What it says before it is spoken to could be anybody's.
    if !raw.is_quiet() {
        return Err(TlsFailure::Protocol);
    }
    let name = client.server_name(host).map_err(|problem| {
        tracing::debug!(%problem, "no TLS with an endpoint");
        TlsFailure::WrongName
    })?;
    let conn = UnbufferedClientConnection::new(client.config(speaks), name);
    let conn = conn.map_err(|error| failure(&broken(error)))?;
    let mut session = Session::new(Side::Client(conn), None);
    match poll_fn(|cx| session.poll_handshake(cx, &raw)).await {
        Ok(()) => Ok(Stream::sealed(raw, session)),
        Err(error) => {
            tracing::debug!(%error, host, "no TLS with an endpoint");
            refuse(&raw, session.outgoing.bytes());
            Err(failure(&error))
        }
    }
}

impl Session {
    fn poll_handshake(&mut self, cx: &mut Context<'_>, raw: &rt::Stream) -> Poll<io::Result<()>> {
        for _ in 0..READS {
            let mut aside = Sink::aside();
            // A client begins with nothing to go by.
            self.open_held(&mut aside).map_err(broken)?;
            if self.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            if !self.is_handshaking() {
                if self.is_tls12() {
                    // The last word may be ours, and the peer waits for it. That of TLS 1.3 goes with what comes next.
                    self.poll_flush(cx, raw)?;
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_more(cx, raw, &mut aside))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a failed handshake with an endpoint says about it.
fn failure(error: &io::Error) -> TlsFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        None => TlsFailure::Closed,
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFailure::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFailure::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName
            }
            CertificateError::UnknownIssuer => TlsFailure::UnknownIssuer,
            _ => TlsFailure::Untrusted,
        },
        Some(Error::NoCertificatesPresented) => TlsFailure::Untrusted,
        Some(Error::AlertReceived(_)) => TlsFailure::Refused,
        Some(_) => TlsFailure::Protocol,
    }
}
