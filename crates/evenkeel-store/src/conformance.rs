//! What every kind of store promises, checked over the whole list of kinds.
//!
//! "Killed" is played by copying the live file into another folder and opening the copy: exactly what a process killed at
//! that moment leaves behind.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{
    Durability, Embedded, Error, Expect, FILE_NAME, KEY_BYTES_MAX, KINDS, Kind, Lease, Store,
    VALUE_BYTES_MAX, WATCH_BACKLOG,
};

fn over_all(check: impl Fn(&dyn Store)) {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        assert_eq!(opened.notice, None, "{}", kind.name);
        check(&*opened.store);
    }
}

fn persistent() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| kind.persistent)
}

fn put(store: &dyn Store, key: &str, value: &[u8]) -> u64 {
    store
        .put_if(key, value, Expect::Any, Durability::Now)
        .unwrap()
}

fn killed(folder: &Path) -> tempfile::TempDir {
    let after = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join(FILE_NAME), after.path().join(FILE_NAME)).unwrap();
    after
}

fn set_aside(folder: &Path) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .filter(|f| {
            let name = f.as_ref().unwrap().file_name();
            name.to_string_lossy().contains(".damaged-")
        })
        .count()
}

#[test]
fn what_was_put_is_read_back_and_every_version_is_larger_than_all_before() {
    over_all(|store| {
        assert_eq!(store.get("a").unwrap(), None);
        let first = put(store, "a", b"1");
        let second = put(store, "b", b"");
        let third = put(store, "a", b"3");
        assert!(first < second && second < third);
        let entry = store.get("a").unwrap().unwrap();
        assert_eq!((entry.value.as_slice(), entry.version), (&b"3"[..], third));
        assert_eq!(store.get("b").unwrap().unwrap().value, b"");
        assert!(store.delete_if("a", Expect::Any, Durability::Now).unwrap());
        assert!(put(store, "a", b"4") > third + 1, "a deletion counts too");
    });
}

#[test]
fn a_write_whose_expectation_does_not_hold_changes_nothing() {
    over_all(|store| {
        let now = Durability::Now;
        let version = store.put_if("a", b"1", Expect::Absent, now).unwrap();
        for expect in [Expect::Absent, Expect::Version(version + 1)] {
            let refused = store.put_if("a", b"2", expect, now);
            assert!(
                matches!(refused, Err(Error::Conflict { found: Some(v), .. }) if v == version),
                "{refused:?}"
            );
            assert!(matches!(
                store.delete_if("a", expect, now),
                Err(Error::Conflict { .. })
            ));
        }
        assert!(matches!(
            store.put_if("b", b"", Expect::Version(1), now),
            Err(Error::Conflict { found: None, .. })
        ));
        assert_eq!(store.get("a").unwrap().unwrap().value, b"1");
        assert!(
            store
                .put_if("a", b"2", Expect::Version(version), now)
                .unwrap()
                > version
        );
        assert!(!store.delete_if("b", Expect::Any, now).unwrap());
    });
}

#[test]
fn a_list_holds_exactly_the_prefix_in_the_order_of_bytes() {
    over_all(|store| {
        for key in ["p/b", "p/a", "p/ä", "p", "q/a", "p/a/1", "o"] {
            put(store, key, key.as_bytes());
        }
        let keys = |prefix| -> Vec<String> {
            let found = store.list(prefix).unwrap();
            assert!(found.iter().all(|(k, e)| k.as_bytes() == e.value));
            found.into_iter().map(|(k, _)| k).collect()
        };
        assert_eq!(keys("p/"), ["p/a", "p/a/1", "p/b", "p/ä"]);
        assert_eq!(keys("").len(), 7);
        assert_eq!(keys("z"), [""; 0]);
    });
}

#[test]
fn a_watch_delivers_every_change_of_its_prefix_in_order() {
    over_all(|store| {
        let watch = store.watch("w/");
        put(store, "w/a", b"1");
        put(store, "x", b"not watched");
        put(store, "w/a", b"2");
        store
            .delete_if("w/a", Expect::Any, Durability::Relaxed)
            .unwrap();
        let next = || watch.next(Duration::ZERO).unwrap();
        assert_eq!(next().unwrap().entry.unwrap().value, b"1");
        assert_eq!(next().unwrap().entry.unwrap().value, b"2");
        let last = next().unwrap();
        assert_eq!((last.key.as_str(), last.entry), ("w/a", None));
        assert_eq!(next(), None);
    });
}

#[test]
fn a_watcher_that_falls_behind_is_told_so_and_slows_nobody_down() {
    over_all(|store| {
        let watch = store.watch("");
        for _ in 0..=WATCH_BACKLOG {
            store
                .put_if("k", b"", Expect::Any, Durability::Relaxed)
                .unwrap();
        }
        for _ in 0..WATCH_BACKLOG {
            assert!(watch.next(Duration::ZERO).unwrap().is_some());
        }
        assert!(watch.next(Duration::ZERO).is_err());
    });
}

#[test]
fn a_lease_is_one_holders_until_it_runs_out_or_is_given_back() {
    over_all(|store| {
        let Lease::Held { until_ms, version } = store.lease("l", "a", 100, 1000).unwrap() else {
            panic!("a free lease was refused");
        };
        assert_eq!(until_ms, 1100);
        let taken = Lease::Taken {
            holder: "a".into(),
            until_ms: 1100,
        };
        assert_eq!(store.lease("l", "b", 100, 1099).unwrap(), taken);
        let Lease::Held {
            until_ms,
            version: renewed,
        } = store.lease("l", "a", 100, 1050).unwrap()
        else {
            panic!("the holder could not renew");
        };
        assert!(until_ms == 1150 && renewed > version);
        assert!(matches!(
            store.lease("l", "b", 100, 1150).unwrap(),
            Lease::Held { until_ms: 1250, .. }
        ));
        assert!(!store.release("l", "a").unwrap(), "it is b's now");
        assert!(store.release("l", "b").unwrap());
        assert!(matches!(
            store.lease("l", "a", 1, 1151).unwrap(),
            Lease::Held { .. }
        ));
    });
}

#[test]
fn keys_and_values_beyond_their_bounds_are_refused() {
    over_all(|store| {
        let now = Durability::Now;
        let key = "k".repeat(KEY_BYTES_MAX);
        put(store, &key, &vec![7; VALUE_BYTES_MAX]);
        assert_eq!(
            store.get(&key).unwrap().unwrap().value.len(),
            VALUE_BYTES_MAX
        );
        let long = format!("{key}k");
        assert!(matches!(
            store.put_if(&long, b"", Expect::Any, now),
            Err(Error::KeyLength { .. })
        ));
        assert!(matches!(
            store.put_if("", b"", Expect::Any, now),
            Err(Error::KeyLength { .. })
        ));
        assert!(matches!(
            store.put_if("k", &vec![0; VALUE_BYTES_MAX + 1], Expect::Any, now),
            Err(Error::ValueLength { .. })
        ));
    });
}

#[test]
fn what_was_durable_is_there_after_a_kill_and_the_store_opens_at_once() {
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        for n in 0..200 {
            let relaxed = opened.store.put_if(
                &format!("s/{n:03}"),
                &[0; 300],
                Expect::Any,
                Durability::Relaxed,
            );
            relaxed.unwrap();
        }
        let version = put(&*opened.store, "kept", &vec![1; 20_000]);
        let after = killed(folder.path());
        // The best of a few: the machine may be busy with other tests, the store is not.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let copy = killed(after.path());
            let begun = Instant::now();
            let (again, notice) = Embedded::open_at_once(copy.path()).unwrap();
            best = best.min(begun.elapsed());
            assert_eq!(notice, None);
            assert_eq!(again.get("kept").unwrap().unwrap().version, version);
            assert_eq!(again.list("s/").unwrap().len(), 200);
        }
        assert!(best < Duration::from_millis(20), "{}: {best:?}", kind.name);
    }
}

#[test]
fn a_sync_brings_relaxed_writes_to_the_disk() {
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        let relaxed = Durability::Relaxed;
        opened
            .store
            .put_if("a", b"1", Expect::Any, relaxed)
            .unwrap();
        opened.store.sync().unwrap();
        let again = (kind.open)(killed(folder.path()).path()).unwrap();
        assert_eq!(again.store.get("a").unwrap().unwrap().value, b"1");
    }
}

#[test]
fn a_store_that_another_has_open_is_neither_opened_nor_set_aside() {
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        put(&*opened.store, "a", b"1");
        assert!(matches!(
            (kind.open)(folder.path()),
            Err(Error::Busy { .. })
        ));
        assert_eq!(set_aside(folder.path()), 0);
        drop(opened);
        let again = (kind.open)(folder.path()).unwrap();
        assert_eq!(again.store.get("a").unwrap().unwrap().value, b"1");
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_store_begun() {
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        for n in 0..50 {
            put(&*opened.store, &format!("k{n}"), &[9; 4000]);
        }
        drop(opened);
        let whole = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
        let mut zeroed = whole.clone();
        zeroed[..4096].fill(0);
        let mut scrambled = whole.clone();
        for byte in &mut scrambled[64..] {
            *byte ^= 0x5a;
        }
        for (what, bytes) in [
            ("cut short", whole[..whole.len() / 3].to_vec()),
            ("not a store", b"hello, I am a text file".to_vec()),
            ("without its first page", zeroed),
            ("scrambled", scrambled),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE_NAME), bytes).unwrap();
            let opened = (kind.open)(folder.path()).unwrap();
            let notice = opened.notice.unwrap_or_else(|| panic!("{what}: no word"));
            assert!(notice.contains(".damaged-"), "{what}: {notice}");
            assert_eq!(set_aside(folder.path()), 1, "{what}");
            assert_eq!(opened.store.list("").unwrap(), []);
            put(&*opened.store, "works", b"again");
        }
    }
}

#[test]
fn bytes_flipped_anywhere_never_end_the_process() {
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        for n in 0..30 {
            put(&*opened.store, &format!("k{n}"), &[9; 500]);
        }
        drop(opened);
        let whole = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 97) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0xff;
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE_NAME), flipped).unwrap();
            let opened = (kind.open)(folder.path()).unwrap();
            // Either the flip is found out, or what is read is an error or bytes, never a panic.
            let _ = opened.store.list("");
            let _ = opened.store.put_if("k", b"", Expect::Any, Durability::Now);
        }
    }
}

/// Small and reproducible: xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % n
    }

    /// Damages these bytes in one of the ways disks and people do.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match self.below(5) {
            0 => bytes.truncate(self.below(len)),
            1 => {
                let (at, n) = (self.below(len), 1 + self.below(8192));
                bytes[at..len.min(at + n)].fill(0);
            }
            2 => {
                let (at, to, n) = (self.below(len), self.below(len), 1 + self.below(4096));
                let part = bytes[at..len.min(at + n)].to_vec();
                for (offset, byte) in part.into_iter().enumerate() {
                    bytes[(to + offset) % len] = byte;
                }
            }
            3 => bytes.extend((0..self.below(9000)).map(|n| n as u8)),
            _ => {
                for _ in 0..=self.below(16) {
                    let at = self.below(len);
                    bytes[at] = self.below(256) as u8;
                }
            }
        }
    }
}

#[test]
fn whatever_falls_over_in_the_file_is_told_or_does_not_matter_and_the_store_goes_on() {
    let seeds = std::env::var("EVENKEEL_SEEDS").ok();
    let seeds = seeds.and_then(|s| {
        let (from, to) = s.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let opened = (kind.open)(folder.path()).unwrap();
        for n in 0..60 {
            let relaxed = if n % 3 == 0 {
                Durability::Relaxed
            } else {
                Durability::Now
            };
            let value = vec![n as u8; 40 * n + 1];
            let _ = opened
                .store
                .put_if(&format!("k{n:02}"), &value, Expect::Any, relaxed);
            if n % 7 == 0 {
                let _ = opened
                    .store
                    .delete_if(&format!("k{:02}", n / 2), Expect::Any, relaxed);
            }
        }
        opened.store.sync().unwrap();
        let expected = opened.store.list("").unwrap();
        // As a kill leaves it, and as an orderly end does.
        let killed = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
        drop(opened);
        let closed = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
        for seed in seeds.clone().unwrap_or(1..150_u64) {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let mut bytes = if seed % 2 == 0 {
                killed.clone()
            } else {
                closed.clone()
            };
            dice.damage(&mut bytes);
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE_NAME), bytes).unwrap();
            let opened = (kind.open)(folder.path()).unwrap();
            let found = opened.store.list("").unwrap();
            if opened.notice.is_none() {
                assert_eq!(found, expected, "seed {seed}: it changed without a word");
            }
            put(&*opened.store, "new", b"1");
            drop(opened);
            let again = (kind.open)(folder.path()).unwrap();
            assert!(again.notice.is_none(), "seed {seed}: {:?}", again.notice);
            assert_eq!(
                again.store.get("new").unwrap().unwrap().value,
                b"1",
                "seed {seed}"
            );
        }
    }
}

#[test]
fn only_its_owner_reads_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    for kind in persistent() {
        let folder = tempfile::tempdir().unwrap();
        let _opened = (kind.open)(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join(FILE_NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", kind.name);
    }
}
