//! The store's own thread. A disk may stall for minutes; the control loop must not, so it only ever puts into a bounded
//! queue and never waits.
//!
//! The thread keeps a copy of all it was told to store. If the file is lost under it (damaged, the disk gone for a while)
//! it opens it again and writes the copy, so that nothing an operator ordered depends on one file's luck.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use evenkeel_schema::records::{
    AccountRecord, EndpointRecord, IncidentRecord, Record, RevisionRecord,
};
use evenkeel_store::{Durability, Embedded, Error, Expect, Memory, Store};
use tokio::sync::oneshot;

use crate::last;

/// Jobs on their way to the thread; what does not fit waits with the control loop, one job a key.
const JOBS_MAX: usize = 256;
/// Relaxed writes are on the disk after at most this: an endpoint's state is seen again sooner than that.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at a file that another process still holds (a predecessor about to go).
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// A file held for longer is worth a word in the log.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to open a store that the disk refuses.
const REOPEN_EVERY: Duration = Duration::from_secs(10);

const ACCOUNTS: &str = "account/";
const ENDPOINTS: &str = "endpoint/";
const REVISIONS: &str = "revision/";
const INCIDENTS: &str = "incident/";

/// What was found at the start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) endpoints: Vec<EndpointRecord>,
    pub(crate) accounts: Vec<AccountRecord>,
    /// By number, ascending.
    pub(crate) revisions: Vec<RevisionRecord>,
    /// By number, ascending.
    pub(crate) incidents: Vec<IncidentRecord>,
}

/// Something to write.
#[derive(Clone, Debug)]
enum Job {
    Put(Vec<u8>, Durability),
    Delete,
    LastApplied(u64, String),
}

enum Message {
    Job(String, Job),
    /// Answered when all before it is on the disk.
    Sync(oneshot::Sender<()>),
    /// Answered when all before it was written, as durably as it asked for.
    Mark(oneshot::Sender<()>),
}

/// The control loop's end of the queue.
pub(crate) struct Storage {
    jobs: SyncSender<Message>,
    /// What did not fit, newest only: bounded by the number of keys.
    waiting: BTreeMap<String, Job>,
}

impl Storage {
    /// Starts the thread; what it finds in `folder` arrives once the store is open.
    pub(crate) fn start(folder: PathBuf) -> std::io::Result<(Storage, oneshot::Receiver<Loaded>)> {
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let (loaded, found) = oneshot::channel();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || Keeper::new(folder, loaded).run(&queue))?;
        let waiting = BTreeMap::new();
        Ok((Storage { jobs, waiting }, found))
    }

    pub(crate) fn put_endpoint(&mut self, record: &EndpointRecord, durability: Durability) {
        let key = EndpointRecord::key(&record.pool, &record.endpoint);
        self.put(format!("{ENDPOINTS}{key}"), record, durability);
    }

    pub(crate) fn delete_endpoint(&mut self, pool: &str, endpoint: &str) {
        let key = EndpointRecord::key(pool, endpoint);
        self.send(format!("{ENDPOINTS}{key}"), Job::Delete);
    }

    /// Returns the record's size in bytes.
    pub(crate) fn put_account(&mut self, record: &AccountRecord) -> usize {
        let key = format!("{ACCOUNTS}{}", record.pool);
        self.put(key, record, Durability::Relaxed)
    }

    pub(crate) fn delete_account(&mut self, pool: &str) {
        self.send(format!("{ACCOUNTS}{pool}"), Job::Delete);
    }

    pub(crate) fn put_revision(&mut self, record: &RevisionRecord) {
        let key = format!("{REVISIONS}{}", RevisionRecord::key(record.number));
        self.put(key, record, Durability::Now);
    }

    pub(crate) fn delete_revision(&mut self, number: u64) {
        let key = format!("{REVISIONS}{}", RevisionRecord::key(number));
        self.send(key, Job::Delete);
    }

    pub(crate) fn put_incident(&mut self, record: &IncidentRecord, durability: Durability) {
        let key = format!("{INCIDENTS}{}", IncidentRecord::key(record.0.id));
        self.put(key, record, durability);
    }

    pub(crate) fn delete_incident(&mut self, id: u64) {
        let key = format!("{INCIDENTS}{}", IncidentRecord::key(id));
        self.send(key, Job::Delete);
    }

    /// Writes the file that a replacing balancer starts from.
    pub(crate) fn last_applied(&mut self, revision: u64, text: &str) {
        self.send(String::new(), Job::LastApplied(revision, text.to_owned()));
    }

    fn put<R: Record>(&mut self, key: String, record: &R, durability: Durability) -> usize {
        match record.encode() {
            Ok(bytes) => {
                let len = bytes.len();
                self.send(key, Job::Put(bytes, durability));
                len
            }
            Err(error) => {
                tracing::error!(key, "{error}");
                0
            }
        }
    }

    fn send(&mut self, key: String, job: Job) {
        self.waiting.insert(key, job);
        self.flush();
    }

    /// Hands on what waits, as far as it fits. Called again with every sweep.
    pub(crate) fn flush(&mut self) {
        while let Some((key, job)) = self.waiting.pop_first() {
            match self.jobs.try_send(Message::Job(key, job)) {
                Ok(()) => {}
                Err(TrySendError::Full(Message::Job(key, job))) => {
                    self.waiting.insert(key, job);
                    return;
                }
                // The thread is gone, which it only is when its disk made it panic: nothing is left to write to.
                Err(_) => return self.waiting.clear(),
            }
        }
    }

    /// When everything so far is on the disk; `None` if the queue is full.
    pub(crate) fn sync(&mut self) -> Option<oneshot::Receiver<()>> {
        self.told_after(Message::Sync)
    }

    /// When everything so far was written, as durably as it asked for; `None` if the queue is full.
    pub(crate) fn written(&mut self) -> Option<oneshot::Receiver<()>> {
        self.told_after(Message::Mark)
    }

    fn told_after(
        &mut self,
        message: impl FnOnce(oneshot::Sender<()>) -> Message,
    ) -> Option<oneshot::Receiver<()>> {
        self.flush();
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(message(done)).ok()?;
        self.waiting.is_empty().then_some(answer)
    }
}

/// The thread.
struct Keeper {
    folder: PathBuf,
    store: Box<dyn Store>,
    /// Waits for what the store holds, until that could be read once.
    loaded: Option<oneshot::Sender<Loaded>>,
    /// All that should be in the store, as far as it is known.
    copy: BTreeMap<String, Vec<u8>>,
    /// Deleted while the file was not open: bounded by what could be stored.
    gone: BTreeSet<String>,
    /// Set while the store is only memory, because the file could not be opened.
    reopen_at: Option<Instant>,
    /// Are relaxed writes not on the disk yet, and since when?
    unsynced: Option<Instant>,
}

impl Keeper {
    fn new(folder: PathBuf, loaded: oneshot::Sender<Loaded>) -> Keeper {
        Keeper {
            folder,
            store: Box::new(Memory::new()),
            loaded: Some(loaded),
            copy: BTreeMap::new(),
            gone: BTreeSet::new(),
            reopen_at: None,
            unsynced: None,
        }
    }

    fn run(mut self, jobs: &Receiver<Message>) {
        self.open();
        loop {
            match jobs.recv_timeout(self.wait()) {
                Ok(Message::Job(key, job)) => self.write(key, job),
                Ok(Message::Sync(done)) => {
                    self.sync();
                    let _ = done.send(());
                }
                Ok(Message::Mark(done)) => drop(done.send(())),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return self.sync(),
            }
        }
    }

    fn wait(&self) -> Duration {
        let sync = self.unsynced.map(|since| since + SYNC_EVERY);
        let next = [sync, self.reopen_at].into_iter().flatten().min();
        next.map_or(Duration::from_secs(3600), |at| {
            at.saturating_duration_since(Instant::now())
        })
    }

    fn tick(&mut self) {
        if self.reopen_at.is_some_and(|at| at <= Instant::now()) {
            self.open();
        }
        if self
            .unsynced
            .is_some_and(|since| since.elapsed() >= SYNC_EVERY)
        {
            self.sync();
        }
    }

    /// Opens the file, hands on what it holds if that is the first time, and brings it to what it should hold.
    fn open(&mut self) {
        let again = self.reopen_at.is_some();
        // The old one is closed first: one process holds the file once.
        self.store = Box::new(Memory::new());
        match open_patiently(&self.folder) {
            Ok(store) => {
                self.store = Box::new(store);
                self.reopen_at = None;
                if let Some(loaded) = self.loaded.take() {
                    // If control ended meanwhile, so does the queue of jobs.
                    let _ = loaded.send(self.load());
                }
                if again {
                    self.rewrite();
                }
            }
            Err(error) => {
                if !again {
                    tracing::error!(
                        "the store cannot be opened: {error}; serving on, but operator overrides and revisions of this run are lost at its end unless the disk comes back"
                    );
                }
                self.reopen_at = Some(Instant::now() + REOPEN_EVERY);
            }
        }
    }

    fn load(&mut self) -> Loaded {
        let all = self.store.list("").unwrap_or_else(|error| {
            tracing::error!("the store cannot be read: {error}");
            Vec::new()
        });
        let mut loaded = Loaded::default();
        for (key, entry) in all {
            let read = if key.starts_with(ENDPOINTS) {
                EndpointRecord::decode(&entry.value).map(|r| loaded.endpoints.push(r))
            } else if key.starts_with(REVISIONS) {
                RevisionRecord::decode(&entry.value).map(|r| loaded.revisions.push(r))
            } else if key.starts_with(ACCOUNTS) {
                AccountRecord::decode(&entry.value).map(|r| loaded.accounts.push(r))
            } else if key.starts_with(INCIDENTS) {
                IncidentRecord::decode(&entry.value).map(|r| loaded.incidents.push(r))
            } else {
                Ok(())
            };
            if let Err(error) = read {
                let then = match key.strip_prefix(ACCOUNTS) {
                    Some(pool) => format!("the account of pool {pool} begins anew"),
                    None => "it is left as it is and not used".to_owned(),
                };
                tracing::warn!(key, "{error}; {then}");
            }
            // What was written since is newer than what is there.
            if !self.gone.contains(&key) {
                self.copy.entry(key).or_insert(entry.value);
            }
        }
        loaded
    }

    fn write(&mut self, key: String, job: Job) {
        let written = match job {
            Job::LastApplied(revision, text) => {
                if let Err(error) = last::write(&self.folder, revision, &text) {
                    let folder = self.folder.display();
                    tracing::error!(
                        "{folder}: the last applied configuration cannot be written: {error}; a replaced balancer would start from an older one"
                    );
                }
                return;
            }
            Job::Put(bytes, durability) => {
                if durability == Durability::Relaxed {
                    self.unsynced.get_or_insert_with(Instant::now);
                }
                let written = self.store.put_if(&key, &bytes, Expect::Any, durability);
                self.gone.remove(&key);
                self.copy.insert(key, bytes);
                written.map(|_| ())
            }
            Job::Delete => {
                let deleted = self.store.delete_if(&key, Expect::Any, Durability::Now);
                self.copy.remove(&key);
                if self.reopen_at.is_some() {
                    self.gone.insert(key);
                }
                deleted.map(|_| ())
            }
        };
        if let Err(error) = written {
            self.failed(&error);
        }
    }

    fn sync(&mut self) {
        self.unsynced = None;
        if let Err(error) = self.store.sync() {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &Error) {
        tracing::error!("the store failed: {error}");
        // A value out of bounds is that value's fault; everything else is cured, if at all, by opening again.
        if !matches!(error, Error::KeyLength { .. } | Error::ValueLength { .. }) {
            self.reopen_at.get_or_insert(Instant::now() + REOPEN_EVERY);
        }
    }

    /// Brings the opened store to what it should hold. What it has beyond that stays.
    fn rewrite(&mut self) {
        let all = self.store.list("").unwrap_or_default();
        let there: BTreeMap<_, _> = all.into_iter().map(|(k, e)| (k, e.value)).collect();
        let mut result = Ok(());
        for (key, value) in &self.copy {
            if there.get(key) != Some(value) {
                let put = self
                    .store
                    .put_if(key, value, Expect::Any, Durability::Relaxed);
                result = result.and(put.map(|_| ()));
            }
        }
        for key in std::mem::take(&mut self.gone) {
            let deleted = self.store.delete_if(&key, Expect::Any, Durability::Relaxed);
            result = result.and(deleted.map(|_| ()));
        }
        match result.and_then(|()| self.store.sync()) {
            Ok(()) => tracing::info!("the store is back and holds everything again"),
            Err(error) => self.failed(&error),
        }
    }
}

/// Opens the store, waiting while another process has it: a replaced balancer may still be on its way out.
fn open_patiently(folder: &Path) -> Result<Embedded, Error> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match Embedded::open(folder) {
            Ok((store, notice)) => {
                if let Some(notice) = notice {
                    tracing::error!("{notice}");
                }
                return Ok(store);
            }
            Err(Error::Busy { path }) => {
                if !told && begun.elapsed() > BUSY_PATIENCE {
                    told = true;
                    let path = path.display();
                    tracing::warn!("{path} is held by another process; waiting for it to end");
                }
                std::thread::sleep(if told { BUSY_PATIENCE } else { BUSY_PAUSE });
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::table::State;
    use evenkeel_core::time::WallTime;
    use evenkeel_schema::Stamp;

    use super::*;

    fn record(endpoint: &str) -> EndpointRecord {
        EndpointRecord {
            pool: "app".into(),
            endpoint: endpoint.into(),
            address: "127.0.0.1:1".into(),
            state: State::Down,
            since: Stamp(WallTime(5000)),
            why: "connection refused".into(),
            decided_by: "check".into(),
            ejections: 0,
            ejected_until: None,
            order: None,
            weight: Some(7),
            heartbeat: None,
        }
    }

    fn open(folder: &Path) -> (Storage, Loaded) {
        let (storage, loaded) = Storage::start(folder.into()).unwrap();
        (storage, loaded.blocking_recv().unwrap())
    }

    #[test]
    fn what_was_stored_is_loaded_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let (mut storage, loaded) = open(folder.path());
        assert!(loaded.endpoints.is_empty() && loaded.revisions.is_empty());
        storage.put_endpoint(&record("a1"), Durability::Relaxed);
        storage.put_endpoint(&record("a2"), Durability::Now);
        storage.delete_endpoint("app", "a2");
        for number in [9, 10] {
            storage.put_revision(&RevisionRecord::new(number, Stamp::default(), "text"));
        }
        storage.last_applied(10, "text");
        storage.sync().unwrap().blocking_recv().unwrap();
        drop(storage);
        let (_storage, loaded) = open(folder.path());
        assert_eq!(loaded.endpoints, [record("a1")]);
        let numbers: Vec<_> = loaded.revisions.iter().map(|r| r.number).collect();
        assert_eq!(numbers, [9, 10]);
        assert_eq!(last::last_applied(folder.path()), Some((10, "text".into())));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Embedded::open(folder.path()).unwrap();
        for (key, bytes) in [("endpoint/x", &b"garbage"[..]), ("endpoint/y", b"{}")] {
            store
                .put_if(key, bytes, Expect::Any, Durability::Now)
                .unwrap();
        }
        drop(store);
        let (mut storage, loaded) = open(folder.path());
        assert!(loaded.endpoints.is_empty());
        storage.put_endpoint(&record("a1"), Durability::Now);
        storage.sync().unwrap().blocking_recv().unwrap();
    }

    #[test]
    fn a_store_that_comes_back_keeps_what_it_had_and_gets_what_was_written_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (mut storage, _) = open(folder.path());
        for name in ["old", "gone", "changed"] {
            storage.put_endpoint(&record(name), Durability::Now);
        }
        storage.sync().unwrap().blocking_recv().unwrap();
        drop(storage);
        let (loaded, mut found) = oneshot::channel();
        let mut keeper = Keeper::new(folder.path().to_owned(), loaded);
        // As after an opening that the disk refused.
        keeper.reopen_at = Some(Instant::now());
        let mut changed = record("changed");
        changed.weight = Some(9);
        let put = |record: &EndpointRecord| Job::Put(record.encode().unwrap(), Durability::Now);
        keeper.write("endpoint/app/changed".into(), put(&changed));
        keeper.write("endpoint/app/new".into(), put(&record("new")));
        keeper.write("endpoint/app/gone".into(), Job::Delete);
        assert!(found.try_recv().is_err(), "nothing was read yet");
        while keeper.reopen_at.is_some() {
            keeper.tick();
        }
        let names = |loaded: Loaded| -> Vec<_> {
            let all = loaded.endpoints.into_iter();
            all.map(|e| (e.endpoint, e.weight)).collect()
        };
        assert_eq!(names(found.try_recv().unwrap()).len(), 3);
        drop(keeper);
        let (_storage, loaded) = open(folder.path());
        let expected = [("changed", 9), ("new", 7), ("old", 7)];
        let expected = expected.map(|(name, weight)| (name.to_owned(), Some(weight)));
        assert_eq!(names(loaded), expected);
    }

    #[test]
    fn a_folder_that_cannot_be_made_stops_nobody_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "a file is in the way").unwrap();
        let (loaded, mut found) = oneshot::channel();
        let mut keeper = Keeper::new(path.clone(), loaded);
        keeper.open();
        assert!(keeper.reopen_at.is_some() && found.try_recv().is_err());
        let bytes = record("a1").encode().unwrap();
        keeper.write("endpoint/app/a1".into(), Job::Put(bytes, Durability::Now));
        std::fs::remove_file(&path).unwrap();
        keeper.reopen_at = Some(Instant::now());
        keeper.tick();
        assert!(keeper.reopen_at.is_none() && found.try_recv().is_ok());
        drop(keeper);
        let (_storage, loaded) = open(&path);
        assert_eq!(loaded.endpoints, [record("a1")]);
    }

    #[test]
    fn a_stalled_disk_never_blocks_and_only_the_newest_of_each_key_waits() {
        let (jobs, _stalled) = sync_channel(1);
        let waiting = BTreeMap::new();
        let mut storage = Storage { jobs, waiting };
        for n in 0..1000 {
            let mut record = record(&format!("a{}", n % 3));
            record.weight = Some(n % 256);
            storage.put_endpoint(&record, Durability::Relaxed);
        }
        assert!(storage.waiting.len() <= 3);
        assert!(storage.sync().is_none());
    }
}
