//! Certificates for tests, here and in the crates that use this one: an authority made on the spot, and what it signs.
//! Behind the feature `testing`, so that no binary carries it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::{Client, ClientFiles, HostFiles};

const DAY: u64 = 86_400;

/// Who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one of this name, trusted by nobody yet.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("the machine has random bytes");
        let own = params.self_signed(&key).expect("the parameters fit");
        Authority {
            pem: own.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names and addresses that ends so many days and a half from now: whoever counts whole days
    /// gets `days`, however slow the test. With less than none it has ended.
    pub fn sign(&self, names: &[&str], days: i64) -> Signed {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("a clock after 1970").as_secs();
        let end = now.saturating_add_signed(days * DAY as i64 + DAY as i64 / 2);
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(end.min(now) - DAY);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        let key = KeyPair::generate().expect("the machine has random bytes");
        let signed = params.signed_by(&key, &self.issuer);
        Signed {
            certificate: signed.expect("the parameters fit").pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes its own certificate as `NAME.pem`.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.pem"));
        std::fs::write(&path, &self.pem).expect("the folder can be written");
        path
    }

    /// A client that trusts it, and shows what is in `NAME.pem` and `NAME.key` of `folder` if a name is given.
    pub fn client(&self, folder: &Path, name: Option<&str>) -> Client {
        let file = |end: &str| name.map(|name| folder.join(format!("{name}.{end}")));
        let files = ClientFiles {
            ca: Some(self.write(folder, "trusted-ca")),
            server_name: None,
            certificate: file("pem"),
            key: file("key"),
        };
        Client::load(&files).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

impl Signed {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) -> HostFiles {
        let files = HostFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
            client_ca: None,
        };
        std::fs::write(&files.certificate, &self.certificate).expect("the folder can be written");
        std::fs::write(&files.key, &self.key).expect("the folder can be written");
        files
    }
}
