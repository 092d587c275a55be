//! Fleets by lot: what nobody thought of when a scenario was written. A number names a fleet for ever, as the TOML of a scenario, so
//! that one in which a policy does badly can be looked at alone (`cargo run -p evenkeel-sim --example drawn -- --show NUMBER`).
//!
//! Drawn are sizes and speeds, how work is distributed, sorts of requests that some endpoints do slower, the load, who balances
//! and sees what, tries and dead-lines, and what goes wrong: errors at once or late, crashes, hangs, a slowness nobody reports,
//! others on the same machine. A run is as long as a hundred turns of `learned`'s guard or so, and has at most
//! a hundred thousand requests.

use std::fmt::Write;

use evenkeel_core::rng::Rng;

use super::Scenario;
use super::lots::unit;

/// Of each run. What is learned is learned, and tried out, within the warm-up; the rest is long against a turn.
const SECONDS: f64 = 200.0;
const WARM_UP: f64 = 40.0;
/// Requests a second.
const RATE: (f64, f64) = (60.0, 1_500.0);
/// Sorts of requests.
const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

/// Into a text nothing can fail.
macro_rules! add {
    ($to:expr, $($what:tt)*) => {{ let _ = writeln!($to, $($what)*); }};
}

/// The fleet of this number.
pub fn fleet(number: u64) -> Result<Scenario, String> {
    Scenario::parse(&text(number))
}

/// The same as a file.
pub fn text(number: u64) -> String {
    let mut lots = Lots(Rng::new(number).stream("fleets"));
    let mut fleet = Drawn::default();
    fleet.draw_classes(&mut lots);
    for _ in 0..1 + lots.below(3) {
        fleet.group(&mut lots);
    }
    fleet.head(number, &mut lots);
    fleet.traffic(&mut lots);
    fleet.failures(&mut lots);
    [fleet.head, fleet.traffic, fleet.groups, fleet.failures].concat()
}

struct Lots(Rng);

impl Lots {
    fn below(&mut self, n: usize) -> usize {
        self.0.index(n)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * unit(&mut self.0)
    }

    /// As likely in each of its powers of ten, and no finer than one can read.
    fn of_any_size(&mut self, from: f64, to: f64) -> f64 {
        let drawn = (self.between(from.ln(), to.ln())).exp();
        let digit = 10_f64.powf(drawn.log10().floor() - 1.0);
        (drawn / digit).round() * digit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A sort of requests: its part of all, and how much work it is.
struct Class {
    name: &'static str,
    share: f64,
    times: f64,
}

#[derive(Default)]
struct Drawn {
    head: String,
    traffic: String,
    groups: String,
    failures: String,
    classes: Vec<Class>,
    count: usize,
    /// Seconds of work a second, as the classes take it.
    capacity: f64,
    /// Of a request, on average, at speed 1.
    work_s: f64,
}

impl Drawn {
    fn draw_classes(&mut self, lots: &mut Lots) {
        let count = if lots.one_in(2) { 0 } else { 2 + lots.below(3) };
        for name in &CLASSES[..count] {
            let (share, times) = (lots.between(0.1, 1.0), lots.one_of(&[1.0, 1.0, 0.3, 5.0]));
            add!(
                &mut self.traffic,
                "\n[[class]]\nname = \"{name}\"\nshare = {share:.2}\ntimes = {times:?}"
            );
            self.classes.push(Class { name, share, times });
        }
    }

    /// How many times the work a request is, if a class takes so many times its own.
    fn times(&self, takes: &[f64]) -> f64 {
        let shares: f64 = self.classes.iter().map(|class| class.share).sum();
        let each = self.classes.iter().zip(takes);
        let times: f64 = each
            .map(|(class, takes)| class.share * class.times * takes)
            .sum();
        if self.classes.is_empty() {
            1.0
        } else {
            times / shares
        }
    }

    /// Endpoints of one kind.
    fn group(&mut self, lots: &mut Lots) {
        let count = 1 + lots.below(if self.count == 0 { 16 } else { 6 });
        let count = if self.count == 0 { count + 2 } else { count };
        let cores = lots.one_of(&[1, 1, 2, 4, 8]);
        let speed = lots.one_of(&[1.0, 1.0, 1.0, 0.25, 0.5, 2.0]);
        let to = &mut self.groups;
        add!(
            to,
            "\n[[endpoints]]\ncount = {count}\ncores = {cores}\nspeed = {speed:?}"
        );
        if lots.one_in(3) {
            add!(
                to,
                "weight = {}",
                (f64::from(cores) * speed * 12.0) as u32 + 1
            );
        }
        if lots.one_in(2) {
            add!(to, "discipline = \"sharing\"");
        }
        if lots.one_in(5) {
            let at = lots.between(0.0, SECONDS * 0.7).round();
            let back = (at + lots.of_any_size(3.0, 100.0)).round();
            let factor = lots.one_of(&[0.0, 0.1, 0.3, 0.5]);
            add!(to, "capacity = [[{at:?}, {factor:?}], [{back:?}, 1.0]]");
        }
        let mut takes = vec![1.0; self.classes.len()];
        for takes in &mut takes {
            if lots.one_in(2) {
                *takes = lots.of_any_size(0.5, 8.0);
            }
        }
        let named = self.classes.iter().zip(&takes);
        let named = named.map(|(class, takes)| format!("{} = {takes:?}", class.name));
        add!(to, "takes = {{ {} }}", named.collect::<Vec<_>>().join(", "));
        if lots.one_in(5) {
            let (share, full_s) = (lots.between(0.1, 0.6), lots.of_any_size(0.3, 30.0));
            let (spare, level_s) = (lots.between(0.5, 3.0), lots.of_any_size(0.1, 5.0));
            add!(
                to,
                "antagonist = {{ full_share = {share:.2}, full_s = {full_s:?}, spare = [0.2, {spare:.2}], level_s = {level_s:?} }}"
            );
        }
        self.count += count;
        self.capacity += (count * cores as usize) as f64 * speed / self.times(&takes);
    }

    fn head(&mut self, number: u64, lots: &mut Lots) {
        let load = lots.between(0.3, 1.0);
        let rate = lots.of_any_size(RATE.0, RATE.1);
        self.work_s = load * self.capacity / rate;
        let work = match lots.below(5) {
            0 => "distribution = \"constant\"".to_owned(),
            1 => "distribution = \"normal\"".to_owned(),
            2 => format!(
                "distribution = \"pareto\"\nshape = {:.2}",
                lots.between(2.1, 3.0)
            ),
            3 => format!(
                "distribution = \"bimodal\"\nratio = {:.1}",
                lots.between(3.0, 20.0)
            ),
            _ => "distribution = \"exponential\"".to_owned(),
        };
        let work_s = self.work_s;
        add!(
            &mut self.head,
            "summary = \"Fleet {number}\"\n\n[run]\nseconds = {SECONDS:?}\nwarm_up = {WARM_UP:?}\n\n[arrival]\nrate = {rate:?}\n\n[work]\nmean_s = {work_s:.6}\n{work}"
        );
    }

    fn traffic(&mut self, lots: &mut Lots) {
        let balancers = lots.one_of(&[1, 1, 2, 4, 16]);
        let to = &mut self.traffic;
        add!(
            to,
            "\n[balancers]\ncount = {balancers}\nshared = {}",
            !lots.one_in(3)
        );
        if lots.one_in(2) {
            let timeout = self.work_s * lots.of_any_size(10.0, 100.0);
            let retries = lots.below(4);
            add!(
                to,
                "\n[tries]\nretries = {retries}\ntimeout_s = {timeout:.4}"
            );
            if lots.one_in(2) {
                add!(to, "budget_percent = 20");
            }
        } else {
            add!(to, "\n[tries]\nretries = {}", lots.below(3));
        }
        if lots.one_in(6) {
            let patience = self.work_s * lots.of_any_size(20.0, 200.0);
            let retries = lots.below(3);
            add!(
                to,
                "\n[clients]\npatience_s = {patience:.4}\nretries = {retries}"
            );
        }
    }

    fn failures(&mut self, lots: &mut Lots) {
        for _ in 0..lots.one_of(&[0, 0, 1, 1, 2]) {
            let some = 1 + lots.below(1 + self.count / 4);
            let which: Vec<String> = (0..some)
                .map(|_| lots.below(self.count).to_string())
                .collect();
            let share = lots.one_of(&[0.02, 0.1, 0.3, 0.6, 1.0]);
            let after = lots.one_of(&[0.0, 0.0, 1.0, 30.0]) * self.work_s;
            let to = &mut self.failures;
            add!(
                to,
                "\n[[failure]]\nendpoints = [{}]\nshare = {share:?}\nafter_s = {after:.4}",
                which.join(", ")
            );
            if lots.one_in(2) {
                let from = lots.between(0.0, SECONDS * 0.7).round();
                let until = (from + lots.of_any_size(3.0, 100.0)).round();
                add!(to, "from_s = {from:?}\nto_s = {until:?}");
            }
        }
    }
}
