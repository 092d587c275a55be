//! The recorder with real files: sizes, numbers, and disks that will not.

use std::fs;
use std::path::Path;

use super::*;
use crate::recorder::SEGMENT_MAX;
use crate::{KEPT, Recorder, segments};

/// An event of this length that changes nothing.
fn long(bytes: usize) -> Event {
    Event::Probed {
        endpoint: EndpointId(99),
        epoch: Epoch(1),
        passed: true,
        contact: Contact::Answered,
        detail: "x".repeat(bytes),
    }
}

/// All that was handed over is dealt with.
fn settle(recorder: &mut Recorder) {
    recorder.flush();
    while recorder.waits() {
        std::thread::yield_now();
    }
}

fn read(path: &Path) -> (Header, crate::Replayed) {
    let bytes = fs::read(path).unwrap();
    let mut segment = Segment::open(&bytes).unwrap();
    let replayed = replay(&mut segment, |_, _, _| ()).unwrap();
    assert!(replayed.difference.is_none());
    (segment.header().clone(), replayed)
}

#[test]
fn segments_follow_each_other_without_a_gap_and_only_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::new(1, Epoch(7));
    let mut recorder = Recorder::start(folder.path().join("journal"), 1);
    recorder.handle(&mut engine, configuration(), now(0));
    let pieces = 3 * (KEPT + 1);
    for n in 0..pieces {
        recorder.handle(&mut engine, long(SEGMENT_MAX / 3), now(n as u64));
        settle(&mut recorder);
    }
    assert_eq!(recorder.view().gaps, 0);
    recorder.close();
    let there = segments(&folder.path().join("journal")).unwrap();
    assert_eq!(there.len(), KEPT);
    let (last, earlier) = there.split_last().unwrap();
    for (_, path) in earlier {
        let (header, replayed) = read(path);
        assert_eq!(header.begins, Begins::Full);
        assert_eq!(replayed.ending, Ending::Ordered(Ends::Full));
    }
    assert_eq!(read(&last.1).1.ending, Ending::Ordered(Ends::Shutdown));
}

#[test]
fn what_the_disk_does_not_keep_up_with_is_counted_and_a_new_segment_begins() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::new(1, Epoch(7));
    let mut recorder = Recorder::start(folder.path().to_owned(), 1);
    recorder.handle(&mut engine, configuration(), now(0));
    settle(&mut recorder);
    // More at once than may wait.
    recorder.handle(&mut engine, long(9 << 20), now(1));
    let view = recorder.view();
    assert!(
        !view.recording && view.gaps == 1 && view.lost == 1,
        "{view:?}"
    );
    recorder.handle(&mut engine, Event::Tick, now(2));
    recorder.close();
    let there = segments(folder.path()).unwrap();
    let (header, replayed) = read(&there[0].1);
    assert_eq!((header.begins, replayed.turns), (Begins::Start, 1));
    assert_eq!(replayed.ending, Ending::Open);
    let (header, replayed) = read(&there[1].1);
    assert_eq!((header.begins, replayed.turns), (Begins::Gap(1), 1));
}

#[test]
fn a_disk_that_will_not_is_told_of_and_tried_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("journal");
    fs::write(&own, "in the way").unwrap();
    let mut engine = Engine::new(1, Epoch(7));
    let mut recorder = Recorder::start(own.clone(), 1);
    for ms in 0..200 {
        recorder.handle(&mut engine, Event::Tick, now(ms));
        settle(&mut recorder);
    }
    let view = recorder.view();
    assert!(!view.recording && view.why.contains("journal"), "{view:?}");
    // Tried again, and in vain; what is lost meanwhile is counted on.
    recorder.handle(&mut engine, Event::Tick, now(6_000));
    settle(&mut recorder);
    fs::remove_file(&own).unwrap();
    recorder.handle(&mut engine, configuration(), now(7_000));
    settle(&mut recorder);
    assert!(!recorder.view().recording, "it is too early to try again");
    recorder.handle(&mut engine, Event::Tick, now(20_000));
    settle(&mut recorder);
    assert!(recorder.view().recording);
    recorder.close();
    let (header, replayed) = read(&segments(&own).unwrap()[0].1);
    assert!(matches!(header.begins, Begins::Gap(200..)), "{header:?}");
    assert_eq!(replayed.engine.pools().count(), 1);
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("journal");
    let mut recorder = Recorder::start(own.clone(), 1);
    recorder.handle(&mut Engine::new(1, Epoch(7)), configuration(), now(0));
    recorder.close();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&own), 0o700);
    assert_eq!(mode(&segments(&own).unwrap()[0].1), 0o600);
}
