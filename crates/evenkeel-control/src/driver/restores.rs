//! Restoring a service's data: the service is held (ends and stays so), then the data is exchanged off the loop, then the service
//! runs again. One at a time; whatever comes of it, the service is let go.

use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::id::ServiceId;
use evenkeel_core::incident::Actor;
use evenkeel_core::supervise::{ServiceEvent, ServiceOrder, ServiceState};
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode, RecoveryAnswer};
use tokio::sync::oneshot;

use super::{Driver, Report};
use crate::ask::{Outcome, unavailable};

/// Beyond a service's own stop time-out: for the kill that follows it and the word that it worked.
const STOP_SLACK: Duration = Duration::from_secs(5);

/// The one that is under way.
pub(super) struct Restoring {
    service: ServiceId,
    name: String,
    id: String,
    /// Who wants it.
    by: Actor,
    answer: oneshot::Sender<Outcome<RecoveryAnswer>>,
    /// The service must have ended by then.
    until: Time,
    /// The data is being exchanged.
    exchanging: bool,
}

impl Driver {
    /// Begins, or says at once why not.
    pub(super) fn restore(
        &mut self,
        name: String,
        id: String,
        by: Actor,
        answer: oneshot::Sender<Outcome<RecoveryAnswer>>,
    ) {
        if self.is_elsewhere(&name) {
            return self.restore_elsewhere(name, id, answer);
        }
        match self.may_restore(&name, &id) {
            Ok((service, stop_timeout)) => {
                let why = format!("its data is restored from {id}");
                // No need to wait for the note: the service has to end first.
                drop(self.under_way(&name, "restore_data", Some(&id)));
                if by == Actor::Operator {
                    self.asked(&name, "restore_data", None);
                }
                self.tell_service(service, ServiceOrder::Hold, why);
                self.restoring = Some(Restoring {
                    service,
                    name,
                    id,
                    by,
                    answer,
                    until: now().at + stop_timeout + STOP_SLACK,
                    exchanging: false,
                });
            }
            Err(refusal) => drop(answer.send(Err(refusal))),
        }
    }

    /// Reads a point back off the loop.
    pub(super) fn verify(
        &mut self,
        name: String,
        id: String,
        answer: oneshot::Sender<Outcome<RecoveryAnswer>>,
    ) {
        if self.is_elsewhere(&name) {
            return self.verify_elsewhere(name, id, answer);
        }
        if let Err(refusal) = self.find_point(&name, &id) {
            drop(answer.send(Err(refusal)));
            return;
        }
        let host = self.host.clone();
        tokio::task::spawn_blocking(move || {
            let verified = host.verify(&name, &id);
            let _ = answer.send(verified.map_err(|why| recovery_failed(&why)));
        });
    }

    fn find_point(&self, name: &str, id: &str) -> Outcome<()> {
        if self.engine.service_id(name).is_none() {
            return Err(no_such_service(name));
        }
        let all = self.host.recovery_points().recovery_points;
        let found = all
            .iter()
            .any(|point| point.service == name && point.id == id);
        found.then_some(()).ok_or_else(|| no_such_point(name, id))
    }

    fn may_restore(&self, name: &str, id: &str) -> Outcome<(ServiceId, Duration)> {
        if !self.phase.serving() {
            return Err(unavailable("the balancer is shutting down"));
        }
        if self.restoring.is_some() {
            let hint = "wait for it; `evenkeel status` shows the service";
            return Err(ErrorAnswer::new(
                ErrorCode::Busy,
                "another restoration is under way",
                hint,
            ));
        }
        let service = self
            .engine
            .service_id(name)
            .and_then(|id| self.engine.service(id));
        let Some(service) = service else {
            return Err(no_such_service(name));
        };
        if service.spec.care.data.is_none() {
            let message = format!("service {name} has no data to restore");
            let hint = format!("its directory is said by `data` in [service.{name}]");
            return Err(ErrorAnswer::new(
                ErrorCode::NoSuchRecoveryPoint,
                message,
                hint,
            ));
        }
        self.find_point(name, id)?;
        Ok((service.id, service.spec.stop_timeout))
    }

    pub(super) fn tell_service(&mut self, service: ServiceId, order: ServiceOrder, why: String) {
        let event = ServiceEvent::Told { order, why };
        self.event(Event::Service { service, event });
    }

    /// When the loop must look again.
    pub(super) fn next_restore(&self) -> Time {
        let waiting = self.restoring.as_ref().filter(|r| !r.exchanging);
        waiting.map_or(Time::NEVER, |r| r.until)
    }

    /// Exchanges the data once the service has ended.
    pub(super) fn go_on_restoring(&mut self, at: Time) {
        let Some(restoring) = self.restoring.as_mut().filter(|r| !r.exchanging) else {
            return;
        };
        let state = self.engine.service(restoring.service).map(|s| s.state);
        if state.is_none_or(|state| state == ServiceState::Stopped) {
            restoring.exchanging = true;
            let (host, reports) = (self.host.clone(), self.reports.clone());
            let (name, id) = (restoring.name.clone(), restoring.id.clone());
            tokio::task::spawn_blocking(move || {
                let restored = host.restore(&name, &id);
                // A loop that ended wants no report.
                let _ = reports.blocking_send(Report::Restored(restored));
            });
        } else if restoring.until <= at {
            self.restored(Err("the service did not end in time".into()));
        }
    }

    pub(super) fn restored(&mut self, result: Result<RecoveryAnswer, String>) {
        let Some(restoring) = self.restoring.take() else {
            return;
        };
        let Restoring {
            service,
            name,
            id,
            by,
            answer,
            ..
        } = restoring;
        let why = match &result {
            Ok(_) => format!("its data was restored from {id}"),
            Err(_) => "its data could not be restored".to_owned(),
        };
        match &result {
            Ok(done) => {
                tracing::warn!(target: "evenkeel::recovery", service = name, point = id, "{name}: data restored from {id}; what was there before is in {}", done.kept_aside.as_deref().unwrap_or("no place: there was nothing"))
            }
            Err(why) => {
                tracing::error!(target: "evenkeel::recovery", service = name, point = id, "{name}: data not restored from {id}: {why}")
            }
        }
        if by == Actor::Operator {
            let asked = result.as_ref().map(|_| why.clone());
            self.asked(&name, "restore_data", Some(asked.map_err(Clone::clone)));
        }
        self.tell_service(service, ServiceOrder::Release, why);
        self.not_under_way(&name, "restore_data");
        let _ = answer.send(result.map_err(|why| recovery_failed(&why)));
    }
}

pub(super) fn no_such_service(name: &str) -> ErrorAnswer {
    let message = format!("there is no service {name:?}");
    ErrorAnswer::new(
        ErrorCode::NoSuchService,
        message,
        "`evenkeel status` lists them",
    )
}

pub(super) fn no_such_point(name: &str, id: &str) -> ErrorAnswer {
    let message = format!("service {name} has no recovery point {id:?}");
    let hint = format!("`evenkeel recovery-points {name}` lists them");
    ErrorAnswer::new(ErrorCode::NoSuchRecoveryPoint, message, hint)
}

fn recovery_failed(why: &str) -> ErrorAnswer {
    let hint = "nothing was changed; the service runs on with what it had";
    ErrorAnswer::new(ErrorCode::RecoveryFailed, why, hint)
}
