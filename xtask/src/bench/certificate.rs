//! The certificate of every proxy: one for all, ECDSA P-256, made for the run.

use crate::Failure;
use std::path::{Path, PathBuf};

/// Its files.
pub(crate) struct Certificate {
    /// The certificate. It is its own authority, so clients trust this file.
    pub(crate) chain: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants it.
    pub(crate) both: PathBuf,
}

/// Makes one in a folder.
pub(crate) fn make(folder: &Path) -> Result<Certificate, Failure> {
    let made = rcgen::generate_simple_self_signed(vec!["bench.example".to_owned()])
        .map_err(|error| format!("a certificate for the bench: {error}"))?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let written = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, Failure>(path)
    };
    Ok(Certificate {
        chain: written("bench.pem", &chain)?,
        key: written("bench.key", &key)?,
        both: written("both.pem", &format!("{chain}{key}"))?,
    })
}
