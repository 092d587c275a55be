//! A client's connection: clear, or TLS 1.3 by rustls. The client offers one group and one cipher, so that every proxy does
//! the same work, and never resumes: each new connection is a full handshake.

use crate::poll;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// The name every certificate of the bench is for.
const NAME: &str = "bench.example";

/// One connection.
pub(crate) enum Wire {
    /// As it is.
    Clear(TcpStream),
    /// Under TLS. Boxed: most loads have none.
    Sealed(Box<Sealed>),
}

/// A connection under TLS.
pub(crate) struct Sealed {
    socket: TcpStream,
    session: ClientConnection,
}

/// What TLS connections are made with, trusting the certificates of a file.
pub(crate) fn config(authority: &Path) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(io::Error::other)? {
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
    }
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

impl Wire {
    /// Over a socket that is connected or about to be; under TLS if there is a configuration for it.
    pub(crate) fn new(socket: TcpStream, config: Option<&Arc<ClientConfig>>) -> io::Result<Wire> {
        let Some(config) = config else {
            return Ok(Wire::Clear(socket));
        };
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Wire::Sealed(Box::new(Sealed { socket, session })))
    }

    /// The socket under it.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Wire::Clear(socket) => socket,
            Wire::Sealed(sealed) => &sealed.socket,
        }
    }

    /// Takes what fits; how much that was. Under TLS that is all, and the rest leaves with [`flush`](Self::flush).
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Clear(socket) => poll::write(socket, bytes),
            Wire::Sealed(sealed) => {
                let taken = sealed.session.writer().write(bytes)?;
                sealed.flush()?;
                Ok(taken)
            }
        }
    }

    /// Reads once. `None`: nothing there yet; `Some(0)`: the end. Under TLS there may be more until it says `None`.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Wire::Clear(socket) => poll::read(socket, buffer),
            Wire::Sealed(sealed) => sealed.read(buffer),
        }
    }

    /// Sends what was held back; whether something still is.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Wire::Clear(_) => Ok(false),
            Wire::Sealed(sealed) => {
                sealed.flush()?;
                Ok(sealed.session.wants_write())
            }
        }
    }

    /// Must it be asked again until it has no more?
    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self, Wire::Sealed(_))
    }
}

impl Sealed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.session.read_tls(&mut self.socket) {
                // Without a word of it: the reader says so.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
            self.session
                .process_new_packets()
                .map_err(io::Error::other)?;
            self.flush()?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        // Not connected yet: it will be told when it is.
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
