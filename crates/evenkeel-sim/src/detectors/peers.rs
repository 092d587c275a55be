//! Comparison with the others, on traffic that is only numbers: how soon a fault is found at different rates, and how often one that
//! is well is found under noise.
//!
//! An hour at ten thousand requests a second is too much to make one by one, so the busier a pool is the shorter it is
//! watched; the table says for how long. A suspicion is no ejection: a probe decides, and the probe of one that is well passes.

use std::time::Duration;

use evenkeel_core::counters::Lane;
use evenkeel_core::health::traffic::{By, Finding, Look, Measured, Place, Sentence, Traffic};
use evenkeel_core::id::EndpointId;
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{CheckKind, OutlierSettings};
use evenkeel_core::time::Time;
use evenkeel_core::times::Spread;

use super::{Report, Size};

const SWEEP: Duration = Duration::from_millis(100);
const ENDPOINTS: usize = 3;
const RATES: [u64; 5] = [1, 10, 100, 1_000, 10_000];
/// Requests of one watched pool, and the least and the longest time it is watched.
const REQUESTS: u64 = 2_000_000;
const SECONDS: (u64, u64) = (120, 7_200);
/// A probe of one that is suspected takes so many sweeps.
const PROBE_SWEEPS: u32 = 1;

/// How one endpoint behaves.
#[derive(Clone, Copy)]
struct Manner {
    /// Answers of a thousand that are failures.
    fails: u64,
    /// Half of its answers take this long.
    median_us: u64,
    /// Of a thousand answers, so many take twenty times as long.
    slow: u64,
    hangs: bool,
}

/// Well, with the noise of the issue: 5 % of answers twenty times slower.
const NOISY: Manner = Manner {
    fails: 0,
    median_us: 3_000,
    slow: 50,
    hangs: false,
};

/// A fault, the rule that is to find it, and within what at which rate at the latest, where that is promised.
type Fault = (
    &'static str,
    fn(&mut Manner),
    fn(&Sentence) -> bool,
    u64,
    Duration,
);

const FAULTS: [Fault; 3] = [
    (
        "30 % of answers fail",
        |manner| manner.fails = 300,
        |sentence| *sentence == Sentence::Eject(By::SuccessRate),
        100,
        Duration::from_secs(10),
    ),
    (
        "answers take 10 × as long",
        |manner| manner.median_us *= 10,
        |sentence| *sentence == Sentence::Eject(By::Latency),
        100,
        Duration::from_secs(45),
    ),
    (
        "no byte any more",
        |manner| manner.hangs = true,
        |sentence| *sentence == Sentence::Suspect,
        100,
        Duration::from_secs(1),
    ),
];

pub(super) fn section(report: &mut Report, size: Size) {
    let share = match size {
        Size::Whole => 1,
        Size::Short => 20,
    };
    report.line("\n## Comparison with the others\n");
    report.line(format!(
        "{ENDPOINTS} endpoints, the rate for all together; 5 % of all answers take 20 × as long. One of them is given a fault after a minute; median and worst of 10 seeds until it is \
         found (suspected, where it is silent). Bounds: at 100 a second and more, 30 % of failures within 10 s, 10 × slower within 45 s, silence within 1 s."
    ));
    report.head(&["requests a second", "fault", "found", "median", "worst"]);
    let seeds = match size {
        Size::Whole => 10,
        Size::Short => 2,
    };
    for rate in RATES {
        for fault in &FAULTS {
            found(report, rate, fault, seeds);
        }
    }
    report.line("\n### Nobody is at fault\n");
    report.line("The same noise and no fault. Bound: nobody is ejected.");
    report.head(&[
        "requests a second",
        "watched",
        "ejections an hour",
        "suspicions an hour that a probe ended",
    ]);
    for rate in RATES {
        let seconds = (REQUESTS / rate).clamp(SECONDS.0, SECONDS.1) / share;
        let mut stage = Stage::new(rate, 99);
        stage.run(seconds);
        let hours = seconds as f64 / 3600.0;
        let ejected = stage.count(|sentence| matches!(sentence, Sentence::Eject(_)));
        let suspected = stage.count(|sentence| *sentence == Sentence::Suspect);
        report.row(&[
            rate.to_string(),
            format!("{seconds} s"),
            format!("{:.2}", ejected as f64 / hours),
            format!("{:.2}", suspected as f64 / hours),
        ]);
        report.must(ejected == 0, || {
            format!("{ejected} ejections of nobody at fault, {rate} requests a second")
        });
    }
}

fn found(report: &mut Report, rate: u64, (name, fault, fits, from, within): &Fault, seeds: u64) {
    let mut took = Vec::new();
    for seed in 0..seeds {
        let mut stage = Stage::new(rate, seed);
        stage.run(60);
        let since = stage.now;
        fault(&mut stage.manners[1]);
        // Who is rarely asked is found late, if at all.
        let patience = if rate >= 100 { 120 } else { 600 };
        for _ in 0..patience * 10 {
            stage.sweep();
            let found = |(_, who, sentence): &&(Time, usize, Sentence)| *who == 1 && fits(sentence);
            if let Some((at, ..)) = stage.found.iter().find(found) {
                took.push(at.since(since));
                break;
            }
        }
    }
    took.sort();
    let show = |time: Option<&Duration>| match time {
        Some(time) => format!("{:.1} s", time.as_secs_f64()),
        None => "–".into(),
    };
    let all = took.len() as u64 == seeds;
    report.row(&[
        rate.to_string(),
        (*name).into(),
        format!("{} of {seeds}", took.len()),
        show(took.get(took.len() / 2)),
        show(took.last()),
    ]);
    if rate >= *from {
        report.must(all && took.last() <= Some(within), || {
            format!("{name} at {rate} a second: {took:?}")
        });
    }
}

/// A pool's counters and the machine that looks at them.
struct Stage {
    traffic: Traffic,
    settings: OutlierSettings,
    check: CheckKind,
    rate: u64,
    manners: [Manner; ENDPOINTS],
    places: [Place; ENDPOINTS],
    /// Sweeps until the probe of a suspect comes back.
    probes: [u32; ENDPOINTS],
    lanes: [Lane; ENDPOINTS],
    times: [Spread; ENDPOINTS],
    under_way: Vec<(usize, Time, Duration)>,
    now: Time,
    sweeps: u64,
    rng: Rng,
    found: Vec<(Time, usize, Sentence)>,
}

impl Stage {
    fn new(rate: u64, seed: u64) -> Stage {
        Stage {
            traffic: Traffic::default(),
            settings: OutlierSettings::default(),
            check: CheckKind::Http {
                path: "/".into(),
                host: None,
                headers: Vec::new(),
                expect: vec![(200, 399)],
                body: None,
            },
            rate,
            manners: [NOISY; ENDPOINTS],
            places: [Place::Judged; ENDPOINTS],
            probes: [0; ENDPOINTS],
            lanes: Default::default(),
            times: Default::default(),
            under_way: Vec::new(),
            now: Time::from_millis(100_000),
            sweeps: 0,
            rng: Rng::new(seed).stream("peers"),
            found: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        (0..seconds * 10).for_each(|_| self.sweep());
    }

    fn count(&self, fits: impl Fn(&Sentence) -> bool) -> usize {
        self.found.iter().filter(|(.., s)| fits(s)).count()
    }

    fn sweep(&mut self) {
        let before = self.now;
        self.now = self.now + SWEEP;
        self.sweeps += 1;
        let extra = u64::from(self.rng.chance(self.rate % 10, 10));
        for _ in 0..self.rate / 10 + extra {
            self.request(before);
        }
        self.answers();
        self.probe();
        let times = self.sweeps.is_multiple_of(10);
        let measured = |index: usize| Measured {
            lanes: vec![self.lanes[index]],
            times: times.then(|| self.times[index].clone()),
            in_flight: 0,
        };
        let measured: Vec<_> = (0..ENDPOINTS).map(measured).collect();
        let look = |(index, measured)| Look {
            id: EndpointId(index as u32),
            place: self.places[index],
            ramps: false,
            excused: false,
            measured,
        };
        let looks: Vec<_> = measured.iter().enumerate().map(look).collect();
        let found = self
            .traffic
            .look(&looks, &self.settings, &self.check, before, self.now);
        found.iter().for_each(|finding| self.judge(finding));
    }

    /// Whoever is not out and not suspected may be asked.
    fn request(&mut self, since: Time) {
        let trusted = |place: &Place| *place == Place::Judged;
        let mut index = self.rng.index(ENDPOINTS);
        if self.places.iter().any(trusted) {
            while !trusted(&self.places[index]) {
                index = self.rng.index(ENDPOINTS);
            }
        }
        let manner = self.manners[index];
        let lane = &mut self.lanes[index];
        lane.handed += 1;
        if self.rng.chance(manner.fails, 1000) && !manner.hangs {
            lane.settled += 1;
            lane.failures += 1;
            return;
        }
        let mut us = manner.median_us / 2 + self.rng.below(manner.median_us + 1);
        if self.rng.chance(manner.slow, 1000) {
            us *= 20;
        }
        let took = Duration::from_micros(us);
        let within = Duration::from_micros(self.rng.below(SWEEP.as_micros() as u64));
        let at = match manner.hangs {
            true => Time::NEVER,
            false => since + within + took,
        };
        self.under_way.push((index, at, took));
    }

    fn answers(&mut self) {
        let now = self.now;
        let (lanes, times) = (&mut self.lanes, &mut self.times);
        self.under_way.retain(|(index, at, took)| {
            let over = *at <= now;
            if over {
                lanes[*index].settled += 1;
                lanes[*index].successes += 1;
                times[*index].observe(*took);
            }
            !over
        });
    }

    /// Probes of suspects come back: of those that hang they fail.
    fn probe(&mut self) {
        for index in 0..ENDPOINTS {
            if self.places[index] != Place::Suspected {
                continue;
            }
            self.probes[index] += 1;
            if self.probes[index] > PROBE_SWEEPS {
                self.places[index] = match self.manners[index].hangs {
                    true => Place::Out,
                    false => Place::Judged,
                };
            }
        }
    }

    fn judge(&mut self, finding: &Finding) {
        let index = finding.endpoint.0 as usize;
        self.found.push((self.now, index, finding.sentence));
        self.places[index] = match finding.sentence {
            Sentence::Suspect => {
                self.probes[index] = 0;
                Place::Suspected
            }
            Sentence::Acquit => Place::Judged,
            Sentence::Eject(_) => Place::Out,
        };
    }
}
