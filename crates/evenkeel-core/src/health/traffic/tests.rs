//! The rules on traffic that is only numbers: who is found, when, and above all who is not.

use super::*;
use crate::rng::Rng;

const SWEEP_MS: u64 = 100;
const WORKERS: usize = 2;

/// How one endpoint behaves.
#[derive(Clone, Copy)]
struct Manner {
    /// Requests in a sweep, in thousandths.
    rate: u64,
    /// Failures in a thousand, at once.
    fails: u64,
    /// Half of its answers take this long, in microseconds; all from half to one and a half times that.
    median_us: u64,
    /// Answers in a thousand that take twenty times as long.
    slow: u64,
    /// Nothing is answered any more.
    hangs: bool,
}

const CALM: Manner = Manner {
    rate: 16_700,
    fails: 0,
    median_us: 3_000,
    slow: 0,
    hangs: false,
};

/// A pool's counters and the machine that looks at them.
struct Stage {
    traffic: Traffic,
    settings: OutlierSettings,
    check: CheckKind,
    manners: Vec<Manner>,
    places: Vec<Place>,
    lanes: Vec<Vec<Lane>>,
    times: Vec<Spread>,
    /// Whose, on which worker, and when it is answered after how long.
    under_way: Vec<(usize, usize, Time, Duration)>,
    /// This worker neither hands over nor hears.
    asleep: Option<usize>,
    excused: bool,
    now: Time,
    before: Time,
    rng: Rng,
    found: Vec<(Time, usize, Sentence, String)>,
}

const START: Time = Time::from_millis(77_000);

fn http() -> CheckKind {
    CheckKind::Http {
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        expect: vec![(200, 399)],
        body: None,
    }
}

impl Stage {
    fn new(manners: &[Manner], seed: u64) -> Stage {
        Stage {
            traffic: Traffic::default(),
            settings: OutlierSettings::default(),
            check: http(),
            manners: manners.to_vec(),
            places: vec![Place::Judged; manners.len()],
            lanes: vec![vec![Lane::default(); WORKERS]; manners.len()],
            times: vec![Spread::default(); manners.len()],
            under_way: Vec::new(),
            asleep: None,
            excused: false,
            now: START,
            before: START,
            rng: Rng::new(seed),
            found: Vec::new(),
        }
    }

    fn request(&mut self, index: usize) {
        let worker = self.rng.index(WORKERS);
        if self.asleep == Some(worker) {
            return;
        }
        let manner = self.manners[index];
        let lane = &mut self.lanes[index][worker];
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
        let within = Duration::from_micros(self.rng.below(SWEEP_MS * 1000));
        let at = match manner.hangs {
            true => Time::NEVER,
            false => self.before + within + took,
        };
        self.under_way.push((index, worker, at, took));
    }

    fn answers(&mut self) {
        let (now, asleep) = (self.now, self.asleep);
        let over = |(_, worker, at, _): &(usize, usize, Time, Duration)| {
            *at <= now && asleep != Some(*worker)
        };
        let (done, left): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(over);
        self.under_way = left;
        for (index, worker, _, took) in done {
            let lane = &mut self.lanes[index][worker];
            lane.settled += 1;
            lane.successes += 1;
            self.times[index].observe(took);
        }
    }

    /// One sweep after so long.
    fn sweep(&mut self, ms: u64) {
        self.before = self.now;
        self.now = self.now + Duration::from_millis(ms);
        for index in 0..self.manners.len() {
            let rate = self.manners[index].rate;
            let extra = u64::from(self.rng.chance(rate % 1000, 1000));
            (0..rate / 1000 + extra).for_each(|_| self.request(index));
        }
        self.answers();
        let second = (self.now.since(START).as_millis() as u64 / SWEEP_MS).is_multiple_of(10);
        let measured = |index: usize| Measured {
            lanes: self.lanes[index].clone(),
            times: second.then(|| self.times[index].clone()),
            in_flight: 0,
        };
        let measured: Vec<_> = (0..self.manners.len()).map(measured).collect();
        let looks: Vec<_> = measured
            .iter()
            .enumerate()
            .map(|(index, measured)| Look {
                id: EndpointId(index as u32),
                place: self.places[index],
                ramps: false,
                excused: self.excused,
                measured,
            })
            .collect();
        let (settings, check) = (&self.settings, &self.check);
        let found = self
            .traffic
            .look(&looks, settings, check, self.before, self.now);
        for finding in found {
            let index = finding.endpoint.0 as usize;
            self.found
                .push((self.now, index, finding.sentence, finding.why));
            match finding.sentence {
                Sentence::Suspect => self.places[index] = Place::Suspected,
                Sentence::Acquit => self.places[index] = Place::Judged,
                Sentence::Eject(_) => self.places[index] = Place::Out,
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        (0..seconds * 1000 / SWEEP_MS).for_each(|_| self.sweep(SWEEP_MS));
    }

    /// So long after `since` it was first found.
    fn after(&self, since: Time) -> Option<Duration> {
        self.found.first().map(|(at, ..)| at.since(since))
    }
}

#[test]
fn a_third_of_failing_requests_is_seen_within_a_second_and_said_in_numbers() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(15);
    let since = stage.now;
    stage.manners[2].fails = 300;
    stage.run(2);
    assert!(stage.after(since).unwrap() <= Duration::from_millis(1000));
    let (_, who, sentence, why) = &stage.found[0];
    assert_eq!((*who, *sentence), (2, Sentence::Eject(By::SuccessRate)));
    assert!(
        why.contains("requests failed in 1 s, its peers 0 of"),
        "{why}"
    );
    assert_eq!(stage.found.len(), 1, "{:?}", stage.found);
}

#[test]
fn a_difference_that_is_only_likely_takes_six_windows() {
    // 25 requests a window, 40 % against 2 %: as unlikely as one in 60,000 each time.
    let quiet = Manner {
        rate: 250,
        fails: 20,
        ..CALM
    };
    let mut stage = Stage::new(&[quiet; 5], 3);
    stage.manners[0].fails = 400;
    stage.run(600);
    let (at, who, ..) = stage.found.first().expect("it is found in the end");
    assert_eq!(*who, 0);
    assert!(
        at.since(START) >= Duration::from_secs(55),
        "{:?}",
        stage.found
    );
}

/// Ten thousand windows of 10 s, in pools of different sizes with different traffic and errors spread alike.
#[test]
fn equally_spread_errors_eject_nobody_in_ten_thousand_windows() {
    let mut windows = 0;
    for seed in 0..72 {
        let mut rng = Rng::new(seed).stream("noise");
        let n = 2 + rng.index(5);
        let noisy = Manner {
            rate: [200, 300, 500, 1_000][rng.index(4)],
            fails: [5, 20, 50, 100, 200, 400][rng.index(6)],
            ..CALM
        };
        let mut stage = Stage::new(&vec![noisy; n], seed);
        stage.traffic.rules = vec![Box::<success_rate::SuccessRate>::default()];
        stage.run(400);
        let (rate, fails) = (noisy.rate, noisy.fails);
        let found = &stage.found;
        assert!(
            found.is_empty(),
            "seed {seed}, rate {rate}, {fails} ‰: {found:?}"
        );
        windows += 40 * n;
    }
    assert!(windows >= 10_000, "{windows}");
}

#[test]
fn jitter_ejects_nobody_and_makes_nobody_suspect() {
    let jittery = Manner { slow: 50, ..CALM };
    for (seed, pool) in [[jittery; 3], [CALM, CALM, jittery]].iter().enumerate() {
        let mut stage = Stage::new(pool, seed as u64);
        stage.run(600);
        assert!(stage.found.is_empty(), "{:?}", stage.found);
    }
}

#[test]
fn ten_times_slower_is_ejected_after_three_windows_and_twice_as_slow_never() {
    let slower = |times: u64| Manner {
        median_us: 3_000 * times,
        ..CALM
    };
    let mut stage = Stage::new(&[CALM, CALM, slower(10)], 1);
    stage.run(60);
    assert_eq!(stage.found.len(), 1, "{:?}", stage.found);
    let (at, who, sentence, why) = &stage.found[0];
    assert_eq!((*who, *sentence), (2, Sentence::Eject(By::Latency)));
    assert!(at.since(START) <= Duration::from_secs(45), "{why}");
    assert!(why.starts_with("half of its answers take over "), "{why}");
    let mut stage = Stage::new(&[CALM, CALM, slower(2)], 1);
    stage.run(120);
    assert!(stage.found.is_empty());
}

#[test]
fn who_crawls_is_ejected_after_five_seconds_and_who_did_so_for_four_is_not() {
    let crawl = |seconds: u64| {
        let mut stage = Stage::new(&[CALM; 3], 1);
        stage.run(20);
        let since = stage.now;
        stage.manners[2].median_us = 400_000;
        stage.run(seconds);
        stage.manners[2] = CALM;
        stage.run(20);
        (stage, since)
    };
    let (stage, since) = crawl(10);
    assert!(stage.after(since).unwrap() <= Duration::from_secs(7));
    let (_, who, sentence, why) = &stage.found[0];
    assert_eq!((*who, *sentence), (2, Sentence::Eject(By::Latency)));
    assert!(
        why.starts_with("nine in ten of its answers take over "),
        "{why}"
    );
    let (stage, _) = crawl(4);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

#[test]
fn what_was_answered_while_we_slept_makes_nobody_crawl() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    stage.manners[2].median_us = 400_000;
    for _ in 0..12 {
        stage.sweep(600);
        stage.sweep(400);
    }
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

#[test]
fn a_pool_that_is_slow_or_fails_as_a_whole_loses_nobody() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    for manner in &mut stage.manners {
        manner.median_us = 60_000;
        manner.fails = 500;
    }
    stage.run(60);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

/// Two sorts of requests, and few of them: any twenty may have an expensive median by chance.
#[test]
fn cheap_and_expensive_requests_make_nobody_slow() {
    let mixed = Manner {
        rate: 250,
        slow: 400,
        ..CALM
    };
    for seed in 0..20 {
        let mut stage = Stage::new(&[mixed; 4], seed);
        stage.run(300);
        let ejected = stage
            .found
            .iter()
            .any(|f| f.2 == Sentence::Eject(By::Latency));
        assert!(!ejected, "seed {seed}: {:?}", stage.found);
    }
}

#[test]
fn a_hung_endpoint_is_suspected_within_four_tenths_of_a_second() {
    for seed in 0..20 {
        let mut stage = Stage::new(&[CALM; 3], seed);
        stage.run(20);
        let since = stage.now;
        stage.manners[1].hangs = true;
        stage.run(1);
        let after = stage.after(since).expect("it is found");
        assert!(after <= Duration::from_millis(400), "{after:?}");
        let (_, who, sentence, why) = &stage.found[0];
        assert_eq!((*who, *sentence), (1, Sentence::Suspect));
        assert!(why.starts_with("not a byte for "), "{why}");
        assert_eq!(stage.found.len(), 1);
    }
}

#[test]
fn a_suspect_that_answers_is_none_any_more() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    stage.manners[1].hangs = true;
    stage.run(1);
    stage.manners[1].hangs = false;
    let now = stage.now;
    for (index, _, at, _) in &mut stage.under_way {
        if *index == 1 {
            *at = now;
        }
    }
    stage.run(20);
    let sentences: Vec<_> = stage.found.iter().map(|f| f.2).collect();
    assert_eq!(sentences, [Sentence::Suspect, Sentence::Acquit]);
}

#[test]
fn where_a_probe_shows_only_a_living_kernel_a_silence_twice_as_long_ejects() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.check = CheckKind::Tcp;
    stage.run(20);
    let since = stage.now;
    stage.manners[1].hangs = true;
    stage.run(1);
    assert_eq!(stage.found[1].2, Sentence::Eject(By::Stall));
    assert!(stage.found[1].0.since(since) <= Duration::from_millis(700));
}

#[test]
fn checks_that_pass_over_requests_that_hang_save_it_twice() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    stage.manners[1].hangs = true;
    for _ in 0..30 {
        stage.sweep(SWEEP_MS);
        // Each probe passes at once.
        if stage.places[1] == Place::Suspected {
            stage.places[1] = Place::Judged;
        }
    }
    let sentences: Vec<_> = stage.found.iter().map(|f| f.2).collect();
    let eject = Sentence::Eject(By::Stall);
    assert_eq!(sentences, [Sentence::Suspect, Sentence::Suspect, eject]);
    assert!(stage.found[2].3.ends_with("though its checks pass"));
}

#[test]
fn silence_of_all_is_the_fault_of_none_of_them() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    stage
        .manners
        .iter_mut()
        .for_each(|manner| manner.hangs = true);
    stage.run(5);
    assert!(stage.found.is_empty());
}

#[test]
fn a_worker_that_was_asleep_says_nothing_of_anybody() {
    for seed in 0..20 {
        let mut stage = Stage::new(&[CALM; 3], seed);
        stage.run(20);
        for _ in 0..10 {
            stage.asleep = Some(0);
            (0..15).for_each(|_| stage.sweep(SWEEP_MS));
            stage.asleep = None;
            (0..10).for_each(|_| stage.sweep(SWEEP_MS));
        }
        assert!(stage.found.is_empty(), "{:?}", stage.found);
    }
}

#[test]
fn who_was_paused_himself_calls_nobody_silent() {
    let mut stage = Stage::new(&[CALM; 3], 1);
    stage.run(20);
    // Requests were handed over right before, and all of us stopped for three seconds; the first sweep comes before any
    // worker has read.
    (0..30).for_each(|_| stage.request(1));
    stage.asleep = Some(0);
    stage.sweep(3000);
    stage.asleep = None;
    stage.run(3);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

#[test]
fn what_ran_out_while_we_were_away_is_no_failure_of_anybody() {
    for excused in [true, false] {
        let mut stage = Stage::new(&[CALM; 3], 1);
        stage.run(20);
        // All of the requests that were at one of them when we were stopped.
        let lane = &mut stage.lanes[1][0];
        lane.handed += 100;
        lane.settled += 100;
        lane.failures += 100;
        lane.unheard += 100;
        stage.excused = excused;
        stage.run(1);
        assert_eq!(stage.found.is_empty(), excused, "{:?}", stage.found);
    }
}

#[test]
fn one_slow_request_or_an_endpoint_that_is_always_slow_is_no_stall() {
    let seldom = Manner { rate: 300, ..CALM };
    let mut stage = Stage::new(&[CALM, seldom, CALM], 1);
    stage.run(30);
    // Two reports that take ten seconds, on an endpoint that is asked little beside.
    let until = stage.now + Duration::from_secs(10);
    for worker in 0..2 {
        stage.lanes[1][worker].handed += 1;
        stage
            .under_way
            .push((1, worker, until, Duration::from_secs(10)));
    }
    stage.run(15);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
    let slow = Manner {
        median_us: 900_000,
        ..CALM
    };
    let mut stage = Stage::new(&[slow, slow, slow], 1);
    stage.run(60);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

#[test]
fn zero_switches_a_rule_off() {
    let bad = Manner {
        fails: 500,
        median_us: 90_000,
        ..CALM
    };
    let mut stage = Stage::new(&[CALM, CALM, bad], 1);
    stage.settings.success_rate_stdev = crate::settings::Decimal(0);
    stage.settings.latency_factor = crate::settings::Decimal(0);
    stage.run(60);
    assert!(stage.found.is_empty(), "{:?}", stage.found);
}

/// Every rule of the list, alone on a stage: what it must never do.
#[test]
fn every_rule_spares_a_pool_of_one_and_those_that_are_alike() {
    for entry in RULES {
        assert!(!entry.part.summary.is_empty());
        for pool in [vec![CALM], vec![CALM; 2], vec![CALM; 5]] {
            let mut stage = Stage::new(&pool, 5);
            stage.traffic.rules = vec![(entry.make)()];
            stage.manners[0].hangs = pool.len() == 1;
            stage.run(60);
            assert!(stage.found.is_empty(), "{}", entry.part.name);
        }
    }
    let names: Vec<_> = rules().map(|part| part.name).collect();
    assert!(
        names
            .iter()
            .all(|name| By::ALL.iter().any(|by| by.name() == *name))
    );
}

/// A starved machine: we ourselves are stopped for a second again and again, and what one endpoint answers meanwhile is seen late.
#[test]
fn answers_that_we_ourselves_slept_through_make_nobody_slow() {
    let late = Manner {
        median_us: 40_000,
        ..CALM
    };
    let run = |asleep: bool| {
        let mut stage = Stage::new(&[CALM, CALM, late], 1);
        for second in 0..120 {
            match asleep && second % 8 == 0 {
                true => stage.sweep(1000),
                false => stage.run(1),
            }
        }
        stage.found.len()
    };
    assert_eq!(run(true), 0);
    assert_eq!(run(false), 1, "awake it is found");
}
