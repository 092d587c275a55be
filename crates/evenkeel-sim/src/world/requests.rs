//! Requests and their tries, and the sweep of the counters.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::balance::{self, Choice};
use evenkeel_core::engine::Event;
use evenkeel_core::health::traffic::Measured;
use evenkeel_core::observe::{Failure, FailureKind};
use evenkeel_core::table::PoolTable;

use super::{BEAT, REQUEST_EVERY_MS, What, World};
use crate::scene::{Behaviour, Note, Scene};
use crate::story::PEACE;
use crate::traffic::{Request, Try};

/// So many different ones among all requests: enough for every endpoint, few enough to come again.
const KEYS: u64 = 1000;

impl World {
    pub(super) fn plan_request(&mut self, worker: usize, pool: &Arc<str>) {
        let request = Request {
            process: self.scene.process,
            worker,
            pool: pool.clone(),
            key: Some(self.rng.below(KEYS)),
            tried: Vec::new(),
            tries: 0,
        };
        let after = self.ms(REQUEST_EVERY_MS / 2, REQUEST_EVERY_MS * 3 / 2);
        self.plan(after, What::Request(request));
    }

    pub(super) fn request(&mut self, mut request: Request) {
        self.plan_request(request.worker, &request.pool.clone());
        if self.silent.contains(&request.pool) {
            return;
        }
        request.process = self.scene.process;
        self.summary.requests += 1;
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let now = self.scene.now.at;
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        lane.budget.request(now);
        let (worker, pool) = (request.worker, &request.pool.clone());
        self.note(&Note::Request { worker, pool });
        self.attempt(request);
    }

    pub(super) fn attempt(&mut self, mut request: Request) {
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        let asked = balance::Request::at(self.scene.now.at).keyed(request.key);
        let choice = lane.picker.pick(&table, &asked.without(&request.tried));
        let noted = lane.picker.note();
        self.note(&Note::Picked {
            table: &table,
            tried: &request.tried,
            choice,
        });
        let Choice::Endpoint(index) = choice else {
            return self.done(&request.pool, false);
        };
        self.summary.tries += 1;
        let row = &table.endpoints[index];
        row.shared.in_flight.fetch_add(1, Relaxed);
        let counters = row.shared.workers.of(request.worker);
        counters.tries.inc();
        counters.handed.inc();
        request.tries += 1;
        if !request.tried.contains(&row.id) {
            request.tried.push(row.id);
        }
        let key = Scene::key(&table, index);
        self.remember_fault(&key);
        let (fails, takes) = self.goes(&table, index);
        let ended = Try {
            request,
            endpoint: row.id,
            picked: (table.epoch, index),
            noted,
            shared: row.shared.clone(),
            path: row.path,
            fails,
            takes,
        };
        self.plan(takes, What::TryEnds(ended));
    }

    /// How a try at this row fails, if it does, and how long it takes.
    fn goes(&mut self, table: &PoolTable, index: usize) -> (Option<FailureKind>, Duration) {
        let cut = table.endpoints[index].address.as_ref();
        let cut = cut.is_some_and(|way| self.scene.cut.contains(way));
        if cut {
            let connects = table.transport.connect_timeout;
            let takes = connects.min(table.retry.per_try_timeout);
            return (Some(FailureKind::ConnectTimeout), takes);
        }
        match self.effective(&Scene::key(table, index)) {
            // One in twenty takes twenty times as long, without anything being wrong.
            Behaviour::Works if self.scene.calm && self.rng.chance(1, 20) => {
                (None, self.ms(40, 600))
            }
            Behaviour::Works | Behaviour::FailsChecks => (None, self.ms(2, 30)),
            Behaviour::Dead => (Some(FailureKind::Connect), self.ms(1, 2)),
            Behaviour::Hung => (Some(FailureKind::Timeout), table.retry.per_try_timeout),
            Behaviour::Erroring => (Some(FailureKind::Status(503)), self.ms(2, 10)),
            Behaviour::Flaky => {
                let resets = self.rng.chance(1, 3);
                (resets.then_some(FailureKind::Reset), self.ms(2, 30))
            }
        }
    }

    pub(super) fn try_ended(&mut self, ended: Try) {
        if ended.request.process != self.scene.process {
            return; // it died with its balancer
        }
        let counters = ended.shared.workers.of(ended.request.worker);
        ended.shared.in_flight.fetch_sub(1, Relaxed);
        counters.settled.inc();
        self.tell_picker(&ended);
        let Some(kind) = ended.fails else {
            counters.successes.inc();
            counters.times.observe(ended.takes);
            ended.shared.failure_run.store(0, Relaxed);
            return self.done(&ended.request.pool, true);
        };
        counters.failures.inc();
        if matches!(kind, FailureKind::ConnectTimeout | FailureKind::Timeout) {
            counters.unheard.inc();
        }
        let run = ended.shared.failure_run.fetch_add(1, Relaxed) + 1;
        let at = self.scene.now.at;
        // The queue to control may be full.
        if !self.rng.chance(1, 20) {
            self.feed(Event::Failed(Failure {
                endpoint: ended.endpoint,
                path: ended.path,
                kind,
                run,
                at,
            }));
        }
        self.retry(ended.request);
    }

    /// As a worker does, for policies that learn.
    fn tell_picker(&mut self, ended: &Try) {
        let Some(table) = self.scene.tables.get(&ended.request.pool).cloned() else {
            return;
        };
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(ended.request.worker, &table, seed, workers);
        let end = match ended.fails {
            Some(_) => balance::End::Failed,
            None => balance::End::Answered(ended.takes),
        };
        let how = balance::Ended {
            at: self.scene.now.at,
            end,
            note: ended.noted,
        };
        lane.picker.ended(ended.picked.0, ended.picked.1, &how);
    }

    pub(super) fn retry(&mut self, request: Request) {
        let Some(table) = self.scene.tables.get(&request.pool).cloned() else {
            return;
        };
        let (seed, workers) = (self.story.seed, self.story.workers);
        let lane = self.lanes.lane(request.worker, &table, seed, workers);
        let more = request.tries <= table.retry.retries;
        if !more || !lane.budget.try_spend(self.scene.now.at) {
            return self.done(&request.pool, false);
        }
        let (worker, pool) = (request.worker, &request.pool.clone());
        self.note(&Note::Retried { worker, pool });
        self.attempt(request);
    }

    pub(super) fn done(&mut self, pool: &Arc<str>, served: bool) {
        if !served {
            self.summary.failed += 1;
            self.last_failure = self.scene.now.at;
        }
        self.note(&Note::Done { pool, served });
    }

    pub(super) fn beat(&mut self) {
        self.plan(BEAT, What::Beat);
        let rows: Vec<_> = self
            .scene
            .tables
            .values()
            .flat_map(|table| table.endpoints.iter())
            .map(|row| (row.id, row.shared.clone()))
            .collect();
        for (endpoint, shared) in rows {
            let sums = (
                shared.workers.sum(|worker| worker.successes.value()),
                shared.workers.sum(|worker| worker.failures.value()),
            );
            let before = self.swept.insert(endpoint, sums).unwrap_or_default();
            let (successes, failures) = (sums.0 - before.0, sums.1 - before.1);
            if successes + failures > 0 {
                self.feed(Event::Swept {
                    endpoint,
                    successes,
                    failures,
                });
            }
        }
        self.remember_faults();
        self.measure();
        self.notice_silence();
        self.tick_door();
        self.look_at_hosts();
        self.note(&Note::Beat);
        if !self.scene.peace && self.scene.now.at >= PEACE {
            self.make_peace();
        }
        let beats = self.scene.now.at.as_nanos() / BEAT.as_nanos() as u64;
        if self.scene.peace && beats.is_multiple_of(50) {
            self.attend();
        }
    }

    /// Everybody's counters, by pool, for comparison.
    fn measure(&mut self) {
        let since = std::mem::replace(&mut self.measured_at, self.scene.now.at);
        let beats = self.scene.now.at.as_nanos() / BEAT.as_nanos() as u64;
        let tables: Vec<_> = self.scene.tables.values().cloned().collect();
        for table in tables {
            let rows = table.endpoints.iter().map(|row| {
                let lanes = row.shared.workers.iter().map(|w| w.lane()).collect();
                let times = beats.is_multiple_of(10).then(|| row.shared.times());
                let measured = Measured {
                    lanes,
                    times,
                    in_flight: row.shared.in_flight.load(Relaxed),
                };
                (row.id, measured)
            });
            let pool = table.pool;
            let endpoints = rows.collect();
            self.feed(Event::Measured {
                pool,
                since,
                endpoints,
            });
        }
    }
}
