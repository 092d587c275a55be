//! `evenkeel demo`: the main job on nothing but this binary.
//!
//! The demo is an ordinary `run` of an ordinary configuration, so what one sees is what one gets. Only the configuration is
//! made up here, each sample gets a little disk where that can be had, and a thread that waits until everything is up says what to try.

mod config;
mod disk;
mod introduce;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, Signal};

use crate::End;
use crate::commands::run;
use crate::style::{Out, complain};

use config::config;
use introduce::{Place, introduce};

const NAMES: [&str; 3] = ["a1", "a2", "a3"];

/// The ports of a demo: what was wanted, or the next free ones.
struct Ports {
    web: u16,
    admin: u16,
    samples: [u16; 3],
}

/// Runs until Ctrl-C.
pub(crate) fn demo(print_config: bool) -> End {
    let exe = match std::env::current_exe() {
        Ok(exe) => exe,
        Err(e) => {
            complain(&format!(
                "evenkeel: this program's own file can't be found: {e}"
            ));
            return End::Failed;
        }
    };
    if print_config {
        let ports = Ports {
            web: 8080,
            admin: 9440,
            samples: [9001, 9002, 9003],
        };
        Out::new().line(config(&exe, &ports, "evenkeel-demo/").trim_end());
        return End::Done;
    }
    let Some(ports) = Ports::free() else {
        complain("evenkeel: no free port could be found on 127.0.0.1 for the demo");
        return End::Failed;
    };
    let folder = match tempfile::Builder::new().prefix("evenkeel-demo-").tempdir() {
        Ok(folder) => folder,
        Err(e) => {
            complain(&format!("evenkeel: no folder for the demo's state: {e}"));
            return End::Failed;
        }
    };
    let end = match prepare(&exe, ports, folder.path()) {
        Ok(file) => run::run(&file),
        Err(why) => {
            complain(&format!("evenkeel: {why}"));
            End::Failed
        }
    };
    take_away(folder);
    end
}

/// Everything before the keeper's own life begins.
fn prepare(exe: &Path, ports: Ports, folder: &Path) -> Result<PathBuf, String> {
    let file = folder.join("demo.toml");
    std::fs::write(&file, config(exe, &ports, ""))
        .map_err(|e| format!("{}: {e}", file.display()))?;
    let out = Out::new();
    for (wanted, port, what) in [(8080, ports.web, "web"), (9440, ports.admin, "admin")] {
        if wanted != port {
            out.line(&format!(
                "Port {wanted} is taken: {what} is on {port} instead."
            ));
        }
    }
    let disks = disk::mount_all(folder);
    if let Err(why) = &disks {
        out.line(&format!(
            "The samples have no little disks that could be filled: {why}."
        ));
    }
    // The keeper takes signals in its own way, and a thread that does not block them would take them in the kernel's.
    let mut keepers = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        keepers.add(signal);
    }
    if keepers.thread_block().is_ok() {
        let place = Place {
            ports,
            folder: folder.to_owned(),
            disks: disks.ok(),
        };
        std::thread::spawn(move || introduce(&place));
    }
    Ok(file)
}

/// The disks first: a folder that something is mounted on can't be removed.
fn take_away(folder: tempfile::TempDir) {
    for name in NAMES {
        let _ = nix::mount::umount2(
            &folder.path().join(name).join("disk"),
            nix::mount::MntFlags::MNT_DETACH,
        );
    }
    if let Err(e) = folder.close() {
        complain(&format!(
            "evenkeel: the demo's folder could not be removed: {e}"
        ));
    }
}

impl Ports {
    fn free() -> Option<Ports> {
        let web = free_port(8080, &[])?;
        let admin = free_port(9440, &[web])?;
        let a1 = free_port(9001, &[web, admin])?;
        let a2 = free_port(9002, &[web, admin, a1])?;
        let a3 = free_port(9003, &[web, admin, a1, a2])?;
        Some(Ports {
            web,
            admin,
            samples: [a1, a2, a3],
        })
    }
}

/// The first port from `wanted` on that nobody listens on and that is not among `given`.
fn free_port(wanted: u16, given: &[u16]) -> Option<u16> {
    (wanted..wanted.saturating_add(200)).find(|port| {
        !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    })
}
