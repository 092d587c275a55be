//! The handle by which the binary drives the data plane.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::counters::CounterSet;
use evenkeel_core::table::PoolTable;

use crate::options::{Options, Traffic};

/// The running data plane. Shared freely between threads; every call returns at once but [`stop`](Proxy::stop).
pub struct Proxy {
    options: Options,
}

impl Proxy {
    /// Starts the worker threads. They serve nothing until [`apply`](Proxy::apply) and [`listen`](Proxy::listen).
    pub fn start(options: Options) -> io::Result<Proxy> {
        Ok(Proxy { options })
    }

    /// Puts a whole configuration in place, at once for requests that begin from now on; what runs goes on under the old
    /// one. Counters and policy state stay with whatever keeps its name.
    pub fn apply(&self, _traffic: Traffic) {}

    /// Replaces the table of one pool of the applied traffic. An older epoch than the one in place, or an unknown pool,
    /// is refused: false.
    pub fn publish(&self, _table: Arc<PoolTable>) -> bool {
        false
    }

    /// Accepts on these listening sockets for the listener of this name (its settings may come with a later
    /// [`apply`](Proxy::apply)). One socket per worker, or a single one that all share. `address` is the key for
    /// [`unlisten`](Proxy::unlisten); the same address again replaces its sockets.
    pub fn listen(
        &self,
        _address: String,
        _listener: Arc<str>,
        _sockets: Vec<OwnedFd>,
    ) -> io::Result<()> {
        Ok(())
    }

    /// Stops accepting there, after taking in the connections already waiting; open ones live on.
    pub fn unlisten(&self, _address: &str) {}

    /// All counters but the endpoints' own; a new set after each [`apply`](Proxy::apply).
    pub fn counters(&self) -> Arc<CounterSet> {
        Arc::default()
    }

    /// One number per worker that moves at least every 250 ms while that worker's loop turns.
    pub fn turns(&self) -> Vec<u64> {
        vec![0; self.options.workers]
    }

    /// Stops accepting, closes idle keep-alive connections, and says `Connection: close` on every further answer.
    pub fn drain(&self) {}

    /// Client connections open, tunnels too.
    pub fn open_connections(&self) -> u64 {
        0
    }

    /// Drains, waits until nothing is open or `deadline` has passed, cuts what is left and joins the threads.
    pub fn stop(&self, _deadline: Duration) {}
}
