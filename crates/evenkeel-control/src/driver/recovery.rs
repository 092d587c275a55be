//! Carrying out what the recovery decided: written down first, done off the loop, and told to the engine with the fence it was decided
//! under.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine::{Engine, Event};
use evenkeel_core::id::Epoch;
use evenkeel_core::incident::Actor;
use evenkeel_core::recover::actions::{Hand, Step};
use evenkeel_core::recover::{CarriedRecovery, Order};
use evenkeel_core::settings::PoolSpec;
use evenkeel_probe::clock::now;
use evenkeel_schema::admin::{CureStatus, RecoveryPoint, RecoveryStatus, UnderwayStatus};
use evenkeel_schema::records::RecoveryRecord;
use tokio::sync::oneshot;

use super::agents::{Did, Wish};
use super::{Driver, Report};

/// What a task of the recovery brings back.
pub(crate) enum Recovered {
    /// What a pool's recovery wanted to be written down is on disk.
    Noted(Arc<str>),
    /// A step ended.
    Acted(Epoch, Result<String, String>),
    /// This recovery point is whole.
    Sound(Order, String),
}

impl Driver {
    pub(super) fn remember_recoveries(&mut self, records: Vec<RecoveryRecord>) {
        let (known, gone): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
            let mut pools = self.config.pools.iter();
            pools.any(|pool| *pool.name == *record.pool)
        });
        for record in gone {
            self.storage.delete_recovery(&record.pool);
        }
        self.event(Event::CarriedRecovery(
            known.into_iter().map(Into::into).collect(),
        ));
    }

    /// Writes it down; the engine waits for the word that it is, and so does what it decided.
    pub(super) fn note_recovery(&mut self, carried: CarriedRecovery) {
        let pool = carried.pool.clone();
        self.storage.put_recovery(&carried.into());
        let Some(written) = self.storage.written() else {
            return; // the engine goes on without after a while
        };
        let reports = self.reports.clone();
        tokio::spawn(async move {
            // What could not be stored is not noted; the engine goes on without after a while.
            if matches!(written.await, Ok(Ok(()))) {
                // A loop that ended wants no report.
                let _ = reports.send(Report::Recovery(Recovered::Noted(pool))).await;
            }
        });
    }

    /// Carries one step out.
    pub(super) fn carry_order(&mut self, order: Order) {
        let (subject, action) = (&order.subject, order.action.name());
        tracing::warn!(target: "evenkeel::recovery", subject = &**subject, action, incident = order.incident, "{subject}: {}", order.why);
        let service = order.service.as_deref();
        let view = service.and_then(|name| self.engine.service_id(name));
        let view = view.and_then(|id| self.engine.service(id));
        if view.is_some_and(|view| view.agent.is_some()) {
            return self.order_agent(order);
        }
        let outcome = match order.step {
            Step::Host if action == "restore_data" => self.find_sound(order),
            Step::Host => self.order_host(order),
            _ => Err((order.epoch, format!("nobody here carries {action} out"))),
        };
        if let Err((epoch, why)) = outcome {
            self.recovered(Recovered::Acted(epoch, Err(why)));
        }
    }

    /// The agent of its service does it, if its own file allows it.
    fn order_agent(&mut self, order: Order) {
        let service = order.service.as_deref().unwrap_or_default().to_owned();
        // What began at the balancer goes on as a plain restart.
        let action = match order.action.0.hand() {
            Hand::Supervisor | Hand::Host => order.action.name(),
            Hand::Balancer | Hand::Control => "restart",
        };
        let epoch = order.epoch;
        let answer = Box::new(move |driver: &mut Driver, result: Result<Did, String>| {
            let result = result.map(|did| did.words);
            driver.event(Event::Acted { epoch, result });
        });
        // Only a point from before the fault; which of those is whole is found there.
        let ago = now().wall.0.saturating_sub(order.since.0);
        let wish = Wish {
            action,
            argument: order.argument,
            older_than: (action == "restore_data").then(|| Duration::from_millis(ago)),
        };
        self.order_elsewhere(&service, wish, order.why, answer);
    }

    fn order_host(&mut self, order: Order) -> Result<(), (Epoch, String)> {
        let service = order.service.as_deref();
        let view = service.and_then(|name| self.engine.service_id(name));
        let Some(view) = view.and_then(|id| self.engine.service(id)) else {
            return Err((order.epoch, "the service is gone".to_owned()));
        };
        let (spec, host, reports) = (view.spec.clone(), self.host.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let result = host.act(&spec, order.action.name(), order.argument.as_deref());
            let acted = Recovered::Acted(order.epoch, result);
            let _ = reports.blocking_send(Report::Recovery(acted));
        });
        Ok(())
    }

    /// The newest recovery point from before the fault that can be read back whole.
    fn find_sound(&mut self, order: Order) -> Result<(), (Epoch, String)> {
        let Some(service) = order.service.clone() else {
            return Err((order.epoch, "the service is gone".to_owned()));
        };
        let all = self.host.recovery_points().recovery_points;
        let before =
            |point: &RecoveryPoint| *point.service == *service && point.made.0 < order.since;
        let mut points: Vec<RecoveryPoint> = all.into_iter().filter(before).collect();
        points.sort_by_key(|point| std::cmp::Reverse(point.made.0));
        if points.is_empty() {
            let why = "there is no recovery point from before the fault";
            return Err((order.epoch, why.to_owned()));
        }
        let (host, reports) = (self.host.clone(), self.reports.clone());
        tokio::task::spawn_blocking(move || {
            let sound = points
                .iter()
                .find(|point| host.verify(&service, &point.id).is_ok());
            let recovered = match sound {
                Some(point) => Recovered::Sound(order, point.id.clone()),
                None => {
                    let why = format!("none of its {} recovery points is whole", points.len());
                    Recovered::Acted(order.epoch, Err(why))
                }
            };
            let _ = reports.blocking_send(Report::Recovery(recovered));
        });
        Ok(())
    }

    pub(super) fn recovered(&mut self, recovered: Recovered) {
        match recovered {
            Recovered::Noted(pool) => self.event(Event::RecoveryNoted(pool)),
            Recovered::Acted(epoch, result) => self.event(Event::Acted { epoch, result }),
            Recovered::Sound(order, id) => {
                let service = order.service.as_deref().unwrap_or_default().to_owned();
                let (answer, answered) = oneshot::channel();
                self.restore(service, id.clone(), Actor::Evenkeel, answer);
                let reports = self.reports.clone();
                tokio::spawn(async move {
                    let result = match answered.await {
                        Ok(Ok(answer)) => Ok(match answer.kept_aside {
                            Some(aside) => {
                                format!("restored from {id}; what was there is in {aside}")
                            }
                            None => format!("restored from {id}"),
                        }),
                        Ok(Err(refused)) => Err(refused.error.message),
                        Err(_) => Err("the restoration was given up".to_owned()),
                    };
                    let acted = Recovered::Acted(order.epoch, result);
                    let _ = reports.send(Report::Recovery(acted)).await;
                });
            }
        }
    }
}

/// What is shown of a pool's recovery.
pub(super) fn status(engine: &Engine, spec: &PoolSpec) -> Option<RecoveryStatus> {
    let view = engine.recovery(&spec.name)?;
    let allow = spec.recovery.allow.iter();
    let cures = view.cures.into_iter();
    Some(RecoveryStatus {
        mode: spec.recovery.mode.name().to_owned(),
        allow: allow.map(|action| action.name().to_owned()).collect(),
        left_this_hour: view.left,
        underway: view.current.map(|(action, target, stage)| UnderwayStatus {
            action,
            target,
            stage,
        }),
        cures: cures
            .map(|(cause, action, tried, cured)| CureStatus {
                cause,
                action,
                tried,
                cured,
            })
            .collect(),
    })
}
