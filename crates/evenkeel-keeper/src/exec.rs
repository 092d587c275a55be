//! What a started process does before it becomes the program that was asked for.
//!
//! Between fork and exec a Rust program may run its own code only with `unsafe`. So the keeper starts its own executable again with a
//! hidden argument, and that process, single-threaded and fresh, does here what is needed and then executes the program in its place:
//! same pid, same process group. What to do comes as one packet on descriptor 0, not by arguments or environment: arguments are
//! visible to everybody, and an environment such as `LD_PRELOAD` must not act on a process that still is root.
//!
//! The order matters: changing the user clears the parent-death signal, so that signal is asked for after it; and the directory
//! is entered and the program looked up as the user it runs as. The way back is the same socket: close-on-exec, so its end
//! says "it runs", and a text says why not.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, User};
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::Signal;

use crate::link::{receive_packet, send_packet};
use crate::wire::{Launch, MESSAGE_BYTES_MAX, Start};

/// The first byte of a packet that says why nothing was executed; no message of a child begins so.
pub(crate) const FAILED: u8 = 0xff;
/// What a shell answers for a command that cannot be executed.
const CANNOT_EXECUTE: u8 = 127;

/// The whole life of the process between the keeper's fork and the program; returns only if the program could not be executed.
/// The arguments are those after the hidden one; there is nothing in them.
pub fn main(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Ok(channel) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        return ExitCode::from(CANNOT_EXECUTE);
    };
    let Err(why) = become_program(&channel);
    let mut packet = vec![FAILED];
    packet.extend(why.bytes().take(4096));
    // If this fails the keeper is gone, and with it everybody who could want to know.
    let _ = send_packet(channel.as_fd(), &packet, &[], SendFlags::NOSIGNAL);
    ExitCode::from(CANNOT_EXECUTE)
}

fn become_program(channel: &OwnedFd) -> Result<std::convert::Infallible, String> {
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let (length, _) = receive_packet(channel.as_fd(), &mut buffer, RecvFlags::empty())
        .map_err(|error| format!("descriptor 0 brings no orders from a keeper ({error}): this is not a command for people"))?;
    let launch = Launch::decode(&buffer[..length]).map_err(|error| error.to_string())?;
    let start = &launch.start;
    if !launch.keep_stdin {
        let null =
            File::open("/dev/null").map_err(|error| format!("cannot open /dev/null: {error}"))?;
        rustix::stdio::dup2_stdin(null)
            .map_err(|error| format!("cannot close descriptor 0: {error}"))?;
    }
    become_user(start, launch.restricted)?;
    die_with(launch.keeper_pid)?;
    if let Some(directory) = &start.directory {
        std::env::set_current_dir(directory).map_err(|error| {
            format!(
                "cannot enter its directory {}: {error}",
                directory.display()
            )
        })?;
    }
    // The keeper blocks the signals it reads from a descriptor, and masks are inherited.
    SigSet::empty()
        .thread_set_mask()
        .map_err(|error| format!("cannot unblock signals: {error}"))?;
    let environment = start.environment.iter().map(|(key, value)| (key, value));
    let error = Command::new(program_of(start))
        .args(&start.args)
        .envs(environment)
        .exec();
    Err(why_not_executed(start, &error))
}

/// The running file by its own path while that still is the running file: then it has its own name in `ps`, and not `exe`.
fn program_of(start: &Start) -> OsString {
    let itself = Path::new("/proc/self/exe");
    if start.program != itself {
        return start.program.clone();
    }
    let identity = |path: &Path| path.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let path = std::fs::read_link(itself).unwrap_or_default();
    let unchanged = identity(&path).is_some() && identity(&path) == identity(itself);
    if unchanged {
        path.into_os_string()
    } else {
        start.program.clone()
    }
}

fn why_not_executed(start: &Start, error: &io::Error) -> String {
    let place =
        std::env::current_dir().map_or_else(|_| "?".to_owned(), |path| path.display().to_string());
    let program = start.program.to_string_lossy();
    format!("cannot execute {program} (in directory {place}): {error}")
}

/// Asks the kernel to kill this process when its parent ends, and makes sure the parent has not ended before the asking.
fn die_with(keeper_pid: u32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask for the parent-death signal: {error}"))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(keeper_pid) {
        Ok(())
    } else {
        Err("the keeper has ended".to_owned())
    }
}

/// For the balancer: becomes this user for good, with its groups from the user database, and asks again to be killed when the keeper
/// ends, which changing users had undone.
///
/// # Errors
/// If that is not possible; the process may then be half-way and should end.
pub fn drop_privileges(uid: u32, gid: Option<u32>) -> io::Result<()> {
    let keeper =
        rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    take_identity(Uid::from_raw(uid), gid.map(Gid::from_raw), false)
        .and_then(|()| die_with(keeper))
        .map_err(|why| io::Error::other(format!("cannot become user {uid}: {why}")))
}

fn become_user(start: &Start, restricted: bool) -> Result<(), String> {
    let Some(uid) = start.uid.map(Uid::from_raw) else {
        return if restricted && Uid::effective().is_root() {
            Err(AS_ROOT.to_owned())
        } else {
            Ok(())
        };
    };
    if restricted && uid.is_root() {
        return Err(AS_ROOT.to_owned());
    }
    let gid = start.gid.map(Gid::from_raw);
    if uid == Uid::effective() && !uid.is_root() && gid.is_none_or(|gid| gid == Gid::effective()) {
        return Ok(());
    }
    take_identity(uid, gid, restricted)
        .map_err(|error| format!("cannot become user {uid}: {error}"))
}

const AS_ROOT: &str = "it would run as user 0, which this keeper has been told never to do again";

/// Groups come from the user database, not from who asks: a list of groups can be worth as much as being root.
fn take_identity(uid: Uid, gid: Option<Gid>, restricted: bool) -> Result<(), String> {
    let user = User::from_uid(uid)
        .map_err(|error| format!("the user database cannot be read: {error}"))?;
    let (gid, groups) = match (user, gid) {
        (None, None) => return Err("there is no such user, and no group was given".to_owned()),
        (None, Some(_)) if restricted => {
            return Err("there is no such user, so no group can be allowed to it".to_owned());
        }
        (None, Some(gid)) => (gid, vec![gid]),
        (Some(user), gid) => {
            let name = CString::new(user.name).map_err(|_| "its name is not usable".to_owned())?;
            let groups = nix::unistd::getgrouplist(&name, user.gid)
                .map_err(|error| format!("its groups: {error}"))?;
            let gid = gid.unwrap_or(user.gid);
            if restricted && !groups.contains(&gid) {
                return Err(format!("it is not in group {gid}"));
            }
            (gid, groups)
        }
    };
    nix::unistd::setgroups(&groups)
        .and_then(|()| nix::unistd::setgid(gid))
        .and_then(|()| nix::unistd::setuid(uid))
        .map_err(|error| format!("{error} (only root may change users)"))
}
