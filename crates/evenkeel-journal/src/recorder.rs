//! A journal beside a live engine. It never waits: bytes go to the writer's thread through a bounded queue, and what does not
//! fit is counted and not kept. Then a new segment begins, with a snapshot, as soon as there is room again.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::engine::{Engine, Event};
use evenkeel_core::time::{Now, Time};

use crate::encode::Encoder;
use crate::folder::FOLDER;
use crate::format::{Begins, ENGINE, Ends, Header};
use crate::writer::{self, Message, Shared};

/// A segment ends when it is this long: a snapshot of a hundred endpoints is a fiftieth of it, and an editor or a mail still
/// takes it.
pub(crate) const SEGMENT_MAX: usize = 16 << 20;
/// A segment is at least so many times as long as its snapshot, or a large configuration would write little else.
const SNAPSHOT_SHARE: usize = 4;
/// Bytes that wait for the disk at most: a stall of some seconds under load.
const WAITING_MAX: usize = 8 << 20;
/// Messages that wait at most.
const MESSAGES_MAX: usize = 4096;
/// Events are handed over once so many bytes are together …
const TOGETHER: usize = 16 << 10;
/// After a failure it is tried again after this, each time twice as long …
const RETRY: Duration = Duration::from_secs(5);
/// … up to this: a disk is cleaned up by people.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// At the end the writer gets so long to finish.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How the journal is, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Is it being written?
    pub recording: bool,
    /// Why not.
    pub why: String,
    /// The present segment.
    pub segment: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Events that were not kept.
    pub lost: u64,
    /// Times that events began to be lost.
    pub gaps: u64,
}

/// Is the engine being recorded?
#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of the segment, of so many at most.
    On { bytes: usize, of: usize },
    /// Not before this time.
    Off { until: Time },
}

/// The journal of one engine.
#[derive(Debug)]
pub struct Recorder {
    encoder: Encoder,
    state: State,
    begins: Begins,
    seed: u64,
    retry: Duration,
    /// Events that no segment has, since the last one that has any.
    missing: u64,
    lost: u64,
    gaps: u64,
    shared: Arc<Shared>,
    to: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Writes into the journal's folder of this `state_dir`: see [`Recorder::start`].
    pub fn beside(state_dir: &Path, seed: u64) -> Recorder {
        Recorder::start(state_dir.join(FOLDER), seed)
    }

    /// Writes into this folder, once the first event comes. If no thread can be had nothing is ever written, which the
    /// log and [`Recorder::view`] say.
    pub fn start(folder: PathBuf, seed: u64) -> Recorder {
        let shared = Arc::new(Shared::default());
        let (to, messages) = sync_channel(MESSAGES_MAX);
        let its = shared.clone();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer::run(&folder, &its, &messages));
        if let Err(error) = &thread {
            tracing::error!(target: "evenkeel::journal", "no journal is written: no thread for it: {error}");
        }
        Recorder {
            encoder: Encoder::new(),
            state: State::Off { until: Time::ZERO },
            missing: 0,
            begins: Begins::Start,
            seed,
            retry: RETRY,
            lost: 0,
            gaps: 0,
            shared,
            to: thread.is_ok().then_some(to),
            thread: thread.ok(),
        }
    }

    /// Lets the engine handle the event, and notes both.
    pub fn handle(&mut self, engine: &mut Engine, event: Event, now: Now) {
        if matches!(self.state, State::On { .. }) && self.shared.stopped.load(Ordering::Acquire) {
            let until = now.at + self.retry;
            self.retry = (self.retry * 2).min(RETRY_MAX);
            self.stop(until);
        }
        if self.may_begin(now.at) {
            self.begin(engine, now);
        }
        let State::On { bytes, of } = self.state else {
            self.miss();
            return engine.handle(event, now);
        };
        let before = self.encoder.len();
        let noted = self.encoder.handle(engine, event, now);
        if let Err(error) = noted {
            tracing::error!(target: "evenkeel::journal", "an event is not in the journal: {error}");
            self.stop(now.at + RETRY_MAX);
            return self.miss();
        }
        let bytes = bytes + self.encoder.len() - before;
        self.state = State::On { bytes, of };
        if bytes >= of {
            self.encoder.end(Ends::Full);
            self.flush();
            self.begins = Begins::Full;
            self.missing = 0;
            self.begin(engine, now);
        } else if self.encoder.len() >= TOGETHER {
            self.flush();
        }
    }

    /// Hands over what is there: at the end of each turn of the loop that drives the engine.
    pub fn flush(&mut self) {
        if !self.encoder.is_empty() {
            let bytes = self.encoder.take();
            self.send(Message::More(bytes));
        }
    }

    /// Is something on its way to the disk?
    #[cfg(test)]
    pub(crate) fn waits(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) > 0
    }

    /// How it is.
    pub fn view(&self) -> View {
        let failing = self.shared.failing.load(Ordering::Relaxed);
        let on = matches!(self.state, State::On { .. });
        let why = match (failing, on, &self.to) {
            (true, ..) => self.why(),
            (_, _, None) => "there is no thread to write it".into(),
            (_, false, _) => "the disk does not keep up".into(),
            _ => String::new(),
        };
        View {
            recording: on && !failing,
            why,
            segment: self.shared.number.load(Ordering::Relaxed),
            bytes: self.shared.written.load(Ordering::Relaxed),
            lost: self.lost,
            gaps: self.gaps,
        }
    }

    /// The engine ends in order. Waits a moment for the disk, and no longer.
    pub fn close(&mut self) {
        if matches!(self.state, State::On { .. }) {
            self.encoder.end(Ends::Shutdown);
            self.flush();
        }
        self.to = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while !thread.is_finished() && waited < CLOSE_WITHIN {
            std::thread::sleep(step);
            waited += step;
        }
    }

    fn why(&self) -> String {
        let why = self.shared.why.lock();
        why.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn may_begin(&self, at: Time) -> bool {
        let State::Off { until } = self.state else {
            return false;
        };
        // Nothing on its way: then the writer has said all it has to say of the segment before.
        let idle = self.shared.waiting.load(Ordering::Acquire) == 0;
        self.to.is_some() && until <= at && idle
    }

    fn begin(&mut self, engine: &Engine, now: Now) {
        if self.missing > 0 {
            self.begins = Begins::Gap(self.missing);
        }
        self.shared.stopped.store(false, Ordering::Release);
        self.shared.begun.store(false, Ordering::Release);
        let header = Header {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            engine: ENGINE.to_owned(),
            pid: std::process::id(),
            seed: self.seed,
            now,
            begins: self.begins,
        };
        if let Err(error) = self.encoder.begin(engine, &header) {
            tracing::error!(target: "evenkeel::journal", "no segment of the journal can begin: {error}");
            return self.stop(now.at + RETRY_MAX);
        }
        let bytes = self.encoder.len();
        let of = SEGMENT_MAX.max(bytes * SNAPSHOT_SHARE);
        self.state = State::On { bytes, of };
        if !self.shared.failing.load(Ordering::Relaxed) {
            self.retry = RETRY;
        }
        let first = self.encoder.take();
        self.send(Message::Begin(first));
    }

    /// One message, if there is room.
    fn send(&mut self, message: Message) {
        let (Message::Begin(bytes) | Message::More(bytes)) = &message;
        let (length, begins) = (bytes.len(), matches!(message, Message::Begin(_)));
        let waiting = self.shared.waiting.fetch_add(length, Ordering::AcqRel);
        // A snapshot may be larger than all the room there is.
        let fits = waiting + length <= WAITING_MAX || (begins && waiting <= WAITING_MAX);
        let sent = match &self.to {
            Some(to) if fits => to.try_send(message).is_ok(),
            _ => false,
        };
        if !sent {
            self.shared.waiting.fetch_sub(length, Ordering::AcqRel);
            self.stop(Time::ZERO);
            self.miss();
        }
    }

    fn miss(&mut self) {
        self.lost += 1;
        self.missing += 1;
    }

    fn stop(&mut self, until: Time) {
        self.encoder.take();
        if let State::On { .. } = self.state {
            self.gaps += 1;
        }
        if self.shared.begun.load(Ordering::Acquire) {
            self.missing = 0;
        }
        self.state = State::Off { until };
    }
}
