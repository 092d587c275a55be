//! Services that agents on other hosts supervise, as the whole engine takes them.

use std::time::Duration;

use super::bench::{Bench, endpoint, pool};
use super::*;
use crate::detect::Pause;
use crate::diagnose::{Cause, Evidence, Source};
use crate::engine::{AgentNews, ServiceReport};
use crate::incident::{About, Observation, Outcome};
use crate::observe::Contact;
use crate::settings::HeartbeatSettings;

/// One endpoint before a service of host-1, one before nothing we know of.
fn begun(beats: bool) -> Bench {
    let mut app = pool("app", [endpoint("a1"), endpoint("a2")]);
    app.endpoints[0].service = Some("host-1/api".into());
    app.heartbeat = beats.then(HeartbeatSettings::default);
    let mut bench = Bench::new();
    bench.handle(Event::Incidents(Vec::new()));
    bench.configure(vec![app]);
    bench.run(1.0);
    bench
}

fn api(state: ServiceState, pid: Option<u32>, restarts: u32) -> ServiceReport {
    ServiceReport {
        name: "api".into(),
        state,
        pid,
        restarts,
        why: "as told".into(),
        ..ServiceReport::default()
    }
}

fn says(bench: &mut Bench, news: AgentNews) {
    let agent = "host-1".into();
    bench.handle(Event::Agent { agent, news });
}

fn connected(bench: &mut Bench, report: ServiceReport) {
    says(bench, AgentNews::Connected(vec![report]));
}

fn gone(bench: &mut Bench, closed: bool) {
    let why = "the connection ended".into();
    says(bench, AgentNews::Gone { closed, why });
}

fn beats(bench: &mut Bench, from: u64, n: u64) {
    for sequence in from..from + n {
        let endpoint = bench.id("a1");
        let beat = Beat {
            sequence,
            ..Beat::default()
        };
        bench.handle(Event::Beat { endpoint, beat });
        bench.run(1.0);
    }
}

#[test]
fn a_service_elsewhere_is_seen_as_its_agent_tells_of_it() {
    let mut bench = begun(false);
    assert_eq!(bench.engine.service_id("host-1/api"), None);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 2));
    let id = bench.engine.service_id("host-1/api").unwrap();
    let view = bench.engine.service(id).unwrap();
    assert_eq!((view.pid, view.restarts), (Some(7), 2));
    assert_eq!(view.state, ServiceState::Ready);
    let agent = view.agent.unwrap();
    assert_eq!((&**agent.name, agent.connected), ("host-1", true));
    let a1 = bench.engine.endpoint(bench.id("a1")).unwrap();
    assert_eq!(a1.service, Some(id));
    assert_eq!(bench.engine.services().count(), 1);

    connected(
        &mut bench,
        ServiceReport {
            name: "other".into(),
            ..ServiceReport::default()
        },
    );
    assert_eq!(
        bench.engine.service_id("host-1/api"),
        None,
        "it has it no more"
    );
}

#[test]
fn one_that_is_killed_there_is_an_incident_here_cured_by_its_restart() {
    let mut bench = begun(false);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    bench.run(20.0);
    let mut fell = api(ServiceState::Backoff, None, 0);
    fell.ended = Some((7, "signal KILL".into()));
    bench.dead.insert("a1".into());
    says(&mut bench, AgentNews::Changed(Box::new(fell)));
    assert_eq!(bench.engine.incidents_open(), 1);
    bench.run(0.1);
    bench.dead.clear();
    says(
        &mut bench,
        AgentNews::Changed(Box::new(api(ServiceState::Starting, None, 1))),
    );
    says(
        &mut bench,
        AgentNews::Changed(Box::new(api(ServiceState::Ready, Some(8), 1))),
    );
    bench.run(10.0);
    let record = bench.engine.incidents().remove(0);
    assert_eq!(record.cause(), Cause::ProcessDead, "{record:#?}");
    assert_eq!(record.actions[0].action, "restart");
    assert_eq!(record.actions[0].outcome, Outcome::Cured);
    assert_eq!(record.state(), "closed");
}

#[test]
fn what_ended_while_its_agent_was_away_is_told_when_it_is_back() {
    let mut bench = begun(false);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    bench.run(20.0);
    gone(&mut bench, true);
    bench.run(5.0);
    let mut report = api(ServiceState::Ready, Some(8), 1);
    report.ended = Some((7, "signal KILL".into()));
    connected(&mut bench, report.clone());
    let record = bench.engine.incidents().remove(0);
    let killed = |e: &crate::incident::EvidenceRecord| e.evidence == Evidence::Killed && e.present;
    assert!(record.evidence.iter().any(killed), "{record:#?}");
    assert_eq!(record.actions[0].action, "restart");
    bench.run(10.0);
    assert_eq!(bench.engine.incidents_open(), 0);

    gone(&mut bench, true);
    connected(&mut bench, report);
    bench.run(1.0);
    assert_eq!(bench.engine.incidents().len(), 1, "told once");
}

/// Seen to answer nothing for so many seconds.
fn hangs(bench: &mut Bench, seconds: u32) {
    for _ in 0..seconds {
        bench.handle(Event::Observed(Observation {
            about: About::Endpoint(bench.id("a1")),
            evidence: Evidence::NoAnswer,
            present: true,
            source: Source::Check,
            value: String::new(),
        }));
        bench.run(1.0);
    }
}

#[test]
fn nothing_is_begun_at_a_service_whose_agent_does_not_hear_it() {
    let mut bench = begun(false);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    bench.run(20.0);
    gone(&mut bench, true);
    bench.dead.insert("a1".into());
    hangs(&mut bench, 40);
    let record = bench.engine.incidents().remove(0);
    assert!(record.actions.is_empty(), "{record:#?}");
    let told = |why: &String| why.contains("its agent is not connected");
    assert!(record.person.iter().any(told), "{record:#?}");

    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    hangs(&mut bench, 5);
    let record = bench.engine.incidents().remove(0);
    assert!(!record.actions.is_empty(), "{record:#?}");
}

#[test]
fn that_an_agent_is_gone_takes_nobody_down() {
    let mut bench = begun(true);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    beats(&mut bench, 1, 20);
    gone(&mut bench, true);
    bench.run(300.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    let id = bench.engine.service_id("host-1/api").unwrap();
    let view = bench.engine.service(id).unwrap();
    assert_eq!(view.pid, Some(7), "as it was told last");
    assert!(!view.agent.unwrap().connected);

    // Back, it is listened to again, and its silence without a goodbye counts.
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    beats(&mut bench, 1000, 20);
    bench.run(10.0);
    assert_eq!(bench.states("app"), [State::Down, State::Up]);
}

#[test]
fn that_an_agent_fell_silent_is_evidence_and_takes_nobody_down() {
    let mut bench = begun(false);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    bench.run(20.0);
    gone(&mut bench, false);
    bench.run(30.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    assert_eq!(bench.engine.incidents_open(), 0);

    bench.dead.insert("a1".into());
    bench.contact = Contact::Silent;
    bench.run(10.0);
    let record = bench.engine.incidents().remove(0);
    let missed = |e: &crate::incident::EvidenceRecord| {
        e.evidence == Evidence::HeartbeatMissed && e.present && e.value.contains("agent")
    };
    assert!(record.evidence.iter().any(missed), "{record:#?}");
}

/// An agent's connection is no heartbeat of a service: it must not speak against a service that hangs.
#[test]
fn that_an_agent_is_connected_is_no_evidence() {
    let mut bench = begun(false);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    bench.run(20.0);
    bench.dead.insert("a1".into());
    bench.run(10.0);
    let record = bench.engine.incidents().remove(0);
    let beats = |e: &crate::incident::EvidenceRecord| e.evidence == Evidence::HeartbeatMissed;
    assert!(!record.evidence.iter().any(beats), "{record:#?}");
}

#[test]
fn a_balancer_that_was_just_started_waits_until_agents_have_called() {
    let mut bench = begun(true);
    connected(&mut bench, api(ServiceState::Ready, Some(7), 0));
    beats(&mut bench, 1, 20);
    let pools: Vec<_> = bench.engine.pools().map(|pool| pool.spec.clone()).collect();
    bench.restart();
    bench.handle(Event::Paused(Pause::ended(Duration::ZERO, bench.now.at)));
    bench.configure(pools);
    bench.run(12.0);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    beats(&mut bench, 1, 10);
    assert_eq!(bench.states("app"), [State::Up; 2]);
    bench.run(30.0);
    assert_eq!(bench.states("app"), [State::Down, State::Up]);
}
