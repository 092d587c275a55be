//! How tries end: answered, failed or too late, and what their balancers make of that.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::balance::{End, Ended};
use evenkeel_core::id::EndpointId;
use evenkeel_core::time::Time;

use super::super::agenda::Event;
use super::super::to_ns;
use super::{Attempt, Fleet};

impl Fleet<'_> {
    /// Nobody waits for it any more; its endpoint does not know that.
    pub(super) fn time_out(&mut self, key: usize, number: u64) {
        let Some(attempt) = self.attempts.get_mut(key) else {
            return;
        };
        if attempt.number != number || attempt.request.is_none() {
            return;
        }
        let before = *attempt;
        attempt.request = None;
        if let Some(request) = before.request {
            let line = self.line_of(request);
            self.lines[line].in_vain += 1;
        }
        self.end(before, false);
    }

    /// A try has ended: its balancer hears of it, and whoever waits in line may go.
    pub(super) fn end(&mut self, attempt: Attempt, good: bool) {
        let Some(request) = attempt.request else {
            return;
        };
        self.requests[request].attempt = None;
        let line = self.line_of(request);
        self.lines[line].answered += u64::from(good);
        let end = match good {
            true => End::Answered(Duration::from_nanos(self.now - attempt.begun)),
            false => End::Failed,
        };
        self.ended(request, &attempt, end);
        let balancer = self.requests[request].balancer;
        if good && self.scenario.reports.with_answers {
            let said = self.endpoints[attempt.endpoint].report(self.now);
            self.told(balancer, attempt.endpoint, said);
        }
        let row = &self.lines[line].table.endpoints[attempt.endpoint];
        if let Some(burdens) = &mut self.burdens {
            burdens.ended(line, attempt.endpoint, good);
        }
        let id = row.id;
        match good {
            true => {
                let asked = self.requests.remove(request);
                self.figures.answered(asked.born, self.now);
                self.after(asked.user);
            }
            false => self.retry(request, id),
        }
        self.move_up(line);
    }

    /// It is in flight no more, and its balancer hears of how it ended.
    pub(super) fn ended(&mut self, request: usize, attempt: &Attempt, end: End) {
        let table = &self.lines[self.line_of(request)].table;
        let row = &table.endpoints[attempt.endpoint];
        row.shared.in_flight.fetch_sub(1, Relaxed);
        let how = Ended {
            at: Time::from_nanos(self.now),
            end,
            note: attempt.note,
        };
        let balancer = self.requests[request].balancer;
        self.choosers[balancer].ended(table, attempt.endpoint, &how);
    }

    fn retry(&mut self, request: usize, failed_at: EndpointId) {
        let tries = &self.scenario.tries;
        let asked = &mut self.requests[request];
        let budget = &mut self.budgets[asked.balancer];
        let may = asked.retries_left > 0
            && (tries.budget_percent.is_none() || budget.try_spend(Time::from_nanos(self.now)));
        if !may {
            return self.fail(request);
        }
        asked.retries_left -= 1;
        asked.tried.push(failed_at);
        let number = asked.number;
        let at = self.now + to_ns(tries.delay_s);
        let request = request as u32;
        self.agenda.enter(at, Event::Again { request, number });
    }
}
