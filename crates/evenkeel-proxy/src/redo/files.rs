//! The book's files: appended to and never changed, deleted from the oldest on.
//!
//! A record of what is over must outlive the record it is about, so a file goes only when all before it are gone. What is
//! still wanted of the oldest is copied to the end when the files grow, so that one request that waits for long does not
//! keep everything after it. A new process begins a new file, and so does a write that failed: nothing is ever appended to
//! a file whose end is not known to be good.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::record::{Kept, Record, decode, encode};

/// A file is full at this size: an eighth of all of them. Small in tests, so that they are quick.
const FILE_MAX: u64 = ALL_MAX / 8;
/// All of them together: beyond this nothing is written down until something is over.
pub(super) const ALL_MAX: u64 = if cfg!(test) { 512 << 10 } else { 64 << 20 };
/// Beyond this what is wanted of the oldest is copied, so that it can go.
const CROWDED: u64 = ALL_MAX / 2;

/// Where a request stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: u64,
    at: u64,
    len: u32,
}

#[derive(Debug)]
struct Part {
    number: u64,
    path: PathBuf,
    file: File,
    len: u64,
    wanted: BTreeSet<u64>,
}

/// Why something is not in the book.
#[derive(Debug)]
pub(super) enum NotKept {
    /// There is no room.
    Full,
    /// One record alone is too long.
    TooLarge,
    /// The disk.
    Failed(io::Error),
}

/// All files.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    /// Oldest first; the last is written to, unless it is full or failed.
    parts: VecDeque<Part>,
    next: u64,
    writable: bool,
    places: BTreeMap<u64, Place>,
    /// Of those that were sent again, how often.
    attempts: BTreeMap<u64, u32>,
    dirty: bool,
}

/// What a file was found to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) path: PathBuf,
    pub(super) good: u64,
    pub(super) len: u64,
    pub(super) why: String,
}

impl Files {
    /// Opens what is in the folder. Returns the requests that are not over, and which files are good only in part.
    pub(super) fn open(folder: &Path) -> io::Result<(Files, Vec<Kept>, Vec<Damage>)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut numbers: Vec<(u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_suffix(".redo"));
            if let Some(number) = number.and_then(|n| u64::from_str_radix(n, 16).ok()) {
                numbers.push((number, path));
            }
        }
        numbers.sort();
        let mut files = Files {
            folder: folder.to_owned(),
            parts: VecDeque::new(),
            next: numbers.last().map_or(1, |(number, _)| number + 1),
            writable: false,
            places: BTreeMap::new(),
            attempts: BTreeMap::new(),
            dirty: false,
        };
        let (mut kept, mut damages) = (BTreeMap::new(), Vec::new());
        for (number, path) in numbers {
            damages.extend(files.read(number, path, &mut kept)?);
        }
        files.clean();
        Ok((files, kept.into_values().collect(), damages))
    }

    fn read(
        &mut self,
        number: u64,
        path: PathBuf,
        kept: &mut BTreeMap<u64, Kept>,
    ) -> io::Result<Option<Damage>> {
        let bytes = std::fs::read(&path)?;
        let len = bytes.len() as u64;
        self.parts.push_back(Part {
            number,
            file: File::open(&path)?,
            path: path.clone(),
            len,
            wanted: BTreeSet::new(),
        });
        let mut at = 0;
        loop {
            match decode(&bytes[at..]) {
                Ok(None) => return Ok(None),
                Ok(Some((record, length))) => {
                    self.took(record, number, at as u64, length, kept);
                    at += length;
                }
                Err(why) => {
                    return Ok(Some(Damage {
                        path,
                        good: at as u64,
                        len,
                        why: why.to_owned(),
                    }));
                }
            }
        }
    }

    fn took(
        &mut self,
        record: Record,
        file: u64,
        at: u64,
        length: usize,
        kept: &mut BTreeMap<u64, Kept>,
    ) {
        match record {
            Record::Kept(one) => {
                let len = u32::try_from(length).unwrap_or(u32::MAX);
                self.place(one.id, Place { file, at, len });
                kept.insert(one.id, one);
            }
            Record::Gone(id) => {
                self.unplace(id);
                kept.remove(&id);
            }
            Record::Tried(id, attempts) => {
                if let Some(one) = kept.get_mut(&id) {
                    one.attempts = attempts;
                    self.attempts.insert(id, attempts);
                }
            }
        }
    }

    /// Writes a request down.
    pub(super) fn keep(&mut self, kept: Kept) -> Result<(), NotKept> {
        let id = kept.id;
        let bytes = encode(&Record::Kept(kept)).ok_or(NotKept::TooLarge)?;
        if self.len() + bytes.len() as u64 > ALL_MAX {
            return Err(NotKept::Full);
        }
        let place = self.append(&bytes).map_err(NotKept::Failed)?;
        self.place(id, place);
        self.tidy();
        Ok(())
    }

    /// It is over.
    pub(super) fn gone(&mut self, id: u64) -> io::Result<()> {
        // First written, then forgotten: what could not be written is sent again after a restart rather than lost.
        let bytes = encode(&Record::Gone(id)).unwrap_or_default();
        let written = self.append(&bytes);
        self.unplace(id);
        self.attempts.remove(&id);
        self.clean();
        written.map(drop)
    }

    /// It was sent again so many times.
    pub(super) fn tried(&mut self, id: u64, attempts: u32) -> io::Result<()> {
        self.attempts.insert(id, attempts);
        let bytes = encode(&Record::Tried(id, attempts)).unwrap_or_default();
        self.append(&bytes).map(drop)
    }

    /// Reads a request back.
    pub(super) fn get(&self, id: u64) -> io::Result<Kept> {
        let place = self.places.get(&id);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "it is in no file");
        let place = *place.ok_or_else(missing)?;
        let part = self.parts.iter().find(|part| part.number == place.file);
        let part = part.ok_or_else(missing)?;
        let mut bytes = vec![0; place.len as usize];
        part.file.read_exact_at(&mut bytes, place.at)?;
        match decode(&bytes) {
            Ok(Some((Record::Kept(kept), _))) if kept.id == id => Ok(kept),
            Ok(_) => Err(io::Error::other("another record stands in its place")),
            Err(why) => Err(io::Error::other(why)),
        }
    }

    /// Brings everything to the disk. Was there anything?
    pub(super) fn sync(&mut self) -> io::Result<bool> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(false);
        }
        match self.parts.back() {
            Some(part) => part.file.sync_data().map(|()| true),
            None => Ok(false),
        }
    }

    /// Is something not on the disk yet?
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    fn len(&self) -> u64 {
        self.parts.iter().map(|part| part.len).sum()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<Place> {
        let full = self.parts.back().is_none_or(|part| part.len >= FILE_MAX);
        if !self.writable || full {
            self.begin()?;
        }
        let Some(part) = self.parts.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let at = part.len;
        if let Err(error) = part.file.write_all_at(bytes, at) {
            // Whatever of it is there now ends what is good of this file.
            let _ = part.file.set_len(at);
            self.writable = false;
            return Err(error);
        }
        part.len += bytes.len() as u64;
        self.dirty = true;
        Ok(Place {
            file: part.number,
            at,
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        self.sync()?;
        let path = self.folder.join(format!("{:016x}.redo", self.next));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))?;
        self.parts.push_back(Part {
            number: self.next,
            path,
            file: file.into(),
            len: 0,
            wanted: BTreeSet::new(),
        });
        self.next += 1;
        self.writable = true;
        Ok(())
    }

    fn place(&mut self, id: u64, place: Place) {
        self.unplace(id);
        self.places.insert(id, place);
        let part = self.parts.iter_mut().find(|p| p.number == place.file);
        if let Some(part) = part {
            part.wanted.insert(id);
        }
    }

    fn unplace(&mut self, id: u64) {
        if let Some(place) = self.places.remove(&id) {
            let part = self.parts.iter_mut().find(|p| p.number == place.file);
            if let Some(part) = part {
                part.wanted.remove(&id);
            }
        }
    }

    /// Copies what is wanted of the oldest file to the end, if there is much beside it.
    fn tidy(&mut self) {
        if self.len() < CROWDED || self.parts.len() < 2 {
            return;
        }
        let wanted: Vec<u64> = match self.parts.front() {
            Some(part) => part.wanted.iter().copied().collect(),
            None => return,
        };
        for id in wanted {
            let attempts = self.attempts.get(&id).copied();
            let copied = self.get(id).ok().and_then(|mut kept| {
                kept.attempts = attempts.unwrap_or(kept.attempts);
                let bytes = encode(&Record::Kept(kept))?;
                self.append(&bytes).ok()
            });
            match copied {
                Some(place) => self.place(id, place),
                None => return,
            }
        }
        self.clean();
    }

    /// Deletes what nobody wants, from the oldest on.
    fn clean(&mut self) {
        while let Some(part) = self.parts.front() {
            let last = self.parts.len() == 1;
            let fresh = last && self.writable && part.len < FILE_MAX / 8;
            if !part.wanted.is_empty() || fresh {
                return;
            }
            // One that cannot be deleted is read again and found to be over.
            let _ = std::fs::remove_file(&part.path);
            if last {
                self.writable = false;
                self.dirty = false;
            }
            self.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u64, size: usize) -> Kept {
        Kept {
            id,
            route: "*/a".into(),
            pool: "app".into(),
            born_ms: 5,
            resource: id,
            replaces: true,
            replaceable: true,
            attempts: 0,
            key: format!("key-{id}"),
            bytes: vec![b'x'; size],
        }
    }

    fn ids(kept: &[Kept]) -> Vec<u64> {
        kept.iter().map(|kept| kept.id).collect()
    }

    #[test]
    fn what_is_not_over_is_there_for_the_next_process_with_its_attempts() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, found, damages) = Files::open(folder.path()).unwrap();
        assert!(found.is_empty() && damages.is_empty());
        (1..=4).for_each(|id| files.keep(kept(id, 10)).unwrap());
        files.gone(2).unwrap();
        files.tried(3, 2).unwrap();
        assert_eq!(files.get(3).unwrap(), kept(3, 10));
        assert!(files.get(2).is_err());
        drop(files);
        let (_, found, damages) = Files::open(folder.path()).unwrap();
        assert_eq!(ids(&found), [1, 3, 4]);
        assert_eq!(found[1].attempts, 2);
        assert!(damages.is_empty());
    }

    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redo");
        let (mut files, ..) = Files::open(&path).unwrap();
        files.keep(kept(1, 10)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&files.parts[0].path), 0o600);
    }

    #[test]
    fn a_file_that_was_cut_or_damaged_is_good_as_far_as_its_records_are() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, ..) = Files::open(folder.path()).unwrap();
        (1..=3).for_each(|id| files.keep(kept(id, 100)).unwrap());
        let (path, len) = (files.parts[0].path.clone(), files.parts[0].len);
        let third = files.places[&3].at;
        drop(files);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (mut files, found, damages) = Files::open(folder.path()).unwrap();
        assert_eq!(ids(&found), [1, 2]);
        assert_eq!((damages[0].good, damages[0].len), (third, len - 1));
        // What comes now is behind nothing bad.
        files.keep(kept(9, 10)).unwrap();
        drop(files);
        let (_, found, _) = Files::open(folder.path()).unwrap();
        assert_eq!(ids(&found), [1, 2, 9]);

        let mut bad = whole.clone();
        bad[third as usize / 2] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let (_, found, damages) = Files::open(folder.path()).unwrap();
        assert!(
            found.len() < 3 && damages[0].why.contains("checksum"),
            "{damages:?}"
        );
    }

    #[test]
    fn files_are_bounded_and_one_that_waits_keeps_nothing_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, ..) = Files::open(folder.path()).unwrap();
        files.keep(kept(0, 10)).unwrap();
        for id in 1..=2_000 {
            files.keep(kept(id, 500)).unwrap();
            files.gone(id).unwrap();
        }
        assert!(files.len() <= ALL_MAX, "{}", files.len());
        assert_eq!(files.get(0).unwrap(), kept(0, 10));
        let mut refused = 0;
        for id in 3_000..5_000 {
            match files.keep(kept(id, 500)) {
                Ok(()) => {}
                Err(NotKept::Full) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 500 && files.len() <= ALL_MAX);
        let too_large = files.keep(kept(9, super::super::record::RECORD_MAX));
        assert!(matches!(too_large, Err(NotKept::TooLarge)));
        drop(files);
        let (_, found, _) = Files::open(folder.path()).unwrap();
        assert_eq!(found.len(), 2_001 - refused);
    }
}
