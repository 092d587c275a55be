//! Signals that whoever started this process had ignored (`nohup` does so with `SIGHUP`, some launchers with `SIGCHLD`).
//!
//! What is ignored stays ignored over `exec`, in every process down the line: a service would never hear the `SIGHUP` that asks it to read
//! its configuration again, and with `SIGCHLD` ignored the kernel keeps no exit code for anybody. A handler that does nothing is
//! as good as ignoring for this process, and `exec` does not hand it on (POSIX, `exec`: caught signals are set to their default).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::Signal;

/// Turns every ignored signal into one that is caught and forgotten, so that what is started begins with the defaults.
///
/// # Errors
/// If the system refuses a handler.
pub(crate) fn keep_to_ourselves() -> std::io::Result<()> {
    // Without `/proc` nothing is known, and nothing is changed.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in ignored(&status) {
        signal_hook::flag::register(signal as i32, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// The signals of the mask `SigIgn` in `/proc/PID/status` (proc_pid_status(5)): bit 0 is signal 1.
fn ignored(status: &str) -> impl Iterator<Item = Signal> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    Signal::iterator().filter(move |&signal| mask >> (signal as i32 - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_as_the_manual_says() {
        let read = |text: &str| ignored(text).collect::<Vec<_>>();
        assert_eq!(
            read("SigBlk:\t0000000000000002\nSigIgn:\t0000000000011001\nSigCgt:\t0"),
            [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGCHLD]
        );
        for odd in ["", "SigIgn:", "SigIgn:\tx", "SigIgn:\t11111111111111111"] {
            assert_eq!(read(odd), [], "{odd}");
        }
    }
}
