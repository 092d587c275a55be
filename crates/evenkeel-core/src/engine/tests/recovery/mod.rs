//! What is done about faults, each told as one small story: the shells do at once what they are asked for.

mod interrupted;
mod restoring;

use std::sync::Arc;

use super::bench::{Bench, endpoint, pool, see, service};
use super::*;
use crate::diagnose::{Cause, Evidence, Source};
use crate::facts::{DiskFacts, Facts, Limit, LimitWay, ProcessState, ServiceFacts};
use crate::health::{Beat, DecidedBy};
use crate::incident::{About, Observation, Outcome, Record};
use crate::recover::actions::{Kept, find};
use crate::settings::{
    Data, EndpointSpec, HeartbeatSettings, Ready, RecoveryMode, RecoverySettings, Release,
    ServiceSpec,
};

use crate::table::State;

const MIB: u64 = 1 << 20;

fn served(name: &str) -> EndpointSpec {
    EndpointSpec {
        service: Some(name.into()),
        machine: Some(name.into()),
        ..endpoint(name)
    }
}

/// Two supervised services, 1 GiB of memory each, a release and a folder to make room in.
fn cared(name: &str) -> ServiceSpec {
    let mut spec = service(name, Ready::Tcp { port: 1 });
    spec.care.memory_max = Some(1024 * MIB);
    spec.care.disk_paths = vec!["/cache".into()];
    spec.care.release = Some(Release {
        current: "/releases/current".into(),
        previous: "/releases/previous".into(),
    });
    spec
}

pub(super) fn begin(recovery: RecoverySettings) -> Bench {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![cared("s1"), cared("s2")];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.failover.hold = std::time::Duration::ZERO;
    pool.recovery = recovery;
    bench.configure(vec![pool]);
    bench.run(15.0);
    bench
}

pub(super) fn allowing(allow: &[&'static str]) -> RecoverySettings {
    RecoverySettings {
        allow: allow
            .iter()
            .filter_map(|name| find(name))
            .map(Kept)
            .collect(),
        ..RecoverySettings::default()
    }
}

fn facts(bench: &Bench, name: &str) -> ServiceFacts {
    let id = bench.engine.service_id(name).unwrap();
    let pid = bench.engine.service(id).unwrap().pid.unwrap_or(1);
    ServiceFacts {
        process: ProcessState::Sleeping,
        cpu_millicores: Some(10),
        memory_bytes: 100 * MIB,
        oom_kills: Some(0),
        memory_limit: Some(Limit {
            max: 1024 * MIB,
            way: LimitWay::Cgroup2,
            why: String::new(),
        }),
        release: Some("/releases/1".into()),
        ..ServiceFacts::known_as(name, pid)
    }
}

fn read(bench: &mut Bench, of: ServiceFacts) {
    bench.handle(Event::Facts(Arc::new(Facts {
        services: vec![of],
        ..Facts::default()
    })));
}

pub(super) fn only(bench: &Bench) -> Record {
    let mut all = bench.engine.incidents();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

pub(super) fn taken(record: &Record) -> Vec<(&str, Outcome)> {
    let all = record.actions.iter();
    all.map(|a| (a.action.as_str(), a.outcome)).collect()
}

/// It takes connections and answers nothing: its process is stopped.
pub(super) fn hang(bench: &mut Bench, name: &str) {
    bench.dead.insert(name.into());
    for _ in 0..4 {
        see(bench, name, Evidence::NoAnswer);
        let mut stopped = facts(bench, name);
        stopped.process = ProcessState::Stopped;
        read(bench, stopped);
        bench.run(1.0);
    }
}

#[test]
fn a_hung_service_is_restarted_once_the_causes_are_settled_and_closed_once_it_serves() {
    let mut bench = begin(RecoverySettings::default());
    hang(&mut bench, "s1");
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::ProcessHung, "{record:#?}");
    let decided = record.times.decide.unwrap();
    assert!(
        (1500..2500).contains(&decided),
        "not before it is settled: {decided}"
    );
    assert_eq!(bench.starts["s1"], 2);
    bench.dead.clear();
    bench.run(12.0);
    let record = only(&bench);
    assert_eq!(taken(&record), [("restart", Outcome::Cured)], "{record:#?}");
    assert!(record.closed.is_some() && record.person.is_empty());
    assert!(record.actions[0].why.contains("process_hung"));
    assert_eq!(bench.starts.get("s2"), Some(&1), "nobody else was touched");
    let shown = bench.engine.recovery("app").unwrap();
    assert_eq!((shown.left, shown.current), (5, None));
    assert_eq!(
        shown.cures,
        [("process_hung".into(), "restart".into(), 1, 1)]
    );
}

/// Its incident is open all the time, since nobody says that it may come back; a fault that begins meanwhile is a new one to look at.
#[test]
fn one_that_waits_for_a_person_and_fails_again_is_looked_at_before_it_is_touched() {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![cared("s1"), cared("s2")];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.recovery = allowing(&["restart", "kill_hung"]);
    pool.failover.failback_auto = false;
    bench.configure(vec![pool]);
    bench.run(15.0);
    bench.dead.insert("s1".into());
    while bench.states("app")[0] != State::Down {
        bench.run(0.05);
    }
    bench.dead.clear();
    bench.run(20.0);
    let waiting = only(&bench);
    assert!(waiting.closed.is_none() && waiting.actions.is_empty());
    bench.dead.insert("s1".into());
    let mut ran_ms = 0;
    while only(&bench).actions.is_empty() {
        see(&mut bench, "s1", Evidence::NoAnswer);
        bench.run(0.05);
        ran_ms += 50;
        assert!(ran_ms < 10_000, "{:#?}", only(&bench));
    }
    assert!(ran_ms >= 1500, "touched after {ran_ms} ms");
}

/// A beat was lost on the way, and the process is busy for a moment while the hold lasts: neither is worth a restart.
#[test]
fn one_that_is_heard_again_is_waited_for_and_not_touched() {
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.services = vec![cared("s1"), cared("s2")];
    let mut pool = pool("app", [served("s1"), served("s2")]);
    pool.heartbeat = Some(HeartbeatSettings::default());
    pool.recovery = allowing(&["restart", "kill_hung"]);
    bench.configure(vec![pool]);
    for sequence in 1..=40 {
        for name in ["s1", "s2"] {
            let lost = name == "s1" && (20..22).contains(&sequence);
            let endpoint = bench.id(name);
            let beat = Beat {
                sequence,
                ..Beat::default()
            };
            if !lost {
                bench.handle(Event::Beat { endpoint, beat });
            }
        }
        if (23..26).contains(&sequence) {
            assert_eq!(bench.states("app"), [State::Down, State::Up]);
            let mut busy = facts(&bench, "s1");
            (busy.cpu_millicores, busy.throttled_permille) = (Some(996), Some(500));
            busy.cpu_limit = Some(Limit {
                max: 1000,
                way: LimitWay::Cgroup2,
                why: String::new(),
            });
            read(&mut bench, busy);
        }
        bench.run(1.0);
    }
    let record = only(&bench);
    assert_eq!(taken(&record), [], "{record:#?}");
    assert!(record.closed.is_some() && record.person.is_empty());
    assert_eq!(bench.starts["s1"], 1);
}

#[test]
fn what_is_less_harmful_and_fits_as_well_goes_first_and_what_failed_is_followed_by_the_next() {
    let mut bench = begin(allowing(&["restart", "kill_hung"]));
    hang(&mut bench, "s1");
    bench.run(60.0);
    let record = only(&bench);
    assert_eq!(
        taken(&record),
        [("kill_hung", Outcome::Failed), ("restart", Outcome::Failed)],
        "a polite word helps less than half as often: {record:#?}"
    );
    assert!(record.closed.is_none());
    assert!(
        record.person.iter().any(|why| why.contains("did not help")),
        "{record:#?}"
    );
}

#[test]
fn a_leaking_service_is_restarted_under_its_limit_drained_first_and_nobody_is_harmed() {
    let mut bench = begin(allowing(&["relieve_memory", "restart"]));
    let mut drained = false;
    for n in 0..12 {
        let mut leaking = facts(&bench, "s1");
        leaking.memory_bytes = (700 + 25 * n) * MIB;
        read(&mut bench, leaking);
        for _ in 0..10 {
            bench.run(0.1);
            let view = bench.engine.pool("app").unwrap();
            let s1 = view.endpoint("s1").unwrap();
            drained |= (s1.state, s1.decided_by) == (State::Draining, DecidedBy::Recovery);
        }
        if bench.starts["s1"] == 2 {
            break;
        }
    }
    assert!(drained, "it is drained before it is restarted");
    assert_eq!(bench.starts["s1"], 2);
    let fresh = facts(&bench, "s1");
    read(&mut bench, fresh);
    bench.run(10.0);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::MemoryLeak, "{record:#?}");
    assert_eq!(taken(&record), [("relieve_memory", Outcome::Cured)]);
    assert!(!record.harmed && record.closed.is_some(), "{record:#?}");
    assert_eq!(bench.states("app"), [State::Up, State::Up]);
}

#[test]
fn a_full_disk_is_emptied_before_anything_fails_and_no_process_is_touched() {
    let mut bench = begin(allowing(&["free_disk", "restart"]));
    let disk = |free_bytes| DiskFacts {
        path: "/cache".into(),
        bytes: 1000,
        free_bytes,
        inodes: 0,
        free_inodes: 0,
    };
    let mut full = facts(&bench, "s1");
    full.disks = vec![disk(5)];
    read(&mut bench, full.clone());
    bench.run(2.0);
    assert_eq!(bench.orders.len(), 1, "{:?}", bench.orders);
    assert_eq!(bench.orders[0].action.name(), "free_disk");
    full.disks = vec![disk(700)];
    read(&mut bench, full);
    bench.run(10.0);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::DiskFull, "{record:#?}");
    assert_eq!(taken(&record), [("free_disk", Outcome::Cured)]);
    assert_eq!(bench.starts["s1"], 1);
}

/// Another release, and from then on errors.
pub(super) fn ship(bench: &mut Bench, name: &str) {
    let mut of = facts(bench, name);
    of.release = Some("/releases/1".into());
    read(bench, of.clone());
    of.release = Some("/releases/2".into());
    read(bench, of);
    bench.kill(name);
    bench.dead.insert(name.into());
    for _ in 0..4 {
        bench.run(1.0);
        see(bench, name, Evidence::ErrorStatus);
    }
}

#[test]
fn a_bad_release_is_rolled_back_and_restarted() {
    let mut bench = begin(allowing(&["rollback_release", "restart"]));
    ship(&mut bench, "s1");
    bench.run(3.0);
    assert_eq!(bench.orders.len(), 1, "{:#?}", only(&bench));
    assert_eq!(bench.orders[0].action.name(), "rollback_release");
    bench.dead.clear();
    bench.run(15.0);
    let record = only(&bench);
    assert_eq!(record.cause(), Cause::BadRelease, "{record:#?}");
    let last = record.actions.last().unwrap();
    assert_eq!(
        (last.action.as_str(), last.outcome),
        ("rollback_release", Outcome::Cured)
    );
    assert_eq!(bench.orders.len(), 1, "and it stays so");
}

#[test]
fn while_what_fits_rests_a_person_is_told_so_and_it_is_done_when_it_has_rested() {
    let mut bench = begin(allowing(&["rollback_release"]));
    ship(&mut bench, "s1");
    bench.run(3.0);
    bench.dead.clear();
    bench.run(30.0);
    ship(&mut bench, "s1");
    bench.run(15.0);
    let newest = bench.engine.incidents().remove(0);
    assert_eq!(bench.orders.len(), 1, "{newest:#?}");
    let told = newest.person.first().map_or("", |why| why.as_str());
    assert!(told.starts_with("rollback_release: fits"), "{newest:#?}");
    for _ in 0..600 {
        bench.run(1.0);
        see(&mut bench, "s1", Evidence::ErrorStatus);
    }
    assert!(bench.orders.len() > 1, "{:#?}", bench.engine.incidents());
}

#[test]
fn a_rollback_that_does_not_help_is_taken_back() {
    let mut bench = begin(allowing(&["rollback_release"]));
    ship(&mut bench, "s1");
    bench.run(30.0);
    let names: Vec<_> = bench.orders.iter().map(|o| o.action.name()).collect();
    assert_eq!(names, ["rollback_release", "rollback_release"]);
    let record = only(&bench);
    let last = record.actions.last().unwrap();
    assert_eq!(last.outcome, Outcome::Failed, "{record:#?}");
    assert!(last.detail.contains("taken back"), "{last:?}");
    bench.run(60.0);
    assert_eq!(bench.orders.len(), 2, "once for one incident");
}

#[test]
fn what_is_not_allowed_is_not_done_and_a_person_is_told_why() {
    let mut bench = begin(allowing(&[]));
    hang(&mut bench, "s1");
    bench.run(20.0);
    let record = only(&bench);
    assert!(record.actions.is_empty());
    let wanted = "restart: not in `allow`".to_owned();
    assert!(record.person.contains(&wanted), "{:?}", record.person);
    assert_eq!(bench.starts["s1"], 1);
}

#[test]
fn advice_is_shown_once_and_nothing_is_touched() {
    let mut bench = begin(RecoverySettings {
        mode: RecoveryMode::Advise,
        ..RecoverySettings::default()
    });
    hang(&mut bench, "s1");
    bench.run(30.0);
    let record = only(&bench);
    assert_eq!(taken(&record), [("restart", Outcome::Advised)]);
    assert_eq!(bench.starts["s1"], 1);
    assert_eq!(bench.engine.recovery("app").unwrap().left, 6);
}

#[test]
fn the_hourly_budget_is_kept_and_then_a_person_is_told() {
    let mut bench = begin(RecoverySettings {
        max_actions_per_hour: 1,
        ..RecoverySettings::default()
    });
    hang(&mut bench, "s1");
    bench.run(3.0);
    bench.dead.clear();
    bench.run(120.0);
    assert_eq!(bench.starts["s1"], 2);
    hang(&mut bench, "s1");
    bench.run(60.0);
    assert_eq!(bench.starts["s1"], 2, "one an hour");
    let newest = bench.engine.incidents().remove(0);
    assert!(
        newest
            .person
            .iter()
            .any(|why| why.contains("max_actions_per_hour")),
        "{newest:#?}"
    );
    bench.run(3700.0);
    assert_eq!(bench.starts["s1"], 3, "an hour later there is another");
}

#[test]
fn two_sick_services_of_a_pool_are_treated_one_after_the_other() {
    let mut bench = begin(allowing(&["rollback_release"]));
    bench.hold_acts = true;
    for name in ["s1", "s2"] {
        let mut of = facts(&bench, name);
        read(&mut bench, of.clone());
        of.release = Some("/releases/2".into());
        read(&mut bench, of);
        bench.dead.insert(name.into());
        see(&mut bench, name, Evidence::ErrorStatus);
    }
    for _ in 0..10 {
        bench.run(1.0);
        see(&mut bench, "s1", Evidence::ErrorStatus);
        see(&mut bench, "s2", Evidence::ErrorStatus);
    }
    assert_eq!(bench.orders.len(), 1, "{:?}", bench.orders);
}

#[test]
fn the_last_one_that_serves_is_not_taken_away() {
    let mut bench = begin(allowing(&["relieve_memory"]));
    bench.dead.insert("s2".into());
    bench.run(10.0);
    for n in 0..12 {
        let mut leaking = facts(&bench, "s1");
        leaking.memory_bytes = (800 + 15 * n) * MIB;
        read(&mut bench, leaking);
        bench.run(1.0);
    }
    assert_eq!(bench.starts["s1"], 1);
    bench.run(15.0);
    let all = bench.engine.incidents();
    let reasons: Vec<_> = all.iter().flat_map(|r| &r.person).collect();
    assert!(
        reasons.iter().any(|why| why.contains("min_healthy")),
        "{reasons:?}"
    );
}

#[test]
fn nothing_is_done_before_it_is_written_down_unless_the_disk_stalls() {
    let mut bench = begin(RecoverySettings::default());
    bench.hold_notes = true;
    bench.dead.insert("s1".into());
    let (mut noted, mut ended) = (None, None);
    for n in 0..100 {
        see(&mut bench, "s1", Evidence::NoAnswer);
        bench.run(0.1);
        if bench.recoveries.values().any(|r| !r.tried.is_empty()) {
            noted = noted.or(Some(n));
        }
        if !bench.signals.is_empty() {
            ended = ended.or(Some(n));
        }
    }
    let waited = ended.unwrap() - noted.unwrap();
    assert!(
        (9..=11).contains(&waited),
        "a second, and not {waited} tenths"
    );
}

fn pool_of(bench: &Bench) -> crate::settings::PoolSpec {
    bench.engine.pool("app").unwrap().spec.clone()
}

#[test]
fn our_own_fault_is_nobodys_to_be_treated_for() {
    let mut bench = begin(RecoverySettings::default());
    let pause = crate::detect::Pause::ended(std::time::Duration::from_secs(9), bench.now.at);
    bench.handle(Event::Paused(pause));
    bench.dead.extend(["s1".to_owned(), "s2".to_owned()]);
    bench.run(40.0);
    assert_eq!((bench.starts["s1"], bench.starts["s2"]), (1, 1));
}
