//! How much endpoints are used, to workers: only of pools whose policy goes by it.

use std::collections::BTreeMap;

use crate::facts::{Facts, ServiceFacts};
use crate::id::EndpointId;
use crate::settings::Used;

use super::Engine;
use super::command::Command;

impl Engine {
    /// What was read of services and of the machine.
    pub(super) fn usage_read(&mut self, facts: &Facts) {
        let services: BTreeMap<&str, &ServiceFacts> =
            facts.services.iter().map(|s| (&*s.name, s)).collect();
        let now = self.now.at;
        let pools = self.pools.values_mut().filter(|pool| pool.goes_by_usage());
        for endpoint in pools.flat_map(|pool| &mut pool.endpoints) {
            let name = endpoint.spec.service.as_deref();
            if let Some(service) = name.and_then(|name| services.get(name)) {
                endpoint.usage.facts(service, &facts.machine, now);
            }
        }
        self.tell_usage();
    }

    /// An endpoint says it of itself, 0 to 1.
    pub(super) fn usage_said(&mut self, endpoint: EndpointId, utilization: f64) {
        let Some(&(pool, index)) = self.places.get(&endpoint) else {
            return;
        };
        let Some(pool) = self.pools.get_mut(&pool).filter(|p| p.goes_by_usage()) else {
            return;
        };
        let thousandths = (utilization.clamp(0.0, 1.0) * 1000.0) as u32;
        pool.endpoints[index]
            .usage
            .report(Used::Own, thousandths, self.now.at);
        self.tell_usage();
    }

    fn tell_usage(&mut self) {
        let pools = self.pools.values_mut().filter(|pool| pool.goes_by_usage());
        for endpoint in pools.flat_map(|pool| &mut pool.endpoints) {
            if let Some(used) = endpoint.usage.news(self.now.at) {
                self.commands.push_back(Command::Use {
                    endpoint: endpoint.id,
                    used,
                    epoch: self.fences.next(),
                });
            }
        }
    }
}
