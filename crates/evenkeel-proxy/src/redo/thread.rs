//! The book's thread: it alone touches the files, and it asks the machine what is to be sent again. What takes its time,
//! the sending, has threads of its own, a few and only while there is something to send.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use evenkeel_core::recover::redo::RedoCounts;
use evenkeel_core::recover::redo::{Gone, Redo};
use evenkeel_core::time::{Now, Time, WallTime};

use super::Message;
use super::files::{Damage, Files, NotKept};
use super::record::Kept;
use super::send::{self, Job, Sent};
use super::slot::Slot;
use crate::rt;
use crate::snapshot::Shared;

/// How often workers' words are looked for while any are awaited.
const LOOK: Duration = Duration::from_millis(50);
/// What is written is on the disk after this.
const SYNC: Duration = Duration::from_secs(1);
/// While nothing is awaited.
const IDLE: Duration = Duration::from_secs(30);
/// Requests sent at once, each of another route.
const SENDERS: usize = 4;
/// A book whose disk fails says so this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// A folder that cannot be opened is tried again after this.
const REOPEN: Duration = Duration::from_secs(10);

struct Keeper<'a> {
    files: Option<Files>,
    folder: &'a Path,
    opened: Option<Instant>,
    redo: Redo,
    slots: BTreeMap<u64, Arc<Slot>>,
    shared: &'a Weak<Shared>,
    last_id: u64,
    jobs: Option<SyncSender<Job>>,
    results: (SyncSender<Sent>, Receiver<Sent>),
    sending: usize,
    synced: Instant,
    complained: Option<Instant>,
    /// What became of requests since they were counted last, for the log.
    told: BTreeMap<Arc<str>, [u64; 2]>,
}

/// Serves the queue until its end.
pub(super) fn run(folder: &Path, from: &Receiver<Message>, shared: &Weak<Shared>) {
    let mut keeper = Keeper {
        files: None,
        folder,
        opened: None,
        redo: Redo::default(),
        slots: BTreeMap::new(),
        shared,
        last_id: 0,
        jobs: None,
        results: sync_channel(SENDERS * 2),
        sending: 0,
        synced: Instant::now(),
        complained: None,
        told: BTreeMap::new(),
    };
    keeper.open();
    loop {
        match from.recv_timeout(keeper.wait()) {
            Ok(Message::Keep(kept, slot, counts)) => keeper.keep(kept, slot, &counts),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
        keeper.turn();
    }
    while let Ok(Message::Keep(kept, slot, counts)) = from.try_recv() {
        keeper.keep(kept, slot, &counts);
    }
    keeper.settle();
    keeper.count();
    keeper.sync();
}

fn now() -> Now {
    let (s, ns) = rt::wall();
    Now {
        at: rt::now(),
        wall: WallTime(s * 1000 + u64::from(ns) / 1_000_000),
    }
}

impl Keeper<'_> {
    fn wait(&self) -> Duration {
        if !self.slots.is_empty() || self.sending > 0 {
            return LOOK;
        }
        let due = match self.redo.next_wakeup() {
            Time::NEVER => IDLE,
            due => due.since(rt::now()),
        };
        match self.files.as_ref().is_some_and(Files::is_dirty) {
            true => due.min(SYNC),
            false => due.min(IDLE),
        }
    }

    fn open(&mut self) {
        let due = self.opened.is_none_or(|at| at.elapsed() >= REOPEN);
        if self.files.is_some() || !due {
            return;
        }
        self.opened = Some(Instant::now());
        match Files::open(self.folder) {
            Ok((files, kept, damages)) => {
                self.files = Some(files);
                damages.iter().for_each(tell_damage);
                self.found(&kept);
            }
            Err(error) => self.complain(&format!("cannot be opened: {error}")),
        }
    }

    /// What an earlier process left.
    fn found(&mut self, kept: &[Kept]) {
        for one in kept {
            self.last_id = self.last_id.max(one.id);
            self.redo.add(one.request(), false);
        }
        if !kept.is_empty() {
            let many = kept.len();
            tracing::info!(
                target: "evenkeel::redo",
                "{many} journalled requests were not answered before this process began; they are sent again when their pools serve"
            );
        }
        self.count();
    }

    fn keep(&mut self, mut kept: Kept, slot: Arc<Slot>, counts: &RedoCounts) {
        self.open();
        let Some(files) = &mut self.files else {
            counts.not_kept(1);
            return slot.wrote(false);
        };
        kept.id = self.last_id + 1;
        let request = kept.request();
        if !self.redo.add(request, true) {
            counts.not_kept(1);
            return slot.wrote(false);
        }
        match files.keep(kept) {
            Ok(()) => {
                self.last_id += 1;
                slot.wrote(true);
                counts.kept(1);
                self.slots.insert(self.last_id, slot);
            }
            Err(why) => {
                self.redo.forget(self.last_id + 1);
                slot.wrote(false);
                counts.not_kept(1);
                match why {
                    NotKept::Failed(error) => self.complain(&format!("cannot be written: {error}")),
                    NotKept::Full => self.complain("is full: too much waits to be sent again"),
                    NotKept::TooLarge => {}
                }
            }
        }
    }

    fn turn(&mut self) {
        self.settle();
        while let Ok(sent) = self.results.1.try_recv() {
            self.sent(&sent);
        }
        self.send();
        self.count();
        if self.synced.elapsed() >= SYNC {
            self.sync();
        }
    }

    /// Takes what the workers said.
    fn settle(&mut self) {
        let said = self.slots.iter();
        let said = said.filter_map(|(id, slot)| Some((*id, slot.settled()?)));
        for (id, answered) in said.collect::<Vec<_>>() {
            self.slots.remove(&id);
            self.redo.settled(id, answered, now());
        }
    }

    fn send(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        while self.sending < SENDERS {
            let next = self.redo.next(now(), |pool| send::serves(&shared, pool));
            let Some(id) = next else {
                return;
            };
            let Some(request) = self.redo.request(id).cloned() else {
                continue;
            };
            let Some(files) = &mut self.files else {
                return;
            };
            // Counted before it is made: one that ends this process is not made for ever.
            let noted = files.tried(id, request.attempts);
            match (files.get(id), noted) {
                (Ok(kept), noted) => {
                    if let Err(error) = noted {
                        self.complain(&format!("cannot be written: {error}"));
                    }
                    let target = send::target(&shared, &request.pool, id, request.attempts);
                    self.hand_out(id, kept, target);
                }
                (Err(error), _) => {
                    let why = format!("cannot be read, and request {id} is lost with it: {error}");
                    self.complain(&why);
                    self.redo.lost(id);
                }
            }
        }
    }

    fn hand_out(&mut self, id: u64, kept: Kept, target: Option<send::Target>) {
        let Some(target) = target else {
            return self.redo.tried(id, None, now());
        };
        let job = Job {
            id,
            bytes: kept.bytes,
            target,
        };
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => {
                let (jobs, queue) = sync_channel(SENDERS);
                let queue = Arc::new(Mutex::new(queue));
                for _ in 0..SENDERS {
                    send::start(queue.clone(), self.results.0.clone());
                }
                self.jobs.insert(jobs)
            }
        };
        match jobs.try_send(job) {
            Ok(()) => self.sending += 1,
            Err(_) => self.redo.tried(id, None, now()),
        }
    }

    fn sent(&mut self, sent: &Sent) {
        self.sending = self.sending.saturating_sub(1);
        let Some(request) = self.redo.request(sent.id) else {
            return;
        };
        let (pool, route) = (request.pool.clone(), request.route.clone());
        if sent.answered == Some(false) {
            tracing::info!(
                target: "evenkeel::redo",
                "request {} of {route} to pool {pool} was sent again, attempt {}: {}",
                sent.id, request.attempts, sent.what
            );
        }
        self.redo.tried(sent.id, sent.answered, now());
    }

    /// What is over is written down and counted.
    fn count(&mut self) {
        for (request, why) in self.redo.take_gone() {
            if let Some(files) = &mut self.files
                && let Err(error) = files.gone(request.id)
            {
                self.complain(&format!("cannot be written: {error}"));
            }
            let counts = self.counts(&request.pool);
            let told = self.told.entry(request.pool.clone()).or_default();
            match why {
                Gone::Answered => {}
                Gone::Redone => {
                    told[0] += 1;
                    counts.inspect(|c| c.redone(1));
                }
                Gone::Superseded => drop(counts.inspect(|c| c.superseded(1))),
                Gone::GivenUp | Gone::TooOld | Gone::Lost => {
                    told[1] += 1;
                    counts.inspect(|c| c.given_up(1));
                    let why = match why {
                        Gone::TooOld => "it is older than a day",
                        Gone::Lost => "it cannot be read any more",
                        _ => "it had all its attempts",
                    };
                    tracing::error!(
                        target: "evenkeel::redo",
                        "request {} of {} to pool {} is given up: {why}",
                        request.id, request.route, request.pool
                    );
                }
            }
        }
        let pending = self.redo.pending_by_pool();
        if let Some(shared) = self.shared.upgrade() {
            for (name, cell) in &shared.snapshot.load().pools {
                cell.redo.pending(pending.get(name).copied().unwrap_or(0));
            }
        }
        self.tell(&pending);
    }

    /// One line for all of a pool, when nothing of it is left.
    fn tell(&mut self, pending: &BTreeMap<Arc<str>, u64>) {
        self.told.retain(|pool, [redone, given_up]| {
            if pending.contains_key(pool) {
                return true;
            }
            if *redone + *given_up > 0 {
                tracing::info!(
                    target: "evenkeel::redo",
                    "pool {pool}: of its journalled requests {redone} were sent again and answered, {given_up} given up; none is left"
                );
            }
            false
        });
    }

    fn counts(&self, pool: &str) -> Option<Arc<RedoCounts>> {
        let shared = self.shared.upgrade()?;
        let snapshot = shared.snapshot.load();
        snapshot.pools.get(pool).map(|cell| cell.redo.clone())
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        if let Some(files) = &mut self.files
            && let Err(error) = files.sync()
        {
            self.complain(&format!("cannot be brought to the disk: {error}"));
        }
    }

    fn complain(&mut self, why: &str) {
        let due = self
            .complained
            .is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY);
        if due {
            self.complained = Some(Instant::now());
            let folder = self.folder.display();
            tracing::error!(
                target: "evenkeel::redo",
                "the book of requests {folder} {why}; requests are forwarded without it, and no promise is given for them"
            );
        }
    }
}

fn tell_damage(damage: &Damage) {
    let path = damage.path.display();
    tracing::error!(
        target: "evenkeel::redo",
        "{path} is good up to byte {} of {} only: {}; journalled requests after that are lost, or sent again although they were answered",
        damage.good, damage.len, damage.why
    );
}
