//! Fences outlive the agent.

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::Fences;

use super::fences::Kept;

#[test]
fn fences_come_back_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    assert_eq!(kept.load(Epoch(100)), Fences::default());
    let mut fences = Fences::default();
    fences.admit(&"api".into(), Epoch(7)).unwrap();
    kept.store(&fences).unwrap();
    fences.admit(&"db".into(), Epoch(9)).unwrap();
    kept.store(&fences).unwrap();
    assert_eq!(kept.load(Epoch(100)), fences);
}

#[test]
fn damaged_ones_are_set_aside_and_nothing_decided_before_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    std::fs::write(folder.path().join("fences.json"), "{\"api\":").unwrap();
    let mut fences = kept.load(Epoch(100));
    assert!(fences.admit(&"api".into(), Epoch(100)).is_err());
    assert!(fences.admit(&"api".into(), Epoch(101)).is_ok());
    assert!(folder.path().join("fences.json.damaged").exists());
    kept.store(&fences).unwrap();
    assert_eq!(kept.load(Epoch(0)).newest(), Epoch(101));
}

#[test]
fn the_life_after_the_one_that_found_them_damaged_refuses_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    std::fs::write(folder.path().join("fences.json"), "{\"api\":").unwrap();
    assert_eq!(kept.load(Epoch(100)), Fences::lost(Epoch(100)));
    let mut next = kept.load(Epoch(500));
    assert!(next.admit(&"api".into(), Epoch(100)).is_err());
    assert!(next.admit(&"api".into(), Epoch(101)).is_ok());
}
