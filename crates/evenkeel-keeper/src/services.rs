//! The services: which name runs as which process, under which fence, and what it says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::RecvFlags;
use rustix::process::{Pid, Signal};

use crate::allowance::Allowance;
use crate::cgroup::{Cgroups, Groups, Wanted};
use crate::children::{self, Launched, number, signal_group};
use crate::exec::FAILED;
use crate::link::receive_packet;
use crate::output::{Lines, Log, Stream};
use crate::wire::{Ending, FromKeeper, Launch, Start, StartRefusal};

/// Services that may run at once: each takes four descriptors at most.
const RUNNING_MAX: usize = 1024;
/// Names whose fence is remembered; the one that was commanded least recently is forgotten first.
const NAMES_MAX: usize = 4096;
/// What is read of one pipe in one turn (a pipe's own size): a service that never stops writing gets its turn, not the whole loop.
const READ_PER_TURN: usize = 64 * 1024;
/// What is still read after a service's end: pipes it leaves are at most this full, unless a daemon of it still writes.
const READ_AT_END: usize = 1024 * 1024;

/// Everything known under one name.
#[derive(Default)]
struct Record {
    newest_epoch: u64,
    /// Counts commands over all names, to find the least recent.
    last_command: u64,
    starts: u64,
    running: Option<Service>,
}

struct Service {
    pid: Pid,
    epoch: u64,
    since: Duration,
    becoming: Becoming,
    output: Vec<Pipe>,
    allowance: Allowance,
    groups: Groups,
}

/// What became of the start.
enum Becoming {
    /// Not yet the program; this socket will tell.
    Waiting(OwnedFd),
    /// It runs.
    Running,
    /// It will exit for this reason, without ever having been the program.
    Failed(String),
}

struct Pipe {
    stream: Stream,
    descriptor: OwnedFd,
    lines: Lines,
}

/// What of a service can become readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Channel,
    Pipe(Stream),
}

/// All services by name.
#[derive(Default)]
pub(crate) struct Services {
    records: BTreeMap<String, Record>,
    commands: u64,
    cgroups: Cgroups,
}

impl Services {
    /// Starts one, or says why not. The answer that it runs (or could not be executed) follows later.
    pub(crate) fn start(
        &mut self,
        start: Start,
        restricted: bool,
        trampoline: &[OsString],
        now: Duration,
    ) -> Result<(), StartRefusal> {
        let (name, epoch) = (start.name.clone(), start.epoch);
        self.pass_fence(&name, epoch)
            .map_err(|newest| StartRefusal::Stale { newest })?;
        if let Some(Service { pid, .. }) = self
            .records
            .get(&name)
            .and_then(|record| record.running.as_ref())
        {
            return Err(StartRefusal::AlreadyRunning { pid: number(*pid) });
        }
        let as_root = start
            .uid
            .unwrap_or_else(|| rustix::process::geteuid().as_raw())
            == 0;
        if restricted && as_root {
            let why = "it would run as user 0, which this keeper has been told never to do again: give it a user";
            return Err(StartRefusal::Forbidden(why.to_owned()));
        }
        if self.pids().count() >= RUNNING_MAX {
            return Err(StartRefusal::Forbidden(format!(
                "{RUNNING_MAX} services run already, the most one keeper holds"
            )));
        }
        let launch = Launch {
            keeper_pid: std::process::id(),
            restricted,
            keep_stdin: false,
            start,
        };
        let wanted = Wanted {
            memory_bytes: launch.start.memory_max,
            cpu_millicores: launch.start.cpu_max,
        };
        let mut groups = self.cgroups.prepare(&name, wanted);
        let launched = children::launch(trampoline, &launch, true, |pid| groups.enter(pid))
            .map_err(|error| StartRefusal::CannotExecute(format!("no process for it: {error}")))?;
        let record = self.records.entry(name).or_default();
        record.starts += 1;
        record.running = Some(Service::new(launched, epoch, now, groups));
        Ok(())
    }

    /// Signals a service's whole process group, or says why not.
    pub(crate) fn signal(&mut self, name: &str, signal: i32, epoch: u64) -> Result<(), String> {
        let signal =
            Signal::from_named_raw(signal).ok_or_else(|| format!("there is no signal {signal}"))?;
        if !self.records.contains_key(name) {
            return Err("there is no service of this name".to_owned());
        }
        self.pass_fence(name, epoch)
            .map_err(|newest| StartRefusal::Stale { newest }.to_string())?;
        match &self.records[name].running {
            None => Err("it does not run".to_owned()),
            Some(service) => signal_group(service.pid, signal)
                .map_err(|error| std::io::Error::from(error).to_string()),
        }
    }

    /// Remembers the command's fence, unless a newer one was seen: then that one is the error.
    fn pass_fence(&mut self, name: &str, epoch: u64) -> Result<(), u64> {
        if !self.records.contains_key(name) && self.records.len() >= NAMES_MAX {
            let idle = self
                .records
                .iter()
                .filter(|(_, record)| record.running.is_none());
            let least = idle
                .min_by_key(|(_, record)| record.last_command)
                .map(|(name, _)| name.clone());
            // There always is one: fewer may run than are remembered.
            least.and_then(|name| self.records.remove(&name));
        }
        let record = self.records.entry(name.to_owned()).or_default();
        if epoch < record.newest_epoch {
            return Err(record.newest_epoch);
        }
        record.newest_epoch = epoch;
        self.commands += 1;
        record.last_command = self.commands;
        Ok(())
    }

    /// Takes away the control groups: at the very end, when nothing is in them any more.
    pub(crate) fn remove_groups(&mut self) {
        self.cgroups.remove_all();
    }

    /// Every service's leading process.
    pub(crate) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.records
            .values()
            .filter_map(|record| Some(record.running.as_ref()?.pid))
    }

    /// What a new child must know about the services that run.
    pub(crate) fn to_adopt(&self, now: Duration) -> Vec<FromKeeper> {
        let running = self
            .records
            .iter()
            .filter_map(|(name, record)| Some((name, record, record.running.as_ref()?)));
        // Those still becoming their program are reported by `Started` when they are.
        let running =
            running.filter(|(_, _, service)| matches!(service.becoming, Becoming::Running));
        running
            .map(|(name, record, service)| FromKeeper::Adopted {
                name: name.clone(),
                pid: number(service.pid),
                epoch: record.newest_epoch,
                since_ns: nanoseconds(service.since),
                ran_ns: nanoseconds(now.saturating_sub(service.since)),
                restarts: record.starts.saturating_sub(1),
                limits: service.groups.limits.clone(),
            })
            .collect()
    }

    /// Everything to wait for.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (&str, Part, BorrowedFd<'_>)> {
        let running = self
            .records
            .iter()
            .filter_map(|(name, record)| Some((name.as_str(), record.running.as_ref()?)));
        running.flat_map(|(name, service)| {
            let channel = match &service.becoming {
                Becoming::Waiting(channel) => Some((name, Part::Channel, channel.as_fd())),
                Becoming::Running | Becoming::Failed(_) => None,
            };
            let pipes = service
                .output
                .iter()
                .map(move |pipe| (name, Part::Pipe(pipe.stream), pipe.descriptor.as_fd()));
            channel.into_iter().chain(pipes)
        })
    }

    /// Reads what became readable; says so if the service now runs.
    pub(crate) fn on_readable(
        &mut self,
        name: &str,
        part: Part,
        now: Duration,
        log: &mut Log,
    ) -> Option<FromKeeper> {
        let service = self.records.get_mut(name)?.running.as_mut()?;
        match part {
            Part::Channel => service.look_whether_it_runs(name),
            Part::Pipe(stream) => {
                let mut to = Forward {
                    name,
                    now,
                    log,
                    allowance: &mut service.allowance,
                };
                let open =
                    |pipe: &mut Pipe| pipe.stream != stream || pipe.forward(&mut to, READ_PER_TURN);
                service.output.retain_mut(open);
                None
            }
        }
    }

    /// The name of the service this process leads.
    pub(crate) fn name_of(&self, pid: Pid) -> Option<String> {
        let leads = |record: &Record| {
            record
                .running
                .as_ref()
                .is_some_and(|service| service.pid == pid)
        };
        self.records
            .iter()
            .find(|(_, record)| leads(record))
            .map(|(name, _)| name.clone())
    }

    /// A service's process was reaped: what is to be told of it, in order.
    pub(crate) fn on_exit(
        &mut self,
        name: &str,
        ending: Ending,
        now: Duration,
        log: &mut Log,
    ) -> Vec<FromKeeper> {
        let Some(mut service) = self
            .records
            .get_mut(name)
            .and_then(|record| record.running.take())
        else {
            return Vec::new();
        };
        service.groups.kill_left();
        let allowance = &mut service.allowance;
        let mut to = Forward {
            name,
            now,
            log,
            allowance,
        };
        for pipe in &mut service.output {
            if pipe.forward(&mut to, READ_AT_END) {
                pipe.lines
                    .finish(|line, cut| to.log.forward(name, pipe.stream, line, cut));
            }
        }
        to.note();
        let mut told = Vec::from_iter(service.look_whether_it_runs(name));
        let (name, epoch, pid) = (name.to_owned(), service.epoch, number(service.pid));
        told.push(match service.becoming {
            Becoming::Failed(why) => FromKeeper::StartFailed {
                name,
                epoch,
                why: StartRefusal::CannotExecute(why),
            },
            Becoming::Waiting(_) | Becoming::Running => {
                let ran_ns = nanoseconds(now.saturating_sub(service.since));
                FromKeeper::Exited {
                    name,
                    pid,
                    epoch,
                    ending,
                    at_ns: nanoseconds(now),
                    ran_ns,
                    out_of_memory: service.groups.out_of_memory(),
                }
            }
        });
        told
    }
}

impl Service {
    fn new(launched: Launched, epoch: u64, since: Duration, groups: Groups) -> Self {
        let output = launched
            .output
            .into_iter()
            .flat_map(|(out, err)| [(Stream::Out, out), (Stream::Err, err)]);
        let output = output
            .map(|(stream, descriptor)| Pipe {
                stream,
                descriptor,
                lines: Lines::default(),
            })
            .collect();
        Self {
            pid: launched.pid,
            epoch,
            since,
            becoming: Becoming::Waiting(launched.channel),
            output,
            allowance: Allowance::new(since),
            groups,
        }
    }

    fn look_whether_it_runs(&mut self, name: &str) -> Option<FromKeeper> {
        let Becoming::Waiting(channel) = &self.becoming else {
            return None;
        };
        let mut buffer = [0; 8192];
        match receive_packet(channel.as_fd(), &mut buffer, RecvFlags::empty()) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Ok((length, _)) if buffer[..length].first() == Some(&FAILED) => {
                self.becoming =
                    Becoming::Failed(String::from_utf8_lossy(&buffer[1..length]).into_owned());
                None
            }
            // The other end is closed: by becoming the program.
            _ => {
                self.becoming = Becoming::Running;
                Some(FromKeeper::Started {
                    name: name.to_owned(),
                    pid: number(self.pid),
                    epoch: self.epoch,
                    limits: self.groups.limits.clone(),
                })
            }
        }
    }
}

/// Where a service's output goes.
struct Forward<'a> {
    name: &'a str,
    now: Duration,
    log: &'a mut Log,
    allowance: &'a mut Allowance,
}

impl Forward<'_> {
    /// Takes bytes of a pipe as far as the service is allowed to speak.
    fn take(&mut self, bytes: &[u8], stream: Stream, lines: &mut Lines) {
        if self.allowance.spend(bytes.len(), self.now) {
            self.note();
            lines.feed(bytes, |line, cut| {
                self.log.forward(self.name, stream, line, cut)
            });
        } else {
            self.allowance.drop_lines(bytes);
            lines.skip(bytes);
        }
    }

    /// Says what was dropped.
    fn note(&mut self) {
        if let Some(note) = self.allowance.note(self.name) {
            self.log.say(&note);
        }
    }
}

impl Pipe {
    /// Forwards what is there, up to a budget. False when the pipe's end has come.
    fn forward(&mut self, to: &mut Forward<'_>, budget: usize) -> bool {
        let mut buffer = [0; 16 * 1024];
        let mut left = budget;
        while left > 0 {
            match rustix::io::read(&self.descriptor, &mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    to.take(&buffer[..length], self.stream, &mut self.lines);
                    left = left.saturating_sub(length);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(_) => break,
            }
        }
        if left == 0 {
            return true;
        }
        self.lines
            .finish(|line, cut| to.log.forward(to.name, self.stream, line, cut));
        false
    }
}

/// For messages: 584 years fit.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
