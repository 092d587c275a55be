//! A little disk for each sample, so that it can be filled.
//!
//! They are mounted where only the demo and what it starts sees them: in a mount namespace of its own, which every user
//! may have where the kernel allows user namespaces. So there is nothing to be unmounted: they are gone when the last process of the demo is, however it
//! ends. From outside they are reached through the keeper's root (`/proc/PID/root`); a link makes that short.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::NAMES;

/// Filled in a blink, and large enough for what a sample writes.
const OPTIONS: &str = "size=16m,mode=0755";
const NONE: Option<&str> = None;

/// Gives each sample one. Must come before any thread is there. Returns the folder where they are seen from outside, or why there are none.
pub(super) fn mount_all(folder: &Path) -> Result<PathBuf, String> {
    apart()?;
    for name in NAMES {
        let disk = folder.join(name).join("disk");
        fs::create_dir_all(&disk).map_err(|e| format!("{}: {e}", disk.display()))?;
        mount(
            Some("evenkeel-demo"),
            &disk,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(OPTIONS),
        )
        .map_err(|e| format!("{}: no disk can be mounted: {e}", disk.display()))?;
    }
    let seen = folder.join("disks");
    let inside = folder.strip_prefix("/").unwrap_or(folder);
    let root = PathBuf::from(format!("/proc/{}/root", std::process::id()));
    symlink(root.join(inside), &seen).map_err(|e| format!("{}: {e}", seen.display()))?;
    Ok(seen)
}

/// From here on nobody else sees what is mounted here.
fn apart() -> Result<(), String> {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mut flags = CloneFlags::CLONE_NEWNS;
    if !user.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags)
        .map_err(|e| format!("no view of the file systems of its own is to be had: {e}"))?;
    if !user.is_root() {
        // Who we are stays: only what we may do to our own view is new.
        let lines = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{user} {user} 1")),
            ("gid_map", format!("{group} {group} 1")),
        ];
        for (file, line) in lines {
            let file = format!("/proc/self/{file}");
            fs::write(&file, line).map_err(|e| format!("{file}: {e}"))?;
        }
    }
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(|e| format!("the file systems can't be made private: {e}"))
}
