//! Ways between zones, and endpoints that are known to be down.

use evenkeel_core::id::Epoch;
use evenkeel_core::table::State;

use super::super::agenda::Event;
use super::super::to_ns;
use super::Fleet;

impl Fleet<'_> {
    /// How long a try of this line is on its way to the endpoint, if that is in another zone.
    pub(super) fn away(&self, line: usize, endpoint: usize) -> Option<u64> {
        let table = &self.lines[line].table;
        let own = table.failover.zone.as_deref()?;
        let far = table.endpoints[endpoint].zone.as_deref() != Some(own);
        far.then(|| to_ns(self.scenario.balancers.zone_delay_s))
    }

    /// A try is at its endpoint.
    pub(super) fn reach(&mut self, key: usize, number: u64) {
        let Some(attempt) = self.attempts.get(key).filter(|a| a.number == number) else {
            return;
        };
        let (endpoint, work) = (attempt.endpoint, attempt.work);
        let at = &mut self.endpoints[endpoint];
        at.join(key as u32, work, self.now);
        self.figures.level(at.len(), true, self.now);
        self.plan(endpoint);
    }

    /// Its answer is at the balancer.
    pub(super) fn back(&mut self, key: usize, number: u64) {
        if self.attempts.get(key).is_some_and(|a| a.number == number) {
            let attempt = self.attempts.remove(key);
            self.end(attempt, true);
        }
    }

    /// When endpoints will be known to be down, and up again.
    pub(super) fn plan_outs(&mut self) {
        let kinds = self.scenario.endpoints.iter();
        let all = kinds.flat_map(|kind| (0..kind.count).map(move |_| kind));
        for (endpoint, kind) in (0..).zip(all) {
            for &[from, to] in &kind.out {
                for (at, down) in [(from, true), (to, false)] {
                    let event = Event::Known { endpoint, down };
                    self.agenda.enter(to_ns(at), event);
                }
            }
        }
    }

    /// Every balancer knows that it is down, or up.
    pub(super) fn known(&mut self, endpoint: usize, down: bool) {
        for line in 0..self.lines.len() {
            let table = &mut self.lines[line].table;
            table.endpoints[endpoint].state = if down { State::Down } else { State::Up };
            table.epoch = Epoch(table.epoch.0 + 1);
            self.move_up(line);
        }
    }
}
