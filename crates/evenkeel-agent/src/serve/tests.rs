//! Fences outlive the agent.

use evenkeel_core::id::Epoch;
use evenkeel_core::remote::Fences;

use super::fences::Kept;

#[test]
fn fences_come_back_from_the_disk_and_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    assert_eq!(kept.load().unwrap(), Fences::default());
    let mut fences = Fences::default();
    fences.admit(&"api".into(), Epoch(7)).unwrap();
    kept.store(&fences).unwrap();
    fences.admit(&"db".into(), Epoch(9)).unwrap();
    kept.store(&fences).unwrap();
    assert_eq!(kept.load().unwrap(), fences);

    std::fs::write(folder.path().join("fences.json"), "{\"api\":").unwrap();
    let error = kept.load().unwrap_err().to_string();
    assert!(error.contains("fences.json can't be read"), "{error}");
}
