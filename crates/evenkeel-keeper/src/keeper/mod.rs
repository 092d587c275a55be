//! The keeper's one loop: wait until something happens, hear everything, then judge, then speak.
//!
//! It is in one of three phases: it *runs* its child and replaces it; it *drains* (a signal asked for the end, and the child decides
//! how); it *cleans* (the child is gone for good, and every process that is left is ended). Nothing goes back.

mod end;
mod succession;
mod talk;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Asked};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::time::ClockId;

use crate::balancer::Balancer;
use crate::ignored;
use crate::life::{LOOK_EVERY, Pauses, Verdict};
use crate::output::Log;
use crate::services::{Part, Services};
use crate::sockets::Sockets;
use crate::wire::{FromKeeper, LogFormat, MESSAGE_BYTES_MAX};

/// Messages of the child heard in one turn, so that a talkative one does not keep the services' output waiting.
const HEARD_PER_TURN: usize = 256;
/// How often killing is repeated: killed processes hand their own children to the keeper, one generation at a time.
const KILL_EVERY: Duration = Duration::from_millis(20);
/// How long a retry waits when the link is full for a reason that polling cannot see.
const RETRY_SEND: Duration = Duration::from_millis(10);

/// What [`run`] keeps alive.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The balancer's program. `/proc/self/exe` is right: it stays the same version as the keeper even when the file is replaced.
    pub program: OsString,
    /// Its arguments at the first start.
    pub first_args: Vec<OsString>,
    /// Its arguments as a replacement, so that it knows it must resume from the last applied revision.
    pub replacement_args: Vec<OsString>,
    /// Added to the keeper's own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The hidden arguments with which this executable runs [`crate::exec::main`]; usually `["__exec"]`.
    pub trampoline: Vec<OsString>,
    /// Of the first lines; the child may say otherwise later.
    pub log_format: LogFormat,
    /// What the child is called in the log: `balancer`, `agent`.
    pub called: &'static str,
}

/// Runs the keeper until its child ends on purpose, fails before its first `Ready`, or a signal asks for the end.
///
/// To be called on the main thread before any other thread is started: signals are blocked for the whole process by it, and
/// children are told to end when the thread that started them does.
///
/// Answers the child's exit code: 0 after an orderly end, what a child that never served exited with, else 1.
#[must_use]
pub fn run(settings: Settings) -> ExitCode {
    match Keeper::new(settings) {
        Ok(keeper) => keeper.run(),
        Err(error) => {
            let mut log = Log::to_stderr();
            log.warn(&format!("cannot begin: {error}"));
            log.close(Duration::from_secs(1));
            ExitCode::FAILURE
        }
    }
}

enum Phase {
    Running,
    Draining,
    Cleaning {
        kill_at: Duration,
        killed_at: Option<Duration>,
        code: u8,
    },
}

struct Keeper {
    settings: Settings,
    log: Log,
    signals: SignalFd,
    now: Duration,
    phase: Phase,
    sockets: Sockets,
    services: Services,
    held: BTreeMap<String, Rc<OwnedFd>>,
    child: Option<Balancer>,
    /// When there is no child: when the next is due.
    due: Duration,
    pauses: Pauses,
    children_started: u64,
    /// When the last child that did not say it would go ended, and how.
    last_death: Option<(Duration, String)>,
    ever_ready: bool,
    restricted: bool,
    reload_wanted: bool,
    untold: VecDeque<FromKeeper>,
    exits_lost: u64,
    retry_send: bool,
    buffer: Vec<u8>,
}

/// What became readable.
enum Source {
    Signals,
    Link,
    Service(String, Part),
}

impl Keeper {
    fn new(settings: Settings) -> std::io::Result<Self> {
        ignored::keep_to_ourselves()?;
        let mut asked = SigSet::empty();
        for signal in [Asked::SIGTERM, Asked::SIGINT, Asked::SIGHUP, Asked::SIGCHLD] {
            asked.add(signal);
        }
        asked.thread_block()?;
        let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let mut log = Log::to_stderr();
        log.set_format(settings.log_format);
        Ok(Self {
            settings,
            log,
            signals,
            now: clock(),
            phase: Phase::Running,
            sockets: Sockets::default(),
            services: Services::default(),
            held: BTreeMap::new(),
            child: None,
            due: Duration::ZERO,
            pauses: Pauses::default(),
            children_started: 0,
            last_death: None,
            ever_ready: false,
            restricted: false,
            reload_wanted: false,
            untold: VecDeque::new(),
            exits_lost: 0,
            retry_send: false,
            buffer: vec![0; MESSAGE_BYTES_MAX],
        })
    }

    fn run(mut self) -> ExitCode {
        loop {
            self.now = clock();
            if let Some(code) = self.on_time() {
                self.sockets.close_all();
                self.services.remove_groups();
                self.log.close(Duration::from_secs(1));
                return ExitCode::from(code);
            }
            self.log.flush();
            let ready = self.wait();
            self.now = clock();
            for source in ready {
                match source {
                    Source::Signals => self.on_signals(),
                    Source::Link => self.listen(HEARD_PER_TURN),
                    Source::Service(name, part) => {
                        let news = self
                            .services
                            .on_readable(&name, part, self.now, &mut self.log);
                        self.tell_all(news);
                    }
                }
            }
        }
    }

    /// Waits for anything to happen, or for the next thing that is due.
    fn wait(&mut self) -> Vec<Source> {
        let unsent = self.child.as_mut().is_some_and(Balancer::send_waiting);
        let until = self.wakeup(unsent).saturating_sub(self.now);
        let mut sources = vec![Source::Signals];
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(child) = self.child.as_ref().filter(|child| child.may_speak()) {
            sources.push(Source::Link);
            // When sending failed for a reason other than room, waiting for room would not wait at all.
            let wanted = if unsent && !self.retry_send {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            fds.push(PollFd::from_borrowed_fd(child.link(), wanted));
        }
        for (name, part, descriptor) in self.services.descriptors() {
            sources.push(Source::Service(name.to_owned(), part));
            fds.push(PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        }
        let timeout = Timespec::try_from(until).unwrap_or_default();
        // An interruption is a turn with nothing to do.
        let _ = rustix::event::poll(&mut fds, Some(&timeout));
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        self.retry_send = unsent && fds.get(1).is_some_and(|fd| fd.revents() == PollFlags::OUT);
        let happened: Vec<bool> = fds
            .iter()
            .map(|fd| fd.revents().intersects(readable))
            .collect();
        sources
            .into_iter()
            .zip(happened)
            .filter_map(|(source, happened)| happened.then_some(source))
            .collect()
    }

    fn wakeup(&self, unsent: bool) -> Duration {
        let mut wakeup = self.now + LOOK_EVERY;
        if unsent && self.retry_send {
            wakeup = self.now + RETRY_SEND;
        }
        match self.phase {
            Phase::Cleaning {
                killed_at: Some(_), ..
            } => self.now + KILL_EVERY,
            Phase::Cleaning { kill_at, .. } => wakeup.min(kill_at),
            Phase::Running if self.child.is_none() => wakeup.min(self.due),
            Phase::Running | Phase::Draining => wakeup,
        }
    }

    /// What is due by time or by phase. Says the exit code when all is done.
    fn on_time(&mut self) -> Option<u8> {
        self.judge();
        match self.phase {
            Phase::Running if self.child.is_none() && self.now >= self.due => self.start_child(),
            Phase::Running => {}
            Phase::Draining if self.child.is_none() => self.clean(1),
            Phase::Draining => {}
            Phase::Cleaning { .. } => return self.clean_on(),
        }
        None
    }

    /// A child that is hung is killed; its replacement follows when it is reaped.
    fn judge(&mut self) {
        let Some(child) = self.child.as_mut().filter(|child| !child.doomed) else {
            return;
        };
        let verdict = match child.judge.look(self.now) {
            None => return,
            Some(Verdict::Silent) => "has served and then said nothing for 2 s",
            Some(Verdict::NeverReady) => "did not come to serve within 30 s",
        };
        self.log.warn(&format!(
            "{} (pid {}) {verdict}: killing it",
            self.settings.called,
            child.number()
        ));
        child.kill(verdict);
    }
}

fn clock() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}
