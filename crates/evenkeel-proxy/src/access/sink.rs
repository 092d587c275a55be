//! From the workers to the log: buffers over a bounded channel to one writer thread.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{AccessFormat, AccessLog, AccessTarget, Record};
use crate::rt;

/// A buffer is handed over when it holds this much …
const FULL: usize = 32 * 1024;
/// Buffers that may wait for the writer: 2 MiB of lines; then lines are dropped.
const WAITING: usize = 64;
/// How long the end waits for them to be written: a disk that works takes them in a tenth of that.
const LAST_LINES: Duration = Duration::from_millis(500);

/// One worker's end.
pub(crate) struct Sink {
    format: AccessFormat,
    lines: RefCell<Vec<u8>>,
    count: RefCell<u64>,
    to: SyncSender<Vec<u8>>,
    /// Lines that were dropped, of all workers; the writer tells and takes them.
    dropped: Arc<AtomicU64>,
}

impl Sink {
    /// Writes a line; never waits.
    pub(crate) fn write(&self, record: &Record<'_>) {
        let mut lines = self.lines.borrow_mut();
        record.write(&mut lines, self.format, rt::wall());
        *self.count.borrow_mut() += 1;
        let full = lines.len() >= FULL;
        drop(lines);
        if full {
            self.flush();
        }
    }

    /// Hands over what is there; the worker calls this with every beat, so that a line is never older than that.
    pub(crate) fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            return;
        }
        let count = self.count.replace(0);
        if self.to.try_send(std::mem::take(&mut *lines)).is_err() {
            self.dropped.fetch_add(count, Relaxed);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The writer thread. Ends when the last sink is gone.
pub(crate) struct Writer(JoinHandle<()>);

impl Writer {
    /// Starts it, with a sink for each of `workers`.
    pub(crate) fn start(log: &AccessLog, workers: usize) -> io::Result<(Writer, Vec<Sink>)> {
        let output = Output::open(&log.to)?;
        let (to, from) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let sinks = (0..workers).map(|_| Sink {
            format: log.format,
            lines: RefCell::default(),
            count: RefCell::new(0),
            to: to.clone(),
            dropped: dropped.clone(),
        });
        let sinks = sinks.collect();
        let writing = dropped.clone();
        let thread = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&from, output, &writing))?;
        Ok((Writer(thread), sinks))
    }

    /// Waits until everything is written, but not for long: a pipe that nobody reads takes nothing. The sinks must be gone.
    pub(crate) fn join(self) {
        let until = Instant::now() + LAST_LINES;
        while !self.0.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn write_all(from: &Receiver<Vec<u8>>, mut output: Output, dropped: &AtomicU64) {
    let mut failing = false;
    while let Ok(lines) = from.recv() {
        let written = output.write(&lines);
        if let Err(error) = &written
            && !failing
        {
            tracing::warn!(%error, "cannot write the access log; lines are lost until it works again");
        }
        failing = written.is_err();
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "access log lines were dropped: it is written too slowly"
            );
        }
    }
}

enum Output {
    Stdout,
    File { path: Box<Path>, file: File },
}

impl Output {
    fn open(to: &AccessTarget) -> io::Result<Output> {
        Ok(match to {
            AccessTarget::Stdout => Output::Stdout,
            AccessTarget::File(path) => Output::File {
                file: append(path).map_err(|e| {
                    io::Error::new(e.kind(), format!("access log {}: {e}", path.display()))
                })?,
                path: path.as_path().into(),
            },
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout => io::stdout().lock().write_all(lines),
            Output::File { path, file } => {
                let here = std::fs::metadata(&**path).map(|m| (m.dev(), m.ino()));
                let open = file.metadata().map(|m| (m.dev(), m.ino()));
                if here.ok() != open.ok() {
                    // Rotated: its name is another file's now, or nobody's.
                    *file = append(path)?;
                }
                file.write_all(lines)
            }
        }
    }
}

/// Without waiting: a named pipe that nobody reads is an error and no reason to stand still. Once open it may wait, since
/// only the writer thread does.
fn append(path: &Path) -> io::Result<File> {
    let flags =
        OFlags::CREATE | OFlags::APPEND | OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)).map_err(|e| match e {
        Errno::NXIO => io::Error::other("it is a named pipe, and nobody reads it"),
        e => e.into(),
    })?;
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file.into())
}
