//! What control may ask of its surroundings, over the real data plane and the real keeper.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_control::{Host, Input, OldestPoints, ServiceEvent, Tls};
use evenkeel_core::balance::Learned;
use evenkeel_core::counters::CounterSet;
use evenkeel_core::id::Epoch;
use evenkeel_core::session::Part;
use evenkeel_core::settings::{ListenerSettings, ServiceSpec};
use evenkeel_core::table::PoolTable;
use evenkeel_proxy::{Proxy, Traffic};
use evenkeel_schema::admin::{RecoveryAnswer, RecoveryPoints, ReplacedStatus};
use evenkeel_schema::config::{Admin, Agents, Bind, Config};

use crate::balancer::keeper::{Keeper, address};
use crate::balancer::recovery::Recovery;
use crate::balancer::sessions::SessionKeys;
use crate::balancer::sockets::{Slot, Slots, wanted};

/// Who may connect to a unix socket listener: everybody who reaches its folder, as with nginx.
const LISTENER_MODE: u32 = 0o666;
/// The admin socket is its owner's alone.
const ADMIN_MODE: u32 = 0o600;
/// Descriptors that are not for client connections: store, logs, probes, admin connections, listening sockets.
const DESCRIPTORS_RESERVED: u64 = 256;

/// Before the address where agents connect, in the key of its socket.
const AGENTS: &str = "agents ";

fn agents_key(agents: &Agents) -> String {
    format!("{AGENTS}{}", agents.bind)
}

/// The balancer as control sees it.
pub(crate) struct BalancerHost {
    proxy: Arc<Proxy>,
    keeper: Arc<Keeper>,
    workers: usize,
    descriptors: u64,
    user: Option<String>,
    slots: Mutex<Slots>,
    /// The values of max_connections that were said to be too high: once is enough, not at each reload.
    clamped: Mutex<BTreeSet<u32>>,
    served: AtomicBool,
    draining: AtomicBool,
    recovery: Arc<Recovery>,
    session_keys: SessionKeys,
    /// Sessions of an earlier process, until the data plane takes them in.
    kept: Mutex<Vec<Part>>,
}

impl BalancerHost {
    /// Nothing is open yet.
    pub(crate) fn new(
        proxy: Arc<Proxy>,
        keeper: Arc<Keeper>,
        workers: usize,
        descriptors: u64,
        config: &Config,
    ) -> BalancerHost {
        BalancerHost {
            proxy,
            keeper,
            workers,
            descriptors,
            user: config.node.user.clone(),
            slots: Mutex::default(),
            clamped: Mutex::default(),
            served: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            recovery: Arc::new(Recovery::new(&config.node.state_dir)),
            session_keys: SessionKeys::new(&config.node.state_dir),
            kept: Mutex::default(),
        }
    }

    /// Its recovery points.
    pub(crate) fn recovery(&self) -> Arc<Recovery> {
        self.recovery.clone()
    }

    /// Opens what is not open yet; if one can't be had, none of the new ones stays open.
    pub(crate) fn open_all(&self, config: &Config) -> Result<(), Vec<String>> {
        let (mut new, mut whys) = (Slots::new(), Vec::new());
        for want in wanted(config) {
            if self.slots().contains_key(&want.key) {
                continue;
            }
            match self
                .keeper
                .open(&want.key, address(&want.bind), self.workers, LISTENER_MODE)
            {
                Ok(opened) => {
                    let slot = Slot {
                        actual: opened.actual.to_string(),
                        sockets: opened.sockets,
                        used_by: None,
                    };
                    new.insert(want.key, slot);
                }
                Err(why) => whys.push(format!("listener {}: {why}", want.by.listener)),
            }
        }
        if let Some(agents) = &config.agents
            && !self.slots().contains_key(&agents_key(agents))
        {
            let (key, bind) = (agents_key(agents), Bind::Ip(agents.bind));
            match self.keeper.open(&key, address(&bind), 1, LISTENER_MODE) {
                Ok(opened) => {
                    let slot = Slot {
                        actual: opened.actual.to_string(),
                        sockets: opened.sockets,
                        used_by: None,
                    };
                    new.insert(key, slot);
                }
                Err(why) => whys.push(format!("agents: {why}")),
            }
        }
        // A key that can't be made or read is found out before anything changes.
        whys.extend(self.session_keys.sessions(config).err());
        if whys.is_empty() {
            self.slots().append(&mut new);
            return Ok(());
        }
        for key in new.keys() {
            self.keeper.close(key);
        }
        Err(whys)
    }

    /// Opens the admin API's address.
    pub(crate) fn open_admin(&self, admin: &Admin) -> Result<Vec<OwnedFd>, String> {
        let opened = self
            .keeper
            .open("admin", address(&admin.bind), 1, ADMIN_MODE);
        opened
            .map(|o| o.sockets)
            .map_err(|why| format!("admin: {why}"))
    }

    /// Was this balancer asked to end?
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    /// Ties every address to its listener and lets go of those that nobody names.
    fn settle(&self, config: &Config) {
        let wanted = wanted(config);
        let mut slots = self.slots();
        for want in &wanted {
            let Some(slot) = slots
                .get_mut(&want.key)
                .filter(|slot| slot.used_by.as_ref() != Some(&want.by))
            else {
                continue;
            };
            let listening = slot.copies().and_then(|sockets| {
                self.proxy
                    .listen(want.key.clone(), want.by.listener.clone(), sockets)
            });
            match listening {
                Ok(()) => slot.used_by = Some(want.by.clone()),
                Err(error) => {
                    tracing::error!(%error, address = want.key, "the listening socket can't be used")
                }
            }
        }
        let agents = config.agents.as_ref().map(agents_key);
        slots.retain(|key, _| {
            let keep = wanted.iter().any(|want| want.key == *key) || agents.as_ref() == Some(key);
            if !keep {
                self.proxy.unlisten(key);
                self.keeper.close(key);
            }
            keep
        });
    }

    /// The listeners' settings, with no more connections than there can be descriptors: each takes two.
    fn clamped(&self, config: &Config) -> Vec<Arc<ListenerSettings>> {
        let most = u32::try_from(self.descriptors.saturating_sub(DESCRIPTORS_RESERVED) / 2)
            .unwrap_or(u32::MAX)
            .max(1);
        let settings = config.listeners.iter().map(|l| &l.settings);
        let wanted = settings.clone().map(|s| s.max_connections);
        let too_many: BTreeSet<u32> = wanted.filter(|&wanted| wanted > most).collect();
        let mut said = self.clamped.lock().unwrap_or_else(PoisonError::into_inner);
        for wanted in too_many.difference(&said) {
            tracing::warn!(
                "max_connections = {wanted} is more than this process can have: a listener takes {most} at most; \
                 raise `ulimit -n`, which is {}, for more",
                self.descriptors
            );
        }
        *said = too_many;
        let clamp = |s: &ListenerSettings| ListenerSettings {
            max_connections: s.max_connections.min(most),
            ..s.clone()
        };
        settings.map(|s| Arc::new(clamp(s))).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Part>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for BalancerHost {
    fn open(&self, config: &Config) -> Result<(), Vec<String>> {
        self.open_all(config)
    }

    fn apply(&self, config: &Arc<Config>, tls: &Tls, revision: u64, tables: Vec<Arc<PoolTable>>) {
        let sessions = self.session_keys.sessions(config);
        let sessions = sessions.unwrap_or_else(|error| {
            tracing::error!(error, "clients are not known again");
            BTreeMap::new()
        });
        self.proxy.apply(Traffic {
            revision,
            sessions,
            kept: std::mem::take(&mut *self.kept()),
            listeners: self.clamped(config),
            routes: config.routes.clone(),
            tls: tls.listeners(),
            endpoint_tls: tls.pools(),
            tables,
        });
        self.settle(config);
        self.keeper.board().configure(&config.services);
        self.recovery.configure(&config.services);
        if !self.served.swap(true, SeqCst) {
            self.keeper.ready();
        }
    }

    fn publish(&self, table: Arc<PoolTable>) {
        self.proxy.publish(table);
    }

    fn start_service(&self, spec: &ServiceSpec, epoch: Epoch) {
        if let Err(why) = self.keeper.start(spec, self.user.as_deref(), epoch) {
            self.keeper.report(Input::Service {
                name: spec.name.to_string(),
                event: ServiceEvent::StartFailed { why },
            });
        }
    }

    fn signal_service(&self, name: &str, _pid: u32, signal: i32, epoch: Epoch) {
        self.keeper.signal(name, signal, epoch);
    }

    fn agents(&self) -> Option<(String, OwnedFd)> {
        let slots = self.slots();
        let mut agents = slots.iter().filter(|(key, _)| key.starts_with(AGENTS));
        let (_, slot) = agents.next()?;
        let socket = slot.sockets.first()?.try_clone();
        let socket =
            socket.inspect_err(|error| tracing::error!(%error, "the agents' socket can't be used"));
        Some((slot.actual.clone(), socket.ok()?))
    }

    fn listeners(&self) -> Vec<(String, Vec<String>)> {
        let mut listeners: Vec<(String, Vec<String>)> = Vec::new();
        for slot in self.slots().values() {
            let Some(used) = &slot.used_by else { continue };
            match listeners
                .iter_mut()
                .find(|(name, _)| **name == *used.listener)
            {
                Some((_, addresses)) => addresses.push(slot.actual.clone()),
                None => listeners.push((used.listener.to_string(), vec![slot.actual.clone()])),
            }
        }
        listeners
    }

    fn counters(&self) -> Arc<CounterSet> {
        self.proxy.counters()
    }

    fn restore_sessions(&self, parts: Vec<Part>) {
        self.kept().extend(parts);
    }

    fn changed_sessions(&self, last: bool) -> Vec<Part> {
        self.proxy.changed_sessions(last)
    }

    fn learned(&self, pool: &str) -> Vec<Learned> {
        self.proxy.learned(pool)
    }

    fn drain(&self) {
        self.draining.store(true, SeqCst);
        self.proxy.drain();
    }

    fn open_connections(&self) -> u64 {
        self.proxy.open_connections()
    }

    fn act(
        &self,
        spec: &ServiceSpec,
        action: &str,
        command: Option<&str>,
    ) -> Result<String, String> {
        // On its own host the balancer's configuration is also the host's word: what it does not name is not done.
        let all = evenkeel_agent::actions::ACTIONS.iter();
        let allowed: Vec<String> = all.map(|executor| executor.name.to_owned()).collect();
        evenkeel_agent::actions::carry_out(action, spec, command, &allowed)
    }

    fn tell(
        &self,
        program: &str,
        environment: &[(&'static str, String)],
        input: &[u8],
        within: Duration,
    ) -> Result<String, String> {
        // This process's own variables may hold secrets that the configuration fetches from there.
        const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"];
        let variables = environment.iter();
        evenkeel_agent::actions::Program {
            name: program,
            words: &[program.to_owned()],
            directory: None,
            environment: variables.map(|(k, v)| (k.as_ref(), v.as_ref())).collect(),
            inherited: Some(&INHERITED),
            input,
            within,
        }
        .run()
    }

    fn recovery_points(&self) -> RecoveryPoints {
        self.recovery.list()
    }

    fn oldest_points(&self, version: u64) -> Option<(u64, OldestPoints)> {
        self.recovery.oldest(version)
    }

    fn verify(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        self.recovery.verify(service, id)
    }

    fn restore(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        self.recovery.restore(service, id)
    }

    fn keeper_pid(&self) -> u32 {
        self.keeper.pid()
    }

    fn replaced(&self) -> Option<ReplacedStatus> {
        self.keeper.succession().cloned()
    }
}
