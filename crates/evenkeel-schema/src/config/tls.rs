//! Certificates, keys and authorities stand in files of their own. This crate knows where the configuration names them;
//! what is in them is judged by somebody who knows TLS, while the configuration is read, so that what is wrong in a
//! certificate is told beside what is wrong in the configuration, at the key that names it.

use evenkeel_core::settings::{HostTls, PoolTls, Protocol};

/// Something that is wrong with a file that a `tls` table names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// Which of a listener's `[[listener.tls]]`, as they were handed over, from 0; else 0.
    pub index: usize,
    /// The key of its table that names the file.
    pub key: &'static str,
    /// What there is.
    pub found: String,
    /// What should be there.
    pub wanted: String,
}

/// Whoever looks into the files. Each method is called once for each table that is complete, and may keep what it read;
/// whether the configuration is right as a whole is known only afterwards.
pub trait LookAtTls {
    /// Of a listener with at least one `[[listener.tls]]`.
    fn listener(&self, name: &str, protocol: &Protocol, hosts: &[HostTls]) -> Vec<FileProblem>;
    /// Of a pool with `tls`.
    fn pool(&self, name: &str, tls: &PoolTls) -> Vec<FileProblem>;
    /// What is wrong with keys that sign tokens: what there is, and what should be there.
    fn token_keys(&self, text: &str) -> Result<(), (String, &'static str)>;
    /// Of `[admin]` with a certificate.
    fn admin(&self, tls: &HostTls) -> Vec<FileProblem>;
    /// Of `[agents]` with a certificate.
    fn agents(&self, tls: &HostTls) -> Vec<FileProblem>;
}

/// Does not look: for a configuration that is only looked at itself.
#[derive(Clone, Copy, Debug)]
pub struct NotLooked;

impl LookAtTls for NotLooked {
    fn listener(&self, _: &str, _: &Protocol, _: &[HostTls]) -> Vec<FileProblem> {
        Vec::new()
    }

    fn pool(&self, _: &str, _: &PoolTls) -> Vec<FileProblem> {
        Vec::new()
    }

    fn token_keys(&self, _: &str) -> Result<(), (String, &'static str)> {
        Ok(())
    }

    fn admin(&self, _: &HostTls) -> Vec<FileProblem> {
        Vec::new()
    }
    fn agents(&self, _: &HostTls) -> Vec<FileProblem> {
        Vec::new()
    }
}
