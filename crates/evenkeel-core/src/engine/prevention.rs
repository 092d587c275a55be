//! Prevention in the engine: facts and heartbeats go to each pool's scheduler, and what it decides becomes weights and limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::counters::Lane;
use crate::facts::{Facts, MachineFacts, ServiceFacts};
use crate::health::Sign;
use crate::health::traffic::Measured;
use crate::id::{EndpointId, PoolId};
use crate::prevent::relief::WHOLE;
use crate::prevent::{Braked, Ends, Reliever, Stand};
use crate::settings::{LimitSettings, PreventionMode};
use crate::time::Time;

use super::Engine;
use super::command::Command;
use super::context::Context;
use super::pool::Pool;

/// Something prevention has to say, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Of this pool.
    pub pool: Arc<str>,
    /// Of this endpoint; `None` = of all of it.
    pub endpoint: Option<Arc<str>>,
    /// What.
    pub text: String,
    /// Nothing to look at: it is over.
    pub calm: bool,
}

impl Engine {
    /// What was read of the machine and its services.
    pub(super) fn prevent(&mut self, facts: &Facts) {
        let services: BTreeMap<&str, &ServiceFacts> =
            facts.services.iter().map(|s| (&*s.name, s)).collect();
        for id in self.pools.keys().copied().collect::<Vec<_>>() {
            self.with_pool(id, |pool, ctx| {
                if pool.read(&services, &facts.machine, ctx.now.at) {
                    pool.prevent(ctx);
                }
            });
        }
    }

    /// How busy an endpoint says it is.
    pub(super) fn busy(&mut self, endpoint: EndpointId, utilization: f64) {
        let Some(&(pool, _)) = self.places.get(&endpoint) else {
            return;
        };
        self.with_pool(pool, |pool, ctx| {
            if pool.spec.prevention.mode != PreventionMode::Off {
                let gauges = pool.scheduler.gauges(endpoint);
                gauges.says(utilization, ctx.now.at);
                pool.prevent(ctx);
            }
        });
    }

    /// `by` wants so many thousandths of what was in flight admitted to the pool, for this reason; `None` = all again. The
    /// table that says so is published at the end of the present event.
    pub(crate) fn tighten(&mut self, pool: PoolId, by: Reliever, wanted: Option<(u32, &str)>) {
        self.with_pool(pool, |pool, ctx| {
            pool.admission.ask(by, wanted, ctx.now.at);
            pool.limit_again(ctx.now.at);
        });
    }

    fn with_pool(&mut self, id: PoolId, deed: impl FnOnce(&mut Pool, &mut Context<'_>)) {
        let mut ctx = Context {
            now: self.now,
            fences: &mut self.fences,
            commands: &mut self.commands,
            cut: self.reach.excuses(),
        };
        if let Some(pool) = self.pools.get_mut(&id) {
            deed(pool, &mut ctx);
            self.touched.insert(id);
        }
    }
}

impl Pool {
    /// Takes in what was read of the services behind its endpoints. Was there any?
    fn read(
        &mut self,
        services: &BTreeMap<&str, &ServiceFacts>,
        machine: &MachineFacts,
        at: Time,
    ) -> bool {
        if self.spec.prevention.mode == PreventionMode::Off {
            return false;
        }
        let mut read = false;
        for endpoint in &self.endpoints {
            let name = endpoint.spec.service.as_deref();
            if let Some(service) = name.and_then(|name| services.get(name)) {
                self.scheduler
                    .gauges(endpoint.id)
                    .facts(service, machine, at);
                read = true;
            }
        }
        read
    }

    /// Looks at everybody's heat and carries out what the scheduler decides.
    pub(super) fn prevent(&mut self, ctx: &mut Context<'_>) {
        let stands = self.endpoints.iter().map(|endpoint| Stand {
            id: endpoint.id,
            weight: endpoint.weight(),
            usable: endpoint.usable(),
        });
        let stands: Vec<_> = stands.collect();
        let mode = self.spec.prevention.mode;
        let decision = self.scheduler.look(&stands, mode, ctx.now.at);
        for (id, text) in decision.warnings {
            let endpoint = self.name_of(id);
            self.word(endpoint, text, false, ctx);
        }
        for (id, wanted) in decision.reliefs {
            self.relieve(id, wanted.as_ref(), ctx);
        }
        if let Some(wanted) = decision.admission {
            self.admit(wanted.as_ref(), ctx);
        }
        self.limit_again(ctx.now.at);
    }

    fn relieve(&mut self, id: EndpointId, wanted: Option<&(u32, String)>, ctx: &mut Context<'_>) {
        let Some(index) = self.endpoints.iter().position(|e| e.id == id) else {
            return;
        };
        let begun = self.endpoints[index].relief.of(Reliever::Prevention) < WHOLE;
        let asked = wanted.map(|(factor, why)| (*factor, why.as_str()));
        self.on(index, Sign::Relieve(Reliever::Prevention, asked), ctx);
        let endpoint = self.name_of(id);
        match wanted {
            Some((_, why)) if !begun => {
                let text = format!("runs hot, work moves off it: {why}");
                self.word(endpoint, text, false, ctx);
            }
            None if begun => {
                let text = "has its whole weight again".to_owned();
                self.word(endpoint, text, true, ctx);
            }
            _ => {}
        }
    }

    fn admit(&mut self, wanted: Option<&(u32, String)>, ctx: &mut Context<'_>) {
        let begun = self.admission.asked().of(Reliever::Prevention) < WHOLE;
        let asked = wanted.map(|(factor, why)| (*factor, why.as_str()));
        self.admission.ask(Reliever::Prevention, asked, ctx.now.at);
        match wanted {
            Some((_, why)) if !begun => {
                let text = format!("admission tightens, there is nowhere for work to go: {why}");
                self.word(None, text, false, ctx);
            }
            None if begun => {
                let text = "everything is admitted again".to_owned();
                self.word(None, text, true, ctx);
            }
            _ => {}
        }
    }

    /// Is what this pool does in vain?
    pub(super) fn brake(
        &mut self,
        measured: &BTreeMap<EndpointId, Measured>,
        ctx: &mut Context<'_>,
    ) {
        if self.spec.prevention.mode != PreventionMode::Act {
            return;
        }
        let mut ends = Ends::default();
        for endpoint in &self.endpoints {
            let Some(measured) = measured.get(&endpoint.id) else {
                continue;
            };
            let lanes = measured.lanes.iter();
            let waiting = lanes.clone().map(Lane::waiting).sum();
            ends.answered += lanes.clone().map(|lane| lane.answered).sum::<u64>();
            ends.in_vain += lanes.map(|lane| lane.in_vain).sum::<u64>();
            ends.waiting += waiting;
            let standing = u64::from(measured.in_flight).saturating_sub(waiting);
            ends.standing = ends.standing.max(standing);
            ends.serving += u64::from(endpoint.usable());
        }
        match self.admission.brake.look(ends, ctx.now.at) {
            Some(Braked::On(why)) => {
                let text = format!("the brake holds, less is sent at once: {why}");
                self.word(None, text, false, ctx);
            }
            Some(Braked::Off) => self.word(None, "the brake is off".to_owned(), true, ctx),
            None => {}
        }
        self.limit_again(ctx.now.at);
    }

    /// The limits in force now.
    pub(super) fn limits(&self, at: Time) -> LimitSettings {
        let usable = self.endpoints.iter().filter(|e| e.usable());
        let serving = usable.map(|endpoint| endpoint.agent.limit());
        self.admission.limits(&self.spec.limit, serving, at)
    }

    /// Other limits than in the table? Then there has to be a new one.
    fn limit_again(&mut self, at: Time) {
        if self.table.limit != self.limits(at) {
            self.dirty = true;
        }
    }

    fn name_of(&self, id: EndpointId) -> Option<Arc<str>> {
        let found = self.endpoints.iter().find(|endpoint| endpoint.id == id);
        found.map(|endpoint| endpoint.spec.name.clone())
    }

    fn word(&self, endpoint: Option<Arc<str>>, text: String, calm: bool, ctx: &mut Context<'_>) {
        ctx.command(Command::Prevented(Word {
            pool: self.spec.name.clone(),
            endpoint,
            text,
            calm,
        }));
    }
}
