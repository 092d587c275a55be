//! Accepting admin connections: few at once, none for ever.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{AddressFamily, getsockname};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Door, Peer, Way, router};
use crate::ask::Asker;

/// Connections at once: dashboards, scrapers and people; each costs a descriptor and a buffer.
const CONNECTIONS_MAX: usize = 128;
/// A request's head, and the pause between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection lasts no longer, so that one whose caller stopped reading is not held for ever.
const CONNECTION_WITHIN: Duration = Duration::from_secs(300);
/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A request's head, bytes; hyper's smallest is 8 KiB.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Serves the API on these listening sockets until the runtime ends.
pub(crate) fn serve(listeners: Vec<OwnedFd>, asker: Asker, door: Arc<Door>) -> io::Result<()> {
    let server = Arc::new(Server {
        router: router(asker),
        door,
        permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
    });
    for fd in listeners {
        let family = getsockname(&fd)?.address_family();
        rustix::io::ioctl_fionbio(&fd, true)?;
        if family == AddressFamily::UNIX {
            let listener = UnixListener::from_std(fd.into())?;
            tokio::spawn(server.clone().accept_unix(listener));
        } else {
            let listener = TcpListener::from_std(fd.into())?;
            tokio::spawn(server.clone().accept_tcp(listener));
        }
    }
    Ok(())
}

struct Server {
    router: Router,
    door: Arc<Door>,
    permits: Arc<Semaphore>,
}

impl Server {
    async fn accept_tcp(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = listener.accept().await;
            match accepted.and_then(|(stream, peer)| Ok((stream.local_addr()?, stream, peer))) {
                Ok((local, stream, peer)) => self.admit(stream, peer, local),
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn accept_unix(self: Arc<Self>, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    if let Some(permit) = self.permit() {
                        tokio::spawn(exchange(self.router.clone(), stream, Peer::Unix, permit));
                    }
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    /// Serves one connection over TCP, after its handshake where there is a certificate.
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
        let Some(permit) = self.permit() else {
            return;
        };
        let server = self.clone();
        tokio::spawn(async move {
            let router = server.router.clone();
            let peer = |certified| Peer::Tcp {
                peer,
                local,
                certified,
            };
            let tls = match server.door.way() {
                Way::Clear => return exchange(router, stream, peer(false), permit).await,
                Way::Tls(tls) => tls,
                Way::Shut => return,
            };
            if let Some(stream) = server.door.greet(stream, &tls).await {
                // Verified in the handshake: a certificate of nobody we know ends it.
                let certified = stream.get_ref().1.peer_certificates().is_some();
                exchange(router, stream, peer(certified), permit).await;
            }
        });
    }

    /// One connection too many is closed at once, which says more than silence.
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = self.permits.clone().try_acquire_owned();
        if permit.is_err() {
            tracing::warn!("{CONNECTIONS_MAX} admin connections are open: another one is closed");
        }
        permit.ok()
    }
}

/// Answers what comes over one connection.
async fn exchange<S>(router: Router, stream: S, peer: Peer, permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        call(router.clone(), request.map(axum::body::Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // What a caller does to its own connection is no concern of ours.
    let _ = tokio::time::timeout(CONNECTION_WITHIN, connection).await;
    drop(permit);
}

async fn call(
    router: Router,
    request: Request,
) -> Result<axum::response::Response, std::convert::Infallible> {
    use hyper::service::Service;
    hyper_util::service::TowerToHyperService::new(router)
        .call(request)
        .await
}

async fn pause(error: &io::Error) {
    tracing::debug!("an admin connection could not be accepted: {error}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
