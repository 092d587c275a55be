//! Events and commands in words.

use evenkeel_core::engine::{Command, Engine, Event};
use evenkeel_core::id::{EndpointId, ServiceId};
use evenkeel_core::incident::{Actor, IncidentChange, Labeller, News};
use evenkeel_core::supervise::ServiceEvent;

/// What was decided, as far as a person wants to know: tables, probes and records only carry it out.
pub(super) fn command(command: &Command, engine: &Engine) -> Option<String> {
    Some(match command {
        Command::Changed(t) => format!(
            "{}/{} {} → {}: {} ({})",
            t.pool,
            t.name,
            t.from.name(),
            t.to.name(),
            t.why,
            t.decided_by.name()
        ),
        Command::Said(remark) => format!("{}/{}: {}", remark.pool, remark.name, remark.text),
        Command::Switched(switch) => format!(
            "{}/{} from {} to {}: {}",
            switch.pool, switch.name, switch.change.from, switch.change.to, switch.change.why
        ),
        Command::StartTrial {
            endpoint, permits, ..
        } => format!(
            "{} may be given {permits} requests",
            name(engine, *endpoint)
        ),
        Command::Alone(cut) => format!("this machine reaches nobody: {}", cut.why),
        Command::Back(after) => {
            let after = after.as_secs_f64();
            format!("other machines answer again after {after:.1} s")
        }
        Command::StartService { service, .. } => format!("start {}", of(engine, *service)),
        Command::SignalService {
            service,
            pid,
            signal,
            ..
        } => format!("signal {signal} to {}, process {pid}", of(engine, *service)),
        Command::ServiceChanged(t) => {
            format!("{} {} → {}: {}", t.name, t.from.name(), t.to.name(), t.why)
        }
        Command::IncidentChanged(change) => return incident(change),
        Command::Act(order) => {
            let (action, subject) = (order.action.name(), &order.subject);
            format!("carry out {action} for {subject}: {}", order.why)
        }
        Command::Withdraw { name, .. } => format!("pool {name} is taken away"),
        _ => return None,
    })
}

fn incident(change: &IncidentChange) -> Option<String> {
    let record = &change.record;
    let mut news = Vec::new();
    for one in &change.news {
        let text = match one {
            News::Opened => {
                let subjects: Vec<_> = record.subjects.iter().map(|s| s.key.as_str()).collect();
                format!("opened for {}", subjects.join(" "))
            }
            News::Joined(key) => format!("joined by {key}"),
            News::Blamed => continue,
            News::Acted => match record.actions.last() {
                Some(last) => format!(
                    "{}{} of {}: {}",
                    match last.by {
                        Actor::Evenkeel => "",
                        Actor::Operator => "a person asked for ",
                    },
                    last.action,
                    last.target,
                    last.outcome.name()
                ),
                None => "an action".into(),
            },
            News::Restored => "everything serves again".into(),
            News::Closed => "closed".into(),
            News::Merged(into) => format!("is part of incident {into}"),
            News::Labelled => {
                let label = record.label.map_or("nothing", |cause| cause.name());
                format!("labelled {label}")
            }
            News::NeedsPerson => format!("needs a person: {}", record.person.join("; ")),
            News::Forgotten | News::Updated => continue,
        };
        if news.last() != Some(&text) {
            news.push(text);
        }
    }
    let judged = change.news.contains(&News::Blamed);
    if let (true, Some(first)) = (judged, record.causes.first()) {
        let because = first.because.iter().filter(|reason| reason.weight > 0.0);
        let because = because.take(3).map(|r| r.evidence.words(r.present));
        let because: Vec<_> = because.collect();
        news.push(format!(
            "{} at {:.0} %{}{}",
            first.cause.name(),
            first.probability * 100.0,
            if because.is_empty() { "" } else { ": " },
            because.join(", ")
        ));
    }
    (!news.is_empty()).then(|| format!("incident {}: {}", record.id, news.join("; ")))
}

/// What happened.
pub(super) fn event(event: &Event, engine: &Engine) -> String {
    let name = |id| name(engine, id);
    match event {
        Event::Configure(configure) => format!(
            "the configuration: {} pools, {} services",
            configure.pools.len(),
            configure.services.len()
        ),
        Event::Probed {
            endpoint,
            passed,
            detail,
            ..
        } => {
            let went = if *passed { "passed" } else { "failed" };
            format!("a check of {} {went}: {detail}", name(*endpoint))
        }
        Event::AgentSaid(said) => match &said.answer {
            Ok(line) => format!("the agent of {} said {line:?}", name(said.endpoint)),
            Err(why) => format!("the agent of {} said nothing: {why}", name(said.endpoint)),
        },
        Event::Failed(failure) => format!(
            "a request to {} failed: {}, {} in a row",
            name(failure.endpoint),
            failure.kind.name(),
            failure.run
        ),
        Event::Beat { endpoint, .. } => format!("a heartbeat of {}", name(*endpoint)),
        Event::Resolved {
            endpoint, address, ..
        } => match address {
            Some(address) => format!("{} is at {address}", name(*endpoint)),
            None => format!("a name of {} was not found", name(*endpoint)),
        },
        Event::Service { service, event } => {
            format!("{} {}", of(engine, *service), service_event(event))
        }
        Event::Paused(pause) => {
            format!(
                "the balancer did not run for {:.1} s",
                pause.length.as_secs_f64()
            )
        }
        Event::Carried(records) => format!("{} records of an earlier process", records.len()),
        Event::Incidents(records) => format!("{} incidents of an earlier process", records.len()),
        Event::Running(running) => format!("{} services that run already", running.len()),
        Event::Points { oldest, .. } => {
            format!("the recovery points of {} services are known", oldest.len())
        }
        Event::Acted { result, .. } => match result {
            Ok(done) => format!("an action is done: {done}"),
            Err(why) => format!("an action failed: {why}"),
        },
        Event::RecoveryNoted(pool) => format!("what pool {pool} is going to do is written down"),
        Event::Tick => "time passed".into(),
        other => operator(other, engine).unwrap_or_else(|| kind(other)),
    }
}

/// What an operator said, if it was one.
fn operator(event: &Event, engine: &Engine) -> Option<String> {
    let name = |id| name(engine, id);
    Some(match event {
        Event::Order { endpoint, order } => {
            format!(
                "an operator: {} of {}",
                format!("{order:?}").to_lowercase(),
                name(*endpoint)
            )
        }
        Event::Weight { endpoint, weight } => match weight {
            Some(weight) => format!("an operator: weight {weight} of {}", name(*endpoint)),
            None => format!("an operator: {} has its weight again", name(*endpoint)),
        },
        Event::Asked {
            service,
            action,
            ended,
        } => match ended {
            None => format!("an operator: {action} of {service}"),
            Some(Ok(done)) => format!("an operator's {action} of {service} is done: {done}"),
            Some(Err(why)) => format!("an operator's {action} of {service} failed: {why}"),
        },
        Event::Label {
            incident,
            cause,
            by,
        } => {
            let whose = match by {
                Labeller::Operator => "an operator",
                Labeller::Drill => "a drill",
            };
            format!("{whose}: incident {incident} was {}", cause.name())
        }
        _ => return None,
    })
}

fn service_event(event: &ServiceEvent) -> String {
    match event {
        ServiceEvent::Started { pid } => format!("runs as process {pid}"),
        ServiceEvent::StartFailed { why } => format!("could not be started: {why}"),
        ServiceEvent::Exited { pid, status } => format!("ended: process {pid}, {status}"),
        ServiceEvent::ReadyProbed { passed: true, .. } => "is ready".into(),
        ServiceEvent::ReadyProbed { passed: false, .. } => "is not ready yet".into(),
        ServiceEvent::Told { why, .. } => format!("was told: {why}"),
        ServiceEvent::Memory { bytes } => format!("uses {} MiB", bytes >> 20),
        ServiceEvent::Reset => "may be started again".into(),
    }
}

/// Its word in the code: `Measured`, `Swept`.
pub(super) fn kind(event: &Event) -> String {
    let text = format!("{event:?}");
    let word = text.split(|c: char| !c.is_alphanumeric()).next();
    word.unwrap_or("an event").to_lowercase()
}

fn name(engine: &Engine, id: EndpointId) -> String {
    match engine.endpoint(id) {
        Some(view) => format!("{}/{}", view.pool_name, view.name),
        None => format!("endpoint {id}, which is gone"),
    }
}

fn of(engine: &Engine, id: ServiceId) -> String {
    match engine.service(id) {
        Some(view) => view.spec.name.to_string(),
        None => format!("service {id}, which is gone"),
    }
}
