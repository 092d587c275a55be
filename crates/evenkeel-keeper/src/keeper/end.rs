//! Signals, and the end they ask for: nothing that was started is left behind.

use std::time::Duration;

use nix::sys::signal::Signal as Asked;
use rustix::process::{Pid, Signal};

use super::{Keeper, Phase};
use crate::children::{self, number, signal_group};
use crate::wire::FromKeeper;

/// How long services may take to end when there is no child to decide it.
const GRACE: Duration = Duration::from_secs(10);
/// How long processes that services left behind may take, once the services are gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(1);
/// How long after the first kill the keeper still tries; a process that survives this hangs in the kernel.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl Keeper {
    pub(super) fn on_signals(&mut self) {
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
                    child.kill("was to end at once");
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

    /// The child is gone for good: asks everything that is left to end.
    pub(super) fn clean(&mut self, code: u8) {
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
    pub(super) fn clean_on(&mut self) -> Option<u8> {
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
        self.log.warn(&format!(
            "these processes could not be killed, and are left: {}",
            left.join(", ")
        ));
        Some(*code)
    }
}
