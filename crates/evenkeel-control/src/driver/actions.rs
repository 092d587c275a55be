//! An operator's word that an action be carried out on a service: the same hands as a plan's, without its choosing. What the
//! supervisor does is an order to it; files and programs are the host's, off the loop.

use evenkeel_core::engine::Event;
use evenkeel_core::recover::actions::{ACTIONS, Action, Hand, find, supervisors_order};
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::supervise::ServiceOrder;
use evenkeel_schema::admin::{ActionAnswer, ActionRequest, ErrorAnswer, ErrorCode};
use tokio::sync::oneshot;

use super::agents::{Did, Wish};
use super::underway::noted;
use super::{Driver, Report};
use crate::ask::{Outcome, unavailable};

type Answer = oneshot::Sender<Outcome<ActionAnswer>>;

/// What came of an action on the host.
pub(crate) struct Acted {
    service: String,
    action: String,
    result: Result<String, String>,
    answer: Answer,
}

impl Driver {
    pub(super) fn act(&mut self, name: String, request: ActionRequest, answer: Answer) {
        if let Err(refusal) = self.try_act(&name, request, answer) {
            let (refusal, answer) = *refusal;
            drop(answer.send(Err(refusal)));
        }
    }

    fn try_act(
        &mut self,
        name: &str,
        request: ActionRequest,
        answer: Answer,
    ) -> Result<(), Box<(ErrorAnswer, Answer)>> {
        if !self.phase.serving() {
            return Err(Box::new((
                unavailable("the balancer is shutting down"),
                answer,
            )));
        }
        let view = self
            .engine
            .service_id(name)
            .and_then(|id| self.engine.service(id));
        let Some(view) = view else {
            return Err(Box::new((super::restores::no_such_service(name), answer)));
        };
        let Some(action) = find(&request.action) else {
            return Err(Box::new((not_here(&request.action), answer)));
        };
        let (service, spec) = (view.id, (**view.spec).clone());
        if view.agent.is_some() {
            self.act_elsewhere(name, action, request.command, answer);
            return Ok(());
        }
        match (action.hand(), action.part.name) {
            (Hand::Supervisor, name_of) => {
                let order = supervisors_order(name_of);
                let running = view.pid;
                let why = format!("{name_of}, an operator's word");
                self.asked(name, name_of, None);
                self.tell_service(service, order, why);
                let done = match running {
                    Some(pid) => format!("process {pid} was told: {}", action.part.summary),
                    None => "it does not run: nothing was done".to_owned(),
                };
                let told = match running {
                    Some(pid) => Ok(format!("process {pid} was told")),
                    None => Err(done.clone()),
                };
                self.asked(name, name_of, Some(told));
                let _ = answer.send(Ok(acted(name, name_of, done)));
            }
            (Hand::Host, name_of) if name_of != "restore_data" => {
                self.act_on_host(spec, name_of, request.command, answer);
            }
            _ => return Err(Box::new((not_here(&request.action), answer))),
        }
        Ok(())
    }

    /// What a person wants stands in the incident it is about, if there is one.
    pub(super) fn asked(
        &mut self,
        service: &str,
        action: &str,
        ended: Option<Result<String, String>>,
    ) {
        let (service, action) = (service.into(), action.into());
        self.event(Event::Asked {
            service,
            action,
            ended,
        });
    }

    /// What came of it on another host.
    pub(super) fn asked_elsewhere(
        &mut self,
        service: &str,
        action: &str,
        result: &Result<Did, String>,
    ) {
        let words = result.as_ref().map(|did| did.words.clone());
        self.asked(service, action, Some(words.map_err(Clone::clone)));
    }

    /// The agent judges by its own host's word.
    fn act_elsewhere(
        &mut self,
        name: &str,
        action: &'static Action,
        argument: Option<String>,
        answer: Answer,
    ) {
        let (service, action) = (name.to_owned(), action.part.name);
        let why = "an operator's word".to_owned();
        self.asked(name, action, None);
        let answered = Box::new(move |driver: &mut Driver, result: Result<Did, String>| {
            driver.asked_elsewhere(&service, action, &result);
            let done = result.map(|did| acted(&service, action, did.words));
            let _ = answer.send(done.map_err(|why| {
                let hint = "the agent's own log has it too; `allow` in its file says what may be asked of its host";
                ErrorAnswer::new(ErrorCode::ActionFailed, why, hint)
            }));
        });
        let wish = Wish {
            action,
            argument,
            older_than: None,
        };
        self.order_elsewhere(name, wish, why, answered);
    }

    /// Off the loop, once it is written down that it begins.
    fn act_on_host(
        &mut self,
        spec: ServiceSpec,
        name_of: &'static str,
        command: Option<String>,
        answer: Answer,
    ) {
        let service = spec.name.to_string();
        let (host, reports) = (self.host.clone(), self.reports.clone());
        let written = self.under_way(&service, name_of, command.as_deref());
        self.asked(&service, name_of, None);
        tokio::spawn(async move {
            noted(written).await;
            let acting = move || host.act(&spec, name_of, command.as_deref());
            let result = tokio::task::spawn_blocking(acting).await;
            let acted = Acted {
                service,
                action: name_of.to_owned(),
                result: result.unwrap_or_else(|e| Err(e.to_string())),
                answer,
            };
            // A loop that ended wants no report.
            let _ = reports.send(Report::Acted(acted)).await;
        });
    }

    pub(super) fn acted(&mut self, acted: Acted) {
        let Acted {
            service,
            action,
            result,
            answer,
        } = acted;
        self.not_under_way(&service, &action);
        self.asked(&service, &action, Some(result.clone()));
        match &result {
            Ok(done) => {
                tracing::warn!(target: "evenkeel::recovery", service, action, "{service}: {action}: {done}")
            }
            Err(why) => {
                tracing::error!(target: "evenkeel::recovery", service, action, "{service}: {action} failed: {why}")
            }
        }
        // Another release serves only from a new start on.
        if action == "rollback_release"
            && result.is_ok()
            && let Some(id) = self.engine.service_id(&service)
        {
            self.tell_service(
                id,
                ServiceOrder::Restart,
                "rollback_release, an operator's word".into(),
            );
        }
        let failed = |why: String| {
            let hint = "the log has it too; nothing else was done";
            ErrorAnswer::new(ErrorCode::ActionFailed, why, hint)
        };
        let _ = answer.send(
            result
                .map(|done| self::acted(&service, &action, done))
                .map_err(failed),
        );
    }
}

fn acted(service: &str, action: &str, outcome: String) -> ActionAnswer {
    ActionAnswer {
        service: service.to_owned(),
        action: action.to_owned(),
        outcome,
    }
}

fn not_here(action: &str) -> ErrorAnswer {
    let here = |hand| matches!(hand, Hand::Supervisor | Hand::Host);
    let names = ACTIONS
        .iter()
        .filter(|a| here(a.hand()) && a.part.name != "restore_data");
    let names: Vec<_> = names.map(|a| a.part.name).collect();
    let message = format!("{action:?} is no action of a service");
    let hint = format!(
        "there is {}; `evenkeel recovery-points` restores data",
        names.join(", ")
    );
    ErrorAnswer::new(ErrorCode::NoSuchAction, message, hint)
}
