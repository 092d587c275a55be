//! What control asks of its surroundings, and what they tell it: the binary implements this over the data plane and the
//! keeper, tests over nothing at all.

use std::sync::Arc;

use evenkeel_core::counters::CounterSet;
use evenkeel_core::facts::Facts;
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_core::table::PoolTable;
use evenkeel_schema::Config;

use crate::Tls;

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
    /// Every listener's name and the addresses it really has.
    fn listeners(&self) -> Vec<(String, Vec<String>)>;
    /// The counters of listeners, routes and pools.
    fn counters(&self) -> Arc<CounterSet>;
    /// Stop accepting; what is in flight may finish.
    fn drain(&self);
    /// Client connections open now.
    fn open_connections(&self) -> u64;
    /// The process `run` was started as.
    fn keeper_pid(&self) -> u32;
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
