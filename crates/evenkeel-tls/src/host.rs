//! One `[[listener.tls]]`: its certificate, who must show one of their own, and tickets that are good here only.
//!
//! A ticket (or session id) lets a client back in without showing its certificate again, so it must not be good at another
//! host, nor after the authorities that clients are judged by have changed. Therefore each host has its own key for
//! tickets and its own table of sessions; both outlive a renewed certificate, and neither a changed `client_ca`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{
    NoClientAuth, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
    WebPkiClientVerifier, danger::ClientCertVerifier,
};
use rustls::version::{TLS12, TLS13};

use crate::file::{self, Content};
use crate::pair::Pair;
use crate::problem::{Part, Problem, Unfit};
use crate::trust;
use crate::view::Leaf;
use crate::{Speaks, Without, provider};

/// Sessions kept for clients of TLS 1.2 that do not take tickets; there are few such.
const SESSIONS_KEPT: usize = 256;

/// The files of one `[[listener.tls]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFiles {
    /// Its chain.
    pub certificate: PathBuf,
    /// The key of the chain's first certificate.
    pub key: PathBuf,
    /// Set: a client must show a certificate of one of these authorities.
    pub client_ca: Option<PathBuf>,
}

/// One virtual host, as it stood when its files were last read and found good.
pub struct Host {
    files: Arc<HostFiles>,
    config: Arc<ServerConfig>,
    memory: Memory,
    pub(crate) leaf: Leaf,
}

/// What lets a client come back; and for which clients.
#[derive(Clone)]
struct Memory {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
    /// Mark of the authorities that its clients were judged by.
    judged_by: u64,
}

impl Host {
    /// How to answer a handshake.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Must a client show a certificate?
    pub fn wants_client(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// Its files.
    pub fn files(&self) -> &HostFiles {
        &self.files
    }

    /// Is this the same `[[listener.tls]]`, maybe with renewed files or after a reload?
    pub fn is(&self, other: &Host) -> bool {
        Arc::ptr_eq(&self.files, &other.files) || self.files == other.files
    }

    /// Puts together what was read. `before`: the same host until now.
    pub(crate) fn build(
        files: &Arc<HostFiles>,
        read: &HostContents,
        (speaks, without): (Speaks, Without),
        before: Option<&Host>,
    ) -> Result<Host, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut missing = |part, path: &Path, content: &Content| {
            if let Err(found) = content {
                problems.push(Unfit::new(part, found.clone(), "a file to read").of(0, Some(path)));
            }
        };
        missing(Part::Certificate, &files.certificate, &read.certificate);
        missing(Part::Key, &files.key, &read.key);
        let mut pair = None;
        if let (Ok(certificate), Ok(key)) = (&read.certificate, &read.key) {
            match Pair::new(certificate, key) {
                Ok(fit) => pair = Some(fit),
                Err(unfit) => problems.extend(unfit.into_iter().map(|unfit| {
                    let file = match unfit.part {
                        Part::Key => &files.key,
                        _ => &files.certificate,
                    };
                    unfit.of(0, Some(file))
                })),
            }
        }
        let verifier = verifier(read, without).map_err(|unfit| {
            problems.push(unfit.of(0, files.client_ca.as_deref()));
        });
        let (Some(pair), Ok(verifier)) = (pair, verifier) else {
            return Err(problems);
        };
        let judged_by = file::mark([read.client_ca.as_ref()]);
        let memory = before.map(|host| &host.memory);
        let memory = match memory.filter(|memory| memory.judged_by == judged_by) {
            Some(memory) => memory.clone(),
            None => Memory::new(judged_by).map_err(|unfit| vec![unfit.of(0, None)])?,
        };
        Ok(Host {
            files: files.clone(),
            config: Arc::new(config(&pair, verifier, &memory, speaks)),
            memory,
            leaf: pair.leaf,
        })
    }
}

impl Memory {
    fn new(judged_by: u64) -> Result<Memory, Unfit> {
        let tickets = Ticketer::new().map_err(|error| {
            let found = format!("no key for session tickets could be made ({error})");
            Unfit::new(Part::Key, found, "random bytes from the kernel")
        })?;
        Ok(Memory {
            tickets,
            sessions: ServerSessionMemoryCache::new(SESSIONS_KEPT),
            judged_by,
        })
    }
}

fn config(
    pair: &Pair,
    verifier: Arc<dyn ClientCertVerifier>,
    memory: &Memory,
    speaks: Speaks,
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has suites for both versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(pair.resolver());
    // Our order of suites, AES-256 first: testssl.sh calls it a weakness to leave the choice to the client. All of them are
    // good, so what is lost is only the wish of a client without AES instructions for ChaCha20.
    config.ignore_client_order = true;
    config.alpn_protocols = speaks.accepted();
    config.ticketer = memory.tickets.clone();
    config.session_storage = memory.sessions.clone();
    config
}

fn verifier(read: &HostContents, without: Without) -> Result<Arc<dyn ClientCertVerifier>, Unfit> {
    let unfit = |found: String| Unfit::new(Part::ClientCa, found, "a file to read");
    let bytes = match &read.client_ca {
        None => return Ok(Arc::new(NoClientAuth)),
        Some(content) => content.as_ref().map_err(|found| unfit(found.clone()))?,
    };
    let authorities = trust::authorities(bytes, Part::ClientCa)?;
    let builder = WebPkiClientVerifier::builder_with_provider(authorities, provider());
    let built = match without {
        Without::Refused => builder.build(),
        Without::LetIn => builder.allow_unauthenticated().build(),
    };
    let built = built.map_err(|error| unfit(format!("it cannot be used ({error})")))?;
    Ok(built)
}

/// What a host's files hold now.
pub(crate) struct HostContents {
    certificate: Content,
    key: Content,
    client_ca: Option<Content>,
}

impl HostContents {
    pub(crate) fn read(files: &HostFiles) -> HostContents {
        HostContents {
            certificate: file::read(&files.certificate),
            key: file::read(&files.key),
            client_ca: files.client_ca.as_deref().map(file::read),
        }
    }

    pub(crate) fn mark(&self) -> u64 {
        file::mark([
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ])
    }
}
