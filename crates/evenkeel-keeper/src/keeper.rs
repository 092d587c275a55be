//! The keeper's one loop: wait until something happens, hear everything, then judge, then speak.
//!
//! It is in one of three phases: it *runs* its child and replaces it; it *drains* (a signal asked for the end, and the child decides
//! how); it *cleans* (the child is gone for good, and every process that is left is ended). Nothing goes back.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Asked};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};
use rustix::time::ClockId;

use crate::balancer::{Balancer, Heard};
use crate::children::{self, number, signal_group};
use crate::life::{LOOK_EVERY, Pauses, Verdict};
use crate::output::Log;
use crate::services::{Part, Services};
use crate::sockets::Sockets;
use crate::wire::{Ending, FromKeeper, Launch, MESSAGE_BYTES_MAX, Start, ToKeeper};

/// Messages of the child heard in one turn, so that a talkative one does not keep the services' output waiting.
const HEARD_PER_TURN: usize = 256;
/// Messages of a child that has ended that are still heard.
const LAST_WORDS: usize = 4096;
/// Exits kept for a child to come: more than services may run, so each may end at least once while none listens.
const EXITS_KEPT: usize = 2048;
/// Descriptors held for the child: it needs one or two.
const HELD_MAX: usize = 16;
/// How long services may take to end when there is no child to decide it.
const GRACE: Duration = Duration::from_secs(10);
/// How long processes that services left behind may take, once the services are gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How long after the first kill the keeper still tries; a process that survives this hangs in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
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
            log.say(&format!("cannot begin: {error}"));
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
        let mut asked = SigSet::empty();
        for signal in [Asked::SIGTERM, Asked::SIGINT, Asked::SIGHUP, Asked::SIGCHLD] {
            asked.add(signal);
        }
        asked.thread_block()?;
        let signals = SignalFd::with_flags(&asked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            settings,
            log: Log::to_stderr(),
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
                        let news = self.services.on_readable(&name, part, &mut self.log);
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
        self.log.say(&format!(
            "balancer (pid {}) {verdict}: killing it",
            child.number()
        ));
        child.kill();
    }

    fn start_child(&mut self) {
        let again = self.ever_ready;
        let args = if again {
            &self.settings.replacement_args
        } else {
            &self.settings.first_args
        };
        let start = Start {
            name: "balancer".to_owned(),
            program: self.settings.program.clone(),
            args: args.clone(),
            directory: None,
            environment: self.settings.environment.clone(),
            uid: None,
            gid: None,
            epoch: 0,
        };
        // `Restrict` is about what the child asks for; the child itself is the keeper's own wish, and drops its privileges itself.
        let launch = Launch {
            keeper_pid: std::process::id(),
            restricted: false,
            keep_stdin: true,
            start,
        };
        match children::launch(&self.settings.trampoline, &launch, false) {
            Ok(launched) => {
                self.log
                    .say(&format!("balancer started as pid {}", number(launched.pid)));
                self.children_started += 1;
                self.child = Some(Balancer::new(launched, self.now));
            }
            Err(error) => {
                self.log
                    .say(&format!("the balancer cannot be started: {error}"));
                self.died(Duration::ZERO, Ending::Code(1));
            }
        }
    }

    fn on_signals(&mut self) {
        let mut reap = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo)
                .ok()
                .and_then(|number| Asked::try_from(number).ok())
            {
                Some(Asked::SIGCHLD) => reap = true,
                Some(Asked::SIGHUP) => self.reload(),
                Some(signal) => self.shut_down(signal),
                None => {}
            }
        }
        if reap {
            self.reap();
        }
    }

    fn reload(&mut self) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        // A child that does not listen yet hears it as soon as it does: it may have read the old configuration already.
        self.reload_wanted = true;
        self.pass_on_wishes();
    }

    fn shut_down(&mut self, signal: Asked) {
        match self.phase {
            Phase::Running => {
                self.log.say(&format!(
                    "{signal} received: shutting down; once more ends everything at once"
                ));
                self.phase = Phase::Draining;
                self.tell(FromKeeper::Shutdown);
            }
            Phase::Draining
            | Phase::Cleaning {
                killed_at: None, ..
            } => {
                self.log.say(&format!(
                    "{signal} received again: ending everything at once"
                ));
                let code = if let Phase::Cleaning { code, .. } = self.phase {
                    code
                } else {
                    1
                };
                if let Some(child) = &mut self.child {
                    child.kill();
                }
                self.phase = Phase::Cleaning {
                    kill_at: self.now,
                    killed_at: None,
                    code,
                };
            }
            Phase::Cleaning { .. } => {}
        }
    }

    /// Reaps everything that has ended: the child, services, and what they left behind.
    fn reap(&mut self) {
        let known: Vec<Pid> = self
            .child
            .iter()
            .map(|child| child.pid)
            .chain(self.services.pids())
            .collect();
        for pid in known {
            if let Some(ending) = children::reap(pid) {
                self.on_exit(pid, ending);
            }
        }
        while let Some((pid, ending)) = children::reap_any() {
            self.on_exit(pid, ending);
        }
    }

    fn on_exit(&mut self, pid: Pid, ending: Ending) {
        if self.child.as_ref().is_some_and(|child| child.pid == pid) {
            self.on_child_exit(ending);
        } else if let Some(name) = self.services.name_of(pid) {
            let news = self
                .services
                .on_exit(&name, ending, self.now, &mut self.log);
            self.tell_all(news);
        }
    }

    fn on_child_exit(&mut self, ending: Ending) {
        // Its last words count, such as `Bye` or a service it still started; more than this a link's buffer does not hold.
        if let Some(child) = &mut self.child {
            child.ended = true;
        }
        self.listen(LAST_WORDS);
        let Some(mut child) = self.child.take() else {
            return;
        };
        for message in child
            .unsent()
            .filter(|message| matches!(message, FromKeeper::Exited { .. }))
        {
            keep(&mut self.untold, &mut self.exits_lost, message);
        }
        let lived = self.now.saturating_sub(child.started);
        self.log.say(&format!(
            "balancer (pid {}) ended after {:.1} s: {ending}",
            child.number(),
            lived.as_secs_f64()
        ));
        if child.leaving {
            self.clean(exit_code(ending));
        } else {
            self.died(lived, ending);
        }
    }

    /// What follows when a child is gone that did not say it would go.
    fn died(&mut self, lived: Duration, ending: Ending) {
        match self.phase {
            Phase::Running if self.ever_ready => {
                let pause = self.pauses.on_death(lived);
                self.due = self.now + pause;
                match pause.as_millis() {
                    0 => self.start_child(),
                    ms => self.log.say(&format!(
                        "the balancer died quickly several times: starting the next in {ms} ms"
                    )),
                }
            }
            Phase::Running | Phase::Draining => self.clean(exit_code(ending)),
            Phase::Cleaning { .. } => {}
        }
    }

    /// Hears what the child says, up to a number of messages.
    fn listen(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(child) = self.child.as_mut().filter(|child| child.may_speak()) else {
                return;
            };
            let wrong = match child.hear(&mut self.buffer) {
                Heard::Nothing => return,
                // An ordinary end looks like this first; a process that lives on without its link is judged by its silence.
                Heard::Closed => return child.closed = true,
                Heard::NotExecuted(why) => {
                    return self
                        .log
                        .say(&format!("the balancer cannot be started: {why}"));
                }
                Heard::Message(message, descriptors) => match self.obey(message, descriptors) {
                    Ok(()) => continue,
                    Err(wrong) => wrong.to_owned(),
                },
                Heard::Garbage(why) => why,
            };
            let Some(child) = self.child.as_mut() else {
                return;
            };
            self.log.say(&format!(
                "balancer (pid {}) is not to be believed any more: {wrong}: killing it",
                child.number()
            ));
            child.kill();
        }
    }

    /// Does what the child asks. An error means that it asks what no sane child would.
    fn obey(
        &mut self,
        message: ToKeeper,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<(), &'static str> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let sent = usize::from(matches!(message, ToKeeper::Hold { .. }));
        if descriptors.len() != sent {
            return Err(
                "it sent descriptors with a message that carries none, or none with one that does",
            );
        }
        if child.greeted == matches!(message, ToKeeper::Hello { .. }) {
            return Err("it greeted twice, or spoke before it greeted");
        }
        match message {
            ToKeeper::Hello { pid } if pid != child.number() => {
                return Err("it greeted with another's pid");
            }
            ToKeeper::Hello { .. } => self.greet(),
            ToKeeper::Restrict => self.restricted = true,
            ToKeeper::Open {
                key,
                address,
                count,
                mode,
            } => {
                let (message, sockets) = match self.sockets.open(&key, &address, count, mode) {
                    Ok(kept) => (kept.as_opened(&key), kept.sockets.clone()),
                    Err(why) => (FromKeeper::OpenFailed { key, address, why }, Vec::new()),
                };
                self.say(&message, &sockets);
            }
            ToKeeper::Close { key } => self.sockets.close(&key),
            ToKeeper::Hold { name } => {
                if !self.held.contains_key(&name) && self.held.len() >= HELD_MAX {
                    return Err("it wants more descriptors held than there is a use for");
                }
                self.held.extend(
                    descriptors
                        .pop()
                        .map(|descriptor| (name, Rc::new(descriptor))),
                );
            }
            ToKeeper::Start(start) => self.start_service(start),
            ToKeeper::Signal {
                name,
                signal,
                epoch,
            } => {
                if let Err(why) = self.services.signal(&name, signal, epoch) {
                    self.tell(FromKeeper::SignalRefused { name, epoch, why });
                }
            }
            ToKeeper::LogFormat(format) => self.log.set_format(format),
            ToKeeper::Ready => {
                child.judge.on_ready(self.now);
                self.ever_ready = true;
            }
            ToKeeper::Alive => child.judge.on_alive(self.now),
            ToKeeper::Bye => child.leaving = true,
        }
        Ok(())
    }

    fn start_service(&mut self, start: Start) {
        let (name, epoch) = (start.name.clone(), start.epoch);
        if let Err(why) =
            self.services
                .start(start, self.restricted, &self.settings.trampoline, self.now)
        {
            self.tell(FromKeeper::StartFailed { name, epoch, why });
        }
    }

    /// Hands over everything kept, and what was not heard by anybody.
    fn greet(&mut self) {
        if let Some(child) = &mut self.child {
            child.greeted = true;
        }
        let sockets: Vec<_> = self
            .sockets
            .iter()
            .map(|(key, kept)| (kept.as_opened(key), kept.sockets.clone()))
            .collect();
        for (message, sockets) in sockets {
            self.say(&message, &sockets);
        }
        let held: Vec<_> = self
            .held
            .iter()
            .map(|(name, held)| (name.clone(), held.clone()))
            .collect();
        for (name, held) in held {
            self.say(&FromKeeper::Held { name }, &[held]);
        }
        let untold = std::mem::take(&mut self.untold);
        self.tell_all(untold);
        self.tell_all(self.services.to_adopt(self.now));
        let exits_lost = std::mem::take(&mut self.exits_lost);
        let (keeper_pid, replaced, restricted) = (
            std::process::id(),
            self.children_started - 1,
            self.restricted,
        );
        self.tell(FromKeeper::AdoptionDone {
            keeper_pid,
            replaced,
            restricted,
            exits_lost,
        });
        self.pass_on_wishes();
    }

    /// Tells a listening child what somebody asked for before it listened.
    fn pass_on_wishes(&mut self) {
        if self.child.as_ref().is_none_or(|child| !child.greeted) {
            return;
        }
        if std::mem::take(&mut self.reload_wanted) {
            self.tell(FromKeeper::Reload);
        }
        if matches!(self.phase, Phase::Draining) {
            self.tell(FromKeeper::Shutdown);
        }
    }

    fn tell_all(&mut self, messages: impl IntoIterator<Item = FromKeeper>) {
        for message in messages {
            self.tell(message);
        }
    }

    /// Says something to the child. Exits wait for the next one if nobody listens; all else is asked for again by whoever needs it.
    fn tell(&mut self, message: FromKeeper) {
        let listens = self
            .child
            .as_ref()
            .is_some_and(|child| child.greeted && !child.doomed);
        if listens {
            self.say(&message, &[]);
        } else if matches!(message, FromKeeper::Exited { .. }) {
            keep(&mut self.untold, &mut self.exits_lost, message);
        }
    }

    fn say(&mut self, message: &FromKeeper, descriptors: &[Rc<OwnedFd>]) {
        let Some(child) = self.child.as_mut().filter(|child| !child.doomed) else {
            return;
        };
        if !child.say(message, descriptors) {
            self.log.say(&format!(
                "balancer (pid {}) does not read what it is told: killing it",
                child.number()
            ));
            child.kill();
        }
    }

    /// The child is gone for good: asks everything that is left to end.
    fn clean(&mut self, code: u8) {
        if matches!(self.phase, Phase::Cleaning { .. }) {
            return;
        }
        let services: Vec<_> = self.services.pids().collect();
        if !services.is_empty() {
            self.log.say(&format!(
                "ending the services that still run: {}",
                services.len()
            ));
        }
        for &pid in &services {
            // Continued too: a stopped process would not see the first.
            let _ = signal_group(pid, Signal::TERM).and_then(|()| signal_group(pid, Signal::CONT));
        }
        // Some programs take a second TERM for impatience, so what is in a service's group is not asked twice.
        let asked = |pid: &Pid| {
            rustix::process::getpgid(Some(*pid)).is_ok_and(|group| services.contains(&group))
        };
        for pid in children::all().into_iter().filter(|pid| !asked(pid)) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        self.phase = Phase::Cleaning {
            kill_at: self.now + GRACE,
            killed_at: None,
            code,
        };
    }

    /// Ends what is left; says the exit code when nothing is.
    fn clean_on(&mut self) -> Option<u8> {
        self.reap();
        let Phase::Cleaning {
            kill_at,
            killed_at,
            code,
        } = &mut self.phase
        else {
            return None;
        };
        if !children::any() {
            return Some(*code);
        }
        if self.child.is_none() && self.services.pids().next().is_none() {
            *kill_at = (*kill_at).min(self.now + ORPHAN_GRACE);
        }
        if self.now < *kill_at {
            return None;
        }
        let first = *killed_at.get_or_insert(self.now);
        for pid in self.services.pids() {
            let _ = signal_group(pid, Signal::KILL);
        }
        let left = children::all();
        for &pid in &left {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if self.now.saturating_sub(first) < KILL_PATIENCE {
            return None;
        }
        let left: Vec<_> = left
            .into_iter()
            .map(|pid| number(pid).to_string())
            .collect();
        self.log.say(&format!(
            "these processes could not be killed, and are left: {}",
            left.join(", ")
        ));
        Some(*code)
    }
}

/// Keeps an exit for the next child; the oldest goes first.
fn keep(untold: &mut VecDeque<FromKeeper>, lost: &mut u64, message: FromKeeper) {
    if untold.len() >= EXITS_KEPT {
        untold.pop_front();
        *lost += 1;
    }
    untold.push_back(message);
}

/// What the keeper itself exits with.
fn exit_code(ending: Ending) -> u8 {
    match ending {
        Ending::Code(code) => u8::try_from(code).unwrap_or(1),
        Ending::Signal(_) => 1,
    }
}

fn clock() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}
