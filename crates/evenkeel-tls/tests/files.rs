//! What becomes of files: chosen by name, told to be wrong, exchanged under live traffic; and what a session is good for.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_tls::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};

struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        fs::write(folder.path().join("ca.pem"), pem).unwrap();
        Authority {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Signs for these names, into files with this name.
    fn sign(&self, file: &str, names: &[&str]) -> HostFiles {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, file);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        HostFiles {
            certificate: self.write(&format!("{file}.pem"), certificate.pem()),
            key: self.write(&format!("{file}.key"), key.serialize_pem()),
            client_ca: None,
        }
    }

    /// A client that trusts it, and shows what is in these files.
    fn client(&self, shows: Option<&HostFiles>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.path("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let chain = CertificateDer::from_pem_file(&files.certificate).unwrap();
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        Arc::new(config)
    }
}

fn load(hosts: &[HostFiles]) -> Result<Server, Vec<Problem>> {
    Server::load(hosts, Speaks::Http, None)
}

fn problems(hosts: &[HostFiles]) -> Vec<Problem> {
    load(hosts).err().expect("something is wrong with them")
}

/// A handshake in memory, with the tickets behind it.
fn handshake(
    client: &Arc<ClientConfig>,
    name: &str,
    host: &Host,
) -> Result<HandshakeKind, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(host.config().clone()).unwrap();
    for _ in 0..4 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server.handshake_kind().unwrap())
}

#[test]
fn the_exact_name_is_chosen_before_the_wildcard_and_the_first_if_none_fits() {
    let authority = Authority::new();
    let server = load(&[
        authority.sign("first", &["first.test", "127.0.0.1"]),
        authority.sign("any", &["*.shop.test"]),
        authority.sign("www", &["www.shop.test", "first.test"]),
    ])
    .unwrap();
    for (name, file) in [
        (Some("www.shop.test"), "www.pem"),
        (Some("a.shop.test"), "any.pem"),
        (Some("a.b.shop.test"), "first.pem"),
        (Some("shop.test"), "first.pem"),
        (Some(".shop.test"), "first.pem"),
        (Some(""), "first.pem"),
        (Some("first.test"), "first.pem"),
        (Some("127.0.0.1"), "first.pem"),
        (None, "first.pem"),
    ] {
        let chosen = server.choose(name);
        assert!(chosen.files().certificate.ends_with(file), "{name:?}");
    }
}

#[test]
fn a_certificate_shows_its_names_and_its_time() {
    let authority = Authority::new();
    let mut params = CertificateParams::new(vec!["A.test".into(), "::1".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let expired = HostFiles {
        certificate: authority.write("old.pem", certificate.pem()),
        key: authority.write("old.key", key.serialize_pem()),
        client_ca: None,
    };
    let nameless = authority.sign("nameless", &[]);
    // Expired is no reason not to start.
    let views = load(&[expired.clone(), nameless]).unwrap().certificates();
    assert_eq!(views[0].certificate, expired.certificate);
    assert_eq!(views[0].names, ["a.test", "::1"]);
    assert_eq!(views[0].issuer, "test authority");
    assert_eq!(views[0].not_before, 1_577_836_800);
    assert_eq!(views[0].not_after, 1_609_459_200);
    assert_eq!(views[1].names, ["nameless"]);
    assert_eq!(views[1].index, 1);
    assert!(views[1].problems.is_empty());
}

#[test]
fn every_kind_of_key_file_is_taken() {
    let authority = Authority::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for kind in [
        "pkcs8-ec",
        "sec1-ec",
        "pkcs8-rsa",
        "pkcs1-rsa",
        "pkcs8-ed25519",
    ] {
        let files = HostFiles {
            certificate: keys.join(format!("{kind}.pem")),
            key: keys.join(format!("{kind}.key")),
            client_ca: None,
        };
        let server = load(&[files]);
        assert!(server.is_ok(), "{kind}: {:?}", server.err());
    }
    drop(authority);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_place() {
    let authority = Authority::new();
    let good = authority.sign("good", &["a.test"]);
    let missing = HostFiles {
        certificate: authority.path("missing.pem"),
        key: authority.path("missing.key"),
        client_ca: Some(authority.path("missing-ca.pem")),
    };
    let swapped = HostFiles {
        certificate: good.key.clone(),
        key: good.certificate.clone(),
        client_ca: Some(authority.write("no-ca.pem", "nothing")),
    };
    let found = problems(&[missing, good, swapped]);
    let places: Vec<_> = found.iter().map(|p| (p.index, p.part)).collect();
    let parts = [Part::Certificate, Part::Key, Part::ClientCa];
    let wanted: Vec<_> = [0, 2]
        .into_iter()
        .flat_map(|i| parts.map(|part| (i, part)))
        .collect();
    assert_eq!(places, wanted);
}

#[test]
fn what_is_wrong_with_a_file_is_told_and_what_to_do() {
    let authority = Authority::new();
    let good = authority.sign("good", &["a.test"]);
    let other = authority.sign("other", &["a.test"]);
    let pem = fs::read_to_string(&good.certificate).unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = fs::read_to_string(&good.key).unwrap();
    let cut = &pem[..pem.len() / 2];
    let no_base64 = pem.replacen("MII", "M*I", 1);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_x509 = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let write = |bytes: &[u8]| authority.write("tried", bytes);
    let certificates: [(&[u8], &str); 7] = [
        (b" \n", "the file is empty"),
        (&der, "the file is DER, not PEM; `openssl x509"),
        (b"hello", "the file is not PEM"),
        (cut.as_bytes(), "the file ends before the line"),
        (no_base64.as_bytes(), "is not base64"),
        (
            key.as_bytes(),
            "there is no certificate in it, only a private key",
        ),
        (no_x509.as_bytes(), "is not X.509"),
    ];
    for (bytes, text) in certificates {
        let certificate = write(bytes);
        let found = problems(&[HostFiles {
            certificate,
            ..good.clone()
        }]);
        assert_eq!(found[0].part, Part::Certificate);
        assert!(found[0].to_string().contains(text), "{}", found[0]);
    }
    let both = key.repeat(2);
    let keys: [(&[u8], &str); 5] = [
        (
            encrypted.as_bytes(),
            "encrypted with a password; wanted: a PEM file",
        ),
        (
            pem.as_bytes(),
            "there is no private key in it, only a certificate",
        ),
        (both.as_bytes(), "more than one private key"),
        (no_key.as_bytes(), "this kind of key cannot be used"),
        (
            &fs::read(&other.key).unwrap(),
            "not the key of the first certificate",
        ),
    ];
    for (bytes, text) in keys {
        let key = write(bytes);
        let found = problems(&[HostFiles {
            key,
            ..good.clone()
        }]);
        assert_eq!(found[0].part, Part::Key);
        assert!(found[0].to_string().contains(text), "{}", found[0]);
    }
    let folder = HostFiles {
        key: authority.folder.path().to_owned(),
        ..good.clone()
    };
    assert!(problems(&[folder])[0].found.contains("not a regular file"));
    let ca = HostFiles {
        client_ca: Some(write(no_x509.as_bytes())),
        ..good
    };
    assert!(
        problems(&[ca])[0]
            .found
            .contains("certificate 1 cannot be used")
    );
    assert!(problems(&[])[0].found.contains("no [[listener.tls]]"));
}

#[test]
fn no_key_is_ever_told() {
    let authority = Authority::new();
    let good = authority.sign("good", &["a.test"]);
    let key = fs::read_to_string(&good.key).unwrap();
    let secret = key.lines().nth(1).unwrap()[..32].to_owned();
    let broken = key.replacen("MIG", "M*G", 1);
    let files = HostFiles {
        key: authority.write("broken.key", broken),
        ..good.clone()
    };
    assert!(!format!("{:?}", problems(&[files])).contains(&secret));
    assert!(!format!("{:?}", load(&[good]).unwrap().certificates()).contains(&secret));
}

#[test]
fn a_refresh_takes_what_is_good_and_keeps_the_old_for_what_is_not() {
    let authority = Authority::new();
    let files = authority.sign("a", &["a.test"]);
    let (old_certificate, old_key) = (
        fs::read(&files.certificate).unwrap(),
        fs::read(&files.key).unwrap(),
    );
    let server = load(&[files.clone(), authority.sign("b", &["b.test"])]).unwrap();
    assert!(server.refresh().is_empty());
    authority.sign("a", &["new.test"]);
    let new_certificate = fs::read(&files.certificate).unwrap();
    let new_key = fs::read(&files.key).unwrap();
    // The certificate is there, its key not yet.
    authority.write("a.key", &old_key);
    let changes = server.refresh();
    assert_eq!((changes.len(), changes[0].index), (1, 0));
    assert!(matches!(&changes[0].outcome, Outcome::Kept(why) if why[0].part == Part::Key));
    assert!(server.refresh().is_empty(), "it is said once");
    assert_eq!(server.certificates()[0].names, ["a.test"]);
    assert_eq!(server.certificates()[0].problems.len(), 1);
    authority.write("a.key", new_key);
    let changes = server.refresh();
    assert_eq!(changes[0].outcome, Outcome::Replaced);
    assert_eq!(server.certificates()[0].names, ["new.test"]);
    assert!(server.certificates()[0].problems.is_empty());
    assert!(server.choose(Some("new.test")).files().certificate == files.certificate);
    // A file that is gone, and then back as it was in use.
    fs::remove_file(&files.certificate).unwrap();
    assert!(matches!(server.refresh()[0].outcome, Outcome::Kept(_)));
    authority.write("a.pem", new_certificate);
    assert_eq!(server.refresh()[0].outcome, Outcome::Replaced);
    drop(old_certificate);
}

#[test]
fn a_session_outlives_a_renewal_and_a_reload_and_is_good_at_its_own_host_only() {
    let authority = Authority::new();
    let both = ["a.test", "b.test"];
    let hosts = [authority.sign("a", &both), authority.sign("b", &both)];
    let server = load(&hosts).unwrap();
    let host = |index: usize| {
        let name = if index == 0 { "a.test" } else { "x" };
        server.choose(Some(name))
    };
    let client = authority.client(None);
    assert_eq!(
        handshake(&client, "a.test", &host(0)),
        Ok(HandshakeKind::Full)
    );
    assert_eq!(
        handshake(&client, "a.test", &host(0)),
        Ok(HandshakeKind::Resumed)
    );
    authority.sign("a", &both);
    server.refresh();
    assert_eq!(
        handshake(&client, "a.test", &host(0)),
        Ok(HandshakeKind::Resumed)
    );
    let reloaded = Server::load(&hosts, Speaks::Http, Some(&server)).unwrap();
    let same = reloaded.choose(Some("a.test"));
    assert_eq!(
        handshake(&client, "a.test", &same),
        Ok(HandshakeKind::Resumed)
    );
    // The same hello, with the same ticket, at the other host.
    let alone = Server::load(&hosts[1..], Speaks::Http, Some(&server)).unwrap();
    let other = alone.choose(None);
    assert_eq!(
        handshake(&client, "a.test", &other),
        Ok(HandshakeKind::Full)
    );
}

#[test]
fn a_session_is_void_after_a_change_of_who_may_come_in() {
    let authority = Authority::new();
    let other = Authority::new();
    let shown = authority.sign("client", &["client"]);
    let ca = authority.write("clients.pem", fs::read(authority.path("ca.pem")).unwrap());
    let files = HostFiles {
        client_ca: Some(ca.clone()),
        ..authority.sign("a", &["a.test"])
    };
    let server = load(&[files]).unwrap();
    let client = authority.client(Some(&shown));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        assert_eq!(handshake(&client, "a.test", &server.choose(None)), Ok(kind));
    }
    fs::write(&ca, fs::read(other.path("ca.pem")).unwrap()).unwrap();
    assert_eq!(server.refresh()[0].outcome, Outcome::Replaced);
    assert!(handshake(&client, "a.test", &server.choose(None)).is_err());
    let none = authority.client(None);
    assert!(handshake(&none, "a.test", &server.choose(None)).is_err());
}

#[test]
fn a_request_is_misdirected_only_where_one_of_two_hosts_judges_its_clients() {
    let authority = Authority::new();
    let ca = authority.path("ca.pem");
    let closed = HostFiles {
        client_ca: Some(ca),
        ..authority.sign("closed", &["closed.test"])
    };
    let hosts = [
        authority.sign("a", &["a.test"]),
        authority.sign("b", &["b.test"]),
        closed,
    ];
    let server = load(&hosts).unwrap();
    let a = server.choose(Some("a.test"));
    assert!(!server.misdirects(&a, "a.test"));
    assert!(!server.misdirects(&a, "b.test"));
    assert!(!server.misdirects(&a, "unknown.test"));
    assert!(server.misdirects(&a, "closed.test"));
    let closed = server.choose(Some("closed.test"));
    assert!(!server.misdirects(&closed, "closed.test"));
    assert!(server.misdirects(&closed, "a.test"));
    // After a reload it is still the same host.
    let reloaded = Server::load(&hosts, Speaks::Http, Some(&server)).unwrap();
    assert!(!reloaded.misdirects(&closed, "closed.test"));
}

#[test]
fn a_client_takes_both_of_a_pair_or_none_and_a_name_that_is_one() {
    let authority = Authority::new();
    let signed = authority.sign("client", &["client"]);
    let half = ClientFiles {
        ca: Some(authority.path("missing.pem")),
        server_name: Some("not a name".to_owned()),
        certificate: Some(signed.certificate.clone()),
        key: None,
    };
    let found = Client::load(&half).err().unwrap();
    let parts: Vec<_> = found.iter().map(|p| p.part).collect();
    assert_eq!(parts, [Part::Ca, Part::Certificate, Part::ServerName]);
    assert!(found[1].found.contains("there is no key beside it"));
    let whole = ClientFiles {
        ca: Some(authority.path("ca.pem")),
        server_name: None,
        key: Some(signed.key.clone()),
        ..half
    };
    let client = Client::load(&whole).unwrap();
    assert_eq!(client.certificates().unwrap().names, ["client"]);
    assert_eq!(
        client.server_name("10.0.0.1").unwrap(),
        ServerName::try_from("10.0.0.1").unwrap()
    );
    assert_eq!(
        client.server_name("api.test").unwrap(),
        ServerName::try_from("api.test").unwrap()
    );
    assert_eq!(client.server_name("").err().unwrap().part, Part::ServerName);
    assert!(client.refresh().is_none());
    fs::write(&signed.key, "no key").unwrap();
    assert!(matches!(
        client.refresh().unwrap().outcome,
        Outcome::Kept(_)
    ));
    assert_eq!(client.problems().len(), 1);
    authority.sign("client", &["renewed"]);
    assert_eq!(client.refresh().unwrap().outcome, Outcome::Replaced);
    assert_eq!(client.certificates().unwrap().names, ["renewed"]);
    let alpn = |speaks| client.config(speaks).alpn_protocols.clone();
    assert_eq!(alpn(Speaks::Http), [b"http/1.1"]);
    assert!(alpn(Speaks::Bytes).is_empty());
}
