//! The store that lives and dies with the process: for tests, and for serving on when the disk is gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::watch::Watchers;
use crate::{Durability, Entry, Error, Expect, Opened, Store, Watch, check_bounds};

/// An ordered map behind a lock.
#[derive(Default)]
pub struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<String, Entry>,
    version: u64,
    watchers: Watchers,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// No write leaves the map half done, so a poisoned lock still guards a whole one.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn open(_: &Path) -> Result<Opened, Error> {
    Ok(Opened {
        store: Box::new(Memory::new()),
        notice: None,
    })
}

impl Store for Memory {
    fn get(&self, key: &str) -> Result<Option<Entry>, Error> {
        check_bounds(key, &[])?;
        Ok(self.lock().entries.get(key).cloned())
    }

    fn put_if(&self, key: &str, value: &[u8], expect: Expect, _: Durability) -> Result<u64, Error> {
        check_bounds(key, value)?;
        let mut inner = self.lock();
        expect.check(key, inner.entries.get(key).map(|e| e.version))?;
        inner.version += 1;
        let entry = Entry {
            value: value.to_vec(),
            version: inner.version,
        };
        inner.watchers.tell(key, Some(&entry));
        inner.entries.insert(key.to_owned(), entry);
        Ok(inner.version)
    }

    fn delete_if(&self, key: &str, expect: Expect, _: Durability) -> Result<bool, Error> {
        check_bounds(key, &[])?;
        let mut inner = self.lock();
        expect.check(key, inner.entries.get(key).map(|e| e.version))?;
        let was_there = inner.entries.remove(key).is_some();
        if was_there {
            inner.version += 1;
            inner.watchers.tell(key, None);
        }
        Ok(was_there)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Error> {
        let inner = self.lock();
        let from = inner.entries.range(prefix.to_owned()..);
        Ok(from
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect())
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.lock().watchers.add(prefix)
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}
