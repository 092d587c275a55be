//! A listener's virtual hosts. Handshakes read them through one atomic pointer, so files are exchanged under live traffic
//! and what is under way keeps what it began with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::host::{Host, HostContents, HostFiles};
use crate::problem::{Change, Outcome, Problem};
use crate::view::CertificateView;
use crate::{Part, Speaks, Unfit, Without};

/// The `[[listener.tls]]` of one listener, at least one.
pub struct Server {
    speaks: Speaks,
    without: Without,
    /// Written by `refresh`, read by handshakes.
    hosts: ArcSwap<Hosts>,
    /// By host. Held by whoever refreshes.
    seen: Mutex<Vec<Seen>>,
}

/// What was last read from a host's files, good or not.
struct Seen {
    mark: u64,
    problems: Vec<Problem>,
}

struct Hosts {
    list: Vec<Arc<Host>>,
    /// Position of the first host with this DNS name; a wildcard's without its `*`, with its dot.
    by_name: BTreeMap<Box<str>, usize>,
    /// Does any of them judge its clients?
    judge: bool,
}

impl Hosts {
    fn new(list: Vec<Arc<Host>>) -> Hosts {
        let mut by_name = BTreeMap::new();
        for (i, host) in list.iter().enumerate() {
            for name in &host.leaf.dns_names {
                let name = name.strip_prefix('*').unwrap_or(name);
                by_name.entry(name.into()).or_insert(i);
            }
        }
        Hosts {
            judge: list.iter().any(|host| host.wants_client()),
            list,
            by_name,
        }
    }

    /// The exact name, then a wildcard for its first label, then the first.
    fn choose(&self, name: &str) -> usize {
        // A wildcard stands for a label, and not for none.
        if name.starts_with('.') {
            return 0;
        }
        let found = self.by_name.get(name);
        let wildcard = || self.by_name.get(name.get(name.find('.')?..)?);
        found.or_else(wildcard).copied().unwrap_or(0)
    }
}

impl Server {
    /// Reads everything, or says everything that is wrong. Of `before`, the same listener's until now, hosts whose files
    /// have the same names keep their tickets.
    pub fn load(
        hosts: &[HostFiles],
        speaks: Speaks,
        before: Option<&Server>,
    ) -> Result<Server, Vec<Problem>> {
        Server::load_as(hosts, speaks, Without::Refused, before)
    }

    /// The same of one host that speaks HTTP, but a client may also show no certificate: whoever serves it looks.
    pub fn load_asking(host: &HostFiles, before: Option<&Server>) -> Result<Server, Vec<Problem>> {
        let hosts = std::slice::from_ref(host);
        Server::load_as(hosts, Speaks::Http, Without::LetIn, before)
    }

    fn load_as(
        hosts: &[HostFiles],
        speaks: Speaks,
        without: Without,
        before: Option<&Server>,
    ) -> Result<Server, Vec<Problem>> {
        let mut problems = Vec::new();
        if hosts.is_empty() {
            let found = "no [[listener.tls]] was given";
            problems.push(Unfit::new(Part::Certificate, found, "at least one").of(0, None));
        }
        let old = before.map(|server| server.hosts.load_full());
        let (mut list, mut seen) = (Vec::new(), Vec::new());
        for (index, files) in hosts.iter().enumerate() {
            let read = HostContents::read(files);
            let old = old.iter().flat_map(|hosts| &hosts.list);
            let old = old.map(Arc::as_ref).find(|host| host.files() == files);
            match Host::build(&Arc::new(files.clone()), &read, (speaks, without), old) {
                Ok(host) => list.push(Arc::new(host)),
                Err(found) => problems.extend(numbered(index, found)),
            }
            seen.push(Seen {
                mark: read.mark(),
                problems: Vec::new(),
            });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Server {
            speaks,
            without,
            hosts: ArcSwap::from_pointee(Hosts::new(list)),
            seen: Mutex::new(seen),
        })
    }

    /// Reads the files again. What changed and is good is used from the next handshake on; what changed and is not leaves
    /// that host as it was.
    pub fn refresh(&self) -> Vec<Change> {
        let mut seen = self.seen();
        let current = self.hosts.load_full();
        let mut list = current.list.clone();
        let mut changes = Vec::new();
        for (index, (host, seen)) in list.iter_mut().zip(seen.iter_mut()).enumerate() {
            let files = Arc::new(host.files().clone());
            let read = HostContents::read(&files);
            let mark = read.mark();
            if mark == seen.mark {
                continue;
            }
            seen.mark = mark;
            seen.problems = Vec::new();
            let outcome = match Host::build(&files, &read, (self.speaks, self.without), Some(host))
            {
                Ok(new) => {
                    *host = Arc::new(new);
                    Outcome::Replaced
                }
                Err(found) => {
                    seen.problems = numbered(index, found).collect();
                    Outcome::Kept(seen.problems.clone())
                }
            };
            changes.push(Change {
                index,
                file: files.certificate.clone(),
                outcome,
            });
        }
        if changes
            .iter()
            .any(|change| change.outcome == Outcome::Replaced)
        {
            self.hosts.store(Arc::new(Hosts::new(list)));
        }
        changes
    }

    /// What is in use, by host.
    pub fn certificates(&self) -> Vec<CertificateView> {
        let seen = self.seen();
        let hosts = self.hosts.load();
        let both = hosts.list.iter().zip(seen.iter()).enumerate();
        both.map(|(index, (host, seen))| {
            let HostFiles {
                certificate, key, ..
            } = host.files();
            host.leaf.view(index, certificate, key, &seen.problems)
        })
        .collect()
    }

    /// The host for a server name in lower case: that of the certificate with exactly this name, else with `*.` in the
    /// place of its first label, else the first; of several, the first.
    pub fn choose(&self, server_name: Option<&str>) -> Arc<Host> {
        let hosts = self.hosts.load();
        let index = server_name.map_or(0, |name| hosts.choose(name));
        hosts.list[index].clone()
    }

    /// Would a client that names this host (in lower case) have got `host` too? If not, and if one of the two judges its
    /// clients, a request for it does not belong on a connection to `host`.
    pub fn misdirects(&self, host: &Host, name: &str) -> bool {
        let hosts = self.hosts.load();
        if !hosts.judge && !host.wants_client() {
            return false;
        }
        let other = &hosts.list[hosts.choose(name)];
        !other.is(host) && (other.wants_client() || host.wants_client())
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        // What a panic could leave half done is read again by the next.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn numbered(index: usize, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems
        .into_iter()
        .map(move |problem| Problem { index, ..problem })
}
