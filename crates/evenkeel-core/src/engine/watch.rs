//! What concerns all pools at once: that we did not run, or reach nobody, which is no fault of any endpoint's.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::address::Address;
use crate::detect::{Cut, Found, Pause, machine};
use crate::diagnose::{Evidence, Source};
use crate::health::{Beat, Endpoint, Order, Sign};
use crate::id::{EndpointId, Epoch};
use crate::incident::{About, Observation};
use crate::observe::Contact;
use crate::time::Time;

use super::Engine;
use super::command::Command;
use super::event::AgentSaid;

impl Engine {
    /// This machine reaches nobody, since when and as seen by what.
    pub fn cut(&self) -> Option<&Cut> {
        self.reach.cut()
    }

    /// A beat: whoever sends one is reached, in this direction at least.
    pub(super) fn beat(&mut self, endpoint: EndpointId, beat: &Beat) {
        if let Some(machine) = self.place_of(endpoint).and_then(Endpoint::machine) {
            let found = self.reach.heard(machine, self.now);
            self.found(found);
        }
        self.sign(endpoint, Sign::Beat(beat));
        if let Some(utilization) = beat.utilization {
            self.busy(endpoint, utilization);
            self.usage_said(endpoint, utilization);
        }
    }

    /// A look at an agent ended. The share of its weight that an endpoint wants says how much of it is free.
    pub(super) fn agent_said(&mut self, said: &AgentSaid) {
        let answer = said.answer.as_ref();
        let answer = answer.map(String::as_str).map_err(String::as_str);
        let (endpoint, epoch) = (said.endpoint, said.epoch);
        self.sign(endpoint, Sign::AgentSaid { epoch, answer });
        let percent = self.place_of(endpoint).and_then(|e| e.agent.percent());
        if let Some(percent) = percent.filter(|_| answer.is_ok()) {
            self.usage_said(endpoint, 1.0 - f64::from(percent) / 100.0);
        }
    }

    /// We were away: everybody is excused.
    pub(super) fn paused(&mut self, pause: &Pause) {
        self.excuse(pause, |_| true);
        let value = "it did not run for a while";
        self.own_fault(Evidence::SelfPaused, true, value);
    }

    /// A probe ended.
    pub(super) fn probed(
        &mut self,
        endpoint: EndpointId,
        epoch: Epoch,
        (passed, contact): (bool, Contact),
        detail: &str,
    ) {
        let Some(known) = self.place_of(endpoint) else {
            return;
        };
        if known.path.is_former(epoch) {
            return; // of an address that is in use no more
        }
        if let Some(address) = known.path.asked(epoch).cloned() {
            return self.elsewhere(endpoint, &address, epoch, (passed, contact), detail);
        }
        let slept = known.slept_through(contact);
        if let Some(machine) = known.machine().filter(|_| !slept) {
            self.contacted(machine, contact);
        }
        self.ledger
            .probed(endpoint, epoch, passed, detail, self.now);
        let sign = Sign::Probed {
            epoch,
            passed,
            contact,
            detail,
            starts_until: self.starts_until(endpoint),
        };
        self.sign(endpoint, sign);
        self.look_at_port(endpoint, epoch, passed);
    }

    /// Its service has ended: does somebody else answer at its port, so that there is no use in starting it?
    fn look_at_port(&mut self, endpoint: EndpointId, epoch: Epoch, passed: bool) {
        let Some(taken) = self.ledger.port_taken(endpoint, epoch, passed) else {
            return;
        };
        let service = self
            .place_of(endpoint)
            .and_then(|e| e.spec.service.as_deref());
        if let Some(id) = service.and_then(|name| self.services.id(name)) {
            self.supervise(id, |services, ctx| services.port(id, taken, ctx));
        }
    }

    /// Until when the service behind it, where that is one of this host, may take for its first start.
    fn starts_until(&self, endpoint: EndpointId) -> Option<Time> {
        let name = self.place_of(endpoint)?.spec.service.as_deref()?;
        let service = self.services.service(self.services.id(name)?)?;
        service.machine.starts_until()
    }

    /// A probe of another address than the one in use ended: whether it is the path that is cut shows here.
    fn elsewhere(
        &mut self,
        endpoint: EndpointId,
        address: &Address,
        epoch: Epoch,
        (passed, contact): (bool, Contact),
        detail: &str,
    ) {
        if let Some(machine) = machine(address) {
            self.contacted(machine, contact);
        }
        if self.place_of(endpoint).is_some_and(|e| e.path.in_doubt()) {
            let seen = Observation {
                about: About::Endpoint(endpoint),
                evidence: Evidence::AnswersElsewhere,
                present: passed,
                source: Source::Check,
                value: format!("{address}: {detail}"),
            };
            self.ledger.observed(&seen, self.now);
        }
        let sign = Sign::Elsewhere {
            epoch,
            passed,
            detail,
        };
        self.sign(endpoint, sign);
    }

    /// It says which machines answer, before it says anything of its endpoint.
    fn contacted(&mut self, machine: IpAddr, contact: Contact) {
        let found = match contact.reached() {
            true => self.reach.heard(machine, self.now),
            false => {
                let machines = self.machines();
                self.reach.unheard(machine, &machines, self.now)
            }
        };
        self.found(found);
    }

    fn found(&mut self, found: Option<Found>) {
        match found {
            None => {}
            Some(Found::Ask(machines)) => self.ask(&machines),
            Some(Found::Alone) => {
                self.own_fault(Evidence::EverythingToo, true, "no machine answers");
                let cut = self.reach.cut().cloned();
                self.commands.extend(cut.map(Command::Alone));
            }
            Some(Found::Back(after)) => {
                self.own_fault(Evidence::EverythingToo, false, "machines answer again");
                self.commands.push_back(Command::Back(after));
                let pause = Pause::ended(after, self.now.at);
                self.excuse(&pause, |endpoint| endpoint.machine().is_some());
            }
        }
    }

    /// One endpoint of each of these machines is looked at now.
    fn ask(&mut self, machines: &[IpAddr]) {
        for machine in machines {
            let there = |endpoint: &&Endpoint| machines_of(endpoint).any(|m| m == *machine);
            let asked = self.everybody().find(there).map(|endpoint| endpoint.id);
            if let Some(endpoint) = asked {
                self.sign(endpoint, Sign::Look);
            }
        }
    }

    fn excuse(&mut self, pause: &Pause, whom: impl Fn(&Endpoint) -> bool) {
        let excused = self.everybody().filter(|endpoint| whom(endpoint));
        for endpoint in excused.map(|endpoint| endpoint.id).collect::<Vec<_>>() {
            self.sign(endpoint, Sign::Excused(pause));
        }
    }

    /// All that are looked at.
    fn everybody(&self) -> impl Iterator<Item = &Endpoint> {
        let all = self.pools.values().flat_map(|pool| &pool.endpoints);
        all.filter(|endpoint| endpoint.order != Some(Order::Maintenance))
    }

    fn machines(&self) -> BTreeSet<IpAddr> {
        self.everybody().flat_map(machines_of).collect()
    }

    pub(super) fn place_of(&self, endpoint: EndpointId) -> Option<&Endpoint> {
        let (pool, index) = self.places.get(&endpoint)?;
        self.pools.get(pool)?.endpoints.get(*index)
    }
}

/// The machines its addresses are on: another address counts as another machine, since it is another network's.
fn machines_of(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> {
    let (ways, _) = endpoint.path.ways();
    ways.iter().filter_map(|way| machine(way.address()?))
}
