//! Signatures of JSON Web Tokens (RFC 7515, 7519): is this one somebody's who has the key?
//!
//! What a token says of itself is believed last. Which algorithm it may have is the key's to say (RFC 8725 section 3.1): an RSA key
//! verifies RS256, a P-256 key ES256, an Ed25519 key EdDSA, a shared secret HS256, and nothing else; so neither `alg: none` nor a
//! public key taken for a secret gets anybody in. The payload is read only after its signature was found right.
//!
//! A signature costs some microseconds by a secret and some tens by a public key, for every request: nothing is remembered of a token,
//! so that one which has ended or whose key is gone is refused at once.
//!
//! The cryptography is aws-lc-rs's, which TLS brings anyway. A crate for tokens would add a second base64 and an ASN.1 parser, and make
//! tokens too, which nobody needs here; what is left for us is to split at two dots.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde::Deserialize;

/// A longer token is not looked into: it fits no header field of the usual limits.
pub const TOKEN_MAX: usize = 8 * 1024;
/// A longer header holds certificates or addresses of keys, neither of which is looked at.
const HEADER_MAX: usize = 1024;
/// An RSA signature of 8192 bits.
const SIGNATURE_MAX: usize = 1024;
/// Keys at once: the present one, the next one, and as many more as anybody rotates.
const KEYS_MAX: usize = 4;
/// A secret for HS256 is at least as long as its hash (RFC 7518 section 3.2).
const SECRET_MIN: usize = 32;
/// A subject public key info of an RSA key of 2048 bits is longer, one of a smaller key is not.
const RSA_MIN: usize = 256;
/// Clocks of issuer and balancer may differ by this much.
const LEEWAY_S: f64 = 60.0;

/// What should be in the file.
pub const WANTED: &str = "PEM of one to four public keys (RSA of 2048 bits or more, P-256 or Ed25519), or one to four lines, each a secret of at least 32 characters of printable ASCII";

/// The algorithm of a kind of public key.
type Kind = (&'static str, &'static dyn VerificationAlgorithm);

/// Tried in this order: which of them a key is for stands in it.
static KINDS: [Kind; 3] = [
    ("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
    ("ES256", &signature::ECDSA_P256_SHA256_FIXED),
    ("EdDSA", &signature::ED25519),
];

/// Whose tokens are accepted: any of these keys'.
pub struct TokenKeys(Vec<Key>);

enum Key {
    Public(&'static str, ParsedPublicKey),
    // Its state of the hash is a kilobyte.
    Secret(Box<hmac::Key>),
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none, or nobody with a key of ours signed it.
    Forged,
    /// It was good once, or will be.
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// What must be understood to accept it: we understand nothing of it (RFC 7515 section 4.1.11).
    crit: Option<serde_json::Value>,
}

impl TokenKeys {
    /// The keys in the contents of a file.
    ///
    /// # Errors
    /// What was found where [`WANTED`] should be; nothing of the contents.
    pub fn read(text: &str) -> Result<TokenKeys, String> {
        let keys = match text.contains("-----BEGIN") {
            true => public(text)?,
            false => secrets(text)?,
        };
        match keys.len() {
            0 => Err("no key".to_owned()),
            1..=KEYS_MAX => Ok(TokenKeys(keys)),
            more => Err(format!("{more} keys")),
        }
    }

    /// What this token claims, if it is signed by one of the keys and this is its time, in seconds since 1970.
    ///
    /// # Errors
    /// It is not accepted.
    pub fn claims(&self, token: &[u8], now_s: u64) -> Result<serde_json::Value, Refused> {
        let parts = split(token).ok_or(Refused::Forged)?;
        let signature = signature_of(&parts).ok_or(Refused::Forged)?;
        let mut keys = self.0.iter();
        if !keys.any(|key| key.signed(&parts, &signature)) {
            return Err(Refused::Forged);
        }
        let claims = decoded(parts.payload).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let claims: serde_json::Value = claims.ok_or(Refused::Forged)?;
        match (time(&claims, "exp")?, time(&claims, "nbf")?) {
            (Some(ends), _) if ends + LEEWAY_S <= now_s as f64 => Err(Refused::Expired),
            (_, Some(begins)) if begins - LEEWAY_S > now_s as f64 => Err(Refused::Expired),
            _ => Ok(claims),
        }
    }
}

/// The three parts, and what of them is signed.
struct Parts<'a> {
    algorithm: String,
    signed: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
}

fn split(token: &[u8]) -> Option<Parts<'_>> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    let mut dots = (0..token.len()).filter(|&at| token[at] == b'.');
    let (first, second) = (dots.next()?, dots.next()?);
    if dots.next().is_some() || first > HEADER_MAX {
        return None;
    }
    let header: Header = serde_json::from_slice(&decoded(&token[..first])?).ok()?;
    Some(Parts {
        algorithm: header.crit.is_none().then_some(header.alg)?,
        signed: &token[..second],
        payload: &token[first + 1..second],
        signature: &token[second + 1..],
    })
}

fn signature_of(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let decoded = decoded(parts.signature)?;
    Some(decoded).filter(|bytes| !bytes.is_empty() && bytes.len() <= SIGNATURE_MAX)
}

fn decoded(part: &[u8]) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

/// A time that is no number makes the token worthless: it was meant to end.
fn time(claims: &serde_json::Value, name: &str) -> Result<Option<f64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refused::Forged),
    }
}

impl Key {
    fn signed(&self, parts: &Parts<'_>, signature: &[u8]) -> bool {
        match self {
            Key::Public(name, key) => {
                parts.algorithm == *name && key.verify_sig(parts.signed, signature).is_ok()
            }
            Key::Secret(key) => {
                parts.algorithm == "HS256" && hmac::verify(key, parts.signed, signature).is_ok()
            }
        }
    }
}

fn public(text: &str) -> Result<Vec<Key>, String> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    let keys = sections.map(|section| {
        let (kind, der) = section.map_err(|_| "PEM that is broken".to_owned())?;
        match kind {
            SectionKind::PublicKey => one(&der),
            SectionKind::Certificate => Err(
                "a certificate, of which `openssl x509 -pubkey -noout` writes the public key"
                    .to_owned(),
            ),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                Err("a private key, which belongs to the issuer of tokens alone".to_owned())
            }
            _ => Err("PEM of something else".to_owned()),
        }
    });
    // Whatever comes after so many is one too many.
    keys.take(KEYS_MAX + 1).collect()
}

fn one(der: &[u8]) -> Result<Key, String> {
    for (name, algorithm) in KINDS {
        if let Ok(key) = ParsedPublicKey::new(algorithm, der) {
            return match name == "RS256" && der.len() < RSA_MIN {
                true => Err("an RSA key of less than 2048 bits".to_owned()),
                false => Ok(Key::Public(name, key)),
            };
        }
    }
    Err("a public key of another kind".to_owned())
}

fn secrets(text: &str) -> Result<Vec<Key>, String> {
    let lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    let secrets = lines.map(|line| {
        if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a line with spaces or other characters".to_owned());
        }
        match line.len() < SECRET_MIN {
            true => Err(format!("a secret of {} characters", line.len())),
            false => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, line.as_bytes());
                Ok(Key::Secret(Box::new(key)))
            }
        }
    });
    secrets.take(KEYS_MAX + 1).collect()
}

#[cfg(test)]
mod tests;
