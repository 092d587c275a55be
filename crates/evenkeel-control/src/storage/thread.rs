//! The thread itself: it owns the file, and a copy of all that should be in it.
//!
//! Whatever goes wrong with the file, it is let go, said once, and opened again every few seconds; then what it lacks is
//! written from the copy. While it is not open nothing is called stored. A file that contradicts itself is set aside at once
//! and a new one written from the copy, so that only what was never read is lost.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use evenkeel_store::{Durability, Embedded, Error, Expect, Store};
use tokio::sync::oneshot;

use super::{Job, Loaded, Message, Troubles};
use crate::last;

/// Relaxed writes are on the disk after at most this: an endpoint's state is seen again sooner than that.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at a file that another process still holds (a predecessor about to go).
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// A file held for longer is worth a word in the log.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to open a store that the disk refuses: as long as a person who has just made room likes to wait.
pub(super) const REOPEN_EVERY: Duration = Duration::from_secs(5);

/// What only a balancer with an open store leaves beside it: where one of these is, a store that is missing or empty was lost.
const SIGNS: [&str; 4] = [last::FILE_NAME, "journal", "recovery", "cases"];

/// The thread.
pub(super) struct Keeper {
    folder: PathBuf,
    /// Does this process replace one that had the file open a moment ago? Then clients wait.
    hurry: bool,
    /// Which of [`SIGNS`] were there before this process wrote anything.
    signs: OnceCell<Vec<&'static str>>,
    /// `None` while the file cannot be used.
    store: Option<Embedded>,
    /// Waits for what the store holds, until that could be read once.
    loaded: Option<oneshot::Sender<Loaded>>,
    /// All that should be in the store, as far as it is known.
    copy: BTreeMap<String, Vec<u8>>,
    /// Deleted while the file was not open: bounded by what could be stored.
    gone: BTreeSet<String>,
    /// What a replacing balancer starts from, while it could not be written.
    last: Option<(u64, String)>,
    /// When what could not be done is tried again.
    pub(super) again_at: Option<Instant>,
    /// Are relaxed writes not on the disk yet, and since when?
    unsynced: Option<Instant>,
    troubles: Troubles,
}

impl Keeper {
    pub(super) fn new(
        folder: PathBuf,
        hurry: bool,
        loaded: oneshot::Sender<Loaded>,
        troubles: Troubles,
    ) -> Keeper {
        Keeper {
            folder,
            hurry,
            signs: OnceCell::new(),
            store: None,
            loaded: Some(loaded),
            copy: BTreeMap::new(),
            gone: BTreeSet::new(),
            last: None,
            again_at: None,
            unsynced: None,
            troubles,
        }
    }

    pub(super) fn run(mut self, jobs: &Receiver<Message>) {
        self.open();
        loop {
            match jobs.recv_timeout(self.wait()) {
                Ok(Message::Job(key, job)) => self.write(key, job),
                Ok(Message::Sync(done)) => {
                    self.sync();
                    let _ = done.send(self.troubles.why());
                }
                Ok(Message::Mark(done)) => drop(done.send(self.troubles.why())),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return self.sync(),
            }
        }
    }

    fn wait(&self) -> Duration {
        let sync = self.unsynced.map(|since| since + SYNC_EVERY);
        let next = [sync, self.again_at].into_iter().flatten().min();
        next.map_or(Duration::from_secs(3600), |at| {
            at.saturating_duration_since(Instant::now())
        })
    }

    pub(super) fn tick(&mut self) {
        if self.again_at.is_some_and(|at| at <= Instant::now()) {
            self.again_at = None;
            self.open();
        }
        if self
            .unsynced
            .is_some_and(|since| since.elapsed() >= SYNC_EVERY)
        {
            self.sync();
        }
    }

    /// Opens the file unless it is open, hands on what it holds if that is the first time, and brings everything to what it
    /// should be.
    pub(super) fn open(&mut self) {
        if self.store.is_none() {
            let hurry = std::mem::take(&mut self.hurry);
            let signs = self.signs.get_or_init(|| signs(&self.folder));
            // What was read once is in the copy, and not lost.
            let signs = match self.loaded {
                Some(_) => signs.as_slice(),
                None => &[],
            };
            match open_patiently(&self.folder, hurry, signs) {
                Ok(store) => self.store = Some(store),
                Err(error) => return self.failed(&error),
            }
            if self.loaded.is_some() {
                let found = self.load();
                if let (Some(found), Some(loaded)) = (found, self.loaded.take()) {
                    // If control ended meanwhile, so does the queue of jobs.
                    let _ = loaded.send(found);
                }
            }
        }
        if let Some((revision, text)) = self.last.take() {
            self.write_last(revision, text);
        }
        if self.troubles.is_any() {
            self.rewrite();
        }
    }

    /// All there is; `None` if it cannot be read after all.
    fn load(&mut self) -> Option<Loaded> {
        let all = match self.store.as_ref()?.list("") {
            Ok(all) => all,
            Err(error) => {
                self.failed(&error);
                return None;
            }
        };
        let mut loaded = Loaded::default();
        for (key, entry) in all {
            if let Err(error) = loaded.take(&key, &entry.value) {
                let then = match key.split_once('/') {
                    Some(("account", pool)) => format!("the account of pool {pool} begins anew"),
                    Some(("session", _)) => "these sessions begin anew".to_owned(),
                    _ => "it is left as it is and not used".to_owned(),
                };
                tracing::warn!(key, "{error}; {then}");
            }
            // What was written since is newer than what is there.
            if !self.gone.contains(&key) {
                self.copy.entry(key).or_insert(entry.value);
            }
        }
        Some(loaded)
    }

    pub(super) fn write(&mut self, key: String, job: Job) {
        let written = match job {
            Job::LastApplied(revision, text) => return self.write_last(revision, text),
            Job::Put(bytes, durability) => {
                if durability == Durability::Relaxed {
                    self.unsynced.get_or_insert_with(Instant::now);
                }
                let store = self.store.as_ref();
                let written = store.map(|s| s.put_if(&key, &bytes, Expect::Any, durability));
                self.gone.remove(&key);
                self.copy.insert(key, bytes);
                written.map(|written| written.map(|_| ()))
            }
            Job::Delete => {
                let store = self.store.as_ref();
                let deleted = store.map(|s| s.delete_if(&key, Expect::Any, Durability::Now));
                self.copy.remove(&key);
                // If it fails now it is done when the file is opened again.
                if !matches!(deleted, Some(Ok(_))) {
                    self.gone.insert(key);
                }
                deleted.map(|deleted| deleted.map(|_| ()))
            }
        };
        if let Some(Err(error)) = written {
            self.failed(&error);
        }
    }

    fn write_last(&mut self, revision: u64, text: String) {
        let Err(error) = last::keep_applied(&self.folder, revision, &text) else {
            return;
        };
        let folder = self.folder.display();
        self.trouble(format!(
            "{folder}: the last applied configuration cannot be written: {error}"
        ));
        self.last = Some((revision, text));
    }

    fn sync(&mut self) {
        self.unsynced = None;
        if let Some(Err(error)) = self.store.as_ref().map(Store::sync) {
            self.failed(&error);
        }
    }

    pub(super) fn failed(&mut self, error: &Error) {
        match error {
            // A value out of bounds is that value's fault, and opening again cures nothing.
            Error::KeyLength { .. } | Error::ValueLength { .. } => {
                tracing::error!("not stored: {error}");
            }
            Error::Damaged { .. } if self.store.is_some() => self.begin_anew(error),
            _ => {
                self.store = None;
                self.trouble(error.to_string());
            }
        }
    }

    /// Said once, until everything is well again.
    fn trouble(&mut self, why: String) {
        self.again_at
            .get_or_insert_with(|| Instant::now() + REOPEN_EVERY);
        if self.troubles.begin(&why) {
            tracing::error!(
                "what should be kept is not stored: {why}; serving on; operators' orders, revisions and incidents of now are forgotten if this process ends before there is room or the disk works again, which is looked at every {} s",
                REOPEN_EVERY.as_secs()
            );
        }
    }

    /// The file contradicts itself: another one is made of the copy.
    fn begin_anew(&mut self, error: &Error) {
        self.store = None;
        match Embedded::begin_anew(&self.folder) {
            Ok((store, aside)) => {
                let known = match self.loaded {
                    Some(_) => "and was not read before, so what was in it is lost",
                    None => "and is written anew: nothing is lost",
                };
                tracing::error!("{error}; it is kept as {} {known}", aside.display());
                self.store = Some(store);
                self.rewrite();
            }
            Err(error) => self.trouble(error.to_string()),
        }
    }

    /// Brings the opened store to what it should hold. What it has beyond that stays.
    fn rewrite(&mut self) {
        let Some(store) = &self.store else {
            return;
        };
        let result = bring(store, &self.copy, &self.gone);
        match result {
            Ok(()) => {
                self.gone.clear();
                self.unsynced = None;
                if self.last.is_none() && self.troubles.end() {
                    tracing::info!("the store is back and holds everything again");
                }
            }
            // Not by way of `failed`: a new file that contradicts itself too would go round and round.
            Err(error) => {
                self.store = None;
                self.trouble(error.to_string());
            }
        }
    }
}

fn bring(
    store: &Embedded,
    copy: &BTreeMap<String, Vec<u8>>,
    gone: &BTreeSet<String>,
) -> Result<(), Error> {
    let all = store.list("")?;
    let there: BTreeMap<_, _> = all.into_iter().map(|(k, e)| (k, e.value)).collect();
    for (key, value) in copy {
        if there.get(key) != Some(value) {
            store.put_if(key, value, Expect::Any, Durability::Relaxed)?;
        }
    }
    for key in gone {
        store.delete_if(key, Expect::Any, Durability::Relaxed)?;
    }
    store.sync()
}

/// A folder that is empty is no sign.
fn signs(folder: &Path) -> Vec<&'static str> {
    let there = |name: &&str| {
        let path = folder.join(name);
        match std::fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => {
                std::fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() > 0)
            }
        }
    };
    SIGNS.into_iter().filter(there).collect()
}

/// Opens the store, waiting while another process has it: a replaced balancer may still be on its way out.
fn open_patiently(folder: &Path, hurry: bool, signs: &[&str]) -> Result<Embedded, Error> {
    let begun = Instant::now();
    let mut told = false;
    let open = match hurry {
        true => Embedded::open_at_once,
        false => Embedded::open,
    };
    let mut lost = None;
    loop {
        let opened = match signs.is_empty() || lost.is_some() {
            true => Ok(None),
            false => Embedded::set_empty_aside(folder, &signs.join(", ")),
        };
        let opened = opened.and_then(|notice| {
            lost = lost.take().or(notice);
            open(folder)
        });
        match opened {
            Ok((store, notice)) => {
                for notice in lost.into_iter().chain(notice) {
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
