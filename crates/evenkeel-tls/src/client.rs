//! How we are towards what we connect to: endpoints of a pool, their checks, the admin API.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use crate::file::{self, Content};
use crate::pair::Pair;
use crate::problem::{Change, Outcome, Part, Problem, Unfit};
use crate::view::{CertificateView, Leaf};
use crate::{Speaks, provider, trust};

/// Servers whose sessions are remembered; a pool has rarely more names.
const SESSIONS_KEPT: usize = 64;

/// A `tls` table of a pool, or what stands for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Who may have signed the server's certificate; none: whom this machine trusts.
    pub ca: Option<PathBuf>,
    /// What the certificate must be made for; none: the host or address connected to.
    pub server_name: Option<String>,
    /// What we show when we are asked to; both or none.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// How to connect.
pub struct Client {
    files: ClientFiles,
    name: Option<ServerName<'static>>,
    /// Written by `refresh`, read by handshakes.
    current: ArcSwap<Current>,
    /// Held by whoever refreshes.
    seen: Mutex<Seen>,
}

struct Current {
    http: Arc<ClientConfig>,
    bytes: Arc<ClientConfig>,
    leaf: Option<Leaf>,
}

struct Seen {
    mark: u64,
    problems: Vec<Problem>,
}

struct Contents {
    ca: Option<Content>,
    certificate: Option<Content>,
    key: Option<Content>,
}

impl Client {
    /// Reads everything, or says everything that is wrong.
    pub fn load(files: &ClientFiles) -> Result<Client, Vec<Problem>> {
        let read = Contents::read(files);
        let name = files.server_name.as_deref().map(server_name).transpose();
        let current = Current::build(files, &read);
        match (name, current) {
            (Ok(name), Ok(current)) => Ok(Client {
                files: files.clone(),
                name,
                current: ArcSwap::from_pointee(current),
                seen: Mutex::new(Seen {
                    mark: read.mark(),
                    problems: Vec::new(),
                }),
            }),
            (name, current) => {
                let name = name.err().map(|unfit| unfit.of(0, None));
                let others = current.err().into_iter().flatten();
                Err(others.chain(name).collect())
            }
        }
    }

    /// One that trusts nobody, because of these problems: every handshake fails until `refresh` finds files that are good.
    /// For whoever has to go on without them, and must not speak in clear text instead.
    pub fn distrusting(files: &ClientFiles, problems: Vec<Problem>) -> Client {
        let config = |speaks: Speaks| {
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&TLS13, &TLS12])
                .expect("the provider has suites for both versions")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            config.alpn_protocols = speaks.offered();
            Arc::new(config)
        };
        let name = files.server_name.as_deref().map(server_name);
        Client {
            files: files.clone(),
            name: name.and_then(Result::ok),
            current: ArcSwap::from_pointee(Current {
                http: config(Speaks::Http),
                bytes: config(Speaks::Bytes),
                leaf: None,
            }),
            seen: Mutex::new(Seen {
                // Of no content: the next look reads.
                mark: !Contents::read(files).mark(),
                problems,
            }),
        }
    }

    /// Reads the files again; as [`Server::refresh`](crate::Server::refresh).
    pub fn refresh(&self) -> Option<Change> {
        let mut seen = self.seen();
        let read = Contents::read(&self.files);
        let mark = read.mark();
        if mark == seen.mark {
            return None;
        }
        seen.mark = mark;
        seen.problems = Vec::new();
        let outcome = match Current::build(&self.files, &read) {
            Ok(current) => {
                self.current.store(Arc::new(current));
                Outcome::Replaced
            }
            Err(problems) => {
                seen.problems = problems;
                Outcome::Kept(seen.problems.clone())
            }
        };
        let ClientFiles {
            ca, certificate, ..
        } = &self.files;
        let file = certificate.as_ref().or(ca.as_ref());
        Some(Change {
            index: 0,
            file: file.cloned().unwrap_or_default(),
            outcome,
        })
    }

    /// What we show when we are asked to, if anything.
    pub fn certificates(&self) -> Option<CertificateView> {
        let seen = self.seen();
        let current = self.current.load();
        let ClientFiles {
            certificate, key, ..
        } = &self.files;
        let (certificate, key) = (certificate.as_ref()?, key.as_ref()?);
        Some(
            current
                .leaf
                .as_ref()?
                .view(0, certificate, key, &seen.problems),
        )
    }

    /// What is wrong with the files as they are now, if what is in use is older.
    pub fn problems(&self) -> Vec<Problem> {
        self.seen().problems.clone()
    }

    /// For a handshake.
    pub fn config(&self, speaks: Speaks) -> Arc<ClientConfig> {
        let current = self.current.load();
        match speaks {
            Speaks::Http => current.http.clone(),
            Speaks::Bytes => current.bytes.clone(),
        }
    }

    /// What the server's certificate must be made for. `host`: the name or address connected to, without port. An
    /// address is looked for in the certificate, but not told in the hello (RFC 6066 section 3).
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, Problem> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => server_name(host).map_err(|unfit| unfit.of(0, None)),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What a panic could leave half done is read again by the next.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, Unfit> {
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let found = format!("{name:?} is neither a DNS name nor an IP address");
        Unfit::new(
            Part::ServerName,
            found,
            "the name in the certificate, such as \"api.internal\"",
        )
    })
}

impl Current {
    fn build(files: &ClientFiles, read: &Contents) -> Result<Current, Vec<Problem>> {
        let pair = read.pair(files);
        let verifier = read.verifier(files.ca.as_deref());
        let (pair, verifier) = match (pair, verifier) {
            (Ok(pair), Ok(verifier)) => (pair, verifier),
            (pair, verifier) => {
                let others = pair.err().into_iter().flatten();
                return Err(verifier.err().into_iter().chain(others).collect());
            }
        };
        let config = |speaks: Speaks| {
            let builder = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&TLS13, &TLS12])
                .expect("the provider has suites for both versions")
                .with_webpki_verifier(verifier.clone());
            let mut config = match &pair {
                Some(pair) => builder.with_client_cert_resolver(pair.resolver()),
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = speaks.offered();
            config.resumption = Resumption::in_memory_sessions(SESSIONS_KEPT);
            Arc::new(config)
        };
        Ok(Current {
            http: config(Speaks::Http),
            bytes: config(Speaks::Bytes),
            leaf: pair.map(|pair| pair.leaf),
        })
    }
}

impl Contents {
    fn read(files: &ClientFiles) -> Contents {
        let read = |path: &Option<PathBuf>| path.as_deref().map(file::read);
        Contents {
            ca: read(&files.ca),
            certificate: read(&files.certificate),
            key: read(&files.key),
        }
    }

    fn mark(&self) -> u64 {
        file::mark([
            self.ca.as_ref(),
            self.certificate.as_ref(),
            self.key.as_ref(),
        ])
    }

    fn verifier(&self, file: Option<&Path>) -> Result<Arc<WebPkiServerVerifier>, Problem> {
        let authorities = match &self.ca {
            None => trust::of_this_machine(),
            Some(Ok(bytes)) => trust::authorities(bytes, Part::Ca),
            Some(Err(found)) => Err(Unfit::new(Part::Ca, found.clone(), "a file to read")),
        };
        let built = authorities.and_then(|authorities| {
            let builder = WebPkiServerVerifier::builder_with_provider(authorities, provider());
            builder.build().map_err(|error| {
                Unfit::new(
                    Part::Ca,
                    format!("it cannot be used ({error})"),
                    "authorities",
                )
            })
        });
        built.map_err(|unfit| unfit.of(0, file))
    }

    fn pair(&self, files: &ClientFiles) -> Result<Option<Pair>, Vec<Problem>> {
        let path = |part| match part {
            Part::Key => files.key.as_deref(),
            _ => files.certificate.as_deref(),
        };
        let alone = |part, other: &str| {
            let found = format!("there is no {other} beside it");
            vec![Unfit::new(part, found, "certificate and key, both or none").of(0, path(part))]
        };
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(alone(Part::Certificate, "key")),
            (None, Some(_)) => return Err(alone(Part::Key, "certificate")),
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let unfit = match (certificate, key) {
            (Ok(certificate), Ok(key)) => match Pair::new(certificate, key) {
                Ok(pair) => return Ok(Some(pair)),
                Err(unfit) => unfit,
            },
            (certificate, key) => {
                let unread = |part, content: &Content| {
                    let found = content.as_ref().err()?;
                    Some(Unfit::new(part, found.clone(), "a file to read"))
                };
                let both = [
                    unread(Part::Certificate, certificate),
                    unread(Part::Key, key),
                ];
                both.into_iter().flatten().collect()
            }
        };
        Err(unfit
            .into_iter()
            .map(|unfit| {
                let file = path(unfit.part);
                unfit.of(0, file)
            })
            .collect())
    }
}
