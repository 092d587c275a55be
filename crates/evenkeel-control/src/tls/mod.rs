//! All TLS of one configuration: the certificates of listeners and of the admin API, and how endpoints are spoken to.
//!
//! It is read while the configuration is read, so that what is wrong in a certificate is a mistake like any other, and
//! what was found good is what is then used. What a reload leaves as it was stays the same object: its sessions and tickets
//! live on.

mod expiry;
mod load;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::settings::{HostTls, PoolTls};
use evenkeel_schema::{Config, Mistake};
use evenkeel_tls::{Client, Server, Speaks};

pub(crate) use expiry::{Expiry, Level, days_left, warning};
pub(crate) use watch::{Certificate, News, Watch};

/// All TLS of one configuration.
#[derive(Clone, Default)]
pub struct Tls {
    listeners: BTreeMap<Arc<str>, Listener>,
    pools: BTreeMap<Arc<str>, Pool>,
    admin: Option<Door>,
    agents: Option<Door>,
    /// What could not be read when there was no other choice than to go on; see [`Tls::rescue`].
    missing: Vec<Certificate>,
    /// Is anything missing, or distrusts everybody for want of good files?
    rescued: bool,
}

#[derive(Clone)]
struct Listener {
    hosts: Vec<HostTls>,
    speaks: Speaks,
    server: Arc<Server>,
}

#[derive(Clone)]
struct Pool {
    tls: PoolTls,
    client: Arc<Client>,
}

/// The admin API's, or agents'.
#[derive(Clone)]
struct Door {
    tls: HostTls,
    server: Arc<Server>,
}

impl Tls {
    /// Reads a configuration, the secrets it names, and its certificates; every mistake of all of them at once. What
    /// `before` holds under the same name for the same files stays as it is.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn load(file: &Path, before: Option<&Tls>) -> Result<(Config, Tls), Vec<Mistake>> {
        let loader = load::Loader::new(before);
        let config = Config::load_and_look(file, &loader)?;
        Ok((config, loader.loaded()))
    }

    /// The same for a text that stands for `file`.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn parse(
        text: &str,
        file: &Path,
        before: Option<&Tls>,
    ) -> Result<(Config, Tls), Vec<Mistake>> {
        let loader = load::Loader::new(before);
        let config = Config::parse_and_look(text, file, &loader)?;
        Ok((config, loader.loaded()))
    }

    /// The same, but what is wrong with certificates is no mistake: a listener without a good one serves nobody, a pool
    /// without good files trusts nobody, and an admin API without them is shut, until they are good. For a balancer that
    /// replaces a dead one while somebody exchanges files: the rest must be served.
    ///
    /// # Errors
    /// Whatever else is wrong.
    pub fn rescue(text: &str, file: &Path) -> Result<(Config, Tls), Vec<Mistake>> {
        let loader = load::Loader::rescuing();
        let config = Config::parse_and_look(text, file, &loader)?;
        Ok((config, loader.loaded()))
    }

    /// Is there none?
    pub(crate) fn is_empty(&self) -> bool {
        self.owners().next().is_none() && self.missing.is_empty()
    }

    /// Is something missing that should be there? Then it is worth reading all of it again.
    pub(crate) fn is_rescued(&self) -> bool {
        self.rescued
    }

    /// TLS of the listeners that end it, by name.
    pub fn listeners(&self) -> BTreeMap<Arc<str>, Arc<Server>> {
        let listeners = self.listeners.iter();
        listeners
            .map(|(name, listener)| (name.clone(), listener.server.clone()))
            .collect()
    }

    /// TLS to the endpoints of the pools that have it, by name.
    pub fn pools(&self) -> BTreeMap<Arc<str>, Arc<Client>> {
        let pools = self.pools.iter();
        pools
            .map(|(name, pool)| (name.clone(), pool.client.clone()))
            .collect()
    }

    /// TLS to the endpoints of this pool.
    pub(crate) fn pool(&self, name: &str) -> Option<&Arc<Client>> {
        self.pools.get(name).map(|pool| &pool.client)
    }

    /// TLS of the admin API.
    pub(crate) fn admin(&self) -> Option<Arc<Server>> {
        self.admin.as_ref().map(|admin| admin.server.clone())
    }

    /// TLS of the place where agents connect.
    pub(crate) fn agents(&self) -> Option<Arc<Server>> {
        self.agents.as_ref().map(|agents| agents.server.clone())
    }

    /// Whose TLS there is, one after the other.
    fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        let listeners = self.listeners.iter().map(|(name, listener)| Owner {
            kind: "listener",
            name,
            files: listener.hosts.iter().flat_map(files_of_host).collect(),
            what: What::Server(&listener.server),
        });
        let pools = self.pools.iter().map(|(name, pool)| Owner {
            kind: "pool",
            name,
            files: files_of_pool(&pool.tls),
            what: What::Client(&pool.client, &pool.tls),
        });
        let doors = [("admin", &self.admin), ("agents", &self.agents)];
        let doors = doors.into_iter().filter_map(|(kind, door)| {
            let door = door.as_ref()?;
            Some(Owner {
                kind,
                name: kind,
                files: files_of_host(&door.tls).collect(),
                what: What::Server(&door.server),
            })
        });
        listeners.chain(pools).chain(doors)
    }
}

/// Something with TLS.
struct Owner<'a> {
    /// `listener`, `pool`, `admin` or `agents`.
    kind: &'static str,
    name: &'a str,
    files: Vec<&'a PathBuf>,
    what: What<'a>,
}

enum What<'a> {
    Server(&'a Server),
    Client(&'a Client, &'a PoolTls),
}

fn files_of_host(host: &HostTls) -> impl Iterator<Item = &PathBuf> {
    [&host.certificate, &host.key]
        .into_iter()
        .chain(&host.client_ca)
}

fn files_of_pool(tls: &PoolTls) -> Vec<&PathBuf> {
    let pair = tls.certificate.iter();
    let pair = pair.flat_map(|pair| [&pair.certificate, &pair.key]);
    tls.ca.iter().chain(pair).collect()
}
