//! What the planner is shown, and what becomes of what it wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::health::{Endpoint, Sign};
use crate::id::{EndpointId, Epoch};
use crate::incident::SubjectView;
use crate::prevent::Reliever;
use crate::recover::actions::Step;
use crate::recover::{Behind, CarriedRecovery, Case, Condition, Do, Order, RecoveryView};
use crate::settings::PoolSpec;
use crate::supervise::{ServiceEvent, ServiceOrder, ServiceState};
use crate::table::State;
use crate::time::WallTime;

use super::Engine;
use super::command::Command;

/// What an endpoint is left of its work while that is to cure it, in thousandths: half shows whether less helps.
const RELIEVED: u32 = 500;

/// Services whose recovery points are known: as many as agents may have, and some here.
const POINTS_MAX: usize = 20 * crate::remote::SERVICES_MAX;

impl Engine {
    /// What is shown of a pool's recovery.
    pub fn recovery(&self, pool: &str) -> Option<RecoveryView> {
        let spec = &self.pools.get(self.pool_ids.get(pool)?)?.spec;
        let max = spec.recovery.max_actions_per_hour;
        Some(self.planner.view(pool, max, self.now))
    }

    /// What an earlier process did.
    pub(super) fn carried_recovery(&mut self, records: Vec<CarriedRecovery>) {
        self.planner.carry(records);
        self.configure_recovery();
    }

    pub(super) fn configure_recovery(&mut self) {
        let names: BTreeSet<Arc<str>> = self.pool_ids.keys().cloned().collect();
        let mut planner = std::mem::take(&mut self.planner);
        planner.configure(&names, |subject| self.patient(subject));
        self.planner = planner;
    }

    /// What there is to go back to, on one host.
    pub(super) fn know_points(
        &mut self,
        agent: Option<&str>,
        oldest: BTreeMap<Arc<str>, Option<WallTime>>,
    ) {
        let host = |name: &Arc<str>| name.split_once('/').map(|(host, _)| host) == agent;
        self.points.retain(|name, _| !host(name));
        let room = POINTS_MAX.saturating_sub(self.points.len());
        let its = oldest.into_iter().filter(|(name, _)| host(name));
        self.points.extend(its.take(room));
    }

    /// The service behind a subject, else the subject itself: what rests after an action.
    fn patient(&self, subject: &str) -> Arc<str> {
        let endpoints = self.pools.values().flat_map(|pool| {
            let name = &pool.spec.name;
            pool.endpoints.iter().map(move |endpoint| (name, endpoint))
        });
        let named = |(pool, endpoint): &(&Arc<str>, &Endpoint)| {
            subject.split_once('/') == Some((pool, &endpoint.spec.name))
        };
        let mut found = endpoints.filter(named);
        let service = found.next().and_then(|(_, e)| e.spec.service.clone());
        service.unwrap_or_else(|| subject.into())
    }

    /// The end of an event: is anything to be done about what is wrong?
    pub(super) fn recover(&mut self) {
        if !self
            .planner
            .is_due(self.ledger.open_count() > 0, self.now.at)
        {
            return;
        }
        let mut planner = std::mem::take(&mut self.planner);
        let views = self.ledger.troubled(self.now.at);
        let cases: Vec<Case<'_>> = views.iter().filter_map(|view| self.case(view)).collect();
        planner.plan(&cases, self.now);
        drop(cases);
        drop(views);
        self.planner = planner;
        let before = self.commands.len();
        self.carry_recovery_out();
        self.account(before);
        self.finish();
        self.tell_incidents();
    }

    fn carry_recovery_out(&mut self) {
        for wanted in self.planner.take() {
            match wanted {
                Do::Note(record) => self.commands.push_back(Command::PersistRecovery(record)),
                Do::Withhold(endpoint, why) => self.sign(endpoint, Sign::Withhold(why.as_deref())),
                Do::Treat(subject, on) => self.ledger.treat(&subject, on, self.now),
                Do::Relieve(endpoint, why) => self.relieve_of_work(endpoint, why.as_deref()),
                Do::Step { subject, step, why } => self.take_step(&subject, step, &why),
                Do::Tell(incident, subject, input) => {
                    self.ledger.act(incident, &subject, input, self.now);
                }
            }
        }
    }

    /// Less weight, where others can have what it does not get; where nobody can, less is let in.
    fn relieve_of_work(&mut self, endpoint: EndpointId, why: Option<&str>) {
        let wanted = why.map(|why| (RELIEVED, why));
        self.relieve(endpoint, Reliever::Recovery, wanted);
        let Some((id, _)) = self.places.get(&endpoint).copied() else {
            return;
        };
        let endpoints = self.pools.get(&id).map_or(&[][..], |pool| &pool.endpoints);
        let others = endpoints.iter().filter(|other| other.id != endpoint);
        let alone = !others.into_iter().any(Endpoint::usable);
        self.tighten(id, Reliever::Recovery, wanted.filter(|_| alone));
    }

    /// What the supervisor here does is done at once; what a shell does goes out as a command under the fence.
    fn take_step(&mut self, subject: &str, step: Step, why: &str) {
        let Some(course) = self.planner.course(subject).cloned() else {
            return;
        };
        let epoch = self.fences.next();
        let name = course.service.clone();
        let behind = name.as_deref().and_then(|name| self.behind(name));
        self.planner
            .taken(subject, epoch, behind.as_ref(), self.now);
        let here = behind.as_ref().and_then(|behind| behind.id);
        let given_up = behind.is_some_and(|b| b.state == ServiceState::Failed);
        let why = format!("{}: {why}", course.action.name());
        let event = match (step, here) {
            (Step::Relief | Step::Watch(_), _) => return,
            (Step::Restart | Step::Kill | Step::TryAgain, Some(_)) if given_up => {
                ServiceEvent::Reset
            }
            (Step::TryAgain, Some(_)) => return,
            (Step::Restart, Some(_)) => told(ServiceOrder::Restart, why),
            (Step::Kill, Some(_)) => told(ServiceOrder::Kill, why),
            (Step::Signal(signal), Some(_)) => told(ServiceOrder::Signal(signal), why),
            _ => {
                self.commands.push_back(Command::Act(Order {
                    epoch,
                    incident: course.incident,
                    action: course.action,
                    step,
                    pool: course.pool,
                    subject: course.subject,
                    endpoint: course.endpoint,
                    service: course.service,
                    argument: course.argument,
                    since: course.since,
                    why,
                }));
                return;
            }
        };
        if let Some(id) = here {
            self.on_service(id, event);
        }
    }

    pub(super) fn acted(&mut self, epoch: Epoch, result: Result<String, String>) {
        self.planner.acted(epoch, result, self.now);
        let before = self.commands.len();
        self.carry_recovery_out();
        self.account(before);
    }

    fn behind(&self, name: &str) -> Option<Behind> {
        let view = self.service(self.service_id(name)?)?;
        Some(Behind {
            name: name.into(),
            id: view.agent.is_none().then_some(view.id),
            heard: view.agent.as_ref().is_none_or(|agent| agent.connected),
            state: view.state,
            pid: view.pid,
            begun: view.begun,
            oldest_point: self.points.get(name).copied(),
            spec: view.spec.clone(),
        })
    }

    fn case<'a>(&'a self, view: &'a SubjectView<'a>) -> Option<Case<'a>> {
        let pool = view.pool?;
        let plan = self.pools.get(self.pool_ids.get(pool)?)?;
        let endpoint = self.place_of(view.endpoint?)?;
        let spec: &PoolSpec = &plan.spec;
        let others = plan
            .endpoints
            .iter()
            .filter(|other| other.id != endpoint.id);
        let healthy = others.filter(|other| other.usable() && other.suspicion.is_none());
        let least = spec.outlier.min_healthy as usize;
        let name = endpoint.spec.service.as_deref();
        let service = name.and_then(|name| self.behind(name));
        // One that was taken over counts as starting until it is seen to be ready, which one that hangs never is.
        let taken_over = service.as_ref().is_some_and(|s| s.begun.is_some());
        let condition = match view.condition {
            Condition::Down if endpoint.returning() => Condition::Returning,
            Condition::Returning
                if taken_over && endpoint.shown.state == State::Down && !endpoint.returning() =>
            {
                Condition::Down
            }
            condition => condition,
        };
        Some(Case {
            incident: view.incident,
            opened: view.opened,
            since: view.since,
            causes: view.causes,
            scope: view.scope,
            subject: view.subject.clone(),
            pool: pool.clone(),
            settings: &spec.recovery,
            condition,
            endpoint: Some(endpoint.id),
            usable: endpoint.usable(),
            spare: healthy.count() >= least,
            waiting: endpoint.waiting(self.now.at),
            service,
        })
    }
}

fn told(order: ServiceOrder, why: String) -> ServiceEvent {
    ServiceEvent::Told { order, why }
}
