//! Processes as the kernel sees them: launching one, noticing its end, and finding those nobody else looks after.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus};

use crate::link::send_packet;
use crate::wire::{Ending, Launch};

/// A process that was just started; it is not yet the program.
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    /// The socket it knows as descriptor 0: says why it could not become the program, or ends when it did.
    pub(crate) channel: OwnedFd,
    /// Its standard output and error, unless they are the keeper's own.
    pub(crate) output: Option<(OwnedFd, OwnedFd)>,
}

/// Starts this executable again as the trampoline of [`crate::exec`], in a process group of its own. `entering` is called with
/// the process while it still waits for its orders, so that it is where it belongs before it becomes its program.
pub(crate) fn launch(
    trampoline: &[OsString],
    launch: &Launch,
    capture: bool,
    entering: impl FnOnce(Pid),
) -> std::io::Result<Launched> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let orders = launch.encode()?;
    let output = || {
        if capture {
            Stdio::piped()
        } else {
            Stdio::inherit()
        }
    };
    // The running file itself, even when another was put in its place meanwhile: both sides must speak the same language.
    let mut child = Command::new("/proc/self/exe")
        .args(trampoline)
        .stdin(Stdio::from(theirs))
        .stdout(output())
        .stderr(output())
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    entering(pid);
    if let Err(error) = send_packet(ours.as_fd(), &orders, &[], SendFlags::NOSIGNAL) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let output = child
        .stdout
        .take()
        .zip(child.stderr.take())
        .map(|(out, err)| (out.into(), err.into()));
    if let Some((out, err)) = &output {
        rustix::io::ioctl_fionbio(out, true)?;
        rustix::io::ioctl_fionbio(err, true)?;
    }
    Ok(Launched {
        pid,
        channel: ours,
        output,
    })
}

/// A pid as people and messages write it.
pub(crate) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// Signals a whole process group. One that is gone already has what was wanted.
pub(crate) fn signal_group(leader: Pid, signal: Signal) -> Result<(), Errno> {
    match rustix::process::kill_process_group(leader, signal) {
        Err(Errno::SRCH) => Ok(()),
        other => other,
    }
}

/// If this child has ended: kills what is left of its group, reaps it, and says how it ended. The order matters: as long as it is
/// not reaped its number cannot become another process's.
pub(crate) fn reap(pid: Pid) -> Option<Ending> {
    if !matches!(rustix::process::waitid(WaitId::Pid(pid), LOOK), Ok(Some(_))) {
        return None;
    }
    let _ = signal_group(pid, Signal::KILL);
    let reaped = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
    Some(ending(reaped.1))
}

/// Looks at a child that has ended, without reaping it.
const LOOK: WaitIdOptions = WaitIdOptions::EXITED
    .union(WaitIdOptions::NOHANG)
    .union(WaitIdOptions::NOWAIT);

/// Reaps any child: those of children that ended, which the kernel hands to the keeper as their subreaper.
pub(crate) fn reap_any() -> Option<(Pid, Ending)> {
    let (pid, status) = rustix::process::wait(WaitOptions::NOHANG).ok()??;
    Some((pid, ending(status)))
}

/// Whether there are children at all, ended ones included.
pub(crate) fn any() -> bool {
    !matches!(
        rustix::process::waitid(WaitId::All, LOOK),
        Err(Errno::CHILD)
    )
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Code(-1),
    }
}

/// All processes whose parent is the keeper, by `/proc`.
pub(crate) fn all() -> Vec<Pid> {
    let me = std::process::id();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            (parent_in_stat(&stat)? == me).then(|| Pid::from_raw(pid))?
        })
        .collect()
}

/// The fourth field of `/proc/PID/stat`; the second, the program's name in brackets, may contain anything, brackets and spaces too.
pub(crate) fn parent_in_stat(stat: &str) -> Option<u32> {
    stat.get(stat.rfind(')')? + 1..)?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_cannot_fake_its_parent() {
        assert_eq!(parent_in_stat("12 (a) S 1 (b) S 77 12 12"), Some(77));
        assert_eq!(parent_in_stat("12 (cat) R 5 12"), Some(5));
        for odd in ["", "12 cat", "12 (cat)", "12 (cat) R x"] {
            assert_eq!(parent_in_stat(odd), None);
        }
    }
}
