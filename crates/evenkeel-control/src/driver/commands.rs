//! Carrying out what the engine decided, in the order it decided it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::engine::{Carried, Command, Remark, ServiceTransition, Transition, Word};
use evenkeel_core::id::EndpointId;
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::table::State;
use evenkeel_store::Durability;

use super::{Driver, account};
use crate::agents::Talk;

impl Driver {
    pub(super) fn carry_out(&mut self) {
        while let Some(command) = self.engine.poll() {
            self.carry_out_one(command);
        }
    }

    fn carry_out_one(&mut self, command: Command) {
        match command {
            Command::Publish(table) => {
                self.tables.insert(table.pool, table.clone());
                if self.publishing {
                    self.host.publish(table);
                }
            }
            Command::Withdraw { pool, .. } => drop(self.tables.remove(&pool)),
            Command::StartTrial {
                endpoint, permits, ..
            } => self.start_trial(endpoint, permits),
            Command::Probe {
                endpoint,
                address,
                timeout,
                epoch,
            } => self.probe(endpoint, address, timeout, epoch),
            Command::AskAgent(look) => self.ask_agent(look),
            Command::Weigh {
                endpoint, burden, ..
            } => self.weigh(endpoint, burden),
            Command::Use { endpoint, used, .. } => self.used(endpoint, used),
            Command::Said(remark) => log_remark(&remark),
            Command::Switched(switch) => self.switched(&switch),
            Command::Prevented(word) => log_word(&word),
            Command::Alone(cut) => log_alone(&cut.why),
            Command::Back(after) => log_back(after),
            Command::Changed(transition) => self.changed_state(&transition),
            Command::Persist(carried) => self.persist(carried),
            Command::Forget { pool, endpoint } => self.storage.delete_endpoint(&pool, &endpoint),
            Command::StartService { service, epoch } => {
                if let Some(view) = self.engine.service(service) {
                    self.host.start_service(view.spec, epoch);
                }
            }
            Command::SignalService {
                service,
                pid,
                signal,
                epoch,
            } => {
                if let Some(view) = self.engine.service(service) {
                    self.host
                        .signal_service(&view.spec.name, pid, signal, epoch);
                }
            }
            Command::ProbeReady { service, epoch } => self.look_ready(service, epoch),
            Command::ServiceChanged(transition) => self.service_changed(&transition),
            Command::IncidentChanged(change) => self.incident_changed(*change),
            Command::PersistRecovery(carried) => self.note_recovery(carried),
            Command::Act(order) => self.carry_order(order),
        }
    }

    fn changed_state(&mut self, transition: &Transition) {
        let begins = transition.from == State::Unknown && self.begins(transition.endpoint);
        if let Some(more) = self.logs_of(self.agent_behind(transition.endpoint)) {
            log_transition(transition, begins, &more);
        }
        self.account_changed(transition);
    }

    fn service_changed(&mut self, transition: &ServiceTransition) {
        let agent = transition.name.split_once('/');
        if let Some(more) = self.logs_of(agent.map(|(agent, _)| agent.into())) {
            log_service(transition, &more);
        }
    }

    /// The agent whose word decides how this endpoint is, among others.
    fn agent_behind(&self, endpoint: EndpointId) -> Option<Arc<str>> {
        let service = self.engine.endpoint(endpoint)?.service_name?;
        let (agent, _) = service.split_once('/')?;
        Some(agent.into())
    }

    /// Is a change logged? What an agent says of its services is, as far as that is little enough to be read.
    fn logs_of(&mut self, agent: Option<Arc<str>>) -> Option<String> {
        match agent {
            Some(agent) => self.agents.logs(Talk::State, &agent),
            None => Some(String::new()),
        }
    }

    fn persist(&mut self, carried: Carried) {
        // What is seen of endpoints whose services are being stopped says nothing of the next start.
        if self.phase.stopping() && self.durability == Durability::Relaxed {
            return;
        }
        // A balancer that replaces this one is not to begin with a path that is cut.
        let durability = match carried.path {
            Some(_) => Durability::Now,
            None => self.durability,
        };
        self.storage.put_endpoint(&carried.into(), durability);
    }

    /// Is it only that its service has just been started and does not listen yet? That happens at every start.
    pub(super) fn begins(&self, endpoint: EndpointId) -> bool {
        let endpoint = self.engine.endpoint(endpoint);
        endpoint.is_some_and(|endpoint| account::begins(&self.engine, &endpoint))
    }

    fn weigh(&self, endpoint: EndpointId, burden: u32) {
        if let Some(view) = self.engine.endpoint(endpoint) {
            view.shared.burden.store(burden, Relaxed);
        }
    }

    fn used(&self, endpoint: EndpointId, used: [Option<u32>; 3]) {
        if let Some(view) = self.engine.endpoint(endpoint) {
            view.shared.used.tell(used);
        }
    }

    fn start_trial(&self, endpoint: EndpointId, permits: u32) {
        if let Some(view) = self.engine.endpoint(endpoint) {
            view.shared.trial_left.store(permits, Relaxed);
        }
    }
}

fn log_alone(why: &str) {
    tracing::error!(
        target: "evenkeel::own",
        "{why}: the fault is taken to be this machine's own or its network's, and no endpoint's; they keep their states until one answers"
    );
}

fn log_back(after: Duration) {
    let after = after.as_secs_f64();
    tracing::info!(target: "evenkeel::own", "other machines answer again after {after:.1} s");
}

/// "app/a3 up → down: 2 of 2 checks failed: connection refused (check)".
fn log_transition(t: &Transition, begins: bool, more: &str) {
    let (from, to, by) = (t.from.name(), t.to.name(), t.decided_by.name());
    let line = format!(
        "{}/{} {from} → {to}: {} ({by}){more}",
        t.pool, t.name, t.why
    );
    let (pool, endpoint) = (&*t.pool, &*t.name);
    match t.to {
        State::Down if !begins => {
            tracing::warn!(target: "evenkeel::endpoint", pool, endpoint, from, to, by, "{line}");
        }
        _ => tracing::info!(target: "evenkeel::endpoint", pool, endpoint, from, to, by, "{line}"),
    }
}

/// "app/a3 suspected, a probe decides: not a byte for 210 ms with 34 requests in flight …".
fn log_remark(remark: &Remark) {
    let line = format!("{}/{} {}", remark.pool, remark.name, remark.text);
    let (pool, endpoint) = (&*remark.pool, &*remark.name);
    tracing::warn!(target: "evenkeel::endpoint", pool, endpoint, "{line}");
}

/// "app/a1 disk /data full in about 20 min at this rate".
fn log_word(word: &Word) {
    let (pool, endpoint) = (&*word.pool, word.endpoint.as_deref());
    let line = match &word.endpoint {
        Some(endpoint) => format!("{pool}/{endpoint} {}", word.text),
        None => format!("pool {pool}: {}", word.text),
    };
    match word.calm {
        true => tracing::info!(target: "evenkeel::prevention", pool, endpoint, "{line}"),
        false => tracing::warn!(target: "evenkeel::prevention", pool, endpoint, "{line}"),
    }
}

/// "service api-1 ready → backoff: signal KILL (pid 4242, 1 restart)".
fn log_service(t: &ServiceTransition, more: &str) {
    let (from, to) = (t.from.name(), t.to.name());
    let service = &*t.name;
    match t.to {
        ServiceState::Failed => {
            tracing::error!(target: "evenkeel::service", service, from, to, "{t}{more}");
        }
        ServiceState::Backoff => {
            tracing::warn!(target: "evenkeel::service", service, from, to, "{t}{more}");
        }
        _ => tracing::info!(target: "evenkeel::service", service, from, to, "{t}{more}"),
    }
}
