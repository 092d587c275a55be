//! What a sample says of its load, with each answer and where it is asked (`/load`): how many requests it works on, and how long
//! one takes now. It is what `balance = "prequal"` goes by.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use evenkeel_core::balance::prequal::Meter;
use evenkeel_core::time::Time;
use hyper::header::{HeaderName, HeaderValue};

/// The field that evenkeel looks at if nothing else is configured.
pub(super) const FIELD: HeaderName = HeaderName::from_static("endpoint-load-metrics");
/// Where it is asked.
pub(super) const PATH: &str = "/load";

/// The load of one sample.
pub(super) struct Load {
    began: Instant,
    in_flight: Cell<u32>,
    meter: RefCell<Meter>,
}

impl Default for Load {
    fn default() -> Load {
        Load {
            began: Instant::now(),
            in_flight: Cell::new(0),
            meter: RefCell::default(),
        }
    }
}

/// A request that is worked on, for as long as this lives.
pub(super) struct Counted<'a> {
    load: &'a Load,
    behind: u32,
    began: Instant,
}

impl Load {
    /// A request has come.
    pub(super) fn enter(&self) -> Counted<'_> {
        let behind = self.in_flight.get();
        self.in_flight.set(behind + 1);
        Counted {
            load: self,
            behind,
            began: Instant::now(),
        }
    }

    /// In the words of the field.
    pub(super) fn says(&self) -> HeaderValue {
        let in_flight = self.in_flight.get();
        let estimate = self.meter.borrow().estimate(in_flight, self.now());
        let ms = |took: Duration| format!(", latency_ms={:.3}", took.as_secs_f64() * 1000.0);
        let said = format!(
            "in_flight={in_flight}{}",
            estimate.map_or_else(String::new, ms)
        );
        HeaderValue::from_str(&said).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    fn now(&self) -> Time {
        Time::from_nanos(self.began.elapsed().as_nanos() as u64)
    }
}

impl Counted<'_> {
    /// It is answered.
    pub(super) fn answered(self) {
        let mut meter = self.load.meter.borrow_mut();
        meter.answered(self.behind, self.began.elapsed(), self.load.now());
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.load.in_flight.set(self.load.in_flight.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worked_on_is_said_until_it_is_answered_or_given_up() {
        let load = Load::default();
        assert_eq!(load.says(), "in_flight=0");
        let (answered, given_up) = (load.enter(), load.enter());
        assert_eq!(load.says(), "in_flight=2");
        drop(given_up);
        answered.answered();
        let said = load.says();
        let said = said.to_str().unwrap();
        assert!(said.starts_with("in_flight=0, latency_ms="), "{said}");
    }
}
