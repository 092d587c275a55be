//! TLS in front of the admin API: which certificate is shown now, and handshakes that end in time and are not many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_schema::config::Admin;
use evenkeel_tls::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use crate::Tls;

/// A handshake is two round trips; this is for the slowest line a person works over.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Handshakes at once: a quarter of all connections, so that peers who never finish one cannot take the place of those who
/// are in.
const HANDSHAKES_MAX: usize = 32;
/// How each record that begins a handshake begins (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;
/// The answer to whoever speaks http here, as nginx gives it.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n\
{\"error\":{\"code\":\"bad_request\",\"message\":\"this address speaks https, and this was http\",\"hint\":\"write https:// instead of http://\"}}\n";

/// How the API is spoken to over TCP.
#[derive(Clone)]
pub(crate) enum Way {
    /// By http.
    Clear,
    /// By https.
    Tls(Arc<Server>),
    /// Not at all: it should be https, and there is no certificate that is good.
    Shut,
}

impl Way {
    /// As the configuration wants it, with the certificate there is.
    pub(crate) fn of(admin: &Admin, tls: &Tls) -> Way {
        match (tls.admin(), &admin.tls) {
            (Some(server), _) => Way::Tls(server),
            (None, Some(_)) => Way::Shut,
            (None, None) => Way::Clear,
        }
    }
}

/// The way in.
pub(crate) struct Door {
    /// Set at each reload, read once per connection.
    way: Mutex<Way>,
    handshakes: Semaphore,
}

impl Door {
    pub(crate) fn new(way: Way) -> Door {
        Door {
            way: Mutex::new(way),
            handshakes: Semaphore::new(HANDSHAKES_MAX),
        }
    }

    /// From the next connection on.
    pub(crate) fn set(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }

    pub(super) fn way(&self) -> Way {
        let way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        way.clone()
    }

    /// A handshake. `None` = it did not come about, and the connection is closed. What a stranger does wrong here is no
    /// line in the log that others read.
    pub(super) async fn greet(
        &self,
        mut stream: TcpStream,
        tls: &Server,
    ) -> Option<TlsStream<TcpStream>> {
        let Ok(_permit) = self.handshakes.try_acquire() else {
            tracing::warn!(
                "{HANDSHAKES_MAX} TLS handshakes with the admin API are under way: another one is refused"
            );
            return None;
        };
        let handshake = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE_RECORD {
                stream.write_all(SPEAK_TLS).await?;
                stream.shutdown().await?;
                return Ok(None);
            }
            let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let name = hello
                .client_hello()
                .server_name()
                .map(str::to_ascii_lowercase);
            let config = tls.choose(name.as_deref()).config().clone();
            hello.into_stream(config).await.map(Some)
        };
        match tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let why = evenkeel_tls::words_of_io(&error);
                let why = why.unwrap_or_else(|| error.to_string());
                tracing::debug!("a TLS handshake with the admin API failed: {why}");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake with the admin API took too long");
                None
            }
        }
    }
}
