//! Those who ask: they wait for so long, leave, and ask again. And what control makes of that every 100 ms.

use std::time::Duration;

use evenkeel_core::balance::End;
use evenkeel_core::time::Time;

use super::super::agenda::Event;
use super::super::scenario::Process;
use super::super::{burden, lots, to_ns};
use super::Fleet;

impl Fleet<'_> {
    /// A client asks, for the first time or again: to its balancer it is a new request.
    pub(super) fn enter(&mut self, request: usize) {
        let (now, number) = (Time::from_nanos(self.now), self.numbers);
        self.numbers += 1;
        let asked = &mut self.requests[request];
        asked.number = number;
        asked.retries_left = self.scenario.tries.retries;
        asked.tried.clear();
        self.budgets[asked.balancer].request(now);
        let patience = self.scenario.clients.patience_s;
        if patience > 0.0 {
            let at = self.now + to_ns(patience);
            let request = request as u32;
            self.agenda.enter(at, Event::Leave { request, number });
        }
        self.place(request);
    }

    /// Its patience has ended: whoever waits in its place may go, and its endpoint works on for nobody.
    pub(super) fn leave(&mut self, request: usize) {
        let line = self.line_of(request);
        match self.requests[request].attempt.take() {
            None => {
                self.lines[line].leave(request);
            }
            Some(key) => {
                self.attempts[key].request = None;
                let attempt = self.attempts[key];
                let after = Duration::from_nanos(self.now - attempt.begun);
                self.ended(request, &attempt, End::Abandoned(after));
                self.lines[line].in_vain += 1;
            }
        }
        self.fail(request);
        self.move_up(line);
    }

    /// Its balancer has no answer for it, or it left: it asks again, or that was it.
    pub(super) fn fail(&mut self, request: usize) {
        let asked = &mut self.requests[request];
        if asked.asks_left > 0 {
            asked.asks_left -= 1;
            // What was planned for it is void.
            asked.number = self.numbers;
            self.numbers += 1;
            let number = asked.number;
            // Never at the same moment, or a balancer that refuses would be asked for ever at it.
            let at = self.now + to_ns(self.scenario.clients.delay_s).max(1_000);
            let request = request as u32;
            return self.agenda.enter(at, Event::Return { request, number });
        }
        let asked = self.requests.remove(request);
        self.figures.failed(asked.born, self.now);
        self.after(asked.user);
    }

    /// When the next request comes, but for users who wait for their answers.
    pub(super) fn next_arrival(&mut self) {
        let mean = 1.0 / self.scenario.rate();
        let gap = match self.scenario.arrival.process {
            Process::Poisson => lots::exponential(mean, &mut self.lots.gaps),
            _ => mean,
        };
        let at = self.now + to_ns(gap);
        self.agenda.enter(at, Event::Arrive { user: 0 });
    }

    /// Where users wait for their answers: this one thinks, and sends its next.
    pub(super) fn think(&mut self, user: u32) {
        let mean = self.scenario.arrival.think_s;
        let gap = lots::exponential(mean, &mut self.lots.thinking);
        // Never at once: somebody whom everybody refuses would ask for ever at the same moment.
        let at = self.now + to_ns(gap).max(1_000);
        self.agenda.enter(at, Event::Arrive { user });
    }

    /// A request of this user is over.
    pub(super) fn after(&mut self, user: u32) {
        if self.scenario.arrival.process == Process::Closed {
            self.think(user);
        }
    }

    /// Control looks at what was counted.
    pub(super) fn look(&mut self) {
        if let Some(burdens) = &mut self.burdens {
            burdens.look(&self.lines);
        }
        let at = Time::from_nanos(self.now);
        for line in 0..self.lines.len() {
            if self.scenario.balancers.brake && self.lines[line].look(at) {
                self.move_up(line);
            }
        }
        self.agenda.enter(self.now + burden::EVERY, Event::Look);
    }
}
