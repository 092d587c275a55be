//! One pool as one worker serves it: who is picked, the connections kept idle, what is told of a try.
//!
//! | file | idea |
//! | --- | --- |
//! | `endpoint` | idle connections to one endpoint, and opening new ones |
//! | `queue` | requests of all workers that wait for an endpoint with room |
//! | `attempt` | one try: counted in flight for exactly as long as it lives |
//! | `prober` | asking endpoints for their load, beside the traffic |

mod attempt;
mod endpoint;
mod prober;
mod queue;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::balance::{self, Choice, Ended, Picker, Report, Request};
use evenkeel_core::counters::PoolWorker;
use evenkeel_core::id::EndpointId;
use evenkeel_core::observe::{Failure, FailureKind};
use evenkeel_core::retry::Budget;
use evenkeel_core::session::{Live, Places};
use evenkeel_core::settings::KeySource;
use evenkeel_core::table::{EndpointRow, PoolTable, State};
use evenkeel_core::time::Time;
use evenkeel_tls::Client;

pub(crate) use attempt::{Attempt, EndpointName};
pub(crate) use endpoint::{ConnectError, Endpoint};
pub(crate) use queue::{Queue, Ticket};

use crate::session::{Kept, Sessions};
use crate::snapshot::{PoolCell, Shared};

/// A pool on one worker. Lives as long as the pool is configured, over all its tables.
pub(crate) struct Pool {
    pub(crate) cell: Arc<PoolCell>,
    shared: Arc<Shared>,
    worker: usize,
    current: RefCell<Rc<Current>>,
    picker: RefCell<Picker>,
    budget: RefCell<Budget>,
    /// Endpoints that are being asked for their load.
    asking: Cell<u32>,
}

/// A table and what this worker holds for its endpoints, in the table's order.
pub(crate) struct Current {
    pub(crate) table: Arc<PoolTable>,
    pub(crate) endpoints: Box<[Rc<Endpoint>]>,
    /// What of a request its policy goes by.
    pub(crate) key: Option<KeySource>,
    /// Does its policy go by what answers say of their endpoint's load?
    pub(crate) usage: bool,
    /// Does its policy go by what sort of request it is?
    pub(crate) kinds: bool,
    /// Does its policy go by what answers say of requests in flight and latency?
    pub(crate) reports: bool,
    /// Are its endpoints asked for that beside the traffic?
    asks: bool,
    /// How its endpoints are spoken to; `None` = in clear text.
    pub(crate) tls: Option<Arc<Client>>,
    /// How its clients are known again; `None` = they are not.
    pub(crate) sessions: Option<Arc<Sessions>>,
    /// The endpoints by name, where there are sessions.
    pub(crate) places: Places,
}

/// What is beside a table.
struct Beside {
    tls: Option<Arc<Client>>,
    sessions: Option<Arc<Sessions>>,
}

impl Beside {
    fn of(cell: &PoolCell) -> Beside {
        Beside {
            tls: cell.tls.load_full(),
            sessions: cell.sessions.load_full(),
        }
    }
}

/// Where the next try goes.
pub(crate) enum Pick {
    /// There, already counted in flight.
    Attempt(Attempt),
    /// Everybody who could is at his limit.
    Full,
    /// Nobody is usable.
    Nobody,
}

/// How often a pick is repeated because other workers took the last place of what was picked; after that it counts as
/// full, and a freed place wakes the waiter.
const PICKS: u32 = 4;

impl Pool {
    pub(crate) fn new(shared: Arc<Shared>, cell: Arc<PoolCell>, worker: usize) -> Rc<Pool> {
        let table = cell.table.load_full();
        let beside = Beside::of(&cell);
        let seed = shared.seed ^ (worker as u64) << 32 ^ u64::from(cell.id.0);
        Rc::new(Pool {
            worker,
            picker: RefCell::new(Picker::new(&table, seed)),
            budget: RefCell::new(Budget::new(table.retry.budget, shared.workers.len())),
            current: RefCell::new(Rc::new(Current::of(table, beside, &BTreeMap::new()))),
            asking: Cell::new(0),
            cell,
            shared,
        })
    }

    /// The table in use and its endpoints.
    pub(crate) fn current(&self) -> Rc<Current> {
        self.current.borrow().clone()
    }

    /// This worker's counters of the pool.
    pub(crate) fn counters(&self) -> &PoolWorker {
        self.cell.counters.of(self.worker)
    }

    /// This worker's count of sessions at an endpoint.
    pub(crate) fn live<'a>(&self, row: &'a EndpointRow) -> &'a Live {
        &row.shared.workers.of(self.worker).sessions
    }

    /// The sessions that are kept here.
    pub(crate) fn kept(&self) -> &Kept {
        self.cell.kept.get_or_init(Kept::default)
    }

    /// Goes over to the newest table, if there is a newer one. Names the endpoints that are down now and were not, and those
    /// whose path is known to be cut now.
    pub(crate) fn refresh(&self, now: Time, fallen: &mut Vec<EndpointId>) {
        let table = self.cell.table.load();
        let beside = Beside::of(&self.cell);
        let old = self.current();
        let stays = same(&beside.tls, &old.tls) && same(&beside.sessions, &old.sessions);
        if Arc::ptr_eq(&table, &old.table) && stays {
            return;
        }
        let known = old.endpoints.iter().map(|e| (e.id, e.clone())).collect();
        let new = Rc::new(Current::of(table.clone(), beside, &known));
        self.picker.borrow_mut().adopt(&new.table, now);
        self.budget.borrow_mut().set_share(new.table.retry.budget);
        for (row, endpoint) in new.table.endpoints.iter().zip(&new.endpoints) {
            let before = old.table.endpoints.iter().find(|r| r.id == row.id);
            if row.state == State::Down {
                // After a freeze or a crash they may be stale.
                endpoint.drop_idle();
                if before.is_none_or(|r| r.state != State::Down) {
                    fallen.push(row.id);
                }
            }
            if before.is_some_and(|r| r.path < row.cut_below) {
                fallen.push(row.id);
            }
        }
        if !same(&new.tls, &old.tls) {
            // Nobody is spoken to as it was before.
            new.endpoints
                .iter()
                .for_each(|endpoint| endpoint.drop_idle());
        }
        *self.current.borrow_mut() = new;
    }

    /// Closes idle connections that ended or are older than the pool's `idle_timeout`.
    pub(crate) fn sweep(&self, now: Time) {
        let current = self.current();
        let keep = current.table.transport.idle_timeout;
        for endpoint in &current.endpoints {
            endpoint.sweep(now, keep);
        }
        self.tell(&current, now);
    }

    /// Tells what its policy has learned.
    fn tell(&self, current: &Current, now: Time) {
        let told = &self.cell.learned[self.worker];
        if current.kinds {
            let learned = self.picker.borrow().learned(now).collect();
            told.store(Some(Arc::new(learned)));
        } else if told.load().is_some() {
            told.store(None);
        }
    }

    /// Closes all idle connections.
    pub(crate) fn drop_idle(&self) {
        for endpoint in &self.current().endpoints {
            endpoint.drop_idle();
        }
    }

    /// Chooses an endpoint for the next try and counts the try in flight.
    pub(crate) fn pick(self: &Rc<Self>, request: &Request<'_>) -> Pick {
        for _ in 0..PICKS {
            let current = self.current.borrow();
            let choice = self.picker.borrow_mut().pick(&current.table, request);
            if current.asks {
                self.ask_around(&current, request.now);
            }
            match choice {
                Choice::Nobody => return Pick::Nobody,
                Choice::Full => return Pick::Full,
                Choice::Endpoint(index) => {
                    let table = &current.table;
                    let limit = table.limit_of(&table.endpoints[index]);
                    let note = self.picker.borrow().note();
                    let attempt = Attempt::begin(self, &current, (index, note), limit);
                    if let Some(attempt) = attempt {
                        return Pick::Attempt(attempt);
                    }
                }
            }
        }
        Pick::Full
    }

    /// A try picked from this table at this index has ended: for a policy that learns from it.
    fn ended(&self, table: &PoolTable, index: usize, how: Ended) {
        let mut picker = self.picker.borrow_mut();
        if picker.learns() {
            picker.ended(table.epoch, index, &how);
        }
    }

    /// The endpoint at this index of this table said something of its load.
    pub(crate) fn reported(&self, table: &PoolTable, index: usize, report: &Report) {
        let mut picker = self.picker.borrow_mut();
        picker.reported(table.epoch, index, report);
    }

    /// Is there somebody usable beside those tried?
    pub(crate) fn has_untried(&self, tried: &[EndpointId]) -> bool {
        let current = self.current.borrow();
        current.table.endpoints.iter().any(|row| {
            row.trusted() && row.address.is_some() && row.weight > 0 && !tried.contains(&row.id)
        })
    }

    /// Is it reached by another of its addresses now?
    pub(crate) fn is_elsewhere(&self, endpoint: &Endpoint) -> bool {
        let current = self.current.borrow();
        let now = current.endpoints.iter().find(|e| e.id == endpoint.id);
        now.is_some_and(|now| now.path != endpoint.path)
    }

    /// Counts a request for the retry budget.
    pub(crate) fn count_request(&self, now: Time) {
        self.budget.borrow_mut().request(now);
    }

    /// May a further try be made, as far as the budget goes? It is spent by asking; a refusal is counted.
    pub(crate) fn spend_retry(&self, now: Time) -> bool {
        let granted = self.budget.borrow_mut().try_spend(now);
        if !granted {
            self.counters().retries_refused.inc();
        }
        granted
    }

    /// Tells control of a failed try.
    fn report(&self, endpoint: &Endpoint, kind: FailureKind, at: Time) {
        endpoint.shared.workers.of(self.worker).failures.inc();
        endpoint.shared.failed_at.store(at.as_nanos(), Relaxed);
        let run = endpoint
            .shared
            .failure_run
            .fetch_add(1, Relaxed)
            .saturating_add(1);
        let failure = Failure {
            endpoint: endpoint.id,
            path: endpoint.path,
            kind,
            run,
            at,
        };
        if self.shared.failures.try_send(failure).is_err() {
            self.counters().failures_dropped.inc();
        }
    }
}

impl Current {
    /// An endpoint keeps its idle connections if its address is still the same, and has been all the time.
    fn of(
        table: Arc<PoolTable>,
        beside: Beside,
        known: &BTreeMap<EndpointId, Rc<Endpoint>>,
    ) -> Current {
        let endpoints = table
            .endpoints
            .iter()
            .map(|row| match known.get(&row.id) {
                Some(endpoint)
                    if endpoint.path == row.path
                        && endpoint.address == row.address
                        && endpoint.host == row.host
                        && Arc::ptr_eq(&endpoint.shared, &row.shared) =>
                {
                    endpoint.clone()
                }
                _ => Rc::new(Endpoint::new(row)),
            })
            .collect();
        Current {
            key: balance::key_source(&table.policy),
            places: match beside.sessions {
                Some(_) => Places::of(&table),
                None => Places::default(),
            },
            usage: balance::goes_by_usage(&table.policy),
            kinds: balance::goes_by_kind(&table.policy),
            reports: balance::goes_by_reports(&table.policy),
            asks: balance::goes_by_reports(&table.policy)
                && table.policy.prequal.probe_path.is_some(),
            table,
            endpoints,
            tls: beside.tls,
            sessions: beside.sessions,
        }
    }
}

/// Are these the same, or both not there?
pub(crate) fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
