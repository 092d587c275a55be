//! Watchers that do not run for a while: whole engines that hear living senders, one in ten of them stopped now and then. With an
//! eye on themselves they must take down at least twenty times fewer.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::detect::Turns;
use evenkeel_core::engine::{Beat, Command, Configure, Engine, Event};
use evenkeel_core::id::{EndpointId, Epoch};
use evenkeel_core::observe::Contact;
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{CheckSettings, EndpointSpec, HeartbeatSettings, PoolSpec};
use evenkeel_core::table::State;
use evenkeel_core::time::{Now, Time, WallTime};

use super::{Report, Size};

/// Fewer by this factor.
const FEWER: u32 = 20;
const SENDERS: u64 = 5;
const LENGTH_MS: u64 = 600_000;
const TURN_MS: u64 = 100;

pub(super) fn section(report: &mut Report, size: Size) {
    let watchers = match size {
        Size::Whole => 100,
        Size::Short => 20,
    };
    report.line("\n## Paused watchers\n");
    report.line(format!(
        "{watchers} balancers hear {SENDERS} senders each for ten minutes, a beat a second, none lost; one in ten balancers is stopped five times for 1 to 30 s. Every sender \
         lives: each that is taken down is a mistake. Bound: at least {FEWER} times fewer with the self-check."
    ));
    report.head(&["detector", "taken down without it", "with it"]);
    for detector in ["fixed", "phi"] {
        let downs = |guarded| (0..watchers).map(|w| downs(detector, w, guarded)).sum();
        let (without, with): (u32, u32) = (downs(false), downs(true));
        report.row(&[
            format!("`{detector}`"),
            without.to_string(),
            with.to_string(),
        ]);
        report.must(without >= FEWER && with * FEWER <= without, || {
            format!("paused watchers with {detector}: {with} of {without} are left")
        });
    }
}

/// How often this watcher takes somebody down.
fn downs(detector: &'static str, watcher: u64, guarded: bool) -> u32 {
    let mut rng = Rng::new(watcher);
    let pauses: Vec<(u64, u64)> = match watcher % 10 {
        0 => (0..5)
            .map(|n| (n * 120_000 + rng.below(60_000), 1_000 + rng.below(29_000)))
            .collect(),
        _ => Vec::new(),
    };
    let phases: Vec<u64> = (0..SENDERS).map(|_| rng.below(1000)).collect();
    let mut watch = Watch::new(detector);
    let mut turns = Turns::new(Duration::from_millis(TURN_MS));
    let (mut ms, mut before) = (0, 0);
    while ms < LENGTH_MS {
        watch.now = now(ms);
        if let Some(pause) = turns.on(watch.now.at).filter(|_| guarded) {
            watch.handle(Event::Paused(pause));
        }
        // Woken it looks at its timers first, and reads what waits after that.
        if watch
            .engine
            .next_wakeup()
            .is_some_and(|due| due <= watch.now.at)
        {
            watch.handle(Event::Tick);
        }
        for (sender, phase) in phases.iter().enumerate() {
            let first = (before + 1000 - phase) / 1000 * 1000 + phase;
            for beat in (first..=ms).step_by(1000) {
                // What could not be handed over within a second is gone.
                if ms - beat <= 1000 {
                    watch.beat(sender, beat / 1000 + 1);
                }
            }
        }
        let paused = pauses
            .iter()
            .find(|(from, _)| (before..=ms).contains(from) && ms > 0);
        before = ms;
        ms += paused.map_or(TURN_MS, |(_, length)| *length);
    }
    watch.downs
}

/// The engine of one balancer; every probe of it passes at once.
struct Watch {
    engine: Engine,
    now: Now,
    ids: BTreeMap<usize, EndpointId>,
    downs: u32,
}

impl Watch {
    fn new(detector: &'static str) -> Watch {
        let mut watch = Watch {
            engine: Engine::new(1, Epoch(1)),
            now: now(0),
            ids: BTreeMap::new(),
            downs: 0,
        };
        watch.handle(Event::Configure(Configure {
            pools: vec![pool(detector)],
            services: Vec::new(),
            workers: 1,
        }));
        for sender in 0..SENDERS as usize {
            if let Some(id) = watch.engine.endpoint_id("app", &name(sender)) {
                watch.ids.insert(sender, id);
            }
        }
        watch
    }

    fn beat(&mut self, sender: usize, sequence: u64) {
        let beat = Beat {
            sequence,
            ..Beat::default()
        };
        if let Some(&endpoint) = self.ids.get(&sender) {
            self.handle(Event::Beat { endpoint, beat });
        }
    }

    fn handle(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        let mut probes = Vec::new();
        while let Some(command) = self.engine.poll() {
            match command {
                Command::Changed(change) => self.downs += u32::from(change.to == State::Down),
                Command::Probe {
                    endpoint, epoch, ..
                } => probes.push((endpoint, epoch)),
                _ => {}
            }
        }
        for (endpoint, epoch) in probes {
            self.handle(Event::Probed {
                endpoint,
                epoch,
                passed: true,
                contact: Contact::Answered,
                detail: String::new(),
            });
        }
    }
}

fn now(ms: u64) -> Now {
    Now {
        at: Time::from_millis(ms),
        wall: WallTime(1_767_225_600_000 + ms),
    }
}

fn name(sender: usize) -> String {
    format!("a{sender}")
}

fn pool(detector: &'static str) -> PoolSpec {
    let drawn = crate::story::pool(0, &mut Rng::new(1));
    let plain = drawn.endpoints[0].clone();
    let endpoint = |sender: usize| EndpointSpec {
        name: name(sender).into(),
        target: Target::Address(Address::Unix(name(sender).into())),
        tier: 0,
        standby: None,
        service: None,
        ..plain.clone()
    };
    PoolSpec {
        name: "app".into(),
        agent_check: None,
        check: CheckSettings {
            interval: Duration::from_secs(60),
            ..CheckSettings::default()
        },
        heartbeat: Some(HeartbeatSettings {
            detector,
            ..HeartbeatSettings::default()
        }),
        outlier: Default::default(),
        failover: Default::default(),
        endpoints: (0..SENDERS as usize).map(endpoint).collect(),
        ..drawn
    }
}
