//! The accounts of all pools: fed with what the engine decides and the counters count, kept in the store, told of.
//!
//! A crash loses what came after the last record that reached the disk, and that time is then unknown: at most [`QUIET`]
//! and the store's own 5 s, more for records of hundreds of endpoints, of which at most [`BYTES_PER_S`] are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::account::burn::BurnChange;
use evenkeel_core::account::{AccountEvent, PoolAccount, Seen, what_if};
use evenkeel_core::counters::RouteLabel;
use evenkeel_core::engine::{EndpointView, Engine, Transition};
use evenkeel_core::id::EndpointId;
use evenkeel_core::incident::Record;
use evenkeel_core::settings::{FailoverMode, ObjectiveSettings, PoolSpec};
use evenkeel_core::supervise::ServiceState;
use evenkeel_core::table::State;
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;
use evenkeel_schema::admin::{self, Alert, Availabilities, Availability, ErrorAnswer, ErrorCode};
use evenkeel_schema::records::AccountRecord;
use evenkeel_schema::text;

use super::Driver;
use crate::ask::Outcome;
use crate::metrics::AccountSample;

/// A record is written again after at most this, though nothing happened but time: it says until when somebody looked.
const QUIET: Duration = Duration::from_secs(30);
/// After a change so soon, so that a crash forgets no fault, and so late, so that a flapping pool is not a burden.
const CHANGED: Duration = Duration::from_secs(2);
/// A pool's record is written at most this fast on average: a thousand endpoints at their worst make 10 MB.
const BYTES_PER_S: usize = 8 * 1024;
/// But at least this often.
const LATEST: Duration = Duration::from_secs(300);

/// One pool's.
struct One {
    account: PoolAccount,
    /// Endpoints nobody has looked at yet in this process: what they were before is no news.
    unseen: BTreeSet<EndpointId>,
    /// Tries and failures of each endpoint as last counted.
    tried: BTreeMap<EndpointId, (u64, u64)>,
    /// Something happened since the last record.
    changed: bool,
    stored_at: Time,
    /// The last record's size.
    bytes: usize,
}

/// All of them.
#[derive(Default)]
pub(super) struct Accounts {
    pools: BTreeMap<Arc<str>, One>,
    /// What the store remembered, until the configuration names the pools.
    remembered: BTreeMap<String, AccountRecord>,
    /// The store was read: what is written from now on does not cover up what was there.
    open: bool,
    /// Incidents that closed before this process began were counted.
    caught_up: bool,
    /// The end has begun: what happens to endpoints now is the end's doing.
    closed: bool,
    /// Good and bad requests of each route as last counted.
    routes: BTreeMap<RouteLabel, (u64, u64)>,
}

impl Accounts {
    /// When [`Driver::tick_accounts`] is due.
    pub(super) fn next_wakeup(&self) -> Time {
        if self.closed {
            return Time::NEVER;
        }
        let all = self.pools.values().map(|one| one.account.next_wakeup());
        all.min().unwrap_or(Time::NEVER)
    }
}

impl One {
    fn new(name: Arc<str>, objective: ObjectiveSettings) -> One {
        let now = now();
        One {
            account: PoolAccount::new(name, objective, now),
            unseen: BTreeSet::new(),
            tried: BTreeMap::new(),
            changed: false,
            stored_at: now.at,
            bytes: 0,
        }
    }

    fn store_after(&self) -> Duration {
        let least = if self.changed { CHANGED } else { QUIET };
        let written = Duration::from_secs((self.bytes / BYTES_PER_S) as u64);
        least.max(written.min(LATEST))
    }
}

impl Driver {
    /// What the store remembers, at the start or late.
    pub(super) fn remember_accounts(&mut self, records: Vec<AccountRecord>) {
        self.accounts.open = true;
        for record in records {
            match self.accounts.pools.get_mut(&*record.pool) {
                Some(one) => one.account.remember(&record.into()),
                None => {
                    let named = self.config.pools.iter().any(|p| *p.name == *record.pool);
                    if named {
                        let name = record.pool.clone();
                        self.accounts.remembered.insert(name, record);
                    } else {
                        self.storage.delete_account(&record.pool);
                    }
                }
            }
        }
    }

    /// A configuration was taken in: accounts of new pools begin, those of pools that are gone end.
    pub(super) fn configure_accounts(&mut self) {
        let names: BTreeSet<Arc<str>> = self.config.pools.iter().map(|p| p.name.clone()).collect();
        let gone = |name: &&Arc<str>| !names.contains(*name);
        let gone: Vec<_> = self.accounts.pools.keys().filter(gone).cloned().collect();
        for name in gone {
            self.accounts.pools.remove(&name);
            self.storage.delete_account(&name);
        }
        for view in self.engine.pools() {
            let name = &view.spec.name;
            let objective = view.spec.objective;
            let pools = &mut self.accounts.pools;
            let new = !pools.contains_key(name);
            let one = pools
                .entry(name.clone())
                .or_insert_with(|| One::new(name.clone(), objective));
            let there: BTreeSet<EndpointId> = view.endpoints.iter().map(|e| e.id).collect();
            let known = |id: &EndpointId| one.tried.contains_key(id);
            let unseen = there.iter().copied().filter(|id| !known(id));
            one.unseen.extend(unseen.collect::<Vec<_>>());
            one.unseen.retain(|id| there.contains(id));
            one.tried.retain(|id, _| there.contains(id));
            for id in there {
                one.tried.entry(id).or_default();
            }
            let seen = |e: &EndpointView<'_>| Seen {
                name: e.name.clone(),
                // What an operator took out needs nobody to look.
                state: matches!(e.state, State::Draining | State::Maintenance).then_some(e.state),
                weight: first_weight(view.spec, e.name),
            };
            let endpoints: Vec<Seen> = view.endpoints.iter().map(seen).collect();
            let event = AccountEvent::Configured {
                objective,
                endpoints: &endpoints,
            };
            let changes = one.account.on(event, now());
            if let Some(record) = self.accounts.remembered.remove(&**name).filter(|_| new) {
                one.account.remember(&record.into());
            }
            one.changed = true;
            tell(&mut self.notices.alerts, name, objective, &changes);
        }
        self.catch_up_on_incidents();
    }

    /// Incidents that closed or were labelled and that no account was told of: a process before this one ended between the two. Once, when
    /// both the accounts and the incidents have come out of the store.
    pub(super) fn catch_up_on_incidents(&mut self) {
        if !self.accounts.open || std::mem::replace(&mut self.accounts.caught_up, true) {
            return;
        }
        for record in self.engine.incidents() {
            self.account_incident(&record);
        }
    }

    /// An incident is over, or was labelled after that: how long its steps took goes to the account of each pool it was in.
    pub(super) fn account_incident(&mut self, record: &Record) {
        let Some(closed) = record.closed else {
            return;
        };
        let pools = record.subjects.iter().filter_map(|s| s.pool.as_deref());
        let ms = |ms: Option<u64>| ms.map(Duration::from_millis);
        let times = &record.times;
        for pool in pools.collect::<BTreeSet<_>>() {
            let Some(one) = self.accounts.pools.get_mut(pool) else {
                continue;
            };
            // What closed before an account began is no part of it.
            if closed < one.account.began() {
                continue;
            }
            one.changed = true;
            let event = AccountEvent::Closed {
                incident: record.id,
                cause: record.label.unwrap_or(record.cause()).name(),
                took: [times.detect, times.decide, times.act, times.restore].map(ms),
            };
            one.account.on(event, now());
        }
    }

    /// The engine changed an endpoint's state.
    pub(super) fn account_changed(&mut self, transition: &Transition) {
        if self.accounts.closed {
            return;
        }
        // That a service does not listen before it has started is no fault of it: the tick looks again.
        if transition.to == State::Down && self.begins(transition.endpoint) {
            return;
        }
        let Some(one) = self.accounts.pools.get_mut(&transition.pool) else {
            return;
        };
        one.unseen.remove(&transition.endpoint);
        one.changed = true;
        let event = AccountEvent::Changed {
            endpoint: &transition.name,
            to: transition.to,
            by: transition.decided_by,
        };
        let changes = one.account.on(event, now());
        if let Some(objective) = objective(&self.engine, &transition.pool) {
            let alerts = &mut self.notices.alerts;
            tell(alerts, &transition.pool, objective, &changes);
        }
    }

    /// Counts, looks at the alerts, and stores what is due.
    pub(super) fn tick_accounts(&mut self, at: Time) {
        if self.accounts.closed {
            return;
        }
        self.count_requests();
        for view in self.engine.pools() {
            let Some(one) = self.accounts.pools.get_mut(&view.spec.name) else {
                continue;
            };
            for endpoint in &view.endpoints {
                let looked = endpoint.probed && one.unseen.contains(&endpoint.id);
                if looked && !begins(&self.engine, endpoint) {
                    one.unseen.remove(&endpoint.id);
                    let event = AccountEvent::Changed {
                        endpoint: endpoint.name,
                        to: endpoint.state,
                        by: endpoint.decided_by,
                    };
                    tell(
                        &mut self.notices.alerts,
                        &view.spec.name,
                        view.spec.objective,
                        &one.account.on(event, now()),
                    );
                }
                let workers = &endpoint.shared.workers;
                let tries = workers.sum(|w| w.tries.value());
                let failures = workers.sum(|w| w.failures.value());
                let before = one.tried.insert(endpoint.id, (tries, failures));
                let before = before.unwrap_or_default();
                if before != (tries, failures) {
                    let event = AccountEvent::Tried {
                        endpoint: endpoint.name,
                        tries: tries.wrapping_sub(before.0),
                        failures: failures.wrapping_sub(before.1),
                    };
                    one.account.on(event, now());
                }
            }
            let changes = one.account.on(AccountEvent::Tick, now());
            let alerts = &mut self.notices.alerts;
            tell(alerts, &view.spec.name, view.spec.objective, &changes);
        }
        self.store_accounts(|one| one.stored_at + one.store_after() <= at);
    }

    /// What routes answered since the last time goes to their pools' accounts.
    fn count_requests(&mut self) {
        let counters = self.host.counters();
        let routes = &mut self.accounts.routes;
        routes.retain(|label, _| counters.routes.contains_key(label));
        for (label, workers) in &counters.routes {
            let Some(one) = self.accounts.pools.get_mut(label.pool.as_str()) else {
                continue;
            };
            let of = |classes: &[usize]| -> u64 {
                let class = |class: &usize| workers.sum(|w| w.by_class[*class].value());
                classes.iter().map(class).sum()
            };
            // A request that ended without an answer is the client's, who went away.
            let found = (of(&[1, 2, 3, 4]), of(&[5]));
            let before = match routes.get_mut(label) {
                Some(before) => std::mem::replace(before, found),
                None => routes.insert(label.clone(), found).unwrap_or_default(),
            };
            if before != found {
                let good = found.0.wrapping_sub(before.0);
                let bad = found.1.wrapping_sub(before.1);
                one.account.on(AccountEvent::Counted { good, bad }, now());
            }
        }
    }

    fn store_accounts(&mut self, due: impl Fn(&One) -> bool) {
        if !self.accounts.open {
            return;
        }
        for one in self.accounts.pools.values_mut().filter(|one| due(one)) {
            let now = now();
            let record = AccountRecord::from(one.account.keep(now));
            one.bytes = self.storage.put_account(&record);
            one.stored_at = now.at;
            one.changed = false;
        }
    }

    /// The end begins: everything is stored as it is now, and what comes after is unknown.
    pub(super) fn close_accounts(&mut self) {
        if !self.accounts.closed {
            self.store_accounts(|_| true);
            self.accounts.closed = true;
        }
    }

    /// One pool's account, or all, with what the model says of another fleet.
    pub(super) fn availability(
        &self,
        pool: &str,
        question: Option<&what_if::Question>,
    ) -> Outcome<Availability> {
        let Some(one) = self.accounts.pools.get(pool) else {
            return Err(self.no_such_pool(pool));
        };
        let report = one.account.report(now());
        let mut availability = Availability::from(&report);
        if let Some(question) = question {
            let answer = what_if::ask(question, &report.measured()).map_err(|why| {
                let hint = "for example what_if=endpoints=4,needed=3,crews=1";
                ErrorAnswer::new(ErrorCode::BadRequest, format!("what-if: {why}"), hint)
            })?;
            availability.what_if = Some(answer.into());
        }
        Ok(availability)
    }

    /// All of them.
    pub(super) fn availabilities(
        &self,
        question: Option<&what_if::Question>,
    ) -> Outcome<Availabilities> {
        let names = self.accounts.pools.keys();
        let pools: Outcome<Vec<_>> = names.map(|n| self.availability(n, question)).collect();
        let pools = pools?;
        let each: Option<Vec<f64>> = pools.iter().map(|p| p.account.availability).collect();
        let each = each.filter(|all| !all.is_empty());
        Ok(Availabilities {
            all: each.map(evenkeel_core::account::reliability::series),
            pools,
        })
    }

    /// The alerts of one pool that go on.
    pub(super) fn alerts(&self, pool: &str) -> Vec<Alert> {
        let one = self.accounts.pools.get(pool);
        let firing = one.filter(|one| one.account.firing().next().is_some());
        firing.map_or_else(Vec::new, |one| admin::alerts(&one.account.report(now())))
    }

    /// For the metrics.
    pub(super) fn account_samples(&self) -> Vec<AccountSample> {
        let sample = |(name, one): (&Arc<str>, &One)| {
            let report = one.account.report(now());
            AccountSample {
                pool: name.clone(),
                seen: Availability::from(&report),
                causes: report.causes.clone(),
                burns: report.burns,
            }
        };
        self.accounts.pools.iter().map(sample).collect()
    }
}

/// Its weight where it is among the first to serve, else nothing: an even share is of what all goes well with.
fn first_weight(pool: &PoolSpec, name: &str) -> u32 {
    let Some(own) = pool.endpoints.iter().find(|e| *e.name == *name) else {
        return 0;
    };
    let first = match pool.failover.mode {
        FailoverMode::Dynamic => {
            let tiers = pool.endpoints.iter().map(|e| e.tier);
            tiers.min() == Some(own.tier)
        }
        FailoverMode::Static => {
            let mut standbys = pool.endpoints.iter().filter_map(|e| e.standby.as_deref());
            !standbys.any(|standby| standby == name)
        }
    };
    if first { own.weight } else { 0 }
}

/// Has its service just been started for the first time, and is not ready yet?
pub(super) fn begins(engine: &Engine, endpoint: &EndpointView<'_>) -> bool {
    let service = endpoint.service.and_then(|id| engine.service(id));
    service.is_some_and(|s| s.state == ServiceState::Starting && s.restarts == 0)
}

fn objective(engine: &Engine, pool: &str) -> Option<ObjectiveSettings> {
    Some(engine.pool(pool)?.spec.objective)
}

/// "pool app: page: its error budget (99.9% over 30d) is used up 14.4 × too fast: 14.4 × over 1h, 172.8 × over 5m". People are told too.
fn tell(
    alerts: &mut Vec<(Arc<str>, bool, String)>,
    pool: &Arc<str>,
    objective: ObjectiveSettings,
    changes: &[BurnChange],
) {
    for change in changes {
        let rule = change.rule;
        let severity = rule.severity;
        let burn = (rule.burn_at(objective.availability) * 10.0).round() / 10.0;
        let budget = text::nines(objective.availability);
        let window = text::duration(objective.window);
        let (long, short) = (text::duration(rule.long), text::duration(rule.short));
        let measured = format!(
            "{:.1} × over {long}, {:.1} × over {short}",
            change.long, change.short
        );
        let line = match change.firing {
            true => format!(
                "pool {pool}: {severity}: its error budget ({budget} over {window}) is used up more than {burn} × too fast: {measured}"
            ),
            false => format!(
                "pool {pool}: {severity} over: its error budget is used up less than {burn} × too fast again: {measured}"
            ),
        };
        let name = &**pool;
        match change.firing {
            true => {
                tracing::warn!(target: "evenkeel::budget", pool = name, severity, burn, "{line}")
            }
            false => {
                tracing::info!(target: "evenkeel::budget", pool = name, severity, burn, "{line}")
            }
        }
        alerts.push((pool.clone(), change.firing, line));
    }
}
