//! What the library below says when it panics over a damaged file is for the one line of the store, not for the terminal;
//! panics of everybody else are reported as ever. A process of its own, since there is one panic hook in each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::panic;
use std::sync::{Arc, Mutex};

use evenkeel_store::{Durability, Embedded, Expect, FILE_NAME, Store};

#[test]
fn a_damaged_file_makes_no_report_of_a_panic_and_a_panic_beside_it_does() {
    let reports: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = reports.clone();
    panic::set_hook(Box::new(move |panic| {
        heard.lock().unwrap().push(panic.to_string());
    }));
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Embedded::open(folder.path()).unwrap();
    for n in 0..50 {
        store
            .put_if(&format!("k/{n}"), &[7; 900], Expect::Any, Durability::Now)
            .unwrap();
    }
    drop(store);
    let path = folder.path().join(FILE_NAME);
    let whole = std::fs::read(&path).unwrap();
    let mut panicked = 0;
    // Pages, one after the other, that are something else than what points to them believes; some panics are enough.
    for page in 0..whole.len() / 4096 {
        if panicked >= 3 {
            break;
        }
        for byte in [0xff, 1, 2] {
            let mut bytes = whole.clone();
            bytes[page * 4096..][..64].fill(byte);
            std::fs::write(&path, bytes).unwrap();
            // In a hurry: by the checksums most would be found before anything is believed.
            let Ok((store, notice)) = Embedded::open_at_once(folder.path()) else {
                continue;
            };
            let read = store.list("").and_then(|_| store.sync());
            let said = format!("{} {read:?}", notice.unwrap_or_default());
            panicked += usize::from(said.contains("called `") || said.contains("assertion"));
        }
    }
    let reports = || reports.lock().unwrap().clone();
    assert_eq!(reports(), [""; 0], "{panicked} panics were caught");
    assert!(panicked > 0, "none of the damages makes the library panic");
    let beside = std::thread::spawn(|| panic!("of somebody else"));
    assert!(beside.join().is_err());
    assert!(panic::catch_unwind(|| panic!("of this thread, outside")).is_err());
    let reports = reports();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[0].contains("of somebody else") && reports[1].contains("outside"));
}
