//! Something that was done to a service, and how it is taken back.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::style::complain;

type Undo<'s> = Box<dyn FnOnce() -> Result<(), String> + 's>;

/// A fault that is there. It is taken back when this is dropped, if nobody did it before.
pub(super) struct Fault<'s> {
    /// What was done, for people.
    pub(super) what: String,
    undo: Option<Undo<'s>>,
}

impl<'s> Fault<'s> {
    /// Done once, and nothing is left of it.
    pub(super) fn done(what: impl Into<String>) -> Fault<'s> {
        Fault {
            what: what.into(),
            undo: None,
        }
    }

    /// Lasts until it is taken back.
    pub(super) fn lasting(
        what: impl Into<String>,
        undo: impl FnOnce() -> Result<(), String> + 's,
    ) -> Fault<'s> {
        Fault {
            what: what.into(),
            undo: Some(Box::new(undo)),
        }
    }

    /// Is there something to take back?
    pub(super) fn lasts(&self) -> bool {
        self.undo.is_some()
    }

    /// Takes it back.
    pub(super) fn undo(&mut self) -> Result<(), String> {
        self.undo.take().map_or(Ok(()), |undo| undo())
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        if let Err(why) = self.undo() {
            complain(&format!(
                "evenkeel: the fault could not be taken back: {why}"
            ));
        }
    }
}

/// A process that cannot be taken for another one with the same number later.
pub(super) struct Process {
    /// Its number.
    pub(super) pid: u32,
    handle: OwnedFd,
}

impl Process {
    /// Takes hold of it.
    pub(super) fn open(pid: u32) -> Result<Process, String> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| format!("{pid} is no number of a process"))?;
        let handle =
            pidfd_open(number, PidfdFlags::empty()).map_err(|e| format!("process {pid}: {e}"))?;
        Ok(Process { pid, handle })
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = self.pid;
        pidfd_send_signal(&self.handle, signal)
            .map_err(|e| format!("process {pid} can't be sent {signal:?}: {e}"))
    }

    /// Lets it run again, if it is still there.
    pub(super) fn go_on(&self) -> Result<(), String> {
        match pidfd_send_signal(&self.handle, Signal::CONT) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(format!("process {} can't be let go on: {e}", self.pid)),
        }
    }
}

/// Holds a lock as long as it is there.
pub(super) struct Alone(#[expect(dead_code, reason = "only held")] pub(super) File);
