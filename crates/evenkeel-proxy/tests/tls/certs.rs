//! Authorities and certificates made for one test, in files; TLS over a test's connections.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_tls::{ClientFiles, HostFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, CommonState, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
};

use crate::support::{Client, Over};

/// An authority and a folder for what it signs.
pub struct Authority {
    pub folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Signed {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Authority {
        Authority::named("test authority")
    }

    pub fn named(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        Authority {
            folder,
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these names, in files called after the first.
    pub fn sign(&self, names: &[&str]) -> Signed {
        self.sign_with(names, |_| {})
    }

    pub fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let file = names[0].replace('*', "any");
        let signed = Signed {
            certificate: self.folder.path().join(format!("{file}.pem")),
            key: self.folder.path().join(format!("{file}.key")),
        };
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(&signed.certificate, certificate.pem()).unwrap();
        fs::write(&signed.key, key.serialize_pem()).unwrap();
        signed
    }

    /// How a client is that trusts this authority.
    pub fn trusted(&self) -> ClientFiles {
        ClientFiles {
            ca: Some(self.ca()),
            ..ClientFiles::default()
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap())
            .unwrap();
        roots
    }

    /// A test's own client.
    pub fn client(&self, shows: Option<&Signed>) -> ClientConfig {
        let builder = builder().with_root_certificates(self.roots());
        match shows {
            None => builder.with_no_client_auth(),
            Some(signed) => {
                let (chain, key) = signed.read();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
}

impl Signed {
    pub fn host(&self) -> HostFiles {
        self.host_for(None)
    }

    pub fn host_for(&self, client_ca: Option<&Path>) -> HostFiles {
        HostFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: client_ca.map(Path::to_owned),
        }
    }

    fn read(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_file_iter(&self.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&self.key).unwrap();
        (chain.map(Result::unwrap).collect(), key)
    }

    /// A test's own server.
    pub fn server(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = self.read();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap()
    }
}

impl Over for StreamOwned<ClientConnection, TcpStream> {
    fn close(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
    fn session(&self) -> &CommonState {
        &self.conn
    }
}

impl Over for StreamOwned<ServerConnection, TcpStream> {
    fn close(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
    fn session(&self) -> &CommonState {
        &self.conn
    }
}

/// TLS as a client over a connection, to the end of the handshake.
pub fn secured(client: Client, config: &Arc<ClientConfig>, name: &str) -> io::Result<Client> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let conn = ClientConnection::new(config.clone(), name).unwrap();
    let mut tls = StreamOwned::new(conn, client.stream.try_clone()?);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    Ok(Client {
        tls: Some(Box::new(tls)),
        ..client
    })
}

/// TLS as a server over a connection, to the end of the handshake.
pub fn serving(client: Client, config: &Arc<ServerConfig>) -> Option<Client> {
    let conn = ServerConnection::new(config.clone()).unwrap();
    let mut tls = StreamOwned::new(conn, client.stream.try_clone().unwrap());
    while tls.conn.is_handshaking() {
        if tls.conn.complete_io(&mut tls.sock).is_err() {
            let _ = tls.sock.flush();
            return None;
        }
    }
    Some(Client {
        tls: Some(Box::new(tls)),
        ..client
    })
}

/// Everything that comes, and whether it ended as it should.
pub fn rest(client: &mut Client) -> (Vec<u8>, bool) {
    while client.more() {}
    (std::mem::take(&mut client.ahead), !client.cut)
}

/// Reads what is there without a client's patience for the rest.
pub fn bytes(client: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = client.read_to_end(&mut all);
    all
}
