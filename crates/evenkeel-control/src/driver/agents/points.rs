//! Recovery points of services that agents supervise: they are on the agents' hosts and known here as they were told last.
//!
//! Those of an agent that is gone stay in the list, with the moment it was heard last: whoever looks while a host is down wants to
//! know what there is to go back to. They are kept in memory only; an agent tells all of them when it comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{
    ErrorAnswer, ErrorCode, RecoveryAnswer, RecoveryOlder, RecoveryPoints,
};
use evenkeel_schema::agent::{
    POINTS_BYTES_MAX, PointsReport, ServiceReport, VERIFY_DATA, printable,
};
use tokio::sync::oneshot;

use super::{Did, Known, Wish};
use crate::OldestPoints;
use crate::ask::{Outcome, unavailable};
use crate::driver::Driver;
use crate::driver::restores::{no_such_point, no_such_service};

type Answer = oneshot::Sender<Outcome<RecoveryAnswer>>;

/// By service, as the agent names it. Those it has not told of are not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct TheirPoints(BTreeMap<String, PointsReport>);

impl TheirPoints {
    /// What an agent says of one service, or, with `all`, of all it has.
    pub(super) fn told(&mut self, services: &[ServiceReport], all: bool) {
        if all {
            // Not told with `data` there: it has not looked yet, after a start of its own.
            let keeps = |name: &String| {
                let mut reports = services.iter();
                reports.any(|r| r.name == *name && r.care.data.is_some())
            };
            self.0.retain(|name, _| keeps(name));
        }
        for report in services {
            if let Some(points) = &report.points {
                self.0.remove(&report.name);
                let kept: usize = self.0.values().map(PointsReport::weight).sum();
                // An agent of ours never says more.
                if kept + points.weight() <= POINTS_BYTES_MAX {
                    self.0.insert(report.name.clone(), points.clone());
                }
            }
        }
    }

    /// When the oldest of each was made, by full name. Of what did not fit into a report nobody here knows when it was made.
    pub(super) fn oldest(&self, agent: &str) -> OldestPoints {
        let known = self.0.iter().filter(|(_, report)| report.older == 0);
        let oldest = known.map(|(service, report)| {
            let made = report.points.iter().map(|point| WallTime(point.made_ms));
            (format!("{agent}/{service}").into(), made.min())
        });
        oldest.collect()
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn list(&self, agent: &str, as_of: Option<Stamp>, into: &mut RecoveryPoints) {
        for (service, report) in &self.0 {
            let name = format!("{agent}/{service}");
            into.recovery_points.extend(report.points(&name, as_of));
            into.problems.extend(report.problem(&name));
            if report.older > 0 {
                into.older.push(RecoveryOlder {
                    service: name,
                    points: report.older,
                });
            }
        }
    }

    /// May there be one of this name? What did not fit is not known here.
    fn may_have(&self, service: &str, id: &str) -> bool {
        self.0.get(service).is_none_or(|report| {
            report.older > 0 || report.points.iter().any(|point| point.id == id)
        })
    }
}

impl Driver {
    /// Of the services here and of those of agents.
    pub(in crate::driver) fn recovery_points(&self) -> RecoveryPoints {
        let mut all = self.host.recovery_points();
        for (agent, known) in &self.agents.known {
            let as_of = known.heard.filter(|_| !known.connected).map(Stamp);
            known.points.list(agent, as_of, &mut all);
        }
        all
    }

    /// Is it a service of an agent? Also one that is not known, of an agent that has not been here since the start.
    pub(in crate::driver) fn is_elsewhere(&self, name: &str) -> bool {
        let id = self.engine.service_id(name);
        match id.and_then(|id| self.engine.service(id)) {
            Some(view) => view.agent.is_some(),
            None => name
                .split_once('/')
                .is_some_and(|(agent, _)| self.agents.known.contains_key(agent)),
        }
    }

    /// Has the agent of its host restore a service's data.
    pub(in crate::driver) fn restore_elsewhere(
        &mut self,
        name: String,
        id: String,
        answer: Answer,
    ) {
        if let Err(refusal) = self.may_ask(&name, &id, true) {
            return drop(answer.send(Err(refusal)));
        }
        tracing::warn!(target: "evenkeel::recovery", service = name, point = id, "{name}: restore_data {id}, an operator's word: its agent is told");
        self.order_recovery(name, id, "restore_data", answer);
    }

    /// Has the agent of its host read a point back.
    pub(in crate::driver) fn verify_elsewhere(&mut self, name: String, id: String, answer: Answer) {
        match self.may_ask(&name, &id, false) {
            Ok(()) => self.order_recovery(name, id, VERIFY_DATA, answer),
            Err(refusal) => drop(answer.send(Err(refusal))),
        }
    }

    fn may_ask(&self, name: &str, id: &str, restore: bool) -> Outcome<()> {
        if !self.phase.serving() {
            return Err(unavailable("the balancer is shutting down"));
        }
        let (agent, service) = name.split_once('/').unwrap_or_default();
        let Some((agent, known)) = self.agents.known.get_key_value(agent) else {
            return Err(no_such_service(name));
        };
        if !known.connected {
            return Err(not_connected(agent, known));
        }
        let view = self.engine.service_id(name);
        let Some(view) = view.and_then(|id| self.engine.service(id)) else {
            return Err(no_such_service(name));
        };
        if view.spec.care.data.is_none() {
            let message = format!("service {name} has no data to restore");
            let hint = format!(
                "its directory is said by `data` in [service.{service}] of the file of agent {agent}"
            );
            let code = ErrorCode::NoSuchRecoveryPoint;
            return Err(ErrorAnswer::new(code, message, hint));
        }
        if !known.points.may_have(service, id) {
            return Err(no_such_point(name, id));
        }
        self.may_ask_now(agent, known, service, restore)
    }

    /// What does not depend on the point.
    fn may_ask_now(
        &self,
        agent: &Arc<str>,
        known: &Known,
        service: &str,
        restore: bool,
    ) -> Outcome<()> {
        if restore && self.agents.restores_on(agent) {
            let message = format!("another restoration is under way on the host of agent {agent}");
            let hint = "wait for it; `evenkeel status` shows the services there";
            return Err(ErrorAnswer::new(ErrorCode::Busy, message, hint));
        }
        if !restore && !known.points.0.contains_key(service) {
            let message = format!(
                "agent {agent} (evenkeel {}) has told nothing of its recovery points, so none can be read back there",
                printable(&known.version)
            );
            let hint = "one that has just started looks first: ask again in a moment. An older evenkeel does not tell: update it; a restoration reads the point back before anything is changed";
            return Err(ErrorAnswer::new(ErrorCode::RecoveryFailed, message, hint));
        }
        Ok(())
    }

    /// Whatever comes of it is answered. The agent judges by its own host's word.
    fn order_recovery(&mut self, name: String, id: String, action: &'static str, answer: Answer) {
        let (service, point) = (name.clone(), id.clone());
        let restores = action != VERIFY_DATA;
        if restores {
            self.asked(&name, action, None);
        }
        let answered = Box::new(move |driver: &mut Driver, result: Result<Did, String>| {
            if restores {
                driver.asked_elsewhere(&service, action, &result);
            }
            let done = result.map(|did| RecoveryAnswer {
                service,
                id: point,
                kept_aside: did.kept_aside,
            });
            let _ = answer.send(done.map_err(|why| {
                let hint = "the agent's own log has it too; `allow` in its file says what may be asked of its host, restore_data among it or not";
                ErrorAnswer::new(ErrorCode::RecoveryFailed, why, hint)
            }));
        });
        let wish = Wish {
            action,
            argument: Some(id),
            older_than: None,
        };
        self.order_elsewhere(&name, wish, "an operator's word".into(), answered);
    }
}

fn not_connected(agent: &str, known: &Known) -> ErrorAnswer {
    let message = format!(
        "agent {agent} is not connected since {}: {}; its recovery points are on its host",
        Stamp(known.since),
        known.why
    );
    let hint = "nothing was done; it calls again by itself, and then this can be repeated";
    ErrorAnswer::new(ErrorCode::RecoveryFailed, message, hint)
}

#[cfg(test)]
mod tests;
