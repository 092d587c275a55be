//! The store's thread and its queue, with real files, disks that refuse and files that make no sense.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use evenkeel_core::table::State;
use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_store::{Embedded, Expect, Store};

use super::*;
use crate::last;

fn record(endpoint: &str) -> EndpointRecord {
    EndpointRecord {
        pool: "app".into(),
        endpoint: endpoint.into(),
        address: "127.0.0.1:1".into(),
        state: State::Down,
        since: Stamp(WallTime(5000)),
        why: "connection refused".into(),
        decided_by: "check".into(),
        ejections: 0,
        ejected_until: None,
        order: None,
        weight: Some(7),
        heartbeat: None,
        path: None,
    }
}

fn open(folder: &Path) -> (Storage, Loaded) {
    let (storage, loaded) = Storage::start(folder.into(), false).unwrap();
    (storage, loaded.blocking_recv().unwrap())
}

#[test]
fn what_was_stored_is_loaded_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (mut storage, loaded) = open(folder.path());
    assert!(loaded.endpoints.is_empty() && loaded.revisions.is_empty());
    storage.put_endpoint(&record("a1"), Durability::Relaxed);
    storage.put_endpoint(&record("a2"), Durability::Now);
    storage.delete_endpoint("app", "a2");
    for number in [9, 10] {
        storage.put_revision(&RevisionRecord::new(number, Stamp::default(), "text"));
    }
    storage.last_applied(10, "text");
    storage.sync().unwrap().blocking_recv().unwrap().unwrap();
    drop(storage);
    let (_storage, loaded) = open(folder.path());
    assert_eq!(loaded.endpoints, [record("a1")]);
    let numbers: Vec<_> = loaded.revisions.iter().map(|r| r.number).collect();
    assert_eq!(numbers, [9, 10]);
    assert_eq!(
        last::last_applied(folder.path()),
        Ok(Some((10, "text".into())))
    );
}

#[test]
fn a_record_that_cannot_be_read_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Embedded::open(folder.path()).unwrap();
    for (key, bytes) in [("endpoint/x", &b"garbage"[..]), ("endpoint/y", b"{}")] {
        store
            .put_if(key, bytes, Expect::Any, Durability::Now)
            .unwrap();
    }
    drop(store);
    let (mut storage, loaded) = open(folder.path());
    assert!(loaded.endpoints.is_empty());
    storage.put_endpoint(&record("a1"), Durability::Now);
    storage.sync().unwrap().blocking_recv().unwrap().unwrap();
}

#[test]
fn sessions_are_loaded_by_the_next_process_but_for_those_that_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Embedded::open(folder.path()).unwrap();
    for (key, bytes) in [
        ("session/app/004", &b"garbage"[..]),
        ("session/app/005", b"{}"),
    ] {
        store
            .put_if(key, bytes, Expect::Any, Durability::Now)
            .unwrap();
    }
    drop(store);
    let (mut storage, loaded) = open(folder.path());
    assert_eq!(loaded.sessions, []);
    let part = |part: u16| SessionsRecord {
        pool: "app".into(),
        part,
        endpoints: vec![7],
        rows: vec![(u64::from(part), 0, 0, false, 0, 1000, 5000)],
    };
    for number in 0..3 {
        storage.put_sessions(&part(number));
    }
    storage.delete_sessions("app", 1);
    storage.sync().unwrap().blocking_recv().unwrap().unwrap();
    drop(storage);
    let (_storage, loaded) = open(folder.path());
    assert_eq!(loaded.sessions, [part(0), part(2)]);
}

#[test]
fn a_store_that_comes_back_keeps_what_it_had_and_gets_what_was_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(folder.path());
    for name in ["old", "gone", "changed"] {
        storage.put_endpoint(&record(name), Durability::Now);
    }
    storage.sync().unwrap().blocking_recv().unwrap().unwrap();
    drop(storage);
    let (loaded, mut found) = oneshot::channel();
    let troubles = Troubles::default();
    let mut keeper = Keeper::new(folder.path().to_owned(), false, loaded, troubles.clone());
    // As after an opening that the disk refused.
    assert!(troubles.begin("the disk is gone"));
    keeper.again_at = Some(Instant::now());
    let mut changed = record("changed");
    changed.weight = Some(9);
    let put = |record: &EndpointRecord| Job::Put(record.encode().unwrap(), Durability::Now);
    keeper.write("endpoint/app/changed".into(), put(&changed));
    keeper.write("endpoint/app/new".into(), put(&record("new")));
    keeper.write("endpoint/app/gone".into(), Job::Delete);
    assert!(found.try_recv().is_err(), "nothing was read yet");
    while keeper.again_at.is_some() {
        keeper.tick();
    }
    let names = |loaded: Loaded| -> Vec<_> {
        let all = loaded.endpoints.into_iter();
        all.map(|e| (e.endpoint, e.weight)).collect()
    };
    assert_eq!(names(found.try_recv().unwrap()).len(), 3);
    drop(keeper);
    let (_storage, loaded) = open(folder.path());
    let expected = [("changed", 9), ("new", 7), ("old", 7)];
    let expected = expected.map(|(name, weight)| (name.to_owned(), Some(weight)));
    assert_eq!(names(loaded), expected);
}

#[test]
fn a_folder_that_cannot_be_made_stops_nobody_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(&path, "a file is in the way").unwrap();
    let (loaded, mut found) = oneshot::channel();
    let mut keeper = Keeper::new(path.clone(), true, loaded, Troubles::default());
    keeper.open();
    assert!(keeper.again_at.is_some() && found.try_recv().is_err());
    let bytes = record("a1").encode().unwrap();
    keeper.write("endpoint/app/a1".into(), Job::Put(bytes, Durability::Now));
    std::fs::remove_file(&path).unwrap();
    keeper.again_at = Some(Instant::now());
    keeper.tick();
    assert!(keeper.again_at.is_none() && found.try_recv().is_ok());
    drop(keeper);
    let (_storage, loaded) = open(&path);
    assert_eq!(loaded.endpoints, [record("a1")]);
}

#[test]
fn a_stalled_disk_never_blocks_and_only_the_newest_of_each_key_waits() {
    let (jobs, _stalled) = sync_channel(1);
    let waiting = BTreeMap::new();
    let troubles = Troubles::default();
    let mut storage = Storage {
        jobs,
        waiting,
        troubles,
    };
    for n in 0..1000 {
        let mut record = record(&format!("a{}", n % 3));
        record.weight = Some(n % 256);
        storage.put_endpoint(&record, Durability::Relaxed);
    }
    assert!(storage.waiting.len() <= 3);
    assert!(storage.sync().is_none());
}

/// A Keeper whose file is open, and which has read it.
fn opened(folder: &Path) -> (Keeper, Troubles) {
    let (loaded, _found) = oneshot::channel();
    let troubles = Troubles::default();
    let mut keeper = Keeper::new(folder.to_owned(), false, loaded, troubles.clone());
    keeper.open();
    (keeper, troubles)
}

#[test]
fn while_the_file_cannot_be_had_nothing_is_called_stored_and_all_of_it_is_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(&path, "a file is in the way").unwrap();
    let (mut keeper, troubles) = opened(&path);
    let since = troubles.now().expect("it is told").since;
    let put = |name: &str| Job::Put(record(name).encode().unwrap(), Durability::Now);
    keeper.write("endpoint/app/a1".into(), put("a1"));
    keeper.write(String::new(), Job::LastApplied(3, "text".into()));
    assert!(troubles.why().is_err());
    assert_eq!(troubles.now().unwrap().since, since, "it is one trouble");
    std::fs::remove_file(&path).unwrap();
    keeper.again_at = Some(Instant::now());
    keeper.tick();
    assert_eq!(troubles.why(), Ok(()));
    drop(keeper);
    let (_storage, loaded) = open(&path);
    assert_eq!(loaded.endpoints, [record("a1")]);
    assert_eq!(last::last_applied(&path), Ok(Some((3, "text".into()))));
}

#[test]
fn a_file_that_turns_out_to_make_no_sense_is_written_anew_from_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (mut keeper, troubles) = opened(folder.path());
    let put = |name: &str| Job::Put(record(name).encode().unwrap(), Durability::Now);
    for name in ["a1", "a2"] {
        keeper.write(format!("endpoint/app/{name}"), put(name));
    }
    let file = folder.path().join(evenkeel_store::FILE_NAME);
    keeper.failed(&evenkeel_store::Error::Damaged {
        path: file.clone(),
        detail: "two pages claim the same place".into(),
    });
    assert_eq!(evenkeel_store::set_aside_before(&file).len(), 1);
    assert_eq!(troubles.why(), Ok(()), "the new one holds everything");
    drop(keeper);
    let (_storage, loaded) = open(folder.path());
    assert_eq!(loaded.endpoints[..2], [record("a1"), record("a2")]);
}

#[test]
fn what_was_read_before_is_not_told_as_lost_when_its_file_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let (mut keeper, troubles) = opened(folder.path());
    let bytes = record("a1").encode().unwrap();
    keeper.write("endpoint/app/a1".into(), Job::Put(bytes, Durability::Now));
    keeper.write(String::new(), Job::LastApplied(3, "text".into()));
    let file = folder.path().join(evenkeel_store::FILE_NAME);
    keeper.failed(&evenkeel_store::Error::Io {
        path: file.clone(),
        detail: "the disk is gone".into(),
    });
    std::fs::write(&file, "").unwrap();
    keeper.again_at = Some(Instant::now());
    keeper.tick();
    assert_eq!(troubles.why(), Ok(()));
    assert_eq!(
        evenkeel_store::set_aside_before(&file),
        [""; 0].map(std::path::PathBuf::from)
    );
    drop(keeper);
    let (_storage, loaded) = open(folder.path());
    assert_eq!(loaded.endpoints, [record("a1")]);
}
