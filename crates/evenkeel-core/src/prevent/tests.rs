//! Stories of prevention, a second at a time: what is coming moves weight before it is there, noise moves nothing, and the
//! bounds hold whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use super::relief::{LEAST, WHOLE};
use super::*;
use crate::facts::{DiskFacts, Limit, LimitWay, MachineFacts, ProcessState, ServiceFacts};
use crate::id::EndpointId;
use crate::rng::Rng;
use crate::settings::{LimitSettings, PreventionMode};
use crate::time::Time;

const MIB: u64 = 1 << 20;
const START: Time = Time::from_millis(1_000_000);

fn service() -> ServiceFacts {
    ServiceFacts {
        process: ProcessState::Sleeping,
        cpu_millicores: Some(100),
        memory_bytes: 100 * MIB,
        descriptors: Some(50),
        descriptors_max: Some(1024),
        memory_limit: Some(limit(512 * MIB)),
        cpu_limit: Some(limit(1000)),
        ..ServiceFacts::known_as("a1", 7)
    }
}

fn limit(max: u64) -> Limit {
    Limit {
        max,
        way: LimitWay::Cgroup2,
        why: String::new(),
    }
}

/// A number in 0..1.
fn unit(rng: &mut Rng) -> f64 {
    (rng.draw() >> 11) as f64 / (1u64 << 53) as f64
}

/// A pool and what it was told to do.
struct Stage {
    scheduler: Scheduler,
    stands: Vec<Stand>,
    shares: Vec<u32>,
    admitted: u32,
    warnings: Vec<String>,
    mode: PreventionMode,
    now: Time,
}

impl Stage {
    fn new(weights: &[u32]) -> Stage {
        let stand = |(n, weight): (usize, &u32)| Stand {
            id: EndpointId(n as u32),
            weight: *weight,
            usable: true,
        };
        Stage {
            scheduler: Scheduler::default(),
            stands: weights.iter().enumerate().map(stand).collect(),
            shares: vec![WHOLE; weights.len()],
            admitted: WHOLE,
            warnings: Vec::new(),
            mode: PreventionMode::Act,
            now: START,
        }
    }

    fn gauges(&mut self, n: usize) -> &mut Gauges {
        self.scheduler.gauges(EndpointId(n as u32))
    }

    fn facts(&mut self, n: usize, facts: &ServiceFacts) {
        let now = self.now;
        self.gauges(n).facts(facts, &MachineFacts::default(), now);
    }

    fn says(&mut self, n: usize, utilization: f64) {
        let now = self.now;
        self.gauges(n).says(utilization, now);
    }

    /// A second passes, and everybody is looked at.
    fn second(&mut self) {
        self.now = self.now + Duration::from_secs(1);
        let decision = self.scheduler.look(&self.stands, self.mode, self.now);
        for (id, wanted) in decision.reliefs {
            self.shares[id.0 as usize] = wanted.map_or(WHOLE, |(share, _)| share);
        }
        if let Some(wanted) = decision.admission {
            self.admitted = wanted.map_or(WHOLE, |(share, _)| share);
        }
        let words = decision.warnings.into_iter().map(|(_, words)| words);
        self.warnings.extend(words);
    }

    fn moved_permille(&self) -> u64 {
        let usable = self.stands.iter().zip(&self.shares);
        let usable = usable.filter(|(stand, _)| stand.usable);
        let (mut moved, mut whole) = (0, 0);
        for (stand, share) in usable {
            whole += u64::from(stand.weight) * 1000;
            moved += u64::from(stand.weight) * u64::from(WHOLE - share);
        }
        (moved * 1000).checked_div(whole).unwrap_or(0)
    }
}

#[test]
fn a_leak_moves_weight_long_before_the_limit_and_says_when_it_will_be_there() {
    let mut stage = Stage::new(&[100, 100, 100]);
    let mut rng = Rng::new(1);
    let mut leaking = service();
    for second in 0..200u64 {
        // 2 MiB a second and 8 MiB of noise: at the limit after 206 s.
        leaking.memory_bytes = (100 + 2 * second) * MIB + rng.below(8 * MIB);
        stage.facts(0, &leaking);
        stage.facts(1, &service());
        stage.facts(2, &service());
        stage.second();
    }
    assert_eq!(stage.shares[0], LEAST, "{:?}", stage.shares);
    assert_eq!(stage.shares[1..], [WHOLE, WHOLE]);
    assert_eq!(stage.admitted, WHOLE);
    let heat = stage.scheduler.heat(EndpointId(0)).unwrap();
    assert!(heat.why.starts_with("memory full in "), "{heat:?}");
    assert!(
        stage.warnings[0].starts_with("memory full in about 3 min"),
        "{:?}",
        stage.warnings
    );
    // It is restarted, another process: its weight comes back, gradually.
    leaking.pid = 8;
    leaking.memory_bytes = 100 * MIB;
    let mut last = stage.shares[0];
    for _ in 0..100 {
        stage.facts(0, &leaking);
        stage.second();
        assert!((last..=last + 50).contains(&stage.shares[0]));
        last = stage.shares[0];
    }
    assert_eq!(stage.shares, [WHOLE; 3]);
}

#[test]
fn noise_moves_nothing_whatever_its_shape() {
    type Shape = fn(u64, &mut Rng, f64) -> f64;
    let shapes: [(&str, Shape); 4] = [
        ("white noise", |_, rng, _| 250.0 + 100.0 * unit(rng)),
        // What it was a second ago, mostly.
        ("slow noise", |_, rng, last| {
            250.0 + 0.9 * (last - 250.0) + 30.0 * (unit(rng) - 0.5)
        }),
        // A garbage collector: up for 40 s, down at once.
        ("a saw tooth", |second, rng, _| {
            150.0 + (second % 40) as f64 * 5.0 + 10.0 * unit(rng)
        }),
        ("steps", |second, rng, _| {
            200.0 + 40.0 * ((second / 300) % 3) as f64 + 5.0 * unit(rng)
        }),
    ];
    for (name, shape) in shapes {
        for seed in 0..6 {
            let mut stage = Stage::new(&[100, 100]);
            let mut rng = Rng::new(seed);
            let mut facts = service();
            let mut value = 250.0;
            for second in 0..1800 {
                value = shape(second, &mut rng, value);
                facts.memory_bytes = (value * MIB as f64) as u64;
                facts.cpu_millicores = Some(200 + rng.below(400) as u32);
                facts.descriptors = Some(100 + rng.below(300) as u32);
                stage.facts(0, &facts);
                stage.facts(1, &service());
                stage.second();
                // The first saw tooth can't be told from a leak.
                if name != "a saw tooth" || second > 120 {
                    let heat = stage.scheduler.heat(EndpointId(0));
                    assert_eq!(
                        stage.shares, [WHOLE; 2],
                        "{name}, seed {seed}, {second} s: {heat:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn one_that_is_busy_gives_up_to_a_third_of_the_pool_step_by_step_and_has_it_back_when_it_cools() {
    let mut stage = Stage::new(&[100, 100]);
    let mut busy = service();
    let mut least = WHOLE;
    for cpu in [950; 60].into_iter().chain([850; 30]).chain([400; 130]) {
        busy.cpu_millicores = Some(cpu);
        stage.facts(0, &busy);
        stage.facts(1, &service());
        stage.second();
        least = least.min(stage.shares[0]);
        if cpu == 850 {
            assert_eq!(
                stage.shares[0], least,
                "neither hot nor cool: nothing moves"
            );
        }
    }
    // A third of 200 is two thirds of 100.
    assert_eq!(least, 334);
    assert_eq!(stage.shares, [WHOLE; 2]);
}

#[test]
fn a_burst_of_two_seconds_is_no_heat() {
    let mut stage = Stage::new(&[100, 100]);
    for second in 0..120 {
        let mut facts = service();
        facts.cpu_millicores = Some(if second % 10 < 2 { 1000 } else { 300 });
        stage.facts(0, &facts);
        stage.second();
        assert_eq!(stage.shares[0], WHOLE);
    }
}

#[test]
fn where_all_are_hot_no_weight_moves_and_admission_tightens_to_half_until_one_is_cool() {
    let mut stage = Stage::new(&[100, 50]);
    let minute = |stage: &mut Stage, says: [f64; 2]| {
        for _ in 0..60 {
            stage.says(0, says[0]);
            stage.says(1, says[1]);
            stage.second();
        }
    };
    minute(&mut stage, [0.97, 0.97]);
    assert_eq!((&stage.shares[..], stage.admitted), (&[WHOLE; 2][..], 500));
    minute(&mut stage, [0.97, 0.4]);
    assert!(stage.shares[0] < WHOLE);
    assert_eq!(stage.admitted, WHOLE);
    // What one gave comes back when the other has become hot too.
    minute(&mut stage, [0.97, 0.97]);
    minute(&mut stage, [0.97, 0.97]);
    assert_eq!((&stage.shares[..], stage.admitted), (&[WHOLE; 2][..], 500));
    minute(&mut stage, [0.2, 0.2]);
    assert_eq!(
        (&stage.shares[..], stage.admitted),
        (&[WHOLE; 2][..], WHOLE)
    );
}

#[test]
fn those_who_are_warm_are_given_no_more() {
    let mut stage = Stage::new(&[100, 100]);
    for _ in 0..60 {
        stage.says(0, 0.99);
        stage.says(1, 0.85);
        stage.second();
    }
    assert_eq!(stage.shares, [WHOLE; 2]);
    assert_eq!(stage.admitted, WHOLE);
}

#[test]
fn what_moved_goes_back_when_nothing_is_heard_any_more() {
    let mut stage = Stage::new(&[100, 100, 100]);
    for _ in 0..30 {
        stage.says(0, 0.99);
        stage.second();
    }
    assert!(stage.shares[0] < WHOLE);
    assert!(stage.scheduler.next_wakeup() <= stage.now + Duration::from_secs(5));
    (0..180).for_each(|_| stage.second());
    assert_eq!(stage.shares, [WHOLE; 3]);
    assert_eq!(stage.scheduler.next_wakeup(), Time::NEVER);
}

#[test]
fn a_disk_is_told_of_at_half_an_hour_ten_minutes_and_three_and_one_that_stays_full_is_not() {
    let mut stage = Stage::new(&[100, 100]);
    let disk = |used: u64, path: &str| DiskFacts {
        path: path.into(),
        bytes: 100_000 * MIB,
        free_bytes: (100_000 - used) * MIB,
        inodes: 0,
        free_inodes: 0,
    };
    let mut facts = service();
    for second in 0..2990u64 {
        facts.disks = vec![disk(10_000 + 30 * second, "/data"), disk(99_999, "/full")];
        stage.facts(0, &facts);
        stage.second();
    }
    let words: Vec<_> = stage.warnings.iter().map(String::as_str).collect();
    assert_eq!(
        words,
        [
            "disk /data full in about 30 min at this rate",
            "disk /data full in about 10 min at this rate",
            "disk /data full in about 3 min at this rate",
        ]
    );
    assert!(stage.shares[0] < WHOLE, "and its weight moves in the end");
}

#[test]
fn advice_moves_nothing_and_off_does_not_even_look() {
    for mode in [PreventionMode::Advise, PreventionMode::Off] {
        let mut stage = Stage::new(&[100, 100]);
        for _ in 0..30 {
            stage.says(0, 0.99);
            stage.second();
        }
        assert!(stage.shares[0] < WHOLE);
        stage.mode = mode;
        stage.second();
        assert_eq!(stage.shares, [WHOLE; 2], "a change of mind is carried out");
        for _ in 0..30 {
            stage.says(0, 0.99);
            stage.second();
        }
        assert_eq!(stage.shares, [WHOLE; 2]);
        let heat = stage.scheduler.heat(EndpointId(0)).unwrap().percent;
        assert_eq!(heat, 98, "{mode:?}");
    }
}

#[test]
fn the_machines_heat_counts_for_whose_doing_it_is() {
    let machine = MachineFacts {
        cores: 4,
        cpu_millicores: Some(3900),
        ..MachineFacts::default()
    };
    let heat = |cpu: u32| {
        let mut gauges = Gauges::default();
        let mut facts = service();
        facts.cpu_limit = None;
        facts.cpu_millicores = Some(cpu);
        (0..5).for_each(|_| gauges.facts(&facts, &machine, START));
        gauges.heat(START)
    };
    assert_eq!(heat(2000).why, "CPU at 97 % of its machine's");
    assert!(heat(2000).percent >= HOT);
    assert_eq!(heat(300), Heat::default());
}

#[test]
fn a_slope_is_known_in_spite_of_outliers_and_only_where_it_is_one() {
    let second = Duration::from_secs(1);
    let feed = |values: &mut dyn Iterator<Item = f64>| {
        let mut trend = Trend::new(second, 10);
        for (n, value) in values.enumerate() {
            trend.add(value, START + second * n as u32);
        }
        trend
    };
    let line = feed(&mut (0..30).map(|n| 100.0 + 3.0 * f64::from(n)));
    assert!((line.growth().unwrap() - 3.0).abs() < 1e-9);
    let left = line.time_to(187.0 + 300.0).unwrap().as_secs_f64();
    assert!((left - 100.0).abs() < 1e-6, "{left}");
    let wild = |n: u32| {
        if n % 7 == 3 {
            5000.0
        } else {
            100.0 + 3.0 * f64::from(n)
        }
    };
    let growth = feed(&mut (0..30).map(wild)).growth();
    assert!((growth.unwrap_or(3.0) - 3.0).abs() < 0.5, "{growth:?}");
    let short = feed(&mut (0..11).map(f64::from));
    assert_eq!(short.growth(), None, "too few to say anything");
    assert_eq!(feed(&mut (0..30).map(|_| 5.0)).growth(), None);
    assert_eq!(feed(&mut (0..30).map(|n| -f64::from(n))).growth(), None);
}

#[test]
fn admission_goes_by_what_was_in_flight_and_never_shuts_what_stands() {
    let configured = LimitSettings::default();
    let mut door = Admission::default();
    let mut now = START;
    let mut hold = |door: &mut Admission, in_flight: u32| {
        for _ in 0..110 {
            now = now + Duration::from_millis(100);
            door.measured(in_flight, now);
        }
        now
    };
    let at = hold(&mut door, 0);
    door.ask(Reliever::Prevention, Some((500, "hot")), at);
    assert_eq!(
        door.limits(&configured, [0; 3].into_iter(), at),
        configured,
        "no traffic"
    );
    door.ask(Reliever::Prevention, None, at);
    hold(&mut door, 20);
    door.measured(2, at + Duration::from_secs(11));
    let at = hold(&mut door, 2);
    door.measured(40, at);
    door.ask(Reliever::Prevention, Some((500, "hot")), at);
    let tight = door.limits(&configured, [0; 3].into_iter(), at);
    assert_eq!((tight.per_endpoint, tight.queue), (20, 240));
    // Who takes less by his own word serves fewer of those who wait.
    let tight = door.limits(&configured, [0, 2, 90].into_iter(), at);
    assert_eq!((tight.per_endpoint, tight.queue), (20, 168));
    // Connections that stay are no reason to let nobody in.
    let at = hold(&mut door, 33);
    assert_eq!(
        door.limits(&configured, [0; 3].into_iter(), at)
            .per_endpoint,
        34
    );
    // A configured limit is never exceeded.
    let own = LimitSettings {
        per_endpoint: 10,
        queue: 7,
        ..LimitSettings::default()
    };
    let tight = door.limits(&own, [0; 3].into_iter(), at);
    assert_eq!((tight.per_endpoint, tight.queue), (10, 7));
    door.ask(Reliever::Prevention, None, at);
    assert_eq!(door.limits(&own, [0; 3].into_iter(), at), own);
}

proptest! {
    #[test]
    fn the_bounds_hold_whatever_happens(
        weights in proptest::collection::vec(0u32..=256, 1..8),
        steps in proptest::collection::vec((0usize..8, 0u32..=100, any::<bool>()), 1..60),
    ) {
        let mut stage = Stage::new(&weights);
        let mut heats = vec![0.0; weights.len()];
        for (n, heat, usable) in steps {
            let n = n % weights.len();
            heats[n] = f64::from(heat) / 100.0;
            stage.stands[n].usable = usable;
            for _ in 0..5 {
                let before = stage.shares.clone();
                for (n, heat) in heats.iter().enumerate() {
                    stage.says(n, *heat);
                }
                stage.second();
                prop_assert!(stage.moved_permille() <= 333, "{:?}", stage.shares);
                for (share, before) in stage.shares.iter().zip(before) {
                    prop_assert!((LEAST..=WHOLE).contains(share));
                    prop_assert!(before.saturating_sub(*share) <= 200);
                }
                prop_assert!((500..=WHOLE).contains(&stage.admitted));
            }
        }
        // Everything cools, everybody serves: all comes back.
        stage.stands.iter_mut().for_each(|stand| stand.usable = true);
        for _ in 0..120 {
            for n in 0..weights.len() {
                stage.says(n, 0.1);
            }
            stage.second();
        }
        prop_assert!(stage.shares.iter().all(|share| *share == WHOLE));
        prop_assert_eq!(stage.admitted, WHOLE);
    }
}

#[test]
fn a_disk_that_somebody_fills_under_all_of_them_turns_nobody_away() {
    let mut stage = Stage::new(&[100, 100]);
    let mut facts = service();
    for second in 0..120u64 {
        facts.disks = vec![DiskFacts {
            path: "/shared".into(),
            bytes: 10_000 * MIB,
            free_bytes: (4_000 - 30 * second) * MIB,
            inodes: 0,
            free_inodes: 0,
        }];
        stage.facts(0, &facts);
        stage.facts(1, &facts);
        stage.second();
    }
    assert!(stage.scheduler.heat(EndpointId(0)).unwrap().percent >= HOT);
    assert_eq!(
        (&stage.shares[..], stage.admitted),
        (&[WHOLE; 2][..], WHOLE)
    );
    assert!(
        stage
            .warnings
            .iter()
            .any(|words| words.starts_with("disk /shared full"))
    );
}
