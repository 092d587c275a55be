//! Reading certificates while the configuration is read.

use std::cell::RefCell;
use std::sync::Arc;

use evenkeel_core::settings::{HostTls, PoolTls, Protocol};
use evenkeel_schema::config::{FileProblem, LookAtTls};
use evenkeel_tls::{
    Client, ClientFiles, HostFiles, Problem, Server, Speaks, TOKEN_KEYS_WANTED, TokenKeys,
};

use super::{Certificate, Door, Listener, Pool, Tls};

/// Looks into the files, and keeps what is good.
pub(super) struct Loader<'a> {
    before: Option<&'a Tls>,
    /// Is what is wrong only left out?
    rescue: bool,
    new: RefCell<Tls>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(before: Option<&'a Tls>) -> Loader<'a> {
        Loader {
            before,
            rescue: false,
            new: RefCell::default(),
        }
    }

    pub(super) fn rescuing() -> Loader<'a> {
        Loader {
            rescue: true,
            ..Loader::new(None)
        }
    }

    /// Where nothing may be missing these are mistakes; else it is noted.
    fn lacks(
        &self,
        kind: &'static str,
        name: &str,
        host: &HostTls,
        problems: Vec<Problem>,
    ) -> Vec<FileProblem> {
        if !self.rescue {
            return told(problems);
        }
        let mut new = self.new.borrow_mut();
        new.rescued = true;
        new.missing.push(Certificate {
            kind,
            name: name.to_owned(),
            file: host.certificate.display().to_string(),
            names: Vec::new(),
            issuer: String::new(),
            time: None,
            problems: problems.iter().map(ToString::to_string).collect(),
        });
        Vec::new()
    }

    /// A door of our own: who comes may show a certificate, and is judged inside.
    fn door(
        &self,
        kind: &'static str,
        tls: &HostTls,
        of: fn(&Tls) -> &Option<Door>,
        of_mut: fn(&mut Tls) -> &mut Option<Door>,
    ) -> Vec<FileProblem> {
        let old = self.before.and_then(|before| of(before).as_ref());
        match Server::load_asking(&host_files(tls), old.map(|old| &*old.server)) {
            Ok(server) => {
                let door = old.filter(|old| old.tls == *tls);
                let door = door.cloned().unwrap_or_else(|| Door {
                    tls: tls.clone(),
                    server: Arc::new(server),
                });
                *of_mut(&mut self.new.borrow_mut()) = Some(door);
                Vec::new()
            }
            Err(problems) => self.lacks(kind, kind, tls, problems),
        }
    }

    /// What was read, once the configuration as a whole was found right.
    pub(super) fn loaded(self) -> Tls {
        self.new.into_inner()
    }
}

impl LookAtTls for Loader<'_> {
    fn listener(&self, name: &str, protocol: &Protocol, hosts: &[HostTls]) -> Vec<FileProblem> {
        let speaks = match protocol {
            Protocol::Http => Speaks::Http,
            Protocol::Tcp { .. } | Protocol::Passthrough => Speaks::Bytes,
        };
        let old = self.before.and_then(|tls| tls.listeners.get(name));
        let files: Vec<HostFiles> = hosts.iter().map(host_files).collect();
        match Server::load(&files, speaks, old.map(|old| &*old.server)) {
            Ok(server) => {
                let same = old.filter(|old| old.hosts == hosts && old.speaks == speaks);
                let listener = same.cloned().unwrap_or_else(|| Listener {
                    hosts: hosts.to_vec(),
                    speaks,
                    server: Arc::new(server),
                });
                let listeners = &mut self.new.borrow_mut().listeners;
                listeners.insert(name.into(), listener);
                Vec::new()
            }
            Err(problems) => self.lacks("listener", name, &hosts[0], problems),
        }
    }

    fn pool(&self, name: &str, tls: &PoolTls) -> Vec<FileProblem> {
        let old = self.before.and_then(|before| before.pools.get(name));
        match Client::load(&client_files(tls)) {
            Ok(client) => {
                let pool = old.filter(|old| old.tls == *tls);
                let pool = pool.cloned().unwrap_or_else(|| Pool {
                    tls: tls.clone(),
                    client: Arc::new(client),
                });
                self.new.borrow_mut().pools.insert(name.into(), pool);
                Vec::new()
            }
            Err(problems) if self.rescue => {
                let client = Client::distrusting(&client_files(tls), problems);
                let mut new = self.new.borrow_mut();
                new.rescued = true;
                let pool = Pool {
                    tls: tls.clone(),
                    client: Arc::new(client),
                };
                new.pools.insert(name.into(), pool);
                Vec::new()
            }
            Err(problems) => told(problems),
        }
    }

    fn token_keys(&self, text: &str) -> Result<(), (String, &'static str)> {
        let read = TokenKeys::read(text);
        read.map(drop).map_err(|found| (found, TOKEN_KEYS_WANTED))
    }

    fn admin(&self, tls: &HostTls) -> Vec<FileProblem> {
        self.door("admin", tls, |tls| &tls.admin, |tls| &mut tls.admin)
    }

    fn agents(&self, tls: &HostTls) -> Vec<FileProblem> {
        self.door("agents", tls, |tls| &tls.agents, |tls| &mut tls.agents)
    }
}

fn host_files(host: &HostTls) -> HostFiles {
    HostFiles {
        certificate: host.certificate.clone(),
        key: host.key.clone(),
        client_ca: host.client_ca.clone(),
    }
}

fn client_files(tls: &PoolTls) -> ClientFiles {
    let pair = tls.certificate.as_ref();
    ClientFiles {
        ca: tls.ca.clone(),
        server_name: tls.server_name.clone(),
        certificate: pair.map(|pair| pair.certificate.clone()),
        key: pair.map(|pair| pair.key.clone()),
    }
}

fn told(problems: Vec<Problem>) -> Vec<FileProblem> {
    let one = |problem: Problem| FileProblem {
        index: problem.index,
        key: problem.part.key(),
        found: match &problem.file {
            Some(file) => format!("{}: {}", file.display(), problem.found),
            None => problem.found,
        },
        wanted: problem.wanted,
    };
    problems.into_iter().map(one).collect()
}
