//! The balancer: the keeper's child, data plane and control in one process.
//!
//! This folder only wires: the keeper's messages to control's inputs, control's wishes to the data plane and the keeper.
//! What a message means is decided elsewhere.

pub(crate) mod agent;
mod host;
pub(crate) mod keeper;
mod life;
pub(crate) mod recovery;
mod sessions;
mod sockets;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_control::{FAILURES_MAX, INPUTS_MAX, Tls};
use evenkeel_core::observe::Failure;
use evenkeel_keeper::{Link, ToKeeper};
use evenkeel_proxy::{AccessTarget, Options, Proxy};
use evenkeel_schema::config::{AccessFormat, AccessLog, Config, LogFormat, Node};
use tokio::sync::mpsc;

use crate::End;
use crate::style::complain;
use crate::user::User;
use host::BalancerHost;
use keeper::Keeper;

/// What the keeper's command line tells the balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The configuration, absolute.
    pub(crate) file: PathBuf,
    /// Where the last applied revision is, in case FILE is being edited when the balancer is replaced.
    pub(crate) state_dir: PathBuf,
    /// Whom to become, when started as root.
    pub(crate) user: Option<String>,
}

impl Part {
    /// The hidden arguments of a first balancer, or of one that replaces another.
    pub(crate) fn args(&self, resume: bool) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["__balancer".into()];
        args.push(if resume { "resume" } else { "first" }.into());
        args.push(self.user.clone().unwrap_or_default().into());
        args.push(self.state_dir.clone().into());
        args.push(self.file.clone().into());
        args
    }

    fn parse(mut args: impl Iterator<Item = OsString>) -> Option<(bool, Part)> {
        let resume = args.next()? == "resume";
        let user = args.next()?.into_string().ok()?;
        let (state_dir, file) = (args.next()?.into(), args.next()?.into());
        Some((
            resume,
            Part {
                file,
                state_dir,
                user: Some(user).filter(|u| !u.is_empty()),
            },
        ))
    }
}

/// The user a balancer of this node runs as: none, where nothing has to change.
pub(crate) fn user(node: &Node) -> Result<Option<User>, String> {
    let Some(name) = &node.user else {
        return Ok(None);
    };
    let user = User::named(name).map_err(|why| format!("node.user: {why}"))?;
    let me = rustix::process::geteuid().as_raw();
    if me == user.uid {
        return Ok(None);
    }
    if me != 0 {
        return Err(format!(
            "node.user is {name:?}, but only root can run the balancer as another user"
        ));
    }
    Ok(Some(user))
}

/// `__balancer first|resume USER STATE_DIR FILE`.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> End {
    let Some((resume, part)) = Part::parse(args) else {
        complain(
            "usage: evenkeel __balancer first|resume USER STATE_DIR FILE (started by `evenkeel run`, not by hand)",
        );
        return End::Usage;
    };
    let ended = start(resume, part);
    crate::logging::finish();
    match ended {
        Ok(end) => end,
        Err((end, message)) => {
            complain(message.trim_end());
            end
        }
    }
}

type Failed = (End, String);

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> Failed + '_ {
    move |e| (End::Failed, format!("evenkeel: {what}: {e}"))
}

fn start(resume: bool, part: Part) -> Result<End, Failed> {
    end_with_the_keeper();
    let link = Link::from_stdin().map_err(failed("balancer"))?;
    if let Some(name) = part
        .user
        .as_deref()
        .filter(|_| rustix::process::geteuid().is_root())
    {
        return Err(become_user(&link, name, &part.args(resume)));
    }
    let (config, tls, resume) = read_config(resume, &part)?;
    crate::logging::start(&config.log).map_err(failed("log"))?;
    let descriptors = raise_descriptor_limit();
    let adopted = Keeper::adopt(link, part.user.is_some()).map_err(failed("keeper"))?;
    let (failures_in, failures) = mpsc::channel(FAILURES_MAX);
    let (inputs_in, inputs) = mpsc::channel(INPUTS_MAX);
    let workers = config.node.workers.unwrap_or_else(cores);
    let proxy = start_proxy(&config, workers, failures_in).map_err(failed("data plane"))?;
    let (keeper, running) = adopted
        .listen(inputs_in.clone())
        .map_err(failed("keeper"))?;
    if config.log.format == LogFormat::Json {
        keeper.speak_json();
    }
    let host = Arc::new(BalancerHost::new(
        proxy.clone(),
        keeper.clone(),
        workers,
        descriptors,
        &config,
    ));
    let refused = |whys: Vec<String>| {
        (
            End::Failed,
            format!("evenkeel: {}", whys.join("\nevenkeel: ")),
        )
    };
    host.open_all(&config).map_err(refused)?;
    let admin = host
        .open_admin(&config.admin)
        .map_err(|why| refused(vec![why]))?;
    life::watch(proxy.clone(), keeper.clone()).map_err(failed("life"))?;
    let state_dir = config.node.state_dir.clone();
    recovery::keep(host.recovery()).map_err(failed("recovery points"))?;
    agent::watch(keeper.board().clone(), state_dir, inputs_in).map_err(failed("facts"))?;
    let control = evenkeel_control::start(evenkeel_control::Start {
        config: Arc::new(config),
        tls,
        file: part.file,
        resume,
        workers,
        host: host.clone(),
        running,
        failures,
        inputs,
        admin,
    });
    control.map_err(failed("control"))?.join();
    Ok(end(&host, &keeper, &proxy))
}

fn start_proxy(
    config: &Config,
    workers: usize,
    failures: mpsc::Sender<Failure>,
) -> std::io::Result<Arc<Proxy>> {
    let options = Options {
        workers,
        failures,
        access_log: access_log(config),
        redo: Some(config.node.state_dir.join("redo")),
        seed: seed(),
    };
    Proxy::start(options).map(Arc::new)
}

/// Control has ended: in order, after a shutdown; or by a bug, and then this process makes room for another one.
fn end(host: &BalancerHost, keeper: &Keeper, proxy: &Proxy) -> End {
    if host.is_draining() {
        proxy.stop(Duration::ZERO);
        keeper.bye();
        return End::Done;
    }
    tracing::error!(
        "control ended by itself, which is a bug: this balancer finishes what it can within 1 s and is replaced"
    );
    proxy.stop(Duration::from_secs(1));
    End::Failed
}

/// Becomes the user and starts over in this same process: a program can't be trusted to have forgotten that it was root.
/// The keeper is told first that nothing may be started as root from now on. Returns only if it fails.
fn become_user(link: &Link, name: &str, args: &[OsString]) -> Failed {
    let attempt = || -> Result<std::io::Error, String> {
        let user = User::named(name)?;
        let told = link
            .send(&ToKeeper::Hello {
                pid: std::process::id(),
            })
            .and_then(|()| link.send(&ToKeeper::Restrict));
        told.map_err(|e| e.to_string())?;
        rustix::stdio::dup2_stdin(link).map_err(|e| e.to_string())?;
        Ok(Command::new("/proc/self/exe")
            .args(args)
            .uid(user.uid)
            .gid(user.gid)
            .exec())
    };
    let why = attempt().map_or_else(|why| why, |e| e.to_string());
    (
        End::Failed,
        format!("evenkeel: the balancer can't become user {name:?}: {why}"),
    )
}

/// The kernel ends this process with the keeper. The keeper asked for that already, but changing the user took it back.
pub(crate) fn end_with_the_keeper() {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// FILE's configuration; for a replacement the last applied one, and FILE only where that can't be had.
fn read_config(resume: bool, part: &Part) -> Result<(Config, Tls, bool), Failed> {
    // One that is damaged is told of and set aside by control.
    let last = match resume {
        true => evenkeel_control::last_applied(&part.state_dir).unwrap_or_default(),
        false => None,
    };
    if let Some((revision, text)) = last {
        match Tls::parse(&text, &part.file, None) {
            Ok((config, tls)) => return Ok((config, tls, true)),
            Err(mistakes) if let Ok((config, tls)) = Tls::rescue(&text, &part.file) => {
                complain(&format!(
                    "evenkeel: serving without what cannot be used now; it is used as soon as it can be:\n{}",
                    evenkeel_schema::explain(&mistakes).trim_end()
                ));
                return Ok((config, tls, true));
            }
            Err(mistakes) => complain(&format!(
                "evenkeel: the last applied revision {revision} can't be read again, so FILE is used:\n{}",
                evenkeel_schema::explain(&mistakes).trim_end()
            )),
        }
    }
    let (config, tls) = Tls::load(&part.file, None)
        .map_err(|mistakes| (End::Usage, evenkeel_schema::explain(&mistakes)))?;
    Ok((config, tls, false))
}

fn access_log(config: &Config) -> Option<evenkeel_proxy::AccessLog> {
    let to = match &config.log.access {
        AccessLog::Off => return None,
        AccessLog::Stdout => AccessTarget::Stdout,
        AccessLog::File(path) => AccessTarget::File(path.clone()),
    };
    let format = match config.log.access_format {
        AccessFormat::Json => evenkeel_proxy::AccessFormat::Json,
        AccessFormat::Common => evenkeel_proxy::AccessFormat::Common,
    };
    Some(evenkeel_proxy::AccessLog { to, format })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Different for every process; the seed of a run is not a secret.
fn seed() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (now.tv_nsec as u64)
        ^ (now.tv_sec as u64).rotate_left(32)
        ^ u64::from(std::process::id()).rotate_left(48)
}

/// Asks for as many descriptors as this process may have, and says how many that are.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    let raised = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        most
    } else {
        limit.current.unwrap_or(1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_arguments_are_read_back() {
        let part = Part {
            file: "/etc/a b.toml".into(),
            state_dir: "/var/lib/x".into(),
            user: None,
        };
        for resume in [true, false] {
            assert_eq!(
                Part::parse(part.args(resume).into_iter().skip(1)),
                Some((resume, part.clone()))
            );
        }
        let part = Part {
            user: Some("web".into()),
            ..part
        };
        assert_eq!(
            Part::parse(part.args(true).into_iter().skip(1)),
            Some((true, part))
        );
        assert_eq!(Part::parse(["first".into()].into_iter()), None);
    }
}
