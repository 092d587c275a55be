//! What control asks of its surroundings, and what they tell it: the binary implements this over the data plane and the
//! keeper, tests over nothing at all.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::balance::Learned;
use evenkeel_core::counters::CounterSet;
use evenkeel_core::facts::Facts;
use evenkeel_core::id::Epoch;
use evenkeel_core::session::Part;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_core::table::PoolTable;
use evenkeel_core::time::WallTime;
use evenkeel_schema::Config;
use evenkeel_schema::admin::{RecoveryAnswer, RecoveryPoints, ReplacedStatus};

use crate::Tls;

/// When the oldest recovery point was made, by service.
pub type OldestPoints = BTreeMap<Arc<str>, Option<WallTime>>;

/// The powers control has. Only [`Host::open`] may block; everything else returns at once.
pub trait Host: Send + Sync + 'static {
    /// Opens every new address of this configuration; called off the control loop, so it may block. If one cannot be had
    /// the reload is rejected whole, with these reasons, and nothing stays open that was not before. Not called for the
    /// first configuration: its addresses are open before control starts.
    fn open(&self, config: &Config) -> Result<(), Vec<String>>;
    /// Makes it current in the data plane: listeners with their TLS, routes, all pool tables. Addresses it does not name are let go.
    fn apply(&self, config: &Arc<Config>, tls: &Tls, revision: u64, tables: Vec<Arc<PoolTable>>);
    /// Puts this table in place of the pool's older one; one with an older epoch is ignored.
    fn publish(&self, table: Arc<PoolTable>);
    /// Starts a service's process; what comes of it arrives as [`Input::Service`].
    fn start_service(&self, spec: &ServiceSpec, epoch: Epoch);
    /// Sends a signal to a service's process, if it is still this one.
    fn signal_service(&self, name: &str, pid: u32, signal: i32, epoch: Epoch);
    /// Where agents of other hosts connect, as the address really is, and a listening socket there; `None` = they don't.
    fn agents(&self) -> Option<(String, OwnedFd)> {
        None
    }
    /// Every listener's name and the addresses it really has.
    fn listeners(&self) -> Vec<(String, Vec<String>)>;
    /// The counters of listeners, routes and pools.
    fn counters(&self) -> Arc<CounterSet>;
    /// Puts back the sessions that an earlier process kept for its clients, with the next [`apply`](Host::apply). A host that
    /// keeps none drops them.
    fn restore_sessions(&self, parts: Vec<Part>) {
        drop(parts);
    }
    /// Of the sessions that are kept for clients, the parts that changed since they were asked for, a few at a time. `last` = also
    /// what was only prolonged.
    fn changed_sessions(&self, last: bool) -> Vec<Part> {
        let _ = last;
        Vec::new()
    }
    /// What each worker's policy has learned of this pool's endpoints.
    fn learned(&self, pool: &str) -> Vec<Learned> {
        let _ = pool;
        Vec::new()
    }
    /// Stop accepting; what is in flight may finish.
    fn drain(&self);
    /// Client connections open now.
    fn open_connections(&self) -> u64;
    /// Carries out an action on a service's host: its files and commands. May block: called off the control loop.
    fn act(
        &self,
        spec: &ServiceSpec,
        action: &str,
        command: Option<&str>,
    ) -> Result<String, String> {
        let _ = command;
        Err(format!(
            "nothing is carried out for {} here, so not {action}",
            spec.name
        ))
    }
    /// Runs a program that tells a person: no shell, no arguments, these variables and few of ours, this on its standard input,
    /// killed if it takes longer. May block: called off the control loop.
    fn tell(
        &self,
        program: &str,
        environment: &[(&'static str, String)],
        input: &[u8],
        within: Duration,
    ) -> Result<String, String> {
        let _ = (environment, input, within);
        Err(format!("no programs are run here, so not {program}"))
    }
    /// The recovery points of all services, as known now. A host that keeps none has none.
    fn recovery_points(&self) -> RecoveryPoints {
        RecoveryPoints::default()
    }
    /// When the oldest recovery point of each service that can be restored was made, `None` = it has none; unless all of that is as it
    /// was at this version. Services that were not looked at yet are left out.
    fn oldest_points(&self, version: u64) -> Option<(u64, OldestPoints)> {
        let _ = version;
        None
    }
    /// Reads a recovery point back and says what is wrong with it. May block: called off the control loop.
    fn verify(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        Err(format!(
            "no recovery points of {service} are kept here, so not {id}"
        ))
    }
    /// Puts a recovery point in the place of a service's data. May block: called off the control loop, while the service is held.
    fn restore(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        self.verify(service, id)
    }
    /// The process `run` was started as.
    fn keeper_pid(&self) -> u32;
    /// What became of the balancers before this one, where there were any.
    fn replaced(&self) -> Option<ReplacedStatus> {
        None
    }
}

/// What the keeper tells control.
#[derive(Clone, Debug)]
pub enum Input {
    /// Read FILE again (`SIGHUP`).
    Reload,
    /// End gracefully (`SIGTERM`, `SIGINT`).
    Shutdown,
    /// What was read of this machine and the services on it.
    Facts(Arc<Facts>),
    /// Something happened to a supervised service.
    Service {
        /// Its name in the configuration.
        name: String,
        /// What.
        event: ServiceEvent,
    },
}
