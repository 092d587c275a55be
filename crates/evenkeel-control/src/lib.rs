//! The control loop: it feeds the engine with what probes, counters, operators and services say, carries out what the
//! engine decides, and answers the admin API.
//!
//! Control runs on threads of its own, so that when it hangs, traffic goes on: the data plane serves from the last tables
//! it was given. It does not know how bytes are forwarded, how sockets are opened or how processes are started; it asks
//! its [`Host`].

mod agents;
mod api;
mod ask;
mod driver;
mod host;
mod last;
mod metrics;
mod names;
mod notify;
mod prepare;
mod revisions;
mod storage;
#[cfg(test)]
mod tests;
mod tls;

pub use evenkeel_core::engine::Running;
pub use evenkeel_core::supervise::ServiceEvent;
pub use host::{Host, Input, OldestPoints};
pub use last::{LastApplied, keep_applied, last_applied};
pub use tls::Tls;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_core::observe::Failure;
use evenkeel_schema::Config;
use tokio::sync::mpsc;

/// Room in the queue of [`Failure`]s from the data plane. One pool of 100 endpoints dying at 10 000 requests a second
/// fills it in a tenth of a second, which is when the counters are swept anyway.
pub const FAILURES_MAX: usize = 1024;

/// Room in the queue of [`Input`]s: a few signals and every service's exit at once.
pub const INPUTS_MAX: usize = 1024;

/// Everything control needs to begin.
pub struct Start {
    /// What to run: FILE's, or with `resume` the last applied one.
    pub config: Arc<Config>,
    /// Its certificates, read with it.
    pub tls: Tls,
    /// FILE: read at a reload, written by `PUT /v1/config` and rollback.
    pub file: PathBuf,
    /// Does this balancer replace one that died? Then `config` is [`last_applied`]'s and no new revision.
    pub resume: bool,
    /// Data-plane workers, at least 1.
    pub workers: usize,
    /// The surroundings.
    pub host: Arc<dyn Host>,
    /// Services that run already and are adopted, not started again.
    pub running: Vec<Running>,
    /// Failed tries, from the data plane; made with [`FAILURES_MAX`].
    pub failures: mpsc::Receiver<Failure>,
    /// From the keeper; made with [`INPUTS_MAX`].
    pub inputs: mpsc::Receiver<Input>,
    /// Listening sockets of the admin API, TCP or unix, already listening.
    pub admin: Vec<OwnedFd>,
}

/// A running control plane.
pub struct Control {
    thread: std::thread::JoinHandle<()>,
}

impl Control {
    /// Returns when [`Input::Shutdown`] has been carried out: everything drained, services stopped, states stored.
    pub fn join(self) {
        let _ = self.thread.join();
    }
    /// Has it ended, by shutdown or by a panic?
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Threads for what may block: names, files, opening addresses. Idle ones end by themselves.
const BLOCKING_THREADS: usize = 32;

/// Starts the control plane on a thread of its own and returns at once; the first [`Host::apply`] comes from there, within
/// milliseconds, before names are resolved or anything was probed.
///
/// # Errors
/// The thread or its runtime cannot be started.
pub fn start(start: Start) -> io::Result<Control> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("control-blocking")
        .build()?;
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            if let Err(error) = runtime.block_on(run(start)) {
                tracing::error!("control cannot start: {error}");
            }
            // A look-up or a file that hangs is not waited for.
            runtime.shutdown_background();
        })?;
    Ok(Control { thread })
}

async fn run(mut start: Start) -> io::Result<()> {
    let (asker, asks) = ask::Asker::new();
    let admin = std::mem::take(&mut start.admin);
    let door = Arc::new(api::Door::new(api::Way::of(
        &start.config.admin,
        &start.tls,
    )));
    let (driver, queues) = driver::Driver::start(start, asks, door.clone()).await?;
    api::serve(admin, asker, door)?;
    driver.run(queues).await;
    Ok(())
}
