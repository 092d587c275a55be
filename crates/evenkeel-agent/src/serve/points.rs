//! Recovery points as balancers are told of them: all with the services, then those of a service when they change. One is read back
//! here when a balancer asks for it; what is put in place of a service's data is an action, and among the orders.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::engine::ServiceView;
use evenkeel_schema::agent::{FromAgent, Order, POINTS_BYTES_MAX, PointsReport, printable};

use super::worker::{Phase, Report, Worker};
use super::{KnownPoints, WhichPoint};

/// More services than these with other points at once, and everything is told anew: one message instead of many.
const CHANGED_MAX: usize = 16;

/// As they were told.
#[derive(Debug, Default)]
pub(super) struct ToldPoints {
    version: u64,
    reports: BTreeMap<String, PointsReport>,
    /// A point is being read back; one at a time, since it reads all of it.
    verifying: bool,
}

impl ToldPoints {
    /// Takes what is known now, and says of whom it is news.
    fn learn(&mut self, known: &KnownPoints) -> Vec<String> {
        let share = POINTS_BYTES_MAX / known.services.len().max(1);
        let report = |(name, its): (&String, &super::ServicePoints)| {
            let report = PointsReport::new(&its.points, its.problem.as_ref(), share);
            (name.clone(), report)
        };
        let reports: BTreeMap<_, _> = known.services.iter().map(report).collect();
        let news =
            |(name, report): &(&String, &PointsReport)| self.reports.get(*name) != Some(*report);
        let changed = reports.iter().filter(news).map(|(name, _)| name.clone());
        let changed = changed.collect();
        self.version = known.version;
        self.reports = reports;
        changed
    }

    /// Of a service that has some now.
    pub(super) fn of(&self, view: &ServiceView<'_>) -> Option<PointsReport> {
        view.spec.care.data.as_ref()?;
        self.reports.get(&*view.spec.name).cloned()
    }
}

impl Worker {
    /// Tells of points that are others than those told last.
    pub(super) fn tell_points(&mut self) {
        let Some(known) = self.host.recovery_points(self.told.points.version) else {
            return;
        };
        let changed = self.told.points.learn(&known);
        if changed.len() > CHANGED_MAX {
            return self.tell_everybody();
        }
        for name in changed {
            let service = self.engine.service_id(&name);
            if let Some(view) = service.and_then(|id| self.engine.service(id)) {
                let mut report = self.of(&view);
                report.points = self.told.points.of(&view);
                self.say_sure(&FromAgent::Service(report));
            }
        }
    }

    /// A balancer wants to know whether a point is whole. No order that changes anything waits for that.
    pub(super) fn verify(&mut self, line: u64, order: Order) {
        let id = match self.may_verify(&order) {
            Ok(id) => id,
            Err(why) => return self.done(line, order.order, Err(why)),
        };
        self.told.points.verifying = true;
        let (host, reports) = (self.host.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let verified = host.verify(&order.service, &id);
            // A loop that ended wants no report.
            let _ = reports.blocking_send(Report::Verified(line, order.order, verified));
        });
    }

    fn may_verify(&self, order: &Order) -> Result<String, String> {
        if self.phase != Phase::Serving {
            return Err("the agent is shutting down".into());
        }
        let config = &self.loaded.config;
        if !config.services.iter().any(|s| *s.name == *order.service) {
            let host = &config.agent.name;
            return Err(format!("agent {host} has no service {:?}", order.service));
        }
        if self.told.points.verifying {
            return Err("another recovery point is being read back on that host".into());
        }
        let id = order.argument.as_deref();
        id.map(printable)
            .ok_or_else(|| "no recovery point was named".into())
    }

    pub(super) fn verified(&mut self, line: u64, order: u64, result: Result<String, String>) {
        self.told.points.verifying = false;
        let result = result.map(super::Did::from);
        self.done(line, order, result);
    }
}

/// Which one an order means.
pub(super) fn which(order: &Order) -> WhichPoint {
    let older_than = Duration::from_millis(order.older_than_ms.unwrap_or(0));
    let named = order.argument.clone().map(WhichPoint::Named);
    named.unwrap_or(WhichPoint::Newest(older_than))
}
