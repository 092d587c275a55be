//! Listeners that speak TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evenkeel_core::counters::{Handshake, Reject};
use evenkeel_tls::{Outcome, Server, Speaks};
use rustls::HandshakeKind;

use crate::certs::*;
use crate::support::*;

/// A proxy that speaks TLS by these hosts in front of one endpoint.
fn running(endpoint: &Endpoint, hosts: &[evenkeel_tls::HostFiles]) -> Running {
    let mut setup = Setup::http(&[endpoint.address]);
    setup.tls = Some(Arc::new(Server::load(hosts, Speaks::Http, None).unwrap()));
    setup.start()
}

fn connect(running: &Running, config: &Arc<rustls::ClientConfig>, name: &str) -> Client {
    secured(running.client(), config, name).unwrap()
}

fn session(client: &Client) -> &rustls::CommonState {
    client.tls.as_ref().unwrap().session()
}

fn handshakes(running: &Running, result: Handshake) -> u64 {
    running.proxy().counters().listeners["web"].sum(|w| w.handshakes(result).value())
}

/// What curl offers when it is told to speak HTTP/1.0, and nothing else beside it.
#[test]
fn a_client_that_offers_http_1_0_alone_is_served() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"http/1.0".to_vec()];
    let mut client = connect(&running, &Arc::new(config), "example.com");
    assert_eq!(session(&client).alpn_protocol(), Some(&b"http/1.0"[..]));
    client.send("GET / HTTP/1.0\r\nHost: example.com\r\n\r\n");
    assert_eq!(client.answer().text(), "a1");
}

#[test]
fn many_requests_go_over_one_connection_and_are_told_to_have_come_by_https() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = connect(&running, &Arc::new(config), "example.com");
    assert_eq!(session(&client).alpn_protocol(), Some(&b"http/1.1"[..]));
    for _ in 0..20 {
        client.send(get("/"));
        assert_eq!(client.answer().text(), "a1");
    }
    let seen = endpoint.seen();
    assert_eq!(seen.len(), 20);
    assert!(
        seen.iter()
            .all(|r| r.field("x-forwarded-proto") == Some("https"))
    );
    assert_eq!(
        endpoint
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
    assert_eq!(handshakes(&running, Handshake::Full), 1);
}

#[test]
fn an_absolute_target_has_the_scheme_that_the_client_spoke() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let config = Arc::new(authority.client(None));
    let mut client = connect(&running, &config, "example.com");
    client.send("GET https://example.com/x HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(endpoint.seen()[0].path(), "/x");
    client.send("GET http://example.com/y HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    assert_eq!(endpoint.seen().len(), 1);
}

#[test]
fn both_versions_of_tls_are_spoken() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        roots
            .add(
                rustls::pki_types::CertificateDer::from_pem_slice(authority.pem.as_bytes())
                    .unwrap(),
            )
            .unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = connect(&running, &config, "example.com");
            client.send(get("/"));
            assert_eq!(client.answer().text(), "a1");
            assert_eq!(session(&client).protocol_version(), Some(version.version));
            assert_eq!(session(&client).handshake_kind(), Some(kind));
        }
    }
    assert_eq!(handshakes(&running, Handshake::Resumed), 2);
}

#[test]
fn a_client_that_offers_only_another_protocol_is_refused_and_one_that_offers_none_is_not() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let mut config = authority.client(None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let refused = secured(running.client(), &Arc::new(config), "example.com");
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("NoApplicationProtocol"), "{why}");
    until("it is counted", || {
        handshakes(&running, Handshake::Failed) == 1
    });
    let mut client = connect(&running, &Arc::new(authority.client(None)), "example.com");
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn large_bodies_pass_both_ways_byte_for_byte() {
    let authority = Authority::new();
    let endpoint = Endpoint::http(|request| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        [head.as_bytes(), &request.body].concat()
    });
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let config = Arc::new(authority.client(None));
    let mut client = connect(&running, &config, "example.com");
    for len in [1, 100, 16_383, 16_384, 16_385, 70_000, 3_000_000] {
        let body = noise(len);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: {len}\r\n\r\n"
        ));
        client.send(&body);
        let answer = client.answer();
        assert!(answer.complete && answer.body == body, "{len}");
    }
    let body = noise(100_000);
    client.send("POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.chunks(3_333) {
        client.send([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
    assert!(client.answer().body == body);
}

#[test]
fn a_client_that_reads_slowly_gets_every_byte() {
    let authority = Authority::new();
    let body = noise(8_000_000);
    let sent = body.clone();
    let endpoint = Endpoint::http(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len());
        [head.as_bytes(), &sent].concat()
    });
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let mut client = connect(&running, &Arc::new(authority.client(None)), "example.com");
    client.send(get("/"));
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200"));
    let mut got = std::mem::take(&mut client.ahead);
    let tls = client.tls.as_mut().unwrap();
    let mut chunk = vec![0; 64 * 1024];
    for turn in 0.. {
        if got.len() == body.len() {
            break;
        }
        // The proxy meets a full socket again and again.
        if turn % 16 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let n = tls.read(&mut chunk).unwrap();
        assert_ne!(n, 0);
        got.extend_from_slice(&chunk[..n]);
    }
    assert!(got == body);
    client.send(get("/"));
    assert_eq!(client.answer().body.len(), body.len());
}

/// A client's first flight, as it would be sent.
fn hello(authority: &Authority, name: &str) -> (rustls::ClientConnection, Vec<u8>) {
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let config = Arc::new(authority.client(None));
    let mut conn = rustls::ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    conn.write_tls(&mut bytes).unwrap();
    (conn, bytes)
}

#[test]
fn a_hello_that_comes_byte_by_byte_is_understood() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let (mut conn, bytes) = hello(&authority, "example.com");
    let mut stream = TcpStream::connect(running.address).unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in bytes {
        stream.write_all(&[byte]).unwrap();
    }
    let mut tls = rustls::Stream::new(&mut conn, &mut stream);
    tls.write_all(get("/").as_bytes()).unwrap();
    let mut answer = [0; 12];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
fn what_is_not_tls_is_refused_and_counted_and_nobody_else_notices() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let running = running(&endpoint, &[authority.sign(&["example.com"]).host()]);
    let (_, hello) = hello(&authority, "example.com");
    let mut broken = hello.clone();
    broken[100] ^= 0xff;
    let half = hello[..hello.len() / 2].to_vec();
    let long = [22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff].to_vec();
    let garbage: [Vec<u8>; 4] = [get("/").into_bytes(), half, noise(40_000), long];
    for (i, bytes) in garbage.iter().enumerate() {
        let mut client = running.client();
        let _ = client.stream.write_all(bytes);
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        let said = bytes_of(&mut client);
        // An alert at most.
        assert!(said.is_empty() || said[0] == 21, "{i}: {said:?}");
        until("it is counted", || {
            handshakes(&running, Handshake::Failed) == i as u64 + 1
        });
    }
    assert_eq!(endpoint.seen().len(), 0);
    let mut client = connect(&running, &Arc::new(authority.client(None)), "example.com");
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
}

fn bytes_of(client: &mut Client) -> Vec<u8> {
    bytes(&mut client.stream)
}

#[test]
fn a_handshake_that_goes_on_for_too_long_is_cut() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let host = authority.sign(&["example.com"]).host();
    let mut setup = Setup::http(&[endpoint.address]);
    setup.tls = Some(Arc::new(Server::load(&[host], Speaks::Http, None).unwrap()));
    setup.listener.header_timeout = Duration::from_millis(200);
    let running = setup.start();
    let (mut conn, bytes) = hello(&authority, "example.com");
    // One says half a hello, one a whole one and nothing after the answer.
    let mut half = running.client();
    half.send(&bytes[..20]);
    let mut whole = running.client();
    whole.send(&bytes);
    assert!(half.ended());
    conn.read_tls(&mut whole.stream).unwrap();
    let (_, _) = rest(&mut whole);
    until("both are counted", || {
        handshakes(&running, Handshake::Timeout) == 2
    });
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_the_client_asks_for() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let hosts = [
        authority.sign(&["first.test"]).host(),
        authority.sign(&["*.shop.test"]).host(),
        authority.sign(&["www.shop.test"]).host(),
    ];
    let running = running(&endpoint, &hosts);
    let config = Arc::new(authority.client(None));
    // The test's client verifies the certificate against the name.
    for name in ["first.test", "a.shop.test", "www.shop.test"] {
        let mut client = connect(&running, &config, name);
        client.send(get("/"));
        assert_eq!(client.answer().status, 200, "{name}");
    }
    for name in ["a.b.shop.test", "shop.test", "other.test"] {
        let refused = secured(running.client(), &config, name);
        assert!(refused.is_err(), "{name} got the first host's certificate");
    }
}

#[test]
fn who_must_show_a_certificate_gets_in_by_a_good_one_only() {
    let authority = Authority::new();
    let other = Authority::new();
    let endpoint = Endpoint::named("a1");
    let host = authority
        .sign(&["example.com"])
        .host_for(Some(&authority.ca()));
    let running = running(&endpoint, &[host]);
    let good = authority.sign(&["client"]);
    let bad = other.sign(&["client"]);
    let mut client = connect(
        &running,
        &Arc::new(authority.client(Some(&good))),
        "example.com",
    );
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
    for shows in [None, Some(&bad)] {
        let config = Arc::new(authority.client(shows));
        // In TLS 1.3 the client believes to be in before it is judged.
        if let Ok(mut client) = secured(running.client(), &config, "example.com") {
            let _ = client.try_send(get("/"));
            assert_eq!(rest(&mut client), (Vec::new(), false));
        }
    }
    until("both are counted", || {
        handshakes(&running, Handshake::Failed) == 2
    });
    assert_eq!(endpoint.seen().len(), 1);
}

#[test]
fn a_request_for_a_host_with_other_rules_for_its_clients_is_misdirected() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let hosts = [
        authority.sign(&["open.test"]).host(),
        authority.sign(&["also.test"]).host(),
        authority
            .sign(&["closed.test"])
            .host_for(Some(&authority.ca())),
    ];
    let running = running(&endpoint, &hosts);
    let to = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut client = connect(&running, &Arc::new(authority.client(None)), "open.test");
    client.send(to("also.test"));
    assert_eq!(client.answer().status, 200);
    client.send(to("Closed.test:443"));
    let answer = client.answer();
    assert_eq!(answer.status, 421);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(rest(&mut client), (Vec::new(), true));
    // Nor does a certificate shown for one host say anything at another.
    let known = Arc::new(authority.client(Some(&authority.sign(&["client"]))));
    let mut client = connect(&running, &known, "closed.test");
    client.send(to("closed.test"));
    assert_eq!(client.answer().status, 200);
    client.send(to("open.test"));
    assert_eq!(client.answer().status, 421);
    assert_eq!(running.rejected(Reject::Misdirected), 2);
    assert_eq!(endpoint.seen().len(), 2);
}

#[test]
fn a_connection_ends_with_a_word_and_a_cut_answer_without_one() {
    let authority = Authority::new();
    let endpoint = Endpoint::http(|request| match request.path() {
        "/cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec(),
        _ => ok("whole"),
    });
    let cutting = Endpoint::raw(|mut client, _| {
        client.head();
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let config = Arc::new(authority.client(None));
    let host = authority.sign(&["example.com"]).host();
    let whole = running(&endpoint, std::slice::from_ref(&host));
    let mut client = connect(&whole, &config, "example.com");
    client.send("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().text(), "whole");
    assert_eq!(rest(&mut client), (Vec::new(), true));
    let cut = running(&cutting, &[host]);
    let mut client = connect(&cut, &config, "example.com");
    client.send(get("/cut"));
    let answer = client.answer();
    assert_eq!((answer.text(), answer.complete), ("half", false));
    assert!(client.cut);
}

#[test]
fn an_idle_connection_is_closed_with_a_word() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let host = authority.sign(&["example.com"]).host();
    let mut setup = Setup::http(&[endpoint.address]);
    setup.tls = Some(Arc::new(Server::load(&[host], Speaks::Http, None).unwrap()));
    setup.listener.idle_timeout = Duration::from_millis(100);
    let running = setup.start();
    let mut client = connect(&running, &Arc::new(authority.client(None)), "example.com");
    client.send(get("/"));
    assert_eq!(client.answer().status, 200);
    assert_eq!(rest(&mut client), (Vec::new(), true));
}

#[test]
fn files_are_exchanged_under_live_connections() {
    let authority = Authority::new();
    let endpoint = Endpoint::named("a1");
    let signed = authority.sign(&["example.com"]);
    let server = Arc::new(Server::load(&[signed.host()], Speaks::Http, None).unwrap());
    let mut setup = Setup::http(&[endpoint.address]);
    setup.tls = Some(server.clone());
    let running = setup.start();
    let config = Arc::new(authority.client(None));
    let shown = |client: &Client| session(client).peer_certificates().unwrap()[0].to_vec();
    let mut old = connect(&running, &config, "example.com");
    let before = shown(&old);
    // Half of the pair: the old one stays.
    let key = fs::read(&signed.key).unwrap();
    let renewed = authority.sign(&["example.com"]);
    let new_key = fs::read(&renewed.key).unwrap();
    fs::write(&signed.key, &key).unwrap();
    assert!(matches!(server.refresh()[0].outcome, Outcome::Kept(_)));
    assert!(server.refresh().is_empty());
    let fresh = Arc::new(authority.client(None));
    let mut kept = connect(&running, &fresh, "example.com");
    assert_eq!(shown(&kept), before);
    // The ticket comes with the first answer.
    kept.send(get("/"));
    assert_eq!(kept.answer().text(), "a1");
    fs::write(&signed.key, new_key).unwrap();
    assert_eq!(server.refresh()[0].outcome, Outcome::Replaced);
    let new = connect(&running, &fresh, "example.com");
    assert_eq!(session(&new).handshake_kind(), Some(HandshakeKind::Resumed));
    let unknown = Arc::new(authority.client(None));
    assert_ne!(shown(&connect(&running, &unknown, "example.com")), before);
    old.send(get("/"));
    assert_eq!(old.answer().text(), "a1");
}

#[test]
fn a_listener_that_lost_its_certificates_serves_nobody_in_clear_text() {
    let endpoint = Endpoint::named("a1");
    let mut setup = Setup::http(&[endpoint.address]);
    setup.listener.tls = vec![evenkeel_core::settings::HostTls {
        certificate: "/nowhere.pem".into(),
        key: "/nowhere.key".into(),
        client_ca: None,
    }];
    let running = setup.start();
    let mut client = running.client();
    let _ = client.stream.write_all(get("/").as_bytes());
    assert!(client.ended());
    assert_eq!(endpoint.seen().len(), 0);
}
