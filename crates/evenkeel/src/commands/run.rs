//! `evenkeel run FILE`: this process becomes the keeper.
//!
//! Before that it reads FILE once, so that mistakes end with 2 before anything is started, and locks the state directory:
//! the lock belongs to the keeper and so outlives every balancer. Nothing of the configuration stays in here.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use evenkeel_control::Tls;
use evenkeel_keeper::LogFormat;
use evenkeel_schema::config::{self, Node};
use rustix::fs::FlockOperation;

use crate::End;
use crate::balancer::{self, Part};
use crate::style::complain;
use crate::user::User;

/// Runs until it is told to end.
pub(crate) fn run(file: &Path) -> End {
    match prepare(file) {
        Ok((part, lock, log_format)) => {
            let end = evenkeel_keeper::run(evenkeel_keeper::Settings {
                program: "/proc/self/exe".into(),
                first_args: part.args(false),
                replacement_args: part.args(true),
                environment: Vec::new(),
                trampoline: vec!["__exec".into()],
                log_format,
            });
            drop(lock);
            End::Exit(end)
        }
        Err((end, message)) => {
            complain(message.trim_end());
            end
        }
    }
}

fn prepare(file: &Path) -> Result<(Part, File, LogFormat), (End, String)> {
    let (config, _) = Tls::load(file, None)
        .map_err(|mistakes| (End::Usage, evenkeel_schema::explain(&mistakes)))?;
    let file = fs::canonicalize(file)
        .map_err(|e| (End::Usage, format!("evenkeel: {}: {e}", file.display())))?;
    let user =
        balancer::user(&config.node).map_err(|why| (End::Usage, format!("evenkeel: {why}")))?;
    let lock = lock(&config.node, user.as_ref())?;
    Ok((
        Part {
            file,
            state_dir: config.node.state_dir.clone(),
            user: user.map(|u| u.name),
        },
        lock,
        match config.log.format {
            config::LogFormat::Text => LogFormat::Text,
            config::LogFormat::Json => LogFormat::Json,
        },
    ))
}

/// Makes the state directory, if need be, and locks it for this process.
fn lock(node: &Node, user: Option<&User>) -> Result<File, (End, String)> {
    let failed = |path: &PathBuf, e: std::io::Error| {
        (End::Failed, format!("evenkeel: {}: {e}", path.display()))
    };
    let folder = &node.state_dir;
    if !folder.exists() {
        fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
        if let Some(user) = user {
            std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid))
                .map_err(|e| failed(folder, e))?;
        }
    }
    let path = folder.join("lock");
    let options = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(&path);
    let mut lock = options.map_err(|e| failed(&path, e))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        let _ = (&lock).take(32).read_to_string(&mut pid);
        return Err((
            End::Failed,
            format!(
                "evenkeel: the state directory {} is in use by another evenkeel, pid {}: \
                 end that one first, or give this one its own node.state_dir",
                folder.display(),
                if pid.trim().is_empty() {
                    "unknown"
                } else {
                    pid.trim()
                }
            ),
        ));
    }
    let written = lock
        .set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.map_err(|e| failed(&path, e))?;
    Ok(lock)
}
