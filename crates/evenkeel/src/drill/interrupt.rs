//! Ctrl-C during a drill: waits end early, so that the fault is taken back and not left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

/// Between two looks.
const STEP: Duration = Duration::from_millis(20);
const SAID: &str = "interrupted; what was done to the service was taken back, nothing was recorded";

/// Has a person had enough?
#[derive(Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on INT and TERM are only noted. Called before any other thread is there, as they inherit it.
    pub(super) fn listen() -> Interrupt {
        let interrupt = Interrupt::default();
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        if signals.thread_block().is_ok() {
            let noted = interrupt.clone();
            std::thread::spawn(move || {
                while signals.wait().is_ok() {
                    noted.0.store(true, Relaxed);
                }
            });
        }
        interrupt
    }

    /// Goes on, or says that it was interrupted.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.0.load(Relaxed) {
            true => Err(SAID.into()),
            false => Ok(()),
        }
    }

    /// Waits, unless it is interrupted.
    pub(super) fn sleep(&self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            self.check()?;
            std::thread::sleep(left.min(STEP));
        }
        self.check()
    }
}
