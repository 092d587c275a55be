//! The detectors keep their bounds, on a tenth of what `cargo xtask score detectors` simulates.

use evenkeel_sim::detectors::{Size, report};

#[test]
fn the_detectors_are_as_good_as_they_say() {
    let report = report(Size::Short);
    assert!(
        report.broken.is_empty(),
        "{:#?}\n{}",
        report.broken,
        report.text
    );
    for part in [
        "NFD-S",
        "`phi` beside",
        "Paused watchers",
        "Comparison",
        "| 10000 |",
    ] {
        assert!(report.text.contains(part), "{part}: {}", report.text);
    }
}
