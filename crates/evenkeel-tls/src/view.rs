//! What status, metrics and warnings show of a certificate. Its time is told, not judged: nothing here has a clock.

use std::path::{Path, PathBuf};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::problem::{Part, Problem, Unfit};

/// One certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateView {
    /// Which of the listener's `[[listener.tls]]`, from 0; 0 for a client.
    pub index: usize,
    /// Its file.
    pub certificate: PathBuf,
    /// Its key's file.
    pub key: PathBuf,
    /// DNS names and addresses it is made for; where it names none, its common name, for display.
    pub names: Vec<String>,
    /// Who signed it, for display.
    pub issuer: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Why what is in the files now is not in use; empty when it is.
    pub problems: Vec<Problem>,
}

/// What is read from the first certificate of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Lower case; from the subject's alternative names only, as RFC 9525 wants it.
    pub(crate) dns_names: Vec<String>,
    /// Those and the addresses; else the common name.
    pub(crate) shown: Vec<String>,
    pub(crate) issuer: String,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

/// Names taken from one certificate: more than any authority signs.
const NAMES_MAX: usize = 1000;

impl Leaf {
    pub(crate) fn read(der: &[u8]) -> Result<Leaf, Unfit> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| {
            let found = format!("the first certificate is not X.509 ({error})");
            Unfit::new(Part::Certificate, found, "an X.509 certificate")
        })?;
        let mut leaf = Leaf {
            dns_names: Vec::new(),
            shown: Vec::new(),
            issuer: name(certificate.issuer()),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        };
        // A malformed extension counts as none: whoever verifies the certificate judges it.
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in names.value.general_names.iter().take(NAMES_MAX) {
                leaf.add(name);
            }
        }
        if leaf.shown.is_empty() {
            leaf.shown.push(name(certificate.subject()));
        }
        Ok(leaf)
    }

    pub(crate) fn view(
        &self,
        index: usize,
        certificate: &Path,
        key: &Path,
        problems: &[Problem],
    ) -> CertificateView {
        CertificateView {
            index,
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            names: self.shown.clone(),
            issuer: self.issuer.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            problems: problems.to_vec(),
        }
    }

    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => {
                let name = name.to_ascii_lowercase();
                self.shown.push(printable(&name));
                self.dns_names.push(name);
            }
            GeneralName::IPAddress(bytes) => {
                let ip = match <[u8; 4]>::try_from(*bytes) {
                    Ok(four) => Some(std::net::IpAddr::from(four)),
                    Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(Into::into),
                };
                self.shown.extend(ip.map(|ip| ip.to_string()));
            }
            _ => {}
        }
    }
}

/// The names a peer's certificate is made for: DNS names and addresses, else its common name; none if it is none.
pub fn names(certificate: &[u8]) -> Vec<String> {
    Leaf::read(certificate).map_or_else(|_| Vec::new(), |leaf| leaf.shown)
}

/// The common name, else the whole name.
fn name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    let common = common.and_then(|part| part.as_str().ok());
    printable(&common.map_or_else(|| name.to_string(), str::to_owned))
}

/// Names end in terminals and logs: no control characters, and no book.
fn printable(text: &str) -> String {
    text.chars()
        .take(256)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
