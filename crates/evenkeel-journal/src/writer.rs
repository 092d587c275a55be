//! The thread that writes. It alone waits for the disk; what it cannot write it drops, says so once, and waits to be given a
//! new segment.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use crate::folder::{self, KEPT};

/// What the recorder hands over.
#[derive(Debug)]
pub(crate) enum Message {
    /// The first bytes of a new segment.
    Begin(Vec<u8>),
    /// More of the present one.
    More(Vec<u8>),
}

/// What both sides know of each other. The writer writes all of it but `waiting`, to which the recorder adds.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Bytes handed over and not yet dealt with.
    pub(crate) waiting: AtomicUsize,
    /// The present segment cannot be written on; set before `waiting` shrinks, cleared by the recorder while it is 0.
    pub(crate) stopped: AtomicBool,
    /// The present segment has its snapshot on the disk; cleared by the recorder before it begins one.
    pub(crate) begun: AtomicBool,
    /// Nothing can be written, as far as is known.
    pub(crate) failing: AtomicBool,
    /// Bytes written since the beginning.
    pub(crate) written: AtomicU64,
    /// The present segment's number.
    pub(crate) number: AtomicU64,
    /// Why, while it fails.
    pub(crate) why: Mutex<String>,
}

/// The writer's own.
#[derive(Debug)]
struct Writer<'a> {
    folder: PathBuf,
    shared: &'a Shared,
    /// The segment and how much of it is good.
    open: Option<(File, u64)>,
}

/// Writes until the recorder is gone.
pub(crate) fn run(folder: &Path, shared: &Shared, messages: &Receiver<Message>) {
    let mut writer = Writer {
        folder: folder.to_owned(),
        shared,
        open: None,
    };
    while let Ok(message) = messages.recv() {
        let length = match &message {
            Message::Begin(bytes) | Message::More(bytes) => bytes.len(),
        };
        let done = match message {
            Message::Begin(bytes) => writer.begin(&bytes),
            Message::More(bytes) => writer.more(&bytes),
        };
        if let Err(error) = done {
            writer.failed(&error);
        }
        shared.waiting.fetch_sub(length, Ordering::Release);
    }
}

impl Writer<'_> {
    fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open = None;
        let (path, file) = self.create()?;
        self.open = Some((file, 0));
        let begun = self.more(bytes);
        if begun.is_err() {
            self.open = None;
            let _ = std::fs::remove_file(path);
            return begun;
        }
        self.shared.begun.store(true, Ordering::Release);
        if self.shared.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "evenkeel::journal", "the journal is written again, to {}", path.display());
        }
        Ok(())
    }

    /// A new segment, after those that are too old have gone.
    fn create(&self) -> io::Result<(PathBuf, File)> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.folder)?;
        let there = folder::segments(&self.folder)?;
        let old = there.len().saturating_sub(KEPT - 1);
        for (_, path) in &there[..old] {
            std::fs::remove_file(path)?;
        }
        let number = there.last().map_or(0, |(number, _)| *number) + 1;
        let path = folder::path(&self.folder, number);
        // It holds what the configuration gives to services, which may be secret.
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        self.shared.number.store(number, Ordering::Relaxed);
        Ok((path, file))
    }

    /// Without an open segment there is nothing to write to, which has been told already.
    fn more(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((file, good)) = &mut self.open else {
            return Ok(());
        };
        if let Err(error) = file.write_all(bytes) {
            // No half record is left where the disk allows that.
            let _ = file.set_len(*good);
            self.open = None;
            return Err(error);
        }
        *good += bytes.len() as u64;
        let length = bytes.len() as u64;
        self.shared.written.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    fn failed(&mut self, error: &io::Error) {
        self.open = None;
        let why = format!("{}: {error}", self.folder.display());
        if !self.shared.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "evenkeel::journal",
                "the journal cannot be written ({why}): traffic and decisions go on, `evenkeel replay` will not know of them; it is tried again by itself"
            );
        }
        *self
            .shared
            .why
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = why;
        self.shared.stopped.store(true, Ordering::Release);
    }
}
