//! What a seed makes: a configuration and what happens to it.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::balance::POLICIES;
use evenkeel_core::detect::DETECTORS;
use evenkeel_core::engine::Order;
use evenkeel_core::recover::actions::{ACTIONS, Kept};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::{
    Care, CheckKind, CheckSettings, Decimal, EndpointSpec, FailoverMode, FailoverSettings,
    HeartbeatSettings, LimitSettings, OutlierSettings, PolicySpec, PoolSpec, Ready, RecoveryMode,
    RecoverySettings, Release, RetrySettings, ServiceSpec, Share,
};
use evenkeel_core::time::Time;

use crate::scene::{Ailment, Behaviour, Key};

mod hosts;
mod ways;

pub use hosts::HostSpec;

/// Faults end here.
pub const PEACE: Time = Time::from_millis(60_000);
/// Where the clock begins: not at zero, as no real one does.
pub const START: Time = Time::from_millis(7_654);

/// One thing that is done to the world.
#[derive(Clone, Debug)]
pub enum Deed {
    /// From now on it behaves so.
    Behave(Key, Behaviour),
    /// All endpoints of a pool behave so.
    BehaveAll(Arc<str>, Behaviour),
    /// Dies and comes back every so often, so many times.
    Flap(Key, Duration, u32),
    /// No packet gets to this address for so long.
    CutWay(Address, Duration),
    /// Nobody asks this pool for anything any more.
    Silence(Arc<str>),
    /// An operator's state.
    Order(Key, Order),
    /// An operator's weight.
    Weight(Key, Option<u32>),
    /// The same configuration again.
    Reload,
    /// Another weight for this endpoint, by configuration.
    Reweigh(Key, u32),
    /// The configuration without this endpoint, unless it is the last.
    Remove(Key),
    /// The first configuration again.
    Revert,
    /// The balancer dies and is replaced.
    Restart,
    /// A service begins to ail.
    Ail(Arc<str>, Ailment),
    /// A service's process dies.
    Kill(Arc<str>),
    /// Something changes in how every service is started.
    ChangeServices,
    /// The agent of this host dies and is replaced so much later; is what it kept of orders lost?
    AgentDies(Arc<str>, Duration, bool),
    /// A host is without power for so long, and everything on it ends.
    HostDies(Arc<str>, Duration),
    /// Between this host's agent and the balancer no packet gets through for so long.
    Cut(Arc<str>, Duration),
    /// The connection of this host's agent is reset.
    HangUp(Arc<str>),
    /// Somebody else calls by the name of this host's agent.
    Stranger(Arc<str>),
    /// The agent's own file changes, and how its services are started.
    ReloadAgent(Arc<str>),
    /// The balancer takes no calls of agents, and loses those it has, for so long.
    Deaf(Duration),
    /// The calendar by which fences of orders to agents are given is set back.
    ClockSetBack(Duration),
}

/// A whole story.
#[derive(Clone, Debug)]
pub struct Story {
    /// What it was made from.
    pub seed: u64,
    /// Data-plane workers.
    pub workers: usize,
    /// The first configuration.
    pub pools: Vec<PoolSpec>,
    /// The balancer's own services.
    pub services: Vec<ServiceSpec>,
    /// Hosts with an agent, and what is supervised there.
    pub hosts: Vec<HostSpec>,
    /// Nothing is wrong in it.
    pub calm: bool,
    /// What happens, by time.
    pub deeds: Vec<(Time, Deed)>,
}

impl Story {
    /// The story of this seed.
    pub fn new(seed: u64) -> Story {
        let mut rng = Rng::new(seed).stream("story");
        let pools = 1 + rng.index(2);
        Story::of(seed, pools, rng)
    }

    /// With five pools, as much more that happens, and deaths of the balancer in the middle of it.
    pub fn wide(seed: u64) -> Story {
        let mut rng = Rng::new(seed).stream("wide story");
        let restarts: Vec<_> = (0..1 + rng.index(3)).map(|_| moment(&mut rng)).collect();
        let mut story = Story::of(seed, 5, rng);
        let restarts = restarts.into_iter().map(|at| (at, Deed::Restart));
        story.deeds.extend(restarts);
        story.deeds.sort_by_key(|(at, _)| *at);
        story
    }

    /// With two pools as the defaults make them, and no fault at all.
    pub fn calm(seed: u64) -> Story {
        let mut rng = Rng::new(seed).stream("calm story");
        let plain = |n: usize, rng: &mut Rng| {
            let drawn = pool(n, rng);
            PoolSpec {
                check: CheckSettings {
                    kind: drawn.check.kind,
                    ..Default::default()
                },
                heartbeat: rng.chance(1, 2).then(HeartbeatSettings::default),
                outlier: Default::default(),
                retry: Default::default(),
                limit: Default::default(),
                failover: Default::default(),
                ..drawn
            }
        };
        let mut pools: Vec<_> = (0..2).map(|n| plain(n, &mut rng)).collect();
        let workers = 1 + rng.index(2);
        let mut services = services(&pools, &mut rng);
        let mut elsewhere = Rng::new(seed).stream("calm hosts");
        Story {
            seed,
            workers,
            hosts: hosts::settle(&mut pools, &mut services, 2, &mut elsewhere),
            services,
            pools,
            calm: true,
            deeds: Vec::new(),
        }
    }

    fn of(seed: u64, pools: usize, mut rng: Rng) -> Story {
        let deeds = pools;
        let mut pools: Vec<_> = (0..pools).map(|n| pool(n, &mut rng)).collect();
        let mut services = services(&pools, &mut rng);
        let mut wired = Rng::new(seed).stream("ways");
        let mut troubles = ways::lay(&mut pools, &mut wired);
        let mut elsewhere = Rng::new(seed).stream("hosts");
        let most = elsewhere.index(3).max(deeds.saturating_sub(2));
        let hosts = hosts::settle(&mut pools, &mut services, most, &mut elsewhere);
        troubles.extend(hosts::trouble(&hosts, &mut elsewhere));
        let mut story = Story {
            seed,
            workers: 1 + rng.index(2),
            pools,
            services,
            deeds: troubles,
            hosts,
            calm: false,
        };
        for _ in 0..10 + rng.index(10 + 10 * deeds) {
            let at = moment(&mut rng);
            let deed = story.deed(&mut rng);
            story.deeds.push((at, deed));
        }
        story.deeds.sort_by_key(|(at, _)| *at);
        story
    }

    fn deed(&self, rng: &mut Rng) -> Deed {
        let pool = &self.pools[rng.index(self.pools.len())];
        let endpoint = &pool.endpoints[rng.index(pool.endpoints.len())];
        let key: Key = (pool.name.clone(), endpoint.name.clone());
        let supervised = self.supervised();
        match rng.below(24) {
            0..=7 => Deed::Behave(key, behaviour(rng)),
            8 => Deed::BehaveAll(pool.name.clone(), behaviour(rng)),
            9 => Deed::BehaveAll(pool.name.clone(), Behaviour::Works),
            10 => {
                let every = Duration::from_millis(300 + rng.below(3000));
                Deed::Flap(key, every, 2 + rng.below(6) as u32)
            }
            11 => Deed::Order(key, [Order::Draining, Order::Maintenance][rng.index(2)]),
            12 => Deed::Order(key, Order::Ready),
            13 => Deed::Weight(key, rng.chance(2, 3).then(|| rng.below(120) as u32)),
            14 => Deed::Reload,
            15 => Deed::Reweigh(key, 1 + rng.below(150) as u32),
            16 => [Deed::Remove(key), Deed::Revert][rng.index(2)].clone(),
            17 => Deed::Restart,
            18 if !supervised.is_empty() => {
                Deed::Kill(supervised[rng.index(supervised.len())].clone())
            }
            19 if !self.services.is_empty() => Deed::ChangeServices,
            20 => Deed::Silence(pool.name.clone()),
            21..=23 if !supervised.is_empty() => {
                let service = supervised[rng.index(supervised.len())].clone();
                Deed::Ail(service, ailment(rng))
            }
            _ => Deed::Reload,
        }
    }

    /// Every service, here and on hosts, as endpoints name it.
    fn supervised(&self) -> Vec<Arc<str>> {
        let there = self.hosts.iter().flat_map(|host| {
            let named = |spec: &ServiceSpec| format!("{}/{}", host.name, spec.name).into();
            host.services.iter().map(named)
        });
        let here = self.services.iter().map(|spec| spec.name.clone());
        here.chain(there).collect()
    }
}

/// Between the beginning and the peace.
fn moment(rng: &mut Rng) -> Time {
    START + Duration::from_millis(2_000 + rng.below(PEACE.as_nanos() / 1_000_000 - 12_000))
}

fn ailment(rng: &mut Rng) -> Ailment {
    [
        Ailment::Leak,
        Ailment::Hot,
        Ailment::Stuck,
        Ailment::DiskFull,
        Ailment::BadRelease,
    ][rng.index(5)]
}

fn behaviour(rng: &mut Rng) -> Behaviour {
    [
        Behaviour::Works,
        Behaviour::Works,
        Behaviour::Dead,
        Behaviour::Hung,
        Behaviour::Erroring,
        Behaviour::Flaky,
        Behaviour::FailsChecks,
    ][rng.index(7)]
}

/// A pool with settings drawn by lot.
pub(crate) fn pool(number: usize, rng: &mut Rng) -> PoolSpec {
    let ms = |rng: &mut Rng, from, to| Duration::from_millis(from + rng.below(to - from));
    let is_static = rng.chance(1, 4);
    let name: Arc<str> = format!("pool-{number}").into();
    let interval = ms(rng, 500, 2_000);
    PoolSpec {
        policy: PolicySpec::named(POLICIES[rng.index(POLICIES.len())].part.name),
        agent_check: None,
        check: CheckSettings {
            kind: kind(rng),
            interval,
            fast_interval: ms(rng, 100, 400),
            timeout: ms(rng, 200, 800),
            rise: 1 + rng.below(3) as u32,
            fall: 1 + rng.below(3) as u32,
            ..Default::default()
        },
        heartbeat: heartbeat(rng),
        outlier: OutlierSettings {
            consecutive_failures: 3 + rng.below(4) as u32,
            success_rate_stdev: Decimal([0, 1_900, 3_000][rng.index(3)]),
            latency_factor: Decimal([0, 2_000, 3_000][rng.index(3)]),
            base_ejection: ms(rng, 1_000, 6_000),
            max_ejection: Share::percent(10 + rng.below(91) as u32),
            min_healthy: rng.below(3) as u32,
            enforce: rng.chance(9, 10),
        },
        retry: RetrySettings {
            retries: rng.below(4) as u32,
            per_try_timeout: ms(rng, 300, 2_000),
            ..Default::default()
        },
        limit: LimitSettings {
            per_endpoint: [0, 0, 4][rng.index(3)],
            ..Default::default()
        },
        failover: FailoverSettings {
            mode: if is_static {
                FailoverMode::Static
            } else {
                FailoverMode::Dynamic
            },
            overprovision: Share::percent(100 + rng.below(100) as u32),
            try_all: rng.chance(5, 6),
            failback_auto: rng.chance(5, 6),
            hold: ms(rng, 0, 5_000),
            ramp: [Duration::ZERO, ms(rng, 1_000, 10_000)][rng.index(2)],
            zone: None,
        },
        transport: Default::default(),
        prevention: Default::default(),
        objective: Default::default(),
        recovery: recovery(rng),
        tls: None,
        endpoints: endpoints(&name, is_static, rng),
        name,
    }
}

/// Some are expected to say by themselves that they live.
fn heartbeat(rng: &mut Rng) -> Option<HeartbeatSettings> {
    rng.chance(1, 3).then(|| HeartbeatSettings {
        interval: Duration::from_millis(500 + rng.below(1_000)),
        detector: DETECTORS[rng.index(DETECTORS.len())].part.name,
        ..Default::default()
    })
}

/// Mostly everything is allowed, so that everything happens.
fn recovery(rng: &mut Rng) -> RecoverySettings {
    if rng.chance(1, 4) {
        return RecoverySettings::default();
    }
    RecoverySettings {
        mode: [
            RecoveryMode::Act,
            RecoveryMode::Act,
            RecoveryMode::Act,
            RecoveryMode::Advise,
        ][rng.index(4)],
        allow: ACTIONS.iter().map(|action| Kept(action)).collect(),
        max_actions_per_hour: 1 + rng.below(10) as u32,
        notify: Vec::new(),
    }
}

/// With everything that an action may need, or nothing of it.
fn care(name: &str, rng: &mut Rng) -> Care {
    if rng.chance(1, 3) {
        return Care::default();
    }
    Care {
        memory_max: Some(512 << 20),
        cpu_max: Some(Share::percent(100)),
        disk_paths: vec![format!("/data/{name}").into()],
        release: Some(Release {
            current: format!("/srv/{name}/current").into(),
            previous: format!("/srv/{name}/previous").into(),
        }),
        commands: match rng.chance(1, 2) {
            true => vec![("recover".into(), vec!["/bin/true".into()])],
            false => Vec::new(),
        },
        ..Care::default()
    }
}

/// Passed probes of one kind show that an endpoint works, of the other only that its kernel does.
fn kind(rng: &mut Rng) -> CheckKind {
    if rng.chance(1, 2) {
        return CheckKind::Tcp;
    }
    CheckKind::Http {
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        expect: vec![(200, 399)],
        body: None,
    }
}

fn endpoints(pool: &str, is_static: bool, rng: &mut Rng) -> Vec<EndpointSpec> {
    let n = 1 + rng.index(6);
    let even = rng.chance(1, 2);
    let with_services = rng.chance(1, 2);
    let one = |index: usize, rng: &mut Rng| {
        let name = format!("e{index}");
        EndpointSpec {
            target: Target::Address(Address::Unix(format!("/{pool}/{name}").into())),
            others: Vec::new(),
            weight: if even { 100 } else { 1 + rng.below(200) as u32 },
            tier: if is_static {
                0
            } else {
                u32::from(rng.chance(1, 4))
            },
            standby: (is_static && index + 1 < n && index == 0)
                .then(|| format!("e{}", n - 1).into()),
            service: (with_services && rng.chance(1, 2)).then(|| format!("{pool}-{name}").into()),
            machine: None,
            zone: None,
            name: name.into(),
        }
    };
    (0..n).map(|index| one(index, rng)).collect()
}

fn services(pools: &[PoolSpec], rng: &mut Rng) -> Vec<ServiceSpec> {
    let names = pools.iter().flat_map(|pool| &pool.endpoints);
    let names = names.filter_map(|endpoint| endpoint.service.clone());
    names.map(|name| service(name, rng)).collect()
}

fn service(name: Arc<str>, rng: &mut Rng) -> ServiceSpec {
    ServiceSpec {
        care: care(&name, rng),
        name,
        command: vec!["serve".into()],
        directory: "/".into(),
        environment: Vec::new(),
        user: None,
        ready: [Ready::None, Ready::Tcp { port: 1 }][rng.index(2)].clone(),
        ready_timeout: Duration::from_secs(5),
        stop_signal: 15,
        stop_timeout: Duration::from_secs(2),
        restart_starts: 5,
        restart_within: Duration::from_secs(30),
    }
}
