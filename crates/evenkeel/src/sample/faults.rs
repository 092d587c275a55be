//! Faults of a sample that only the process itself can have: it is slow, leaks, burns processor time.
//!
//! Each ends by itself after `for_s`: whoever turned it on may be gone by then.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Nobody watches a drill for longer.
const FOR_S_MAX: u64 = 600;
/// A leak is taken in steps of a tenth of its rate a second.
const STEP: Duration = Duration::from_millis(100);
/// A leak stops here even if no limit stops it: it is a drill, not an attack on the machine.
const LEAK_MIB_MAX: u64 = 1024;
/// More threads would only wait for each other.
const BURNERS_MAX: u64 = 16;

/// What is wrong with it now.
#[derive(Default)]
pub(super) struct Faults {
    slow: RefCell<Option<Slow>>,
    leaked: RefCell<Vec<Vec<u8>>>,
    stop: RefCell<Arc<AtomicBool>>,
}

/// Answers come late: `percent` of them by `ms`, the others by `base_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slow {
    ms: u64,
    base_ms: u64,
    percent: u64,
    until: Instant,
    /// Of a small generator: which answers are the late ones.
    dice: u64,
}

impl Faults {
    /// How long this answer has to wait.
    pub(super) fn delay(&self) -> Duration {
        let mut slow = self.slow.borrow_mut();
        let Some(slow) = slow.as_mut().filter(|slow| Instant::now() < slow.until) else {
            return Duration::ZERO;
        };
        // Knuth's generator; its high bits are good enough to choose answers by.
        slow.dice = slow
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let late = (slow.dice >> 33) % 100 < slow.percent;
        Duration::from_millis(if late { slow.ms } else { slow.base_ms })
    }

    /// Turns one on, or all off with `end`. Says what is so now; `None` = there is no such fault.
    pub(super) fn turn(self: &Rc<Self>, name: &str, query: &Query<'_>) -> Option<String> {
        let seconds = query.number("for_s", 60).min(FOR_S_MAX);
        let until = Instant::now() + Duration::from_secs(seconds);
        let said = match name {
            "slow" => {
                let slow = Slow {
                    ms: query.number("ms", 400).min(60_000),
                    base_ms: query.number("base_ms", 0).min(60_000),
                    percent: query.number("percent", 100),
                    until,
                    dice: u64::from(std::process::id()),
                };
                *self.slow.borrow_mut() = Some(slow);
                format!("{} % of answers take {} ms longer", slow.percent, slow.ms)
            }
            "leak" => {
                let rate = query.number("mib_per_s", 8).clamp(1, LEAK_MIB_MAX);
                self.leak(rate, until);
                format!("leaks {rate} MiB a second")
            }
            "burn" => {
                let threads = query.number("threads", 2).clamp(1, BURNERS_MAX);
                self.burn(threads, until);
                format!("{threads} threads burn processor time")
            }
            "end" => {
                self.end();
                return Some("nothing is wrong any more\n".into());
            }
            _ => return None,
        };
        Some(format!("{said}, for {seconds} s\n"))
    }

    fn end(&self) {
        *self.slow.borrow_mut() = None;
        self.leaked.borrow_mut().clear();
        self.stop.replace(Arc::default()).store(true, Relaxed);
    }

    fn leak(self: &Rc<Self>, mib_per_s: u64, until: Instant) {
        let (faults, stop) = (self.clone(), self.stop.borrow().clone());
        let step = usize::try_from(mib_per_s << 20).unwrap_or(1 << 20) / 10;
        tokio::task::spawn_local(async move {
            let mut steps = 0;
            while Instant::now() < until && !stop.load(Relaxed) && steps * step < LEAK_MAX {
                // Written to, or the kernel would not give it.
                faults.leaked.borrow_mut().push(vec![1; step]);
                steps += 1;
                tokio::time::sleep(STEP).await;
            }
        });
    }

    fn burn(&self, threads: u64, until: Instant) {
        for _ in 0..threads {
            let stop = self.stop.borrow().clone();
            std::thread::spawn(move || {
                while Instant::now() < until && !stop.load(Relaxed) {
                    std::hint::black_box((0..10_000u64).fold(1, |a, b| a ^ (b * a)));
                }
            });
        }
    }
}

const LEAK_MAX: usize = (LEAK_MIB_MAX << 20) as usize;

/// `a=1&b=2`.
pub(super) struct Query<'a>(pub(super) &'a str);

impl Query<'_> {
    fn number(&self, name: &str, otherwise: u64) -> u64 {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowness_hits_its_share_of_answers_and_ends() {
        let faults = Rc::new(Faults::default());
        assert_eq!(faults.delay(), Duration::ZERO);
        let query = Query("ms=40&base_ms=2&percent=5&for_s=60");
        assert!(faults.turn("slow", &query).unwrap().contains("5 %"));
        let delays: Vec<u128> = (0..2000).map(|_| faults.delay().as_millis()).collect();
        let late = delays.iter().filter(|ms| **ms == 40).count();
        assert!((60..150).contains(&late), "{late}");
        assert!(delays.iter().all(|ms| [2, 40].contains(ms)));
        faults.turn("end", &Query("")).unwrap();
        assert_eq!(faults.delay(), Duration::ZERO);
        assert_eq!(faults.turn("gremlins", &Query("")), None);
    }
}
