//! That parts behind a trait object come back as they were, and that nothing but a snapshot is taken for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::{DETECTORS, Detector};
use crate::settings::HeartbeatSettings;
use crate::time::Time;
use crate::times::Spread;

#[derive(Serialize, Deserialize)]
struct Watch {
    #[serde(with = "crate::keep::part")]
    detector: Box<dyn Detector>,
}

fn bytes(item: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(item).unwrap()
}

#[test]
fn every_detector_comes_back_with_what_it_has_learned() {
    for entry in DETECTORS {
        let mut watch = Watch {
            detector: (entry.make)(&HeartbeatSettings::default(), Time::ZERO),
        };
        for n in 1..100u64 {
            let at = Time::from_millis(n * 1000 + n * n % 170);
            watch.detector.beat(n, at);
        }
        let mut back: Watch = postcard::from_bytes(&bytes(&watch)).unwrap();
        for n in 100..200u64 {
            let at = Time::from_millis(n * 1000 + n * n % 90);
            watch.detector.beat(n, at);
            back.detector.beat(n, at);
            let (at, name) = (at + Duration::from_millis(3), entry.part.name);
            let (mine, its) = (watch.detector.suspicion(at), back.detector.suspicion(at));
            assert_eq!(mine.to_bits(), its.to_bits(), "{name}");
        }
        assert_eq!(watch.detector.next_wakeup(), back.detector.next_wakeup());
    }
}

#[test]
fn what_no_list_has_is_refused() {
    let read = postcard::from_bytes::<Watch>(&bytes(&("clairvoyant", 1u8)));
    assert!(read.is_err());
    let settings = bytes(&(Duration::from_secs(1), "clairvoyant", 8u32, Duration::ZERO));
    assert!(postcard::from_bytes::<HeartbeatSettings>(&settings).is_err());
}

#[test]
fn a_place_outside_of_the_array_is_refused_and_zeros_cost_nothing() {
    let mut spread = Spread::default();
    assert_eq!(bytes(&spread).len(), 1);
    spread.observe(Duration::from_millis(3));
    let back: Spread = postcard::from_bytes(&bytes(&spread)).unwrap();
    assert_eq!(spread, back);
    assert!(postcard::from_bytes::<Spread>(&bytes(&vec![(85usize, 1u32)])).is_err());
}
