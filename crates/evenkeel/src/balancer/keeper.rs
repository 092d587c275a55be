//! The balancer's side of its talk with the keeper: one thread listens, anybody speaks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel_control::{Input, Running, ServiceEvent};
use evenkeel_core::id::Epoch;
use evenkeel_core::settings::{ServiceSpec, Share};
use evenkeel_core::time::WallTime;
use evenkeel_keeper::{Address, Death, FromKeeper, Link, LogFormat, Received, Start, ToKeeper};
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::ReplacedStatus;
use tokio::sync::mpsc;

use crate::balancer::agent::Board;
use crate::user::User;

/// The keeper answers at once; only a keeper that is stopped takes longer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What opening an address brings.
pub(crate) struct Opened {
    /// The port the kernel chose, where it did.
    pub(crate) actual: Address,
    /// One per worker, or one.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// What the keeper had for a new balancer, before anybody listens.
pub(crate) struct Adopted {
    link: Link,
    keeper_pid: u32,
    replaced: u64,
    succession: Option<ReplacedStatus>,
    running: Vec<Running>,
    board: Arc<Board>,
}

/// The keeper, as the rest of the balancer knows it.
pub(crate) struct Keeper {
    link: Link,
    pid: u32,
    /// How many balancers there were before: the high bits of every fence, so that a new balancer's are always newer.
    replaced: u64,
    /// What became of those, where there were any.
    succession: Option<ReplacedStatus>,
    waiting: Mutex<BTreeMap<String, SyncSender<Result<Opened, String>>>>,
    inputs: mpsc::Sender<Input>,
    board: Arc<Board>,
}

impl Keeper {
    /// Introduces this process, unless it was introduced before it changed its user, and takes in everything that was kept
    /// for it.
    pub(crate) fn adopt(link: Link, introduced: bool) -> io::Result<Adopted> {
        if !introduced {
            link.send(&ToKeeper::Hello {
                pid: std::process::id(),
            })?;
        }
        let mut running = Vec::new();
        let board = Arc::new(Board::default());
        loop {
            match link.recv()?.message {
                FromKeeper::Adopted {
                    name,
                    pid,
                    restarts,
                    limits,
                    ..
                } => {
                    board.started(&name, pid, limits);
                    let restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
                    running.push(Running {
                        service: name.into(),
                        pid,
                        restarts,
                        age: evenkeel_agent::facts::age(pid),
                    });
                }
                FromKeeper::AdoptionDone {
                    keeper_pid,
                    replaced,
                    died,
                    ..
                } => {
                    return Ok(Adopted {
                        link,
                        keeper_pid,
                        replaced,
                        succession: succession(replaced, died, running.len()),
                        running,
                        board,
                    });
                }
                // An exit that nobody heard of: what does not run is started by control anyway.
                _ => {}
            }
        }
    }

    /// Opens an address, or takes over what is already open under this key.
    pub(crate) fn open(
        &self,
        key: &str,
        address: Address,
        count: usize,
        mode: u32,
    ) -> Result<Opened, String> {
        let (answer, opened) = sync_channel(1);
        self.waiting().insert(key.to_owned(), answer);
        let count = if matches!(address, Address::Unix(_)) {
            1
        } else {
            u16::try_from(count).unwrap_or(u16::MAX)
        };
        let message = ToKeeper::Open {
            key: key.to_owned(),
            address: address.clone(),
            count,
            mode,
        };
        let result = match self.link.send(&message) {
            Ok(()) => opened
                .recv_timeout(OPEN_TIMEOUT)
                .map_err(|_| format!("{address}: the keeper does not answer")),
            Err(e) => Err(format!("{address}: {e}")),
        };
        self.waiting().remove(key);
        result.and_then(|r| r)
    }

    /// Lets an address go.
    pub(crate) fn close(&self, key: &str) {
        self.tell(&ToKeeper::Close {
            key: key.to_owned(),
        });
    }

    /// Asks for the services' output and the keeper's own lines as JSON.
    pub(crate) fn speak_json(&self) {
        self.tell(&ToKeeper::LogFormat(LogFormat::Json));
    }

    /// The data plane serves: from now on this process is judged by its `Alive`s.
    pub(crate) fn ready(&self) {
        self.tell(&ToKeeper::Ready);
    }

    /// The workers turn.
    pub(crate) fn alive(&self) {
        let _ = self.link.alive();
    }

    /// This process ends on purpose.
    pub(crate) fn bye(&self) {
        self.tell(&ToKeeper::Bye);
    }

    /// The process `run` was started as.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What became of the balancers before this one, where there were any.
    pub(crate) fn succession(&self) -> Option<&ReplacedStatus> {
        self.succession.as_ref()
    }

    /// What runs, for whoever reads facts of it.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Starts a service. An error never reached the keeper.
    pub(crate) fn start(
        &self,
        spec: &ServiceSpec,
        default_user: Option<&str>,
        epoch: Epoch,
    ) -> Result<(), String> {
        let message = ToKeeper::Start(self.start_message(spec, default_user, epoch)?);
        self.link.send(&message).map_err(|e| e.to_string())
    }

    /// Signals a service's whole process group.
    pub(crate) fn signal(&self, name: &str, signal: i32, epoch: Epoch) {
        self.tell(&ToKeeper::Signal {
            name: name.to_owned(),
            signal,
            epoch: self.fence(epoch),
        });
    }

    fn start_message(
        &self,
        spec: &ServiceSpec,
        default_user: Option<&str>,
        epoch: Epoch,
    ) -> Result<Start, String> {
        let (program, args) = spec.command.split_first().ok_or("its command is empty")?;
        let user = spec
            .user
            .as_deref()
            .or(default_user)
            .map(User::named)
            .transpose()?;
        Ok(Start {
            name: spec.name.to_string(),
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            directory: Some(spec.directory.clone()),
            environment: spec
                .environment
                .iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
            uid: user.as_ref().map(|u| u.uid),
            gid: user.as_ref().map(|u| u.gid),
            memory_max: spec.care.memory_max,
            cpu_max: spec.care.cpu_max.map(millicores),
            epoch: self.fence(epoch),
        })
    }

    fn fence(&self, epoch: Epoch) -> u64 {
        (self.replaced << 40).saturating_add(epoch.0)
    }

    /// Says something to which there is no answer. A keeper that is gone is noticed by the listening thread.
    fn tell(&self, message: &ToKeeper) {
        if let Err(error) = self.link.send(message) {
            tracing::warn!(%error, "the keeper could not be told");
        }
    }

    fn waiting(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<String, SyncSender<Result<Opened, String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells control something the keeper never heard of. Called from control's own thread, so it must not wait: a full
    /// queue loses it, and the service's time-out for getting ready notices.
    pub(crate) fn report(&self, input: Input) {
        if self.inputs.try_send(input).is_err() {
            tracing::warn!("control's queue is full; a failed start is noticed by its time-out");
        }
    }

    fn hear(&self, received: Received) {
        let tell = |input| {
            let _ = self.inputs.blocking_send(input);
        };
        let service = |name, event| tell(Input::Service { name, event });
        match received.message {
            FromKeeper::Opened { key, actual, .. } => {
                self.answer(
                    &key,
                    Ok(Opened {
                        actual,
                        sockets: received.descriptors,
                    }),
                );
            }
            FromKeeper::OpenFailed { key, why, .. } => self.answer(&key, Err(why)),
            FromKeeper::Started {
                name, pid, limits, ..
            } => {
                self.board.started(&name, pid, limits);
                service(name, ServiceEvent::Started { pid });
            }
            FromKeeper::StartFailed { name, why, .. } => {
                service(
                    name,
                    ServiceEvent::StartFailed {
                        why: why.to_string(),
                    },
                );
            }
            FromKeeper::Exited {
                name,
                pid,
                ending,
                out_of_memory,
                ..
            } => {
                self.board.ended(&name, pid);
                let mut status = ending.to_string();
                if out_of_memory {
                    status +=
                        ", the kernel ended processes of it because it reached its memory_max";
                }
                service(name, ServiceEvent::Exited { pid, status });
            }
            FromKeeper::SignalRefused { name, why, .. } => {
                tracing::warn!(service = name, why, "a signal was refused")
            }
            FromKeeper::Shutdown => tell(Input::Shutdown),
            FromKeeper::Reload => tell(Input::Reload),
            FromKeeper::Adopted { .. }
            | FromKeeper::Held { .. }
            | FromKeeper::AdoptionDone { .. } => {}
        }
    }

    fn answer(&self, key: &str, result: Result<Opened, String>) {
        if let Some(waiting) = self.waiting().get(key) {
            let _ = waiting.try_send(result);
        }
    }
}

impl Adopted {
    /// Starts the thread that listens. It ends the process when the keeper is gone: nobody would watch or replace it.
    pub(crate) fn listen(
        self,
        inputs: mpsc::Sender<Input>,
    ) -> io::Result<(Arc<Keeper>, Vec<Running>)> {
        let keeper = Arc::new(Keeper {
            link: self.link,
            pid: self.keeper_pid,
            replaced: self.replaced,
            succession: self.succession,
            waiting: Mutex::default(),
            inputs,
            board: self.board,
        });
        let ears = keeper.clone();
        std::thread::Builder::new()
            .name("keeper-link".into())
            .spawn(move || {
                loop {
                    match ears.link.recv() {
                        Ok(received) => ears.hear(received),
                        Err(error) => {
                            tracing::error!(%error, "the keeper is gone; ending");
                            crate::logging::finish();
                            std::process::exit(1);
                        }
                    }
                }
            })?;
        Ok((keeper, self.running))
    }
}

fn succession(times: u64, died: Option<Death>, adopted: usize) -> Option<ReplacedStatus> {
    let ended = |death: &Death| {
        let ago = Duration::from_nanos(death.ago_ns);
        let at = SystemTime::now().checked_sub(ago)?;
        let since = at.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp(WallTime(u64::try_from(since.as_millis()).ok()?)))
    };
    (times > 0).then(|| ReplacedStatus {
        times,
        last: died.as_ref().and_then(ended),
        why: died.map(|death| death.why),
        adopted: u32::try_from(adopted).unwrap_or(u32::MAX),
    })
}

/// A share of a core in the keeper's unit.
pub(crate) fn millicores(share: Share) -> u32 {
    (share.0 / 10).max(1)
}

/// The keeper's form of an address of the configuration.
pub(crate) fn address(bind: &evenkeel_schema::config::Bind) -> Address {
    use evenkeel_schema::config::Bind;
    match bind {
        Bind::Ip(ip) => Address::Tcp(*ip),
        Bind::Unix(path) => Address::Unix(Path::to_path_buf(path)),
    }
}
