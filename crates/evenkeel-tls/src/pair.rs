//! A certificate chain and the key that belongs to it, or what is wrong with them.
//!
//! An expired certificate is no mistake here: a balancer that refuses to start helps nobody, and a client that does not
//! look goes on working. Its time is in the [`CertificateView`](crate::CertificateView), and who shows that warns.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use crate::problem::{Part, Unfit};
use crate::provider;
use crate::view::Leaf;

const CHAIN: &str =
    "a PEM file with the certificate itself first and then those of its intermediate authorities";
const KEY: &str = "a PEM file with one unencrypted private key (PKCS#8, PKCS#1 or SEC1)";

/// A chain and its key, fit for use.
pub struct Pair {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) leaf: Leaf,
}

impl Pair {
    /// Judges the contents of the two files, and says everything that is wrong with them.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Pair, Vec<Unfit>> {
        let chain = chain(certificate).and_then(|chain| Ok((Leaf::read(&chain[0])?, chain)));
        let key = private_key(key).and_then(|key| {
            let loaded = provider().key_provider.load_private_key(key);
            loaded.map_err(|error| {
                let found = format!("this kind of key cannot be used ({error})");
                Unfit::new(Part::Key, found, "an RSA key of 2048 to 8192 bits, an ECDSA key on P-256, P-384 or P-521, or an Ed25519 key")
            })
        });
        let ((leaf, chain), key) = match (chain, key) {
            (Ok(chain), Ok(key)) => (chain, key),
            (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
        };
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                let found = "it is not the key of the first certificate in the certificate file";
                return Err(vec![Unfit::new(
                    Part::Key,
                    found,
                    "the key that the certificate was made for",
                )]);
            }
            Err(error) => {
                let found = format!("the first certificate cannot be used ({error})");
                return Err(vec![Unfit::new(Part::Certificate, found, CHAIN)]);
            }
        }
        Ok(Pair {
            certified: Arc::new(certified),
            leaf,
        })
    }

    pub(crate) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(self.certified.clone()))
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    certificates(bytes).map_err(|found| Unfit::new(Part::Certificate, found, CHAIN))
}

/// The certificates of a PEM file, at least one, or what there is instead.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    looks_like_pem(bytes)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| broken(&error))?;
    if found.is_empty() {
        return Err(format!(
            "there is no certificate in it, only {}",
            sections(bytes)
        ));
    }
    Ok(found)
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Unfit> {
    let unfit = |found: String| Unfit::new(Part::Key, found, KEY);
    looks_like_pem(bytes).map_err(unfit)?;
    if is_encrypted(bytes) {
        let wanted = format!("{KEY}; `openssl pkey -in OLD -out NEW` takes the password away");
        return Err(Unfit::new(
            Part::Key,
            "the key is encrypted with a password",
            wanted,
        ));
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(bytes);
    let first = match keys.next() {
        Some(Ok(key)) => key,
        Some(Err(error)) => return Err(unfit(broken(&error))),
        None => {
            let found = format!("there is no private key in it, only {}", sections(bytes));
            return Err(unfit(found));
        }
    };
    match keys.next() {
        None => Ok(first),
        Some(Ok(_)) => Err(unfit("there is more than one private key in it".to_owned())),
        Some(Err(error)) => Err(unfit(broken(&error))),
    }
}

/// The usual ways of not being PEM at all.
fn looks_like_pem(bytes: &[u8]) -> Result<(), String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the file is empty".to_owned());
    }
    if has(bytes, b"-----BEGIN ") {
        return Ok(());
    }
    // A SEQUENCE with a long length is how certificates and keys begin in DER.
    Err(match bytes {
        [0x30, 0x80..=0x84, ..] => "the file is DER, not PEM; `openssl x509 -inform der -in OLD -out NEW` (for a key: `openssl pkey …`) turns one into the other",
        _ => "the file is not PEM: it has no line that begins with `-----BEGIN `",
    }
    .to_owned())
}

fn is_encrypted(bytes: &[u8]) -> bool {
    has(bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(bytes, b"Proc-Type: 4,ENCRYPTED")
}

fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

fn broken(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => format!(
            "the file ends before the line `{}`",
            String::from_utf8_lossy(end_marker).trim_end()
        ),
        pem::Error::IllegalSectionStart { .. } => {
            "a line that begins with `-----BEGIN ` does not end with `-----`".to_owned()
        }
        // What could not be decoded may be part of a key: never shown.
        _ => "what stands between BEGIN and END is not base64".to_owned(),
    }
}

/// What sections a file has, for a message about the one that it has not.
fn sections(bytes: &[u8]) -> String {
    const KINDS: [(&str, &str); 7] = [
        ("CERTIFICATE", "a certificate"),
        ("PUBLIC KEY", "a public key"),
        ("CERTIFICATE REQUEST", "a certificate request"),
        ("X509 CRL", "a revocation list"),
        ("PRIVATE KEY", "a private key"),
        ("EC PRIVATE KEY", "a private key"),
        ("RSA PRIVATE KEY", "a private key"),
    ];
    let mut names: Vec<&str> = Vec::new();
    for (label, name) in KINDS {
        let begin = format!("-----BEGIN {label}-----");
        if has(bytes, begin.as_bytes()) && !names.contains(&name) {
            names.push(name);
        }
    }
    match names.is_empty() {
        true => "something else".to_owned(),
        false => names.join(" and "),
    }
}
