//! `evenkeel run FILE`: this process becomes the keeper.
//!
//! Before that it reads FILE once, so that mistakes end with 2 before anything is started, and locks the state directory:
//! the lock belongs to the keeper and so outlives every balancer. Nothing of the configuration stays in here.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use evenkeel_control::Tls;
use evenkeel_keeper::{LogFormat, Settings};
use evenkeel_schema::config;
use rustix::fs::FlockOperation;

use crate::End;
use crate::balancer::{self, Part};
use crate::style::complain;
use crate::user::User;

/// Runs until it is told to end.
pub(crate) fn run(file: &Path) -> End {
    match prepare(file) {
        Ok((part, lock, log_format)) => {
            let settings =
                keeper_settings(part.args(false), part.args(true), log_format, "balancer");
            let end = evenkeel_keeper::run(settings);
            drop(lock);
            End::Exit(end)
        }
        Err((end, message)) => {
            complain(message.trim_end());
            end
        }
    }
}

/// A keeper whose child is this same program, with these hidden arguments.
pub(super) fn keeper_settings(
    first_args: Vec<OsString>,
    replacement_args: Vec<OsString>,
    log_format: config::LogFormat,
    called: &'static str,
) -> Settings {
    Settings {
        program: "/proc/self/exe".into(),
        first_args,
        replacement_args,
        environment: Vec::new(),
        trampoline: vec!["__exec".into()],
        log_format: match log_format {
            config::LogFormat::Text => LogFormat::Text,
            config::LogFormat::Json => LogFormat::Json,
        },
        called,
    }
}

fn prepare(file: &Path) -> Result<(Part, Lock, config::LogFormat), (End, String)> {
    let (config, _) = Tls::load(file, None)
        .map_err(|mistakes| (End::Usage, evenkeel_schema::explain(&mistakes)))?;
    let file = fs::canonicalize(file)
        .map_err(|e| (End::Usage, format!("evenkeel: {}: {e}", file.display())))?;
    let user =
        balancer::user(&config.node).map_err(|why| (End::Usage, format!("evenkeel: {why}")))?;
    let lock = lock(&config.node.state_dir, "node.state_dir", user.as_ref())?;
    Ok((
        Part {
            file,
            state_dir: config.node.state_dir.clone(),
            user: user.map(|u| u.name),
        },
        lock,
        config.log.format,
    ))
}

/// What keeps a second `run` off the state directory; held for as long as it lives. `None` where the disk has no room for it.
pub(super) type Lock = Option<(File, Option<File>)>;

/// Makes the state directory, if need be, and locks it for this process: the directory itself, which needs no room on its
/// disk, and the file in it that has our pid for whoever comes second. `key` names it in the configuration.
pub(super) fn lock(folder: &Path, key: &str, user: Option<&User>) -> Result<Lock, (End, String)> {
    let failed = |path: &Path, e: std::io::Error| {
        (End::Failed, format!("evenkeel: {}: {e}", path.display()))
    };
    if !folder.exists() {
        match fs::create_dir_all(folder) {
            Ok(()) => {}
            // What is to serve serves; the balancer says the same, and looks again every few seconds.
            Err(e) if no_room(&e) => {
                complain(&format!(
                    "evenkeel: {}: {e}; going on without it",
                    folder.display()
                ));
                return Ok(None);
            }
            Err(e) => return Err(failed(folder, e)),
        }
        if let Some(user) = user {
            std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid))
                .map_err(|e| failed(folder, e))?;
        }
    }
    let path = folder.join("lock");
    let directory = File::open(folder).map_err(|e| failed(folder, e))?;
    if rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(taken(folder, &path, key));
    }
    let lock = match pid_file(&path) {
        Ok(lock) => lock,
        Err(e) => {
            complain(&format!(
                "evenkeel: {}: {e}; going on without it",
                path.display()
            ));
            return Ok(Some((directory, None)));
        }
    };
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(taken(folder, &path, key));
    }
    let written = lock
        .set_len(0)
        .and_then(|()| writeln!(&lock, "{}", std::process::id()));
    if let Err(e) = written {
        complain(&format!(
            "evenkeel: {}: {e}; going on without a pid there",
            path.display()
        ));
    }
    Ok(Some((directory, Some(lock))))
}

fn no_room(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

/// Opens it, in place of whatever is there that is no file.
fn pid_file(path: &Path) -> std::io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        let aside = evenkeel_store::set_aside(path).map_err(std::io::Error::other)?;
        complain(&format!(
            "evenkeel: {} is no file; it is kept as {}",
            path.display(),
            aside.display()
        ));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
}

fn taken(folder: &Path, path: &Path, key: &str) -> (End, String) {
    let pid = fs::read_to_string(path).unwrap_or_default();
    let pid = pid.trim();
    let digits = !pid.is_empty() && pid.len() < 12 && pid.bytes().all(|b| b.is_ascii_digit());
    let message = format!(
        "evenkeel: the state directory {} is in use by another evenkeel, pid {}: end that one first, or give this one its own {key}",
        folder.display(),
        if digits { pid } else { "unknown" }
    );
    (End::Failed, message)
}
