//! One try at one endpoint. It is counted in flight from the pick until this value is dropped, whichever way that comes
//! about (answered, failed, client gone, panic), so the count cannot leak.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use evenkeel_core::balance::{End, Ended, Note, Report};
use evenkeel_core::counters::EndpointWorker;
use evenkeel_core::observe::FailureKind;
use evenkeel_core::table::{EndpointRow, State};
use evenkeel_core::time::Time;

use super::{Current, Endpoint, Pool};
use crate::rt;
use crate::wire::Stream;

/// A try that is in flight.
pub(crate) struct Attempt {
    pub(crate) pool: Rc<Pool>,
    /// The table it was picked from.
    pub(crate) current: Rc<Current>,
    pub(crate) endpoint: Rc<Endpoint>,
    /// Its position in that table.
    index: usize,
    /// What the policy said of it then.
    note: Note,
    /// Since when it is the endpoint's turn, if nothing was heard yet.
    waits: Cell<Option<Time>>,
    /// It has a request to work on, which it may do for nobody. A connection that nobody wants any more is closed, and that is all.
    works: Cell<bool>,
    /// It was counted as one for nobody.
    in_vain: Cell<bool>,
}

impl Attempt {
    /// `None` if another worker took the last place under `limit` (0 = none) since the pick.
    pub(super) fn begin(
        pool: &Rc<Pool>,
        current: &Rc<Current>,
        (index, note): (usize, Note),
        limit: u32,
    ) -> Option<Attempt> {
        let endpoint = current.endpoints[index].clone();
        let before = endpoint.shared.in_flight.fetch_add(1, SeqCst);
        let attempt = Attempt {
            pool: pool.clone(),
            current: current.clone(),
            endpoint,
            index,
            note,
            waits: Cell::new(None),
            works: Cell::new(false),
            in_vain: Cell::new(false),
        };
        if limit > 0 && before >= limit {
            return None;
        }
        attempt.counters().tries.inc();
        Some(attempt)
    }

    /// This worker's counters of the endpoint.
    pub(crate) fn counters(&self) -> &EndpointWorker {
        self.endpoint.shared.workers.of(self.pool.worker)
    }

    /// Its row in the table it was picked from.
    pub(crate) fn row(&self) -> &EndpointRow {
        &self.current.table.endpoints[self.index]
    }

    /// The endpoint's name, kept beyond the try.
    pub(crate) fn name(&self) -> EndpointName {
        EndpointName {
            current: self.current.clone(),
            index: self.index,
        }
    }

    /// Keeps the connection for the next request, if the endpoint is still to be used.
    pub(crate) fn keep(&self, stream: Stream, now: Time) {
        let current = self.pool.current();
        let same = current.endpoints.get(self.index);
        if !same.is_some_and(|e| Rc::ptr_eq(e, &self.endpoint)) {
            return;
        }
        let known = super::same(&current.tls, &self.current.tls);
        if known && current.table.endpoints[self.index].state != State::Down {
            let max = current.table.transport.max_idle;
            self.endpoint.keep_idle(stream, now, max);
        }
    }

    /// It is the endpoint's turn: all of the request is there to be given to it. What is said again is not counted again.
    pub(crate) fn hand_over(&self, at: Time) {
        if self.waits.get().is_none() {
            self.waits.set(Some(at));
            self.counters().handed.inc();
        }
    }

    /// The same, and what is given to it is a request.
    pub(crate) fn hand_over_request(&self, at: Time) {
        self.works.set(true);
        self.hand_over(at);
    }

    /// The client has closed its sending side. It is given the answer all the same, but nearly everybody who does so has left:
    /// which it is, TCP does not say.
    pub(crate) fn client_closed(&self) {
        if self.waits.get().is_some() && self.works.get() && !self.in_vain.replace(true) {
            self.counters().in_vain.inc();
        }
    }

    /// It is waited for no more, and may not know that. Since when it had been its turn, if nothing was heard.
    fn leave(&self) -> Option<Time> {
        self.client_closed();
        self.settle()
    }

    /// It is waited for no more.
    fn settle(&self) -> Option<Time> {
        let since = self.waits.take();
        if since.is_some() {
            self.counters().settled.inc();
        }
        since
    }

    /// It was never given anything, for a reason of our own.
    pub(crate) fn withdraw(&self) {
        self.settle();
    }

    /// It brought an answer that is not a failure, so long after the endpoint's turn had come.
    pub(crate) fn succeeded(&self, took: Option<Duration>, at: Time) {
        self.settle();
        let counters = self.counters();
        counters.successes.inc();
        if !self.in_vain.get() {
            counters.answered.inc();
        }
        if let Some(took) = took {
            counters.times.observe(took);
            self.ended(End::Answered(took), at);
        }
        let run = &self.endpoint.shared.failure_run;
        if run.load(Relaxed) != 0 {
            run.store(0, Relaxed);
        }
    }

    /// It failed: counted, and control is told.
    pub(crate) fn failed(&self, kind: FailureKind, at: Time) {
        match kind {
            FailureKind::Timeout => self.leave(),
            _ => self.settle(),
        };
        if matches!(
            kind,
            FailureKind::ConnectTimeout | FailureKind::Unreachable | FailureKind::Timeout
        ) {
            self.counters().unheard.inc();
        }
        self.pool.report(&self.endpoint, kind, at);
        self.ended(End::Failed, at);
    }

    /// Its endpoint said something of its load.
    pub(crate) fn reported(&self, report: &Report) {
        self.pool.reported(&self.current.table, self.index, report);
    }

    fn ended(&self, end: End, at: Time) {
        let note = self.note;
        let how = Ended { at, end, note };
        self.pool.ended(&self.current.table, self.index, how);
    }
}

/// An endpoint's name without a copy of it.
pub(crate) struct EndpointName {
    current: Rc<Current>,
    index: usize,
}

impl EndpointName {
    pub(crate) fn as_str(&self) -> &str {
        &self.current.table.endpoints[self.index].name
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(since) = self.leave() {
            let now = rt::now();
            self.ended(End::Abandoned(now.since(since)), now);
        }
        // Sequentially consistent with the queue's count: either a waiter that just joined sees this place free, or it is
        // seen here (see `queue`).
        self.endpoint.shared.in_flight.fetch_sub(1, SeqCst);
        self.pool.cell.queue.place_freed();
    }
}
