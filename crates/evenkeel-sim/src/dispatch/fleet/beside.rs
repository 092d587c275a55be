//! What happens beside the requests: endpoints say what their load is, others take the processors of their machines, they become
//! slower or faster, and some fail.

use std::time::Duration;

use evenkeel_core::balance::Report;
use evenkeel_core::time::Time;

use super::super::agenda::Event;
use super::super::{NS, lots, to_ns};
use super::Fleet;

impl Fleet<'_> {
    /// After a pick: whom its policy wants to ask.
    pub(super) fn ask(&mut self, balancer: usize, line: usize) {
        let now = Time::from_nanos(self.now);
        let on_the_way = to_ns(self.scenario.reports.delay_s / 2.0);
        while let Some(endpoint) =
            self.choosers[balancer].wants_to_ask(&self.lines[line].table, now)
        {
            let ask = Event::Ask {
                balancer: balancer as u32,
                endpoint: endpoint as u32,
            };
            self.agenda.enter(self.now + on_the_way, ask);
        }
    }

    /// It becomes slower or faster.
    pub(super) fn change(&mut self, endpoint: usize) {
        self.endpoints[endpoint].change(self.now);
        self.plan(endpoint);
        self.next_change(endpoint);
    }

    /// An endpoint says what its load is; it takes a moment until that is heard.
    pub(super) fn tell(&mut self, balancer: u32, endpoint: usize) {
        let (in_flight, latency_ns) = self.endpoints[endpoint].report(self.now);
        let told = Event::Told {
            balancer,
            endpoint: endpoint as u32,
            in_flight,
            latency_ns,
        };
        let on_the_way = to_ns(self.scenario.reports.delay_s / 2.0);
        self.agenda.enter(self.now + on_the_way, told);
    }

    pub(super) fn told(&mut self, balancer: usize, endpoint: usize, said: (u32, Option<u64>)) {
        let report = Report {
            at: Time::from_nanos(self.now),
            in_flight: said.0,
            latency: said.1.map(Duration::from_nanos),
        };
        let line = balancer % self.lines.len();
        self.choosers[balancer].reported(&self.lines[line].table, endpoint, &report);
    }

    /// The load beside an endpoint changes.
    pub(super) fn turn(&mut self, endpoint: usize) {
        let Some(story) = &mut self.stories[endpoint] else {
            return;
        };
        let (times, lasts) = story.turn();
        self.endpoints[endpoint].leave(times, self.now);
        self.plan(endpoint);
        let at = self.now + lasts;
        let endpoint = endpoint as u32;
        self.agenda.enter(at, Event::Turn { endpoint });
    }

    /// When its capacity changes as the scenario says.
    pub(super) fn next_change(&mut self, endpoint: usize) {
        if let Some(at) = self.endpoints[endpoint].next_change() {
            let endpoint = endpoint as u32;
            let at = at.max(self.now);
            self.agenda.enter(at, Event::Change { endpoint });
        }
    }

    /// Does this try fail without any work, and after which time?
    pub(super) fn fails(&mut self, endpoint: usize) -> Option<f64> {
        let now = self.now as f64 / NS;
        let mut failures = self.scenario.failures.iter();
        let failure = failures.find(|failure| {
            failure.endpoints.contains(&(endpoint as u32))
                && now >= failure.from_s
                && failure.to_s.is_none_or(|to| now < to)
        })?;
        (lots::unit(&mut self.lots.failures) < failure.share).then_some(failure.after_s)
    }
}
