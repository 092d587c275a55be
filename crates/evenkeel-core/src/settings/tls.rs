//! TLS of listeners and pools: which files, and whose name. What stands in the files is read elsewhere.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One `[[listener.tls]]`: a certificate that a listener shows, chosen by the name the client asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostTls {
    /// Chain in PEM, the server's own first; absolute.
    pub certificate: PathBuf,
    /// Its private key in PEM; absolute.
    pub key: PathBuf,
    /// Set = a client must show a certificate that one of these signed; absolute.
    pub client_ca: Option<PathBuf>,
}

/// A pool's `tls`: how its endpoints are spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolTls {
    /// Who may have signed an endpoint's certificate, PEM, absolute; `None` = whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// The name an endpoint's certificate must have, and that is asked for; `None` = the endpoint's host as configured.
    pub server_name: Option<String>,
    /// What an endpoint is shown, and its key; absolute.
    pub certificate: Option<ClientPair>,
}

/// A client's certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientPair {
    /// Chain in PEM; absolute.
    pub certificate: PathBuf,
    /// Private key in PEM; absolute.
    pub key: PathBuf,
}
