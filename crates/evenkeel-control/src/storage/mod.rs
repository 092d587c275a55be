//! The store's own thread. A disk may stall for minutes; the control loop must not, so it only ever puts into a bounded
//! queue and never waits.
//!
//! The thread keeps a copy of all it was told to store. If the file is lost under it (damaged, the disk full or gone for a
//! while) it opens it again and writes the copy, so that nothing an operator ordered depends on one file's luck. Until then
//! whoever asks whether something is stored is told that it is not.

#[cfg(test)]
mod tests;
mod thread;
mod trouble;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use evenkeel_schema::records::{
    AccountRecord, EndpointRecord, IncidentRecord, NoticeRecord, Record, RecordError,
    RecoveryRecord, RevisionRecord, SessionsRecord, ToldRecord, UnderwayRecord,
};
use evenkeel_store::Durability;
use tokio::sync::oneshot;

use thread::Keeper;
pub(crate) use trouble::{Trouble, Troubles};

/// Jobs on their way to the thread; what does not fit waits with the control loop, one job a key.
const JOBS_MAX: usize = 256;

const ACCOUNTS: &str = "account/";
const ENDPOINTS: &str = "endpoint/";
const REVISIONS: &str = "revision/";
const INCIDENTS: &str = "incident/";
const NOTICES: &str = "notice/";
const TOLD: &str = "told/";
const UNDERWAY: &str = "underway/";
const RECOVERIES: &str = "recovery/";
const SESSIONS: &str = "session/";

/// What was found at the start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) endpoints: Vec<EndpointRecord>,
    pub(crate) accounts: Vec<AccountRecord>,
    /// By number, ascending.
    pub(crate) revisions: Vec<RevisionRecord>,
    /// By number, ascending.
    pub(crate) incidents: Vec<IncidentRecord>,
    pub(crate) underway: Vec<UnderwayRecord>,
    /// By pool.
    pub(crate) recoveries: Vec<RecoveryRecord>,
    pub(crate) notices: Vec<NoticeRecord>,
    pub(crate) told: ToldRecord,
    pub(crate) sessions: Vec<SessionsRecord>,
}

impl Loaded {
    /// Takes one entry in; one of a kind not known here is somebody else's.
    fn take(&mut self, key: &str, value: &[u8]) -> Result<(), RecordError> {
        if key.starts_with(ENDPOINTS) {
            self.endpoints.push(EndpointRecord::decode(value)?);
        } else if key.starts_with(REVISIONS) {
            self.revisions.push(RevisionRecord::decode(value)?);
        } else if key.starts_with(ACCOUNTS) {
            self.accounts.push(AccountRecord::decode(value)?);
        } else if key.starts_with(INCIDENTS) {
            self.incidents.push(IncidentRecord::decode(value)?);
        } else if key.starts_with(UNDERWAY) {
            self.underway.push(UnderwayRecord::decode(value)?);
        } else if key.starts_with(RECOVERIES) {
            self.recoveries.push(RecoveryRecord::decode(value)?);
        } else if key.starts_with(NOTICES) {
            self.notices.push(NoticeRecord::decode(value)?);
        } else if key.starts_with(SESSIONS) {
            self.sessions.push(SessionsRecord::decode(value)?);
        } else if key.starts_with(TOLD) {
            self.told = ToldRecord::decode(value)?;
        }
        Ok(())
    }
}

/// When it is answered: `Ok` if what was told before is stored, `Err` says why not.
pub(crate) type Written = oneshot::Receiver<Result<(), String>>;

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
    Sync(oneshot::Sender<Result<(), String>>),
    /// Answered when all before it was written, as durably as it asked for.
    Mark(oneshot::Sender<Result<(), String>>),
}

/// The control loop's end of the queue.
pub(crate) struct Storage {
    jobs: SyncSender<Message>,
    /// What did not fit, newest only: bounded by the number of keys.
    waiting: BTreeMap<String, Job>,
    troubles: Troubles,
}

impl Storage {
    /// Starts the thread; what it finds in `folder` arrives once the store is open: in a hurry for a balancer that replaces
    /// another.
    pub(crate) fn start(
        folder: PathBuf,
        hurry: bool,
    ) -> std::io::Result<(Storage, oneshot::Receiver<Loaded>)> {
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let (loaded, found) = oneshot::channel();
        let troubles = Troubles::default();
        let keeper = Keeper::new(folder, hurry, loaded, troubles.clone());
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || keeper.run(&queue))?;
        let storage = Storage {
            jobs,
            waiting: BTreeMap::new(),
            troubles,
        };
        Ok((storage, found))
    }

    /// What is wrong with the store, while something is.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.troubles.now()
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

    pub(crate) fn put_recovery(&mut self, record: &RecoveryRecord) {
        let key = format!("{RECOVERIES}{}", record.pool);
        self.put(key, record, Durability::Now);
    }

    pub(crate) fn delete_recovery(&mut self, pool: &str) {
        self.send(format!("{RECOVERIES}{pool}"), Job::Delete);
    }

    pub(crate) fn delete_incident(&mut self, id: u64) {
        let key = format!("{INCIDENTS}{}", IncidentRecord::key(id));
        self.send(key, Job::Delete);
    }

    /// Durably where it is new; that it was tried once more may be forgotten.
    pub(crate) fn put_notice(&mut self, record: &NoticeRecord) {
        let durability = match record.tries {
            0 => Durability::Now,
            _ => Durability::Relaxed,
        };
        self.put(format!("{NOTICES}{}", record.key()), record, durability);
    }

    pub(crate) fn delete_notice(&mut self, delivery: &str) {
        self.send(format!("{NOTICES}{delivery}"), Job::Delete);
    }

    pub(crate) fn put_underway(&mut self, record: &UnderwayRecord) {
        let key = UnderwayRecord::key(&record.service, &record.action);
        self.put(format!("{UNDERWAY}{key}"), record, Durability::Now);
    }

    pub(crate) fn delete_underway(&mut self, service: &str, action: &str) {
        let key = UnderwayRecord::key(service, action);
        self.send(format!("{UNDERWAY}{key}"), Job::Delete);
    }

    pub(crate) fn put_told(&mut self, record: &ToldRecord) {
        self.put(TOLD.to_owned(), record, Durability::Now);
    }

    pub(crate) fn put_sessions(&mut self, record: &SessionsRecord) {
        let key = SessionsRecord::key(&record.pool, record.part);
        self.put(format!("{SESSIONS}{key}"), record, Durability::Relaxed);
    }

    pub(crate) fn delete_sessions(&mut self, pool: &str, part: u16) {
        let key = SessionsRecord::key(pool, part);
        self.send(format!("{SESSIONS}{key}"), Job::Delete);
    }

    /// Is everything on its way to the thread? While it is not, what can wait should.
    pub(crate) fn is_even(&self) -> bool {
        self.waiting.is_empty()
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
    pub(crate) fn sync(&mut self) -> Option<Written> {
        self.told_after(Message::Sync)
    }

    /// When everything so far was written, as durably as it asked for; `None` if the queue is full.
    pub(crate) fn written(&mut self) -> Option<Written> {
        self.told_after(Message::Mark)
    }

    fn told_after(
        &mut self,
        message: impl FnOnce(oneshot::Sender<Result<(), String>>) -> Message,
    ) -> Option<Written> {
        self.flush();
        let (done, answer) = oneshot::channel();
        self.jobs.try_send(message(done)).ok()?;
        self.waiting.is_empty().then_some(answer)
    }
}
