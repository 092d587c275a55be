//! The handshake of a check, with the pool's own trust, name and certificate, and words for how it failed.
//!
//! A check never resumes a session: a resumed one shows no certificate, and the certificate is what it has to see.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::diagnose::Evidence;
use evenkeel_core::observe::Contact;
use evenkeel_core::settings::CheckKind;
use evenkeel_tls::Speaks;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;

use crate::stream::{Stream, words};
use crate::{Layer, Seen, Tls, text};

/// TLS on an open connection, until `deadline`; `limit` is what the whole check may take, for the words.
pub(crate) async fn handshake(
    stream: Stream,
    tls: Tls<'_>,
    kind: &CheckKind,
    deadline: Instant,
    limit: Duration,
) -> Result<Stream, Seen> {
    let fail = |detail: String| {
        Seen::fail(Layer::L6, format!("tls: {detail}")).because(Evidence::TlsFailed)
    };
    let name = tls.client.server_name(tls.host);
    let name = name.map_err(|problem| fail(problem.to_string()))?;
    let speaks = match kind {
        CheckKind::Tcp => Speaks::Bytes,
        CheckKind::Http { .. } => Speaks::Http,
    };
    let mut config = ClientConfig::clone(&tls.client.config(speaks));
    config.resumption = Resumption::disabled();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match timeout_at(deadline, connecting).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            let seen = fail(match evenkeel_tls::words_of_io(&error) {
                Some(why) => why,
                None if error.kind() == ErrorKind::UnexpectedEof => {
                    "connection closed in the handshake".into()
                }
                None => words(&error),
            });
            Err(match evenkeel_tls::says_expired(&error) {
                true => seen.because(Evidence::CertificateExpired),
                false => seen,
            })
        }
        Err(_) => {
            let seen = fail(format!("no handshake within {}", text(limit)));
            Err(seen.because(Evidence::NoAnswer).but(Contact::TimedOut))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;
    use std::sync::mpsc;

    use evenkeel_core::address::Address;
    use evenkeel_core::settings::CheckSettings;
    use evenkeel_tls::testing::Authority;
    use evenkeel_tls::{Client, ClientFiles, HostFiles, Server};
    use tokio_rustls::rustls::{HandshakeKind, ServerConnection, StreamOwned};

    use super::*;
    use crate::run;

    const LONG: Duration = Duration::from_secs(20);

    fn http() -> CheckSettings {
        CheckSettings {
            kind: CheckKind::Http {
                path: "/healthz".into(),
                host: None,
                headers: Vec::new(),
                expect: vec![(200, 399)],
                body: Some("well".into()),
            },
            timeout: LONG,
            ..CheckSettings::default()
        }
    }

    fn tcp(timeout: Duration) -> CheckSettings {
        CheckSettings {
            timeout,
            ..CheckSettings::default()
        }
    }

    /// A real https server with this certificate, which answers every request the same.
    fn server(files: &HostFiles) -> SocketAddr {
        server_that_tells(files, mpsc::channel().0)
    }

    /// One that also tells whether each handshake was a whole one.
    fn server_that_tells(files: &HostFiles, kinds: mpsc::Sender<HandshakeKind>) -> SocketAddr {
        let server = Server::load(std::slice::from_ref(files), Speaks::Http, None);
        let server = server.unwrap_or_else(|problems| panic!("{problems:?}"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = server.choose(None).config().clone();
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let mut head = [0; 1024];
                // The client may refuse the certificate, or have had enough.
                if stream.read(&mut head).is_ok_and(|n| n > 0) {
                    // Not every test listens.
                    let _ = kinds.send(stream.conn.handshake_kind().unwrap());
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell");
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        address
    }

    fn client(folder: &Path, ca: &Authority, server_name: &str, shows: bool) -> Client {
        let shown = |end: &str| shows.then(|| folder.join(format!("client.{end}")));
        let files = ClientFiles {
            ca: Some(ca.write(folder, "ca")),
            server_name: Some(server_name.to_owned()),
            certificate: shown("pem"),
            key: shown("key"),
        };
        Client::load(&files).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    async fn seen(
        check: &CheckSettings,
        address: SocketAddr,
        client: &Client,
    ) -> (bool, Layer, String) {
        let host = address.ip().to_string();
        let tls = Tls {
            client,
            host: &host,
        };
        let outcome = run(
            check,
            &Address::Ip(address),
            &address.to_string(),
            Some(tls),
        )
        .await;
        (outcome.passed, outcome.layer, outcome.detail)
    }

    #[tokio::test]
    async fn a_check_over_tls_sees_what_is_behind_a_certificate_that_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        let address = server(&ca.sign(&["app.internal"], 90).write(folder.path(), "app"));
        let client = client(folder.path(), &ca, "app.internal", false);
        let http = seen(&http(), address, &client).await;
        assert_eq!(http, (true, Layer::L7, "HTTP 200".into()));
        let tcp = seen(&tcp(LONG), address, &client).await;
        assert_eq!(tcp, (true, Layer::L6, "connected over TLS".into()));
    }

    #[tokio::test]
    async fn a_check_sees_the_certificate_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        let files = ca.sign(&["app.internal"], 90).write(folder.path(), "app");
        let (kinds_in, kinds) = mpsc::channel();
        let address = server_that_tells(&files, kinds_in);
        let client = client(folder.path(), &ca, "app.internal", false);
        for _ in 0..3 {
            let (passed, _, detail) = seen(&http(), address, &client).await;
            assert!(passed, "{detail}");
            assert_eq!(kinds.recv().unwrap(), HandshakeKind::Full);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_certificate_is_the_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let (ca, other) = (Authority::new("ca"), Authority::new("other"));
        let good = server(&ca.sign(&["app.internal"], 90).write(folder.path(), "good"));
        let expired = server(&ca.sign(&["app.internal"], -2).write(folder.path(), "old"));
        let strange = server(
            &other
                .sign(&["app.internal"], 9)
                .write(folder.path(), "strange"),
        );
        let named = client(folder.path(), &ca, "app.internal", false);
        let misnamed = client(folder.path(), &ca, "web.internal", false);
        for check in [http(), tcp(LONG)] {
            let (passed, layer, detail) = seen(&check, expired, &named).await;
            assert!(!passed && layer == Layer::L6, "{detail}");
            assert!(
                detail.starts_with("tls: certificate expired on 20"),
                "{detail}"
            );
            let (passed, layer, detail) = seen(&check, good, &misnamed).await;
            assert!(!passed && layer == Layer::L6);
            assert_eq!(
                detail,
                "tls: name web.internal not in certificate (has app.internal)"
            );
            let (passed, layer, detail) = seen(&check, strange, &named).await;
            assert!(!passed && layer == Layer::L6);
            assert_eq!(
                detail,
                "tls: certificate not signed by an authority that is trusted"
            );
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_wants_a_client_certificate_sees_the_pools_own() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        ca.sign(&["lb-1"], 90).write(folder.path(), "client");
        let files = HostFiles {
            client_ca: Some(ca.write(folder.path(), "clients")),
            ..ca.sign(&["app.internal"], 90).write(folder.path(), "app")
        };
        let address = server(&files);
        let shows = client(folder.path(), &ca, "app.internal", true);
        let (passed, _, detail) = seen(&http(), address, &shows).await;
        assert!(passed, "{detail}");
        let hides = client(folder.path(), &ca, "app.internal", false);
        let (passed, layer, detail) = seen(&http(), address, &hides).await;
        assert!(!passed && layer == Layer::L6, "{detail}");
        assert_eq!(detail, "tls: it wants a client certificate");
    }

    #[tokio::test]
    async fn a_server_without_tls_and_one_that_says_nothing_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        let client = client(folder.path(), &ca, "app.internal", false);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let clear = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });
        let (_, layer, detail) = seen(&tcp(LONG), clear, &client).await;
        assert_eq!(
            (layer, detail.as_str()),
            (Layer::L6, "tls: the answer is not TLS")
        );
        // Accepted by the kernel, and then nothing.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let limit = Duration::from_millis(150);
        let (_, layer, detail) = seen(&tcp(limit), silent.local_addr().unwrap(), &client).await;
        assert_eq!(
            (layer, detail.as_str()),
            (Layer::L6, "tls: no handshake within 150ms")
        );
    }
}
