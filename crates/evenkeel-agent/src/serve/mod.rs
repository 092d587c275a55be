//! The agent as a process of its own, on a service's host: it supervises what its file names, tells balancers of it, and carries
//! out what they order and its file allows.
//!
//! ```text
//!  keeper ── Input ──▶ worker ── Host ──▶ keeper           one task owns everything and never waits
//!                       │  ▲
//!            FromAgent  ▼  │  Report
//!                      lines ◀── TLS ──▶ balancers          one task a balancer: calls, listens, speaks
//! ```
//!
//! Supervision is core's engine without any pool: the same machines as in the balancer, on this side of the network, so that a
//! service is started again whether anybody is connected or not.

mod fences;
mod line;
mod lines;
mod orders;
mod points;
mod talk;
mod tell;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::Running;
use evenkeel_core::facts::Facts;
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceEvent;
use evenkeel_schema::admin::{RecoveryPoint, RecoveryProblem};
use evenkeel_schema::config::AgentConfig;
use tokio::sync::mpsc;

use crate::file::Loaded;

/// Room in the queue of [`Input`]s: a few signals and every service's exit at once.
pub const INPUTS_MAX: usize = 1024;

/// The recovery points of services, as they are known.
#[derive(Clone, Debug, Default)]
pub struct KnownPoints {
    /// Another number, other points.
    pub version: u64,
    /// By service. One whose points were not looked for yet is not in it.
    pub services: BTreeMap<String, ServicePoints>,
}

/// Of one service.
#[derive(Clone, Debug, Default)]
pub struct ServicePoints {
    /// Newest first.
    pub points: Vec<RecoveryPoint>,
    /// Why the last one could not be made.
    pub problem: Option<RecoveryProblem>,
}

/// Which recovery point is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichPoint {
    /// This one.
    Named(String),
    /// The newest that is whole and was made longer ago than this.
    Newest(Duration),
}

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Did {
    /// For people.
    pub words: String,
    /// Where the data is that was there before a restoration.
    pub kept_aside: Option<PathBuf>,
}

impl From<String> for Did {
    fn from(words: String) -> Did {
        Did {
            words,
            kept_aside: None,
        }
    }
}

/// The powers an agent has. Only [`Host::restore`] and [`Host::verify`] may block; everything else returns at once.
pub trait Host: Send + Sync + 'static {
    /// Starts a service's process; what comes of it arrives as [`Input::Service`].
    fn start_service(&self, spec: &ServiceSpec, epoch: Epoch);
    /// Sends a signal to a service's process group.
    fn signal_service(&self, name: &str, signal: i32, epoch: Epoch);
    /// This configuration is in force now.
    fn applied(&self, config: &AgentConfig);
    /// The agent works: from now on it is judged by [`Host::alive`].
    fn ready(&self);
    /// It still does.
    fn alive(&self);
    /// The recovery points of all services, unless they are of this version still. Asked four times a second.
    fn recovery_points(&self, known: u64) -> Option<KnownPoints>;
    /// Reads a recovery point back and says what is wrong with it. May block: called off the loop.
    ///
    /// # Errors
    /// For a person.
    fn verify(&self, service: &str, id: &str) -> Result<String, String>;
    /// Puts a recovery point in the place of a service's data. May block: called off the loop, while the service is held.
    ///
    /// # Errors
    /// For a person.
    fn restore(&self, service: &str, point: &WhichPoint) -> Result<Did, String>;
}

/// What the agent is told of its own host.
#[derive(Clone, Debug)]
pub enum Input {
    /// Read the file again (`SIGHUP`).
    Reload,
    /// End gracefully (`SIGTERM`, `SIGINT`).
    Shutdown,
    /// What was read.
    Facts(Arc<Facts>),
    /// Something happened to a service.
    Service {
        /// Its name.
        name: String,
        /// What.
        event: ServiceEvent,
    },
}

/// Everything an agent needs to begin.
pub struct Start {
    /// What to do.
    pub loaded: Loaded,
    /// Its file, read at a reload.
    pub file: PathBuf,
    /// The surroundings.
    pub host: Arc<dyn Host>,
    /// Services that run already and are adopted.
    pub running: Vec<Running>,
    /// From the keeper and the reader of facts; made with [`INPUTS_MAX`].
    pub inputs: mpsc::Receiver<Input>,
}

/// Threads for what may block: names, files, actions.
const BLOCKING_THREADS: usize = 16;

/// Runs until [`Input::Shutdown`] has been carried out.
///
/// # Errors
/// There is no runtime to be had.
pub fn run(start: Start) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("agent-blocking")
        .build()?;
    runtime.block_on(async { worker::Worker::start(start).run().await });
    // A file or a command that hangs is not waited for.
    runtime.shutdown_background();
    Ok(())
}
