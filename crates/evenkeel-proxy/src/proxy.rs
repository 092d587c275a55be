//! The handle by which the binary drives the data plane.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use evenkeel_core::balance::Learned;
use evenkeel_core::counters::CounterSet;
use evenkeel_core::session::Part;
use evenkeel_core::table::PoolTable;

use crate::access::Writer;
use crate::options::{Options, Traffic};
use crate::redo::{Book, Running};
use crate::rt;
use crate::snapshot::{Command, Shared, Snapshot, WorkerShared};
use crate::worker::Worker;

/// How long the end waits for the journal: a disk that works takes a tenth of that.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Parts of its sessions that a pool hands out at once, and sessions after which it stops: a few milliseconds of one thread.
const PARTS_AT_ONCE: (usize, usize) = (32, 8192);
/// How often [`Proxy::stop`] looks whether all connections have ended.
const LOOK: Duration = Duration::from_millis(5);

/// The running data plane. Shared freely between threads; every call returns at once but [`stop`](Proxy::stop).
pub struct Proxy {
    shared: Arc<Shared>,
    /// Taken by whoever stops it first.
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: Mutex<Option<Writer>>,
    redo: Mutex<Option<Running>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("workers", &self.shared.workers.len())
            .field("open", &self.open_connections())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts the worker threads. They serve nothing until [`apply`](Proxy::apply) and [`listen`](Proxy::listen).
    ///
    /// # Errors
    /// No threads or descriptors left, or the access log cannot be opened.
    pub fn start(options: Options) -> io::Result<Proxy> {
        let workers = options.workers.max(1);
        let (log, mut sinks) = match &options.access_log {
            None => (None, Vec::new()),
            Some(log) => {
                let (writer, sinks) = Writer::start(log, workers)?;
                (Some(writer), sinks)
            }
        };
        let (ask, told) = sync_channel::<Weak<Shared>>(1);
        let waits = move || told.recv().unwrap_or_default();
        let (book, running) = match options.redo {
            None => (None, None),
            Some(folder) => {
                let (book, running) = Book::start(folder, waits)?;
                (Some(book), Some(running))
            }
        };
        let shared = Arc::new(Shared {
            book,
            seed: options.seed,
            failures: options.failures,
            snapshot: ArcSwap::default(),
            generation: Default::default(),
            draining: AtomicBool::new(false),
            workers: (0..workers).map(|_| WorkerShared::default()).collect(),
            writing: Mutex::new(()),
        });
        let _ = ask.send(Arc::downgrade(&shared));
        let proxy = Proxy {
            shared,
            redo: Mutex::new(running),
            threads: Mutex::default(),
            log: Mutex::new(log),
        };
        for index in 0..workers {
            let (shared, sink) = (proxy.shared.clone(), sinks.pop());
            let started = rt::thread(format!("worker-{index}"), move || {
                Worker::run(shared, index, sink)
            });
            match started {
                Ok(thread) => locked(&proxy.threads).push(thread),
                Err(e) => {
                    proxy.stop(Duration::ZERO);
                    return Err(e);
                }
            }
        }
        Ok(proxy)
    }

    /// Puts a whole configuration in place, at once for requests that begin from now on; what runs goes on under the old
    /// one. Counters and policy state stay with whatever keeps its name.
    pub fn apply(&self, traffic: Traffic) {
        let _one_at_a_time = locked(&self.shared.writing);
        let old = self.shared.snapshot.load_full();
        let snapshot = Snapshot::build(&old, traffic, self.shared.workers.len());
        let snapshot = Arc::new(snapshot);
        self.shared.snapshot.store(snapshot.clone());
        self.changed();
        for cell in snapshot.pools.values() {
            cell.queue.wake_all(cell.table.load().limit.newest_first);
        }
    }

    /// Replaces the table of one pool of the applied traffic. An older epoch than the one in place, or an unknown pool,
    /// is refused: false.
    pub fn publish(&self, table: Arc<PoolTable>) -> bool {
        let _one_at_a_time = locked(&self.shared.writing);
        let snapshot = self.shared.snapshot.load_full();
        let Some(cell) = snapshot.pools.get(&table.name) else {
            return false;
        };
        if cell.id != table.pool || table.epoch < cell.table.load().epoch {
            return false;
        }
        let newest_first = table.limit.newest_first;
        cell.table.store(table);
        self.changed();
        cell.queue.wake_all(newest_first);
        true
    }

    /// Accepts on these listening sockets for the listener of this name (its settings may come with a later
    /// [`apply`](Proxy::apply)). One socket per worker, or fewer, which are then shared. `address` is the key for
    /// [`unlisten`](Proxy::unlisten); the same address again replaces its sockets.
    ///
    /// # Errors
    /// No socket was given, or no descriptors are left.
    pub fn listen(
        &self,
        address: String,
        listener: Arc<str>,
        sockets: Vec<OwnedFd>,
    ) -> io::Result<()> {
        if sockets.is_empty() {
            let e = format!("no listening socket was given for {address}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, e));
        }
        let workers = self.shared.workers.len();
        let address: Arc<str> = address.into();
        let mut shares: Vec<Vec<OwnedFd>> = (0..workers).map(|_| Vec::new()).collect();
        for extra in sockets.len()..workers {
            shares[extra].push(sockets[extra % sockets.len()].try_clone()?);
        }
        for (i, socket) in sockets.into_iter().enumerate() {
            shares[i % workers].push(socket);
        }
        for (worker, sockets) in self.shared.workers.iter().zip(shares) {
            worker.command(Command::Listen {
                address: address.clone(),
                listener: listener.clone(),
                sockets,
            });
        }
        Ok(())
    }

    /// Stops accepting there, after taking in the connections already waiting; open ones live on.
    pub fn unlisten(&self, address: &str) {
        let address: Arc<str> = address.into();
        for worker in &self.shared.workers {
            worker.command(Command::Unlisten {
                address: address.clone(),
            });
        }
    }

    /// All counters but the endpoints' own; a new set after each [`apply`](Proxy::apply).
    pub fn counters(&self) -> Arc<CounterSet> {
        self.shared.snapshot.load().counters.clone()
    }

    /// Of the sessions that are kept for clients, the parts that changed since they were asked for: a few at a time, and none
    /// once all were handed out. `last` = also those whose sessions were only prolonged. For one thread.
    pub fn changed_sessions(&self, last: bool) -> Vec<Part> {
        let (now_s, _) = rt::wall();
        let snapshot = self.shared.snapshot.load_full();
        let mut parts = Vec::new();
        for (pool, cell) in &snapshot.pools {
            let changed = cell
                .kept
                .get()
                .map(|kept| kept.changed(PARTS_AT_ONCE, now_s, last));
            let changed = changed.into_iter().flatten();
            parts.extend(changed.map(|(number, rows)| Part {
                pool: pool.clone(),
                number,
                rows,
            }));
        }
        parts
    }

    /// What each worker's policy has learned of this pool's endpoints, a second ago or less; nothing of one that learns nothing
    /// that can be told.
    pub fn learned(&self, pool: &str) -> Vec<Learned> {
        let snapshot = self.shared.snapshot.load();
        let Some(cell) = snapshot.pools.get(pool) else {
            return Vec::new();
        };
        let workers = cell.learned.iter().filter_map(ArcSwapOption::load_full);
        workers.flat_map(|told| told.to_vec()).collect()
    }

    /// One number per worker that moves at least every 250 ms while that worker's loop turns.
    pub fn turns(&self) -> Vec<u64> {
        self.shared
            .workers
            .iter()
            .map(|worker| worker.turns.load(Relaxed))
            .collect()
    }

    /// Stops accepting, closes idle keep-alive connections, and says `Connection: close` on every further answer.
    pub fn drain(&self) {
        if self.shared.draining.swap(true, Relaxed) {
            return;
        }
        for worker in &self.shared.workers {
            worker.command(Command::Drain);
        }
    }

    /// Client connections open, tunnels too.
    pub fn open_connections(&self) -> u64 {
        let open = self.shared.workers.iter().map(|w| w.open.load(Relaxed));
        u64::try_from(open.sum::<i64>()).unwrap_or(0)
    }

    /// Drains, waits until nothing is open or `deadline` has passed, cuts what is left and joins the threads.
    pub fn stop(&self, deadline: Duration) {
        self.drain();
        let until = Instant::now() + deadline;
        // What still waits in the accept queues is taken in by the drain; it counts once the workers did that.
        let drained = || {
            let commands = self.shared.workers.iter().all(WorkerShared::is_done);
            commands && self.open_connections() == 0
        };
        while !drained() && Instant::now() < until {
            thread::sleep(LOOK);
        }
        for worker in &self.shared.workers {
            worker.command(Command::Stop);
        }
        for thread in std::mem::take(&mut *locked(&self.threads)) {
            let _ = thread.join();
        }
        let log = locked(&self.log).take();
        if let Some(log) = log {
            log.join();
        }
        let running = locked(&self.redo).take();
        if let (Some(running), Some(book)) = (running, &self.shared.book) {
            book.end();
            running.join(LAST_WORDS);
        }
    }

    fn changed(&self) {
        self.shared.generation.fetch_add(1, Release);
        for worker in &self.shared.workers {
            worker.changed.notify_one();
        }
    }
}

impl Drop for Proxy {
    /// Cuts what is left; does nothing after [`stop`](Proxy::stop).
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// Nothing behind these locks is left half done by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
