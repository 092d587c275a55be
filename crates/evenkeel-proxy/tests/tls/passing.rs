//! TCP listeners: TLS ended here, and TLS passed through by the name that the client asks for.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::counters::{Handshake, Reject};
use evenkeel_core::observe::{FailureKind, TlsFailure};
use evenkeel_core::settings::{HostPattern, Protocol, RouteAction};
use evenkeel_tls::{Client as Tls, Server, Speaks};

use crate::certs::*;
use crate::support::*;

/// What PostgreSQL's clients say first.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Echoes until the client's end, then says goodbye.
fn echo(over: impl Fn(Client) -> Option<Client> + Send + Sync + 'static) -> Endpoint {
    Endpoint::raw(move |client, _| {
        let Some(mut client) = over(client) else {
            return;
        };
        while client.more() {
            let echoed = std::mem::take(&mut client.ahead);
            if client.try_send(echoed).is_err() {
                return;
            }
        }
        if client.cut {
            return;
        }
        let _ = client.try_send("bye");
        if let Some(tls) = &mut client.tls {
            tls.close();
        }
    })
}

#[test]
fn a_tcp_listener_ends_tls_and_a_half_close_is_passed_on_in_both_tongues() {
    let authority = Authority::new();
    let signed = authority.sign(&["127.0.0.1", "db.test"]);
    let config = Arc::new(signed.server());
    for under_tls in [false, true] {
        let config = config.clone();
        let endpoint = echo(move |client| match under_tls {
            true => serving(client, &config),
            false => Some(client),
        });
        let mut setup = Setup::tcp(&[endpoint.address]);
        setup.tls = Some(Arc::new(
            Server::load(&[signed.host()], Speaks::Bytes, None).unwrap(),
        ));
        setup.endpoint_tls = under_tls.then(|| Arc::new(Tls::load(&authority.trusted()).unwrap()));
        let running = setup.start();
        let config = Arc::new(authority.client(None));
        let mut client = secured(running.client(), &config, "db.test").unwrap();
        for len in [1, 100, 70_000, 1_000_000] {
            let sent = noise(len);
            for part in sent.chunks(30_000) {
                client.send(part);
                assert!(client.take(part.len()) == part);
            }
        }
        client.tls.as_mut().unwrap().close();
        assert_eq!(rest(&mut client), (b"bye".to_vec(), true));
        until("it is closed", || running.proxy().open_connections() == 0);
    }
}

/// A listener that passes through, with routes from a name to the pool of these endpoints.
fn passing(endpoints: &[&Endpoint], names: &[Option<&str>]) -> Setup {
    let addresses: Vec<_> = endpoints.iter().map(|e| e.address).collect();
    let mut setup = Setup::http(&addresses);
    setup.listener.protocol = Protocol::Passthrough;
    let routes = names.iter().map(|name| {
        let mut one = route(RouteAction::Pool("app".into()));
        one.listener = Some("web".into());
        one.host = name.map(|name| match name.strip_prefix('*') {
            Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
            None => HostPattern::Exact(name.to_owned()),
        });
        one
    });
    setup.routes = routes.collect();
    setup
}

#[test]
fn the_name_in_the_hello_chooses_and_the_bytes_go_on_unchanged() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["db.test", "a.shop.test"]).server());
    let endpoint = echo(move |client| serving(client, &config));
    let running = passing(&[&endpoint], &[Some("db.test"), Some("*.shop.test")]).start();
    let config = Arc::new(authority.client(None));
    for name in ["db.test", "a.shop.test"] {
        let mut client = secured(running.client(), &config, name).unwrap();
        let sent = noise(300_000);
        for part in sent.chunks(30_000) {
            client.send(part);
            assert!(client.take(part.len()) == part);
        }
        client.tls.as_mut().unwrap().close();
        assert_eq!(rest(&mut client), (b"bye".to_vec(), true));
    }
    let refused = secured(running.client(), &config, "other.test")
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("UnrecognisedName"),
        "{refused}"
    );
    assert_eq!(running.rejected(Reject::NoRoute), 1);
}

#[test]
fn a_client_that_names_nobody_takes_a_route_without_host() {
    let authority = Authority::new();
    let config = Arc::new(authority.sign(&["127.0.0.1"]).server());
    let endpoint = echo(move |client| serving(client, &config));
    let mut config = authority.client(None);
    config.enable_sni = false;
    let config = Arc::new(config);
    let named = passing(&[&endpoint], &[Some("db.test")]).start();
    assert!(secured(named.client(), &config, "127.0.0.1").is_err());
    let any = passing(&[&endpoint], &[Some("db.test"), None]).start();
    assert!(secured(any.client(), &config, "127.0.0.1").is_ok());
}

#[test]
fn routes_of_other_listeners_and_what_is_no_tls_lead_nowhere() {
    let endpoint = echo(Some);
    let mut setup = passing(&[&endpoint], &[None, Some("db.test")]);
    setup.routes[0].listener = None;
    setup.routes[1].listener = Some("other".into());
    let running = setup.start();
    let authority = Authority::new();
    let config = Arc::new(authority.client(None));
    assert!(secured(running.client(), &config, "db.test").is_err());
    for (i, bytes) in [get("/").into_bytes(), vec![0; 8], noise(20_000)]
        .iter()
        .enumerate()
    {
        let mut client = running.client();
        let _ = client.stream.write_all(bytes);
        let _ = client.stream.shutdown(Shutdown::Write);
        bytes_to_end(&mut client);
        let handshakes =
            |w: &evenkeel_core::counters::ListenerWorker| w.handshakes(Handshake::Failed).value();
        until("it is counted", || {
            running.proxy().counters().listeners["web"].sum(handshakes) == i as u64 + 1
        });
    }
    let connections = &endpoint.connections;
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

fn bytes_to_end(client: &mut Client) {
    bytes(&mut client.stream);
}

/// An endpoint as PostgreSQL is: asked in clear text first.
fn postgres(authority: &Authority, says: &'static [u8]) -> Endpoint {
    let config = Arc::new(authority.sign(&["db.test"]).server());
    echo(move |mut client| {
        assert_eq!(client.take(8), SSL_REQUEST);
        client.send(says);
        if says != b"S" {
            rest(&mut client);
            return None;
        }
        serving(client, &config)
    })
}

#[test]
fn a_postgres_client_is_answered_and_its_endpoint_asked() {
    let authority = Authority::new();
    let endpoint = postgres(&authority, b"S");
    let running = passing(&[&endpoint], &[Some("db.test")]).start();
    let config = Arc::new(authority.client(None));
    for first_for_gss in [false, true] {
        let mut client = running.client();
        if first_for_gss {
            client.send([0, 0, 0, 8, 4, 210, 22, 48]);
            assert_eq!(client.take(1), b"N");
        }
        // In two parts.
        client.send(&SSL_REQUEST[..3]);
        std::thread::sleep(Duration::from_millis(5));
        client.send(&SSL_REQUEST[3..]);
        assert_eq!(client.take(1), b"S");
        let mut client = secured(client, &config, "db.test").unwrap();
        client.send("select 1");
        assert_eq!(client.take(8), b"select 1");
    }
}

#[test]
fn a_postgres_endpoint_that_does_not_just_say_yes_is_left() {
    let authority = Authority::new();
    let config = Arc::new(authority.client(None));
    for (says, why) in [
        (&b"N"[..], TlsFailure::Refused),
        (b"Sand more", TlsFailure::Protocol),
        (b"E", TlsFailure::Protocol),
    ] {
        let bad = postgres(&authority, says);
        let good = postgres(&authority, b"S");
        let mut running = passing(&[&bad, &good], &[Some("db.test")])
            .pool(|table| table.policy.name = "first".into())
            .start();
        let mut client = running.client();
        client.send(SSL_REQUEST);
        assert_eq!(client.take(1), b"S");
        let mut client = secured(client, &config, "db.test").unwrap();
        client.send("select 1");
        assert_eq!(client.take(8), b"select 1");
        assert_eq!(running.failures()[0].kind, FailureKind::Tls(why));
    }
}

#[test]
fn nothing_that_was_said_before_tls_is_taken_for_part_of_it() {
    let authority = Authority::new();
    let endpoint = postgres(&authority, b"S");
    let running = passing(&[&endpoint], &[Some("db.test")]).start();
    let mut client = running.client();
    client.send([&SSL_REQUEST[..], b"injected"].concat());
    let mut said = Vec::new();
    let _ = client.stream.read_to_end(&mut said);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(
        endpoint
            .connections
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}
