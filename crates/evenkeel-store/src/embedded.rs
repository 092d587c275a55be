//! The store in one file, by redb: transactions, one writer, no server.
//!
//! It must open at once after any kind of death, because a replaced balancer waits for it. Hence *quick repair*: each
//! durable commit also writes the allocator's state, and opening needs no walk through the file. A file that makes no
//! sense is set aside under a name that says so, and a new one begun: evenkeel heals others, it does not crash in a loop
//! over its own notes. A file that another process holds is neither touched nor replaced.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    WriteTransaction,
};

use crate::guard;
use crate::watch::Watchers;
use crate::{Durability, Entry, Error, Expect, Opened, Store, Watch, check_bounds, set_aside};

/// The file's name in the state directory.
pub const FILE_NAME: &str = "store.redb";

/// What a new file means for a person.
const LOST: &str =
    "operator overrides, old revisions, incidents, accounts and endpoint states are lost";

/// Pages kept in memory, bytes: all of an ordinary store; redb's own default is a gigabyte.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Key to version (8 bytes, little endian) and value.
const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
/// One key, `""`: the version of the last write.
const VERSION: TableDefinition<'_, &str, u64> = TableDefinition::new("version");

/// A redb database and those who watch it.
pub struct Embedded {
    /// `None` only while it is being dropped.
    database: Option<Database>,
    path: PathBuf,
    /// Held over a whole write, so that watchers see writes in their order.
    watchers: Mutex<Watchers>,
}

pub(crate) fn open(folder: &Path) -> Result<Opened, Error> {
    let (store, notice) = Embedded::open(folder)?;
    Ok(Opened {
        store: Box::new(store),
        notice,
    })
}

impl Embedded {
    /// Opens the store of `folder`, which is made if it is not there, after holding all of it against its checksums: a byte
    /// that fell over inside a value would otherwise be believed. The text says if a damaged file was set aside.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process has it; [`Error::Io`] if the file system refuses.
    pub fn open(folder: &Path) -> Result<(Embedded, Option<String>), Error> {
        Embedded::open_as(folder, true)
    }

    /// The same without the checksums, for whoever replaces a process that had it open a moment ago, and is waited for.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_at_once(folder: &Path) -> Result<(Embedded, Option<String>), Error> {
        Embedded::open_as(folder, false)
    }

    fn open_as(folder: &Path, sums: bool) -> Result<(Embedded, Option<String>), Error> {
        let path = folder.join(FILE_NAME);
        std::fs::create_dir_all(folder).map_err(|e| io(folder, &e))?;
        match Embedded::open_file(&path, sums) {
            Err(Error::Damaged { detail, .. }) => {
                let (store, aside) = Embedded::begin_anew(folder)?;
                let notice = format!(
                    "{} was damaged ({detail}); it is kept as {} and a new one is begun: {LOST}",
                    path.display(),
                    aside.display()
                );
                Ok((store, Some(notice)))
            }
            other => other.map(|store| (store, None)),
        }
    }

    /// For whoever knows by `signs`, other files of `folder`, that there was a store: sets a file aside that is empty, which
    /// [`Embedded::open`] would take for a new one. The text says so, or that there is none at all.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn set_empty_aside(folder: &Path, signs: &str) -> Result<Option<String>, Error> {
        let path = folder.join(FILE_NAME);
        let shown = path.display();
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(format!(
                    "{shown} is not there, though {signs} beside it shows that there was one; a new one is begun: {LOST}"
                )));
            }
            // Whoever opens it says what is wrong.
            Err(_) => return Ok(None),
        };
        if !found.is_file() || found.len() > 0 {
            return Ok(None);
        }
        // One that is just being made by another process is that one's.
        let file = File::open(&path).map_err(|e| io(&path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(io(&path, &error)),
        }
        let aside = set_aside(&path)?;
        Ok(Some(format!(
            "{shown} was empty, though {signs} beside it shows that there was something in it; it is kept as {} and a new one is begun: {LOST}",
            aside.display()
        )))
    }

    /// Sets the store of `folder` aside, whatever it is, and begins an empty one. Returns where the old one is kept.
    ///
    /// # Errors
    /// [`Error::Io`] if the file system refuses.
    pub fn begin_anew(folder: &Path) -> Result<(Embedded, PathBuf), Error> {
        let path = folder.join(FILE_NAME);
        let aside = set_aside(&path)?;
        Ok((Embedded::open_file(&path, false)?, aside))
    }

    fn open_file(path: &Path, sums: bool) -> Result<Embedded, Error> {
        // redb asserts where a file contradicts itself; to us that is one more way of being damaged.
        guarded(path, || {
            look_at(path)?;
            // Made here and not by redb, so that only its owner reads it: it holds whole configurations.
            let new = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            let mut database = create(path).inspect_err(|_| {
                // Nothing is in it, and an empty one would look as if something had been.
                if new.is_ok() {
                    let _ = std::fs::remove_file(path);
                }
            })?;
            if sums {
                match database.check_integrity() {
                    Ok(_) => {}
                    // It may have to write for that; a full disk is no reason not to read what is there.
                    Err(DatabaseError::Storage(StorageError::Io(e)))
                        if e.kind() == std::io::ErrorKind::StorageFull =>
                    {
                        drop(database);
                        database = create(path)?;
                    }
                    Err(error) => return Err(database_error(path, error)),
                }
            }
            let store = Embedded {
                database: Some(database),
                path: path.to_owned(),
                watchers: Mutex::default(),
            };
            store.make_tables()?;
            store.read_all()?;
            Ok(store)
        })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is there until the drop")
    }

    /// Both tables exist from the start, so that no read has to treat a missing one.
    fn make_tables(&self) -> Result<(), Error> {
        let read = self.database().begin_read().map_err(|e| self.wrong(e))?;
        let both = read.open_table(ENTRIES).is_ok() && read.open_table(VERSION).is_ok();
        drop(read);
        if both {
            return Ok(());
        }
        let write = self.begin(Durability::Now)?;
        write.open_table(ENTRIES).map_err(|e| self.wrong(e))?;
        write.open_table(VERSION).map_err(|e| self.wrong(e))?;
        write.commit().map_err(|e| self.wrong(e))
    }

    /// Touches every entry once: damage is found here, where it can still be set aside, not hours later.
    fn read_all(&self) -> Result<(), Error> {
        let read = self.database().begin_read().map_err(|e| self.wrong(e))?;
        let table = read.open_table(ENTRIES).map_err(|e| self.wrong(e))?;
        for row in table.iter().map_err(|e| self.wrong(e))? {
            let (key, bytes) = row.map_err(|e| self.wrong(e))?;
            self.decode(key.value(), bytes.value())?;
        }
        Ok(())
    }

    fn begin(&self, durability: Durability) -> Result<WriteTransaction, Error> {
        let mut write = self.database().begin_write().map_err(|e| self.wrong(e))?;
        match durability {
            Durability::Now => write.set_quick_repair(true),
            Durability::Relaxed => write
                .set_durability(redb::Durability::None)
                .map_err(|e| self.wrong(e))?,
        }
        Ok(write)
    }

    fn decode(&self, key: &str, bytes: &[u8]) -> Result<Entry, Error> {
        let Some((version, value)) = bytes.split_first_chunk::<8>() else {
            return Err(Error::Damaged {
                path: self.path.clone(),
                detail: format!("the entry {key:?} has {} bytes, too few", bytes.len()),
            });
        };
        Ok(Entry {
            version: u64::from_le_bytes(*version),
            value: value.to_vec(),
        })
    }

    /// The one write: `value` or, if `None`, a deletion. The new version, or 0 if there was nothing to delete.
    fn write(
        &self,
        key: &str,
        value: Option<&[u8]>,
        expect: Expect,
        durability: Durability,
    ) -> Result<u64, Error> {
        check_bounds(key, value.unwrap_or_default())?;
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let written = guarded(&self.path, || {
            let write = self.begin(durability)?;
            let written = self.write_in(&write, key, value, expect)?;
            match &written {
                Some(_) => write.commit().map_err(|e| self.wrong(e))?,
                None => write.abort().map_err(|e| self.wrong(e))?,
            }
            Ok(written)
        })?;
        let Some(version) = written else {
            return Ok(0);
        };
        let entry = value.map(|value| Entry {
            value: value.to_vec(),
            version,
        });
        watchers.tell(key, entry.as_ref());
        Ok(version)
    }

    fn write_in(
        &self,
        write: &WriteTransaction,
        key: &str,
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<Option<u64>, Error> {
        let mut entries = write.open_table(ENTRIES).map_err(|e| self.wrong(e))?;
        let found = match entries.get(key).map_err(|e| self.wrong(e))? {
            Some(bytes) => Some(self.decode(key, bytes.value())?.version),
            None => None,
        };
        expect.check(key, found)?;
        if value.is_none() && found.is_none() {
            return Ok(None);
        }
        let mut versions = write.open_table(VERSION).map_err(|e| self.wrong(e))?;
        let last = versions.get("").map_err(|e| self.wrong(e))?;
        let version = last.map_or(0, |v| v.value()) + 1;
        versions.insert("", version).map_err(|e| self.wrong(e))?;
        match value {
            Some(value) => {
                let mut bytes = version.to_le_bytes().to_vec();
                bytes.extend_from_slice(value);
                entries
                    .insert(key, bytes.as_slice())
                    .map_err(|e| self.wrong(e))?;
            }
            None => {
                entries.remove(key).map_err(|e| self.wrong(e))?;
            }
        }
        Ok(Some(version))
    }

    fn wrong(&self, error: impl Into<redb::Error>) -> Error {
        redb_error(&self.path, error.into())
    }
}

impl Drop for Embedded {
    /// Closing writes too, and over a damaged file it may panic: that ends nothing but the closing.
    fn drop(&mut self) {
        let database = self.database.take();
        let _ = guard::guarded(|| drop(database));
    }
}

impl Store for Embedded {
    fn get(&self, key: &str) -> Result<Option<Entry>, Error> {
        check_bounds(key, &[])?;
        guarded(&self.path, || {
            let read = self.database().begin_read().map_err(|e| self.wrong(e))?;
            let table = read.open_table(ENTRIES).map_err(|e| self.wrong(e))?;
            match table.get(key).map_err(|e| self.wrong(e))? {
                Some(bytes) => self.decode(key, bytes.value()).map(Some),
                None => Ok(None),
            }
        })
    }

    fn put_if(
        &self,
        key: &str,
        value: &[u8],
        expect: Expect,
        durability: Durability,
    ) -> Result<u64, Error> {
        self.write(key, Some(value), expect, durability)
    }

    fn delete_if(&self, key: &str, expect: Expect, durability: Durability) -> Result<bool, Error> {
        Ok(self.write(key, None, expect, durability)? > 0)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Error> {
        guarded(&self.path, || {
            let read = self.database().begin_read().map_err(|e| self.wrong(e))?;
            let table = read.open_table(ENTRIES).map_err(|e| self.wrong(e))?;
            let mut found = Vec::new();
            for row in table.range(prefix..).map_err(|e| self.wrong(e))? {
                let (key, bytes) = row.map_err(|e| self.wrong(e))?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                let entry = self.decode(key.value(), bytes.value())?;
                found.push((key.value().to_owned(), entry));
            }
            Ok(found)
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(prefix)
    }

    /// An empty durable commit: it carries every relaxed one before it to the disk.
    fn sync(&self) -> Result<(), Error> {
        guarded(&self.path, || {
            let write = self.begin(Durability::Now)?;
            write.commit().map_err(|e| self.wrong(e))
        })
    }
}

/// Runs `work`, turning a panic of redb into [`Error::Damaged`].
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    guard::guarded(work).unwrap_or_else(|detail| {
        Err(Error::Damaged {
            path: path.to_owned(),
            detail,
        })
    })
}

fn create(path: &Path) -> Result<Database, Error> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|e| database_error(path, e))
}

/// Only a plain file is opened at all: a pipe or a device could make the opening wait for ever.
fn look_at(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::Damaged {
            path: path.to_owned(),
            detail: "it is no plain file".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

fn database_error(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::Busy {
            path: path.to_owned(),
        },
        // A file that is no redb file at all comes as InvalidData, one cut short as UnexpectedEof. One that belongs to somebody
        // else is none of ours, and as good as damaged: where the folder is ours, it can be set aside.
        DatabaseError::Storage(StorageError::Io(e))
            if matches!(
                e.kind(),
                std::io::ErrorKind::InvalidData
                    | std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::PermissionDenied
            ) =>
        {
            Error::Damaged {
                path: path.to_owned(),
                detail: e.to_string(),
            }
        }
        DatabaseError::UpgradeRequired(version) => Error::Damaged {
            path: path.to_owned(),
            detail: format!("it has the unknown format {version}"),
        },
        other => redb_error(path, other.into()),
    }
}

fn redb_error(path: &Path, error: redb::Error) -> Error {
    let path = path.to_owned();
    match error {
        redb::Error::Io(e) => Error::Io {
            path,
            detail: e.to_string(),
        },
        redb::Error::DatabaseAlreadyOpen => Error::Busy { path },
        redb::Error::PreviousIo => Error::Io {
            path,
            detail: "the disk failed before; the store writes nothing until it is opened again"
                .into(),
        },
        other => Error::Damaged {
            path,
            detail: other.to_string(),
        },
    }
}
