//! TLS to endpoints: verified before a byte of a request is written, and pooled.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use evenkeel_core::observe::{FailureKind, TlsFailure};
use evenkeel_tls::{Client as Tls, ClientFiles};
use rustls::ServerConfig;

use crate::certs::*;
use crate::support::*;

/// An endpoint that speaks HTTP under TLS.
fn secured_endpoint(config: ServerConfig, name: &'static str) -> Endpoint {
    let config = Arc::new(config);
    Endpoint::http_over(move |client| serving(client, &config), move |_| ok(name))
}

fn setup(addresses: &[std::net::SocketAddr], files: &ClientFiles) -> Setup {
    let mut setup = Setup::http(addresses);
    setup.endpoint_tls = Some(Arc::new(Tls::load(files).unwrap()));
    setup
}

#[test]
fn requests_go_under_tls_over_connections_that_are_kept() {
    let authority = Authority::new();
    // An address is configured, so an address the certificate must have.
    let signed = authority.sign(&["127.0.0.1"]);
    let endpoint = secured_endpoint(signed.server(), "secret");
    let running = setup(&[endpoint.address], &authority.trusted()).start();
    let mut client = running.client();
    for _ in 0..10 {
        client.send(get("/"));
        assert_eq!(client.answer().text(), "secret");
        client.send(post("/", "posted"));
        assert_eq!(client.answer().text(), "secret");
    }
    assert_eq!(endpoint.connections.load(SeqCst), 1);
    assert_eq!(endpoint.seen()[0].field("x-forwarded-proto"), Some("http"));
}

#[test]
fn bodies_pass_both_ways_byte_for_byte() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["127.0.0.1"]).server());
    let endpoint = Endpoint::http_over(
        move |client| serving(client, &config),
        |request| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                request.body.len()
            );
            [head.as_bytes(), &request.body].concat()
        },
    );
    let running = setup(&[endpoint.address], &authority.trusted()).start();
    let mut client = running.client();
    for len in [1, 16_384, 70_000, 3_000_000] {
        let body = noise(len);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: {len}\r\n\r\n"
        ));
        client.send(&body);
        assert!(client.answer().body == body, "{len}");
    }
}

#[test]
fn an_endpoint_that_is_not_what_it_should_be_gets_nothing_and_the_answer_says_why() {
    let authority = Authority::new();
    let stranger = Authority::named("stranger");
    let expired = authority.sign_with(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let plain = Endpoint::raw(|mut client, _| {
        client.more();
        let _ = client.try_send(status(400, "in clear text"));
        rest(&mut client);
    });
    let cases = [
        (
            expired.server(),
            TlsFailure::Expired,
            "tls_certificate_error",
        ),
        (
            stranger.sign(&["127.0.0.1"]).server(),
            TlsFailure::UnknownIssuer,
            "tls_certificate_error",
        ),
        (
            authority.sign(&["other.test"]).server(),
            TlsFailure::WrongName,
            "tls_certificate_error",
        ),
    ];
    for (config, why, word) in cases {
        let endpoint = secured_endpoint(config, "secret");
        let mut running = setup(&[endpoint.address], &authority.trusted()).start();
        let answer = running.once(&post("/", "not for them"));
        assert_eq!(answer.status, 502);
        let status = answer.field("proxy-status").unwrap();
        assert!(status.contains(word), "{status}");
        assert!(status.contains("certificate not trusted"), "{status}");
        assert_eq!(running.failures()[0].kind, FailureKind::Tls(why));
        assert_eq!(endpoint.seen().len(), 0);
    }
    let mut running = setup(&[plain.address], &authority.trusted()).start();
    let answer = running.once(&get("/"));
    assert_eq!(answer.status, 502);
    assert!(matches!(running.failures()[0].kind, FailureKind::Tls(_)));
}

#[test]
fn what_an_endpoint_says_before_it_is_spoken_to_is_not_believed() {
    let authority = Authority::new();
    let endpoint = Endpoint::raw(|mut client, _| {
        let _ = client.try_send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlies");
        let _ = rest(&mut client);
    });
    let mut running = setup(&[endpoint.address], &authority.trusted()).start();
    let answer = running.once(&get("/"));
    assert_eq!(answer.status, 502);
    assert!(
        answer
            .field("proxy-status")
            .unwrap()
            .contains("tls_protocol_error")
    );
    let kind = running.failures()[0].kind;
    assert_eq!(kind, FailureKind::Tls(TlsFailure::Protocol));
}

#[test]
fn a_post_goes_to_another_endpoint_after_tls_with_the_first_failed() {
    let authority = Authority::new();
    let bad = secured_endpoint(authority.sign(&["other.test"]).server(), "bad");
    let good = secured_endpoint(authority.sign(&["127.0.0.1"]).server(), "good");
    let running = setup(&[bad.address, good.address], &authority.trusted()).start();
    for _ in 0..4 {
        assert_eq!(running.once(&post("/", "once")).text(), "good");
    }
    assert_eq!(bad.seen().len(), 0);
    assert_eq!(good.seen().len(), 4);
}

#[test]
fn a_name_and_a_certificate_of_our_own_are_shown() {
    let authority = Authority::new();
    let signed = authority.sign(&["api.internal"]);
    let shown = authority.sign(&["balancer"]);
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    let ca = rustls::pki_types::CertificateDer::from_pem_file(authority.ca()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    )
    .build()
    .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![rustls::pki_types::CertificateDer::from_pem_file(&signed.certificate).unwrap()],
            rustls::pki_types::PrivateKeyDer::from_pem_file(&signed.key).unwrap(),
        )
        .unwrap();
    let endpoint = secured_endpoint(config, "known");
    let mut files = ClientFiles {
        server_name: Some("api.internal".to_owned()),
        certificate: Some(shown.certificate),
        key: Some(shown.key),
        ..authority.trusted()
    };
    let running = setup(&[endpoint.address], &files).start();
    assert_eq!(running.once(&get("/")).text(), "known");
    (files.certificate, files.key) = (None, None);
    let running = setup(&[endpoint.address], &files).start();
    assert_eq!(running.once(&get("/")).status, 502);
    assert_eq!(endpoint.seen().len(), 1);
}

#[test]
fn an_answer_that_ends_with_the_connection_is_whole_only_if_its_end_is_announced() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["127.0.0.1"]).server());
    for announced in [true, false] {
        let config = config.clone();
        let endpoint = Endpoint::raw(move |client, _| {
            let Some(mut client) = serving(client, &config) else {
                return;
            };
            client.head();
            client.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
            if announced {
                client.tls.as_mut().unwrap().close();
            }
        });
        let running = setup(&[endpoint.address], &authority.trusted()).start();
        let answer = running.once(&get("/"));
        assert_eq!(answer.text(), "until the end");
        assert_eq!(answer.complete, announced);
    }
}

#[test]
fn a_handshake_that_does_not_end_counts_as_a_connection_that_did_not_come_about() {
    let authority = Authority::new();
    let endpoint = Endpoint::raw(|mut client, _| {
        let _ = rest(&mut client);
    });
    let mut running = setup(&[endpoint.address], &authority.trusted())
        .pool(|table| table.transport.connect_timeout = Duration::from_millis(100))
        .start();
    assert_eq!(running.once(&get("/")).status, 504);
    assert_eq!(running.failures()[0].kind, FailureKind::ConnectTimeout);
}

#[test]
fn an_idle_connection_that_gets_a_ticket_is_kept_and_one_that_ended_is_not() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["127.0.0.1"]).server());
    // Answers once, and then, when told to, refreshes its keys: bytes on an idle connection that are no answer.
    let (told, tell) = std::sync::mpsc::channel::<bool>();
    let tell = std::sync::Mutex::new(tell);
    let endpoint = Endpoint::raw(move |client, _| {
        let conn = rustls::ServerConnection::new(config.clone()).unwrap();
        let mut tls = rustls::StreamOwned::new(conn, client.stream.try_clone().unwrap());
        let mut request = [0; 4096];
        while let Ok(1..) = std::io::Read::read(&mut tls, &mut request) {
            tls.write_all(&ok("kept")).unwrap();
            match tell.lock().unwrap().recv() {
                Ok(true) => {
                    tls.conn.refresh_traffic_keys().unwrap();
                    tls.flush().unwrap();
                }
                _ => {
                    tls.conn.send_close_notify();
                    tls.flush().unwrap();
                    return;
                }
            }
        }
    });
    let running = setup(&[endpoint.address], &authority.trusted()).start();
    let mut client = running.client();
    for again in [true, true, false] {
        client.send(get("/"));
        assert_eq!(client.answer().text(), "kept");
        told.send(again).unwrap();
        // It is at rest now, and what the endpoint says for itself arrives at its own pace: loopback needs no more.
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(endpoint.connections.load(SeqCst), 1);
    client.send(post("/", "sent once"));
    told.send(true).unwrap();
    assert_eq!(client.answer().text(), "kept");
    assert_eq!(endpoint.connections.load(SeqCst), 2);
}

#[test]
fn what_an_endpoint_says_behind_its_answer_is_nobodys_answer() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["127.0.0.1"]).server());
    // As much as is read at once, in a record of its own, and a lie in the next; both arrive together.
    let body = noise(16 * 1024 - 100);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = [head.as_bytes(), &body].concat();
    let wanted = body.clone();
    for room_left in [0, 1, 40, 100 - head.len(), 200] {
        let mut answer = answer.clone();
        answer.truncate(16 * 1024 - room_left);
        let length = answer.len() - head.len();
        let told = format!("HTTP/1.1 200 OK\r\nContent-Length: {length:5}\r\n\r\n");
        assert_eq!(told.len(), head.len());
        answer[..told.len()].copy_from_slice(told.as_bytes());
        let config = config.clone();
        let endpoint = Endpoint::raw(move |client, number| {
            let Some(mut client) = serving(client, &config) else {
                return;
            };
            while client.head().is_some() {
                let lie = if number == 0 { ok("a lie") } else { Vec::new() };
                let both = [answer.clone(), lie].concat();
                client.send(both);
            }
        });
        let running = setup(&[endpoint.address], &authority.trusted()).start();
        let mut client = running.client();
        for _ in 0..2 {
            client.send(get("/"));
            let answer = client.answer();
            assert!(
                answer.body == wanted[..length],
                "{room_left}: {}",
                answer.head
            );
        }
    }
}

#[test]
fn a_change_of_trust_leaves_no_connection_of_before_in_use() {
    let authority = Authority::new();
    let endpoint = secured_endpoint(authority.sign(&["127.0.0.1"]).server(), "secret");
    let running = setup(&[endpoint.address], &authority.trusted()).start();
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(client.answer().text(), "secret");
    let stranger = Authority::named("stranger");
    *running.endpoint_tls.lock().unwrap() = Some(Arc::new(Tls::load(&stranger.trusted()).unwrap()));
    running.apply();
    client.send(get("/"));
    assert_eq!(client.answer().status, 502);
}
