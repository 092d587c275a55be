//! What a hello says, however it is split, and what is no hello.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use evenkeel_tls::{HELLO_MAX, Hello, Peek, hello};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// A real client's first flight.
fn bytes(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same handshake message in records of this many bytes.
fn in_records(bytes: &[u8], of: usize) -> Vec<u8> {
    let records = bytes[5..].chunks(of).map(|part| {
        let mut record = bytes[..3].to_vec();
        record.extend((part.len() as u16).to_be_bytes());
        record.extend(part);
        record
    });
    records.collect::<Vec<_>>().concat()
}

fn name(said: &Hello) -> Option<&str> {
    match said {
        Hello::Client(hello) => hello.server_name.as_deref(),
        other => panic!("no hello: {other:?}"),
    }
}

#[test]
fn a_hello_says_whom_it_wants_and_what_it_would_speak() {
    match hello(&bytes("WWW.Shop.test")) {
        Hello::Client(hello) => {
            assert_eq!(hello.server_name.as_deref(), Some("www.shop.test"));
            assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(name(&hello(&bytes("10.0.0.1"))), None);
}

#[test]
fn a_hello_says_the_same_in_any_split_of_bytes_and_records() {
    let whole = bytes("a.test");
    for of in [1, 2, 7, 100, 10_000] {
        let records = in_records(&whole, of);
        for step in [1, 3, 1_000] {
            let mut peek = Peek::default();
            let mut said = Hello::NeedsMore;
            for (i, part) in records.chunks(step).enumerate() {
                assert_eq!(said, Hello::NeedsMore, "at part {i}");
                said = peek.push(part);
            }
            assert_eq!(name(&said), Some("a.test"), "{of} {step}");
        }
    }
}

#[test]
fn what_follows_a_hello_does_not_change_what_it_says() {
    let mut more = bytes("a.test");
    more.extend([0xff; 40_000]);
    assert_eq!(name(&hello(&more)), Some("a.test"));
}

#[test]
fn what_is_no_hello_is_refused_with_an_alert() {
    let mut wrong_type = bytes("a.test");
    wrong_type[5] = 2;
    let alert = [21, 3, 1, 0, 2, 2, 10].to_vec();
    for no_hello in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), wrong_type, alert] {
        match hello(&no_hello) {
            Hello::Refused { alert, why } => {
                assert!(alert.is_empty() || alert[0] == 21, "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_hello_must_end_within_its_bound() {
    // A handshake message that says it has 60,000 bytes, and goes on.
    let mut endless = vec![1, 0, 0xea, 0x60];
    endless.resize(60_000, 0);
    let records = in_records(&[&[22, 3, 1, 0, 0][..], &endless].concat(), 1_000);
    let mut peek = Peek::default();
    let mut given = 0;
    let said = records.chunks(500).find_map(|part| {
        given += part.len();
        let said = peek.push(part);
        (said != Hello::NeedsMore).then_some(said)
    });
    assert!(matches!(said, Some(Hello::Refused { .. })), "{said:?}");
    assert!(given <= HELLO_MAX + 500, "{given}");
    assert!(matches!(hello(&records), Hello::Refused { .. }));
}
