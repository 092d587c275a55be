//! One run: requests come, balancers choose, endpoints work, on a clock that is only a number.
//!
//! What the balancers know is what they know when they serve: the same table, the same shared counters, the same picker. What
//! control would tell them meanwhile is told too as far as a choice depends on it: how much heavier a try counts where many
//! fail (`burden`). States stay `up` but where a scenario says that an endpoint is known to be down: it shows what the choice alone
//! can do. Only the way to another zone takes time.

mod beside;
mod clients;
mod ends;
mod zones;

use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::balance::{Choice, Note, Request, hash};
use evenkeel_core::id::EndpointId;
use evenkeel_core::retry::Budget;
use evenkeel_core::settings::Share;
use evenkeel_core::time::Time;
use slab::Slab;

use super::agenda::{Agenda, Event};
use super::antagonist::{self, Story};
use super::burden::{self, Burdens};
use super::chooser::Chooser;
use super::endpoint::Endpoint;
use super::figures::{Figures, Outcome};
use super::line::Line;
use super::lots;
use super::scenario::{Process, Scenario};
use super::table;
use super::to_ns;

/// More than these in the fleet at once, and it will not recover: the run ends there.
const REQUESTS_MAX: usize = 1_000_000;
/// Events between two reports of how far it is.
const REPORT_EVERY: u64 = 1 << 16;

/// A request on its way.
#[derive(Debug)]
struct Asked {
    /// Tells it from others that have its place later.
    number: u64,
    born: u64,
    user: u32,
    balancer: usize,
    key: u64,
    /// Its position in the scenario's classes.
    class: usize,
    work: f64,
    retries_left: u32,
    tried: Vec<EndpointId>,
    /// How often its client will ask again.
    asks_left: u32,
    /// Of those at endpoints, the one that is waited for.
    attempt: Option<usize>,
}

/// One try of it.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    number: u64,
    /// `None`: nobody waits for it any more.
    request: Option<usize>,
    endpoint: usize,
    begun: u64,
    work: f64,
    /// How long it is on its way, there and back each.
    away: u64,
    note: Note,
    /// How many were at the endpoint when it came.
    behind: u32,
}

/// Everything of one run.
pub(super) struct Fleet<'a> {
    scenario: &'a Scenario,
    now: u64,
    numbers: u64,
    agenda: Agenda,
    endpoints: Vec<Endpoint>,
    /// One, or one for each balancer.
    lines: Vec<Line>,
    choosers: Vec<Chooser>,
    stories: Vec<Option<Story>>,
    budgets: Vec<Budget>,
    burdens: Option<Burdens>,
    requests: Slab<Asked>,
    attempts: Slab<Attempt>,
    lots: lots::Streams,
    figures: Figures,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        policy: &str,
        seed: u64,
    ) -> Result<Fleet<'a>, String> {
        let of = &scenario.balancers;
        let views = if of.shared { 1 } else { of.count };
        let lines: Vec<Line> = (0..views)
            .map(|balancer| Line::new(table::of(scenario, policy, balancer)))
            .collect();
        let chooser = |b: u32| {
            let line = &lines[b as usize % lines.len()];
            let own = u64::from(scenario.run.choices) << 32 | u64::from(b);
            Chooser::new(policy, &line.table, seed.wrapping_add(own))
        };
        let share = Share::percent(scenario.tries.budget_percent.unwrap_or(100));
        let budget = |_| Budget::new(share, of.count as usize);
        let measures = scenario.reports.asked || scenario.reports.with_answers;
        let kinds = scenario.endpoints.iter();
        let endpoints: Vec<Endpoint> = kinds
            .flat_map(|kind| (0..kind.count).map(move |_| Endpoint::new(kind, measures)))
            .collect();
        let run = &scenario.run;
        let fails = !scenario.failures.is_empty() || scenario.tries.timeout_s > 0.0;
        Ok(Fleet {
            scenario,
            now: 0,
            numbers: 0,
            agenda: Agenda::default(),
            choosers: (0..of.count).map(chooser).collect(),
            budgets: (0..of.count).map(budget).collect(),
            burdens: fails.then(|| Burdens::new(lines.len(), endpoints.len())),
            figures: Figures::new(endpoints.len(), to_ns(run.warm_up), to_ns(run.seconds))?,
            endpoints,
            stories: antagonist::stories(scenario, seed),
            lines,
            requests: Slab::new(),
            attempts: Slab::new(),
            lots: lots::Streams::new(seed),
        })
    }

    /// From the beginning to the end; `progress` hears which share of it is done.
    pub(super) fn run(mut self, policy: &str, progress: &dyn Fn(f64)) -> Outcome {
        let end = to_ns(self.scenario.run.seconds);
        self.begin();
        let mut events = 0_u64;
        let mut overloaded = false;
        while let Some((at, event)) = self.agenda.next(end) {
            self.now = at;
            self.figures.in_flight(self.requests.len(), at);
            self.happens(event);
            events += 1;
            if events.is_multiple_of(REPORT_EVERY) {
                progress(at as f64 / end as f64);
            }
            overloaded = self.requests.len().max(self.attempts.len()) > REQUESTS_MAX;
            if overloaded {
                break;
            }
        }
        progress(1.0);
        let until = if overloaded { self.now } else { end };
        let left = self.requests.iter().map(|(_, asked)| asked.born);
        self.figures.still_wait(left, until);
        self.figures.outcome(policy, until, overloaded)
    }

    fn begin(&mut self) {
        let arrival = &self.scenario.arrival;
        match arrival.process {
            Process::Closed => (0..arrival.users).for_each(|user| self.think(user)),
            _ => self.next_arrival(),
        }
        for endpoint in 0..self.endpoints.len() {
            self.next_change(endpoint);
            self.turn(endpoint);
        }
        self.plan_outs();
        if self.burdens.is_some() || self.scenario.clients.patience_s > 0.0 {
            self.agenda.enter(burden::EVERY, Event::Look);
        }
    }

    fn happens(&mut self, event: Event) {
        let alive = |found: Option<&Attempt>, number| found.is_some_and(|a| a.number == number);
        let waits = |found: Option<&Asked>, number| found.is_some_and(|r| r.number == number);
        match event {
            Event::Arrive { user } => self.arrive(user),
            Event::Finish { endpoint, version } => self.finish(endpoint as usize, version),
            Event::Change { endpoint } => self.change(endpoint as usize),
            Event::Turn { endpoint } => self.turn(endpoint as usize),
            Event::Ask { balancer, endpoint } => self.tell(balancer, endpoint as usize),
            Event::Told {
                balancer,
                endpoint,
                in_flight,
                latency_ns,
            } => self.told(
                balancer as usize,
                endpoint as usize,
                (in_flight, latency_ns),
            ),
            Event::Fail { attempt, number } => {
                let attempt = attempt as usize;
                if alive(self.attempts.get(attempt), number) {
                    let of = self.attempts.remove(attempt);
                    self.end(of, false);
                }
            }
            Event::TimeOut { attempt, number } => self.time_out(attempt as usize, number),
            Event::GiveUp { request, number } => {
                let request = request as usize;
                if waits(self.requests.get(request), number) {
                    let line = self.line_of(request);
                    if self.lines[line].leave(request) {
                        self.fail(request);
                    }
                }
            }
            Event::Again { request, number } => {
                if waits(self.requests.get(request as usize), number) {
                    self.place(request as usize);
                }
            }
            Event::Reach { attempt, number } => self.reach(attempt as usize, number),
            Event::Back { attempt, number } => self.back(attempt as usize, number),
            Event::Known { endpoint, down } => self.known(endpoint as usize, down),
            Event::Leave { request, number } => {
                if waits(self.requests.get(request as usize), number) {
                    self.leave(request as usize);
                }
            }
            Event::Return { request, number } => {
                if waits(self.requests.get(request as usize), number) {
                    self.enter(request as usize);
                }
            }
            Event::Look => self.look(),
        }
    }

    /// A request comes, and the one after it is planned.
    fn arrive(&mut self, user: u32) {
        let arrival = &self.scenario.arrival;
        let key = match arrival.keys {
            0 => self.lots.keys.draw(),
            keys => hash::key(&self.lots.keys.below(u64::from(keys)).to_le_bytes()),
        };
        let balancer = self.lots.balancers.index(self.choosers.len());
        let class = lots::class(&self.scenario.classes, &mut self.lots.classes);
        let request = self.requests.insert(Asked {
            number: self.numbers,
            born: self.now,
            user,
            balancer,
            key,
            class,
            work: lots::work(&self.scenario.work, &mut self.lots.work) * self.scenario.times(class),
            retries_left: 0,
            tried: Vec::new(),
            asks_left: self.scenario.clients.retries,
            attempt: None,
        });
        if arrival.process != Process::Closed {
            self.next_arrival();
        }
        self.enter(request);
    }

    fn line_of(&self, request: usize) -> usize {
        self.requests[request].balancer % self.lines.len()
    }

    fn choose(&mut self, request: usize) -> Choice {
        let line = self.line_of(request);
        let asked = &self.requests[request];
        let wanted = Request::at(Time::from_nanos(self.now))
            .without(&asked.tried)
            .keyed(Some(asked.key))
            .of_kind(self.scenario.kind(asked.class));
        let balancer = asked.balancer;
        let chosen = self.choosers[balancer].pick(&self.lines[line].table, &wanted);
        if self.scenario.reports.asked {
            self.ask(balancer, line);
        }
        chosen
    }

    /// To an endpoint, into the line, or away.
    fn place(&mut self, request: usize) {
        match self.choose(request) {
            Choice::Endpoint(endpoint) => self.send(request, endpoint),
            Choice::Nobody => self.fail(request),
            Choice::Full => {
                let line = self.line_of(request);
                if !self.lines[line].join(request) {
                    return self.fail(request);
                }
                let patience = self.scenario.balancers.queue_timeout_s;
                if patience > 0.0 {
                    let number = self.requests[request].number;
                    let request = request as u32;
                    let at = self.now + to_ns(patience);
                    self.agenda.enter(at, Event::GiveUp { request, number });
                }
            }
        }
    }

    fn send(&mut self, request: usize, endpoint: usize) {
        let line = self.line_of(request);
        let shared = &self.lines[line].table.endpoints[endpoint].shared;
        shared.in_flight.fetch_add(1, Relaxed);
        let away = self.away(line, endpoint);
        self.figures.tried(endpoint, away.is_none(), self.now);
        let away = away.unwrap_or(0);
        let number = self.numbers;
        self.numbers += 1;
        let asked = &self.requests[request];
        let key = self.attempts.insert(Attempt {
            number,
            request: Some(request),
            endpoint,
            begun: self.now,
            work: asked.work * self.scenario.takes(endpoint, asked.class),
            away,
            note: self.choosers[asked.balancer].note(),
            behind: self.endpoints[endpoint].len() as u32,
        });
        self.requests[request].attempt = Some(key);
        let attempt = key as u32;
        if let Some(after) = self.fails(endpoint) {
            let at = self.now + to_ns(after);
            return self.agenda.enter(at, Event::Fail { attempt, number });
        }
        let timeout = self.scenario.tries.timeout_s;
        if timeout > 0.0 {
            let at = self.now + to_ns(timeout);
            self.agenda.enter(at, Event::TimeOut { attempt, number });
        }
        match away {
            0 => self.reach(key, number),
            _ => {
                let at = self.now + away;
                self.agenda.enter(at, Event::Reach { attempt, number });
            }
        }
    }

    /// An endpoint has done a request, unless it said so under other circumstances.
    fn finish(&mut self, endpoint: usize, version: u64) {
        let at = &mut self.endpoints[endpoint];
        let Some(key) = at.finish(version, self.now) else {
            return;
        };
        self.figures.level(at.len() + 1, false, self.now);
        self.plan(endpoint);
        let Attempt {
            number,
            away,
            begun,
            behind,
            ..
        } = self.attempts[key as usize];
        let took = self.now - begun - away;
        self.endpoints[endpoint].measure(behind, took, self.now);
        match away {
            0 => self.back(key as usize, number),
            _ => {
                let (attempt, at) = (key, self.now + away);
                self.agenda.enter(at, Event::Back { attempt, number });
            }
        }
    }

    /// The first in line go as long as there is room.
    fn move_up(&mut self, line: usize) {
        while let Some(first) = self.lines[line].first() {
            match self.choose(first) {
                Choice::Full => return,
                Choice::Endpoint(endpoint) => {
                    self.lines[line].leave(first);
                    self.send(first, endpoint);
                }
                Choice::Nobody => {
                    self.lines[line].leave(first);
                    self.fail(first);
                }
            }
        }
    }

    /// When the endpoint will have done its next request.
    fn plan(&mut self, endpoint: usize) {
        if let Some((at, version)) = self.endpoints[endpoint].plan() {
            let endpoint = endpoint as u32;
            self.agenda.enter(at, Event::Finish { endpoint, version });
        }
    }
}
