//! Fences outlive the agent.

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::{Fences, calendar};
use evenkeel_core::time::WallTime;

use super::fences::Kept;

/// When it begins, unless something else is said.
const NOW: WallTime = WallTime(1_800_000_000_000);

fn above(floor: WallTime) -> Epoch {
    Epoch(calendar(floor).0 + 1)
}

#[test]
fn fences_come_back_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    assert_eq!(kept.load(NOW), Fences::default());
    let mut fences = Fences::default();
    fences.admit(&"api".into(), Epoch(7), NOW).unwrap();
    kept.store(&fences).unwrap();
    fences.admit(&"db".into(), Epoch(9), NOW).unwrap();
    kept.store(&fences).unwrap();
    assert_eq!(kept.load(NOW), fences);
}

#[test]
fn damaged_ones_are_set_aside_and_nothing_decided_before_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    std::fs::write(folder.path().join("fences.json"), "{\"api\":").unwrap();
    let mut fences = kept.load(NOW);
    let admitted = fences.admit(&"api".into(), calendar(NOW), NOW);
    assert!(admitted.is_err());
    assert!(fences.admit(&"api".into(), above(NOW), NOW).is_ok());
    assert!(folder.path().join("fences.json.damaged").exists());
    kept.store(&fences).unwrap();
    assert_eq!(kept.load(NOW).newest(), above(NOW));
}

#[test]
fn the_life_after_the_one_that_found_them_damaged_refuses_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    std::fs::write(folder.path().join("fences.json"), "{\"api\":").unwrap();
    assert_eq!(kept.load(NOW), Fences::lost(calendar(NOW)));
    let later = WallTime(NOW.0 + 400);
    let mut next = kept.load(later);
    assert!(next.admit(&"api".into(), calendar(NOW), later).is_err());
    assert!(next.admit(&"api".into(), above(NOW), later).is_ok());
}

#[test]
fn one_of_the_far_future_is_not_believed_and_the_file_stays_until_an_order_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    let file = folder.path().join("fences.json");
    let text = format!("{{\"api\":{},\"db\":7}}", u64::MAX);
    std::fs::write(&file, &text).unwrap();
    let mut fences = kept.load(NOW);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(fences.admit(&"api".into(), calendar(NOW), NOW).is_err());
    assert!(fences.admit(&"api".into(), above(NOW), NOW).is_ok());
    assert!(fences.admit(&"db".into(), Epoch(8), NOW).is_ok());
}
