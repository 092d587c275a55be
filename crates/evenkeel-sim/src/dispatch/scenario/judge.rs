//! What is wrong with a scenario: everything at once, before anything is computed.

use super::{Antagonist, Class, Process, Scenario};
use crate::dispatch::{Expect, chooser};

/// Endpoints, all together.
const ENDPOINTS_MAX: u64 = 10_000;
/// Balancers, and endpoints as all of them see them where they do not share what they know: each costs memory.
const BALANCERS_MAX: u32 = 1_000;
const VIEWS_MAX: u64 = 100_000;
/// Requests of one run: minutes of computing.
const REQUESTS_MAX: f64 = 1e9;
/// Changes of capacity of one kind of endpoint.
const CHANGES_MAX: usize = 10_000;
const RETRIES_MAX: u32 = 10;
/// So many sorts of requests: more than that no policy tells apart.
const CLASSES_MAX: usize = 60;
/// What an antagonist does lasts this long on average, at least: more changes say nothing.
const STORY_MIN_S: f64 = 0.01;

/// What is in figures that say something: above zero, and finite.
fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

/// The same with zero.
fn not_negative(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}

/// All of it.
pub(super) fn mistakes(scenario: &Scenario) -> Vec<String> {
    scenario.mistakes_of()
}

impl Antagonist {
    fn is_sound(&self) -> bool {
        let [from, to] = self.spare;
        (0.0..1.0).contains(&self.full_share)
            && self.full_s >= STORY_MIN_S
            && self.level_s >= STORY_MIN_S
            && self.full_s.is_finite()
            && self.level_s.is_finite()
            && not_negative(from)
            && to.is_finite()
            && from <= to
    }
}

impl Scenario {
    fn mistakes_of(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut wanted = |good: bool, what: &str| {
            if !good {
                mistakes.push(what.to_owned());
            }
        };
        let run = &self.run;
        wanted(
            positive(run.seconds) && run.seconds <= 1e8,
            "run.seconds: wanted more than 0, and at most 1e8",
        );
        wanted(
            (0.0..run.seconds).contains(&run.warm_up),
            "run.warm_up: wanted 0 or more, and less than run.seconds",
        );
        self.judge_arrival(&mut wanted);
        self.judge_fleet(&mut wanted);
        wanted(
            self.requests() <= REQUESTS_MAX,
            "run.seconds: there would be more than 1e9 requests; wanted a shorter run or less load",
        );
        let names = self.policies.iter();
        mistakes.extend(names.filter_map(|name| chooser::known(name).err()));
        mistakes.extend(self.expect.iter().filter_map(Expect::mistake));
        mistakes
    }

    fn judge_arrival(&self, wanted: &mut dyn FnMut(bool, &str)) {
        let arrival = &self.arrival;
        let given: Vec<f64> = arrival.load.into_iter().chain(arrival.rate).collect();
        match arrival.process {
            Process::Closed => {
                wanted(
                    (1..=1_000_000).contains(&arrival.users),
                    "arrival.users: `closed` wants 1 to 1,000,000 of them",
                );
                wanted(
                    given.is_empty(),
                    "arrival: `closed` has users and think_s; its rate follows from them",
                );
            }
            _ => {
                wanted(
                    given.len() == 1 && positive(given[0]),
                    "arrival: wanted either load (a share of capacity) or rate (a second), above 0",
                );
                wanted(
                    arrival.users == 0 && arrival.think_s == 0.0,
                    "arrival: users and think_s belong to process = \"closed\"",
                );
            }
        }
        wanted(
            not_negative(arrival.think_s),
            "arrival.think_s: wanted 0 or more",
        );
        let work = &self.work;
        wanted(positive(work.mean_s), "work.mean_s: wanted more than 0");
        wanted(
            work.shape.is_finite() && work.shape > 1.0,
            "work.shape: wanted more than 1; at 1 and below there is no mean",
        );
        wanted(
            (0.0..=1.0).contains(&work.large_share) && positive(work.ratio),
            "work: wanted large_share from 0 to 1 and ratio above 0",
        );
        let classes = &self.classes;
        let named = |name: &str| classes.iter().filter(|c| c.name == name).count() == 1;
        let good = |c: &Class| positive(c.share) && positive(c.times) && named(&c.name);
        wanted(
            classes.len() <= CLASSES_MAX && classes.iter().all(good),
            "class: wanted 60 at most, each with a name of its own, a share and times above 0",
        );
        self.judge_tries(wanted);
    }

    fn judge_tries(&self, wanted: &mut dyn FnMut(bool, &str)) {
        let tries = &self.tries;
        wanted(
            tries.retries <= RETRIES_MAX,
            "tries.retries: wanted 10 at most",
        );
        wanted(
            not_negative(tries.timeout_s) && not_negative(tries.delay_s),
            "tries: wanted timeout_s and delay_s of 0 or more",
        );
        let clients = &self.clients;
        wanted(
            clients.retries <= RETRIES_MAX
                && not_negative(clients.patience_s)
                && not_negative(clients.delay_s),
            "clients: wanted at most 10 retries, and patience_s and delay_s of 0 or more",
        );
        wanted(
            tries.budget_percent.is_none_or(|percent| percent <= 100),
            "tries.budget_percent: wanted 0 to 100",
        );
    }

    fn judge_fleet(&self, wanted: &mut dyn FnMut(bool, &str)) {
        let count = self.endpoint_count();
        wanted(
            (1..=ENDPOINTS_MAX).contains(&count),
            "endpoints.count: wanted 1 to 10,000 of them, all kinds together",
        );
        for kind in &self.endpoints {
            wanted(
                (1..=1024).contains(&kind.cores) && positive(kind.speed),
                "endpoints: wanted cores from 1 to 1024 and a speed above 0",
            );
            let known = |name: &String| self.classes.iter().any(|class| class.name == *name);
            wanted(
                kind.takes
                    .iter()
                    .all(|(name, &takes)| known(name) && positive(takes)),
                "endpoints.takes: wanted names of classes, each with a number above 0",
            );
            wanted(kind.weight <= 256, "endpoints.weight: wanted 0 to 256");
            let times = |&[from, to]: &[f64; 2]| not_negative(from) && to.is_finite() && from < to;
            wanted(
                kind.out.len() <= CHANGES_MAX && kind.out.iter().all(times),
                "endpoints.out: wanted a list of [second, later second]",
            );
            wanted(
                kind.antagonist
                    .is_none_or(|antagonist| antagonist.is_sound()),
                "endpoints.antagonist: wanted full_share from 0 to below 1, full_s and level_s above 0, spare = [from, to] of 0 or more",
            );
            let changes = &kind.capacity;
            let good = |&[at, factor]: &[f64; 2]| not_negative(at) && not_negative(factor);
            wanted(
                changes.len() <= CHANGES_MAX
                    && changes.iter().all(good)
                    && changes.is_sorted_by(|a, b| a[0] <= b[0]),
                "endpoints.capacity: wanted a list of [second, factor], both 0 or more, in order of time",
            );
        }
        for failure in &self.failures {
            wanted(
                failure.endpoints.iter().all(|&e| u64::from(e) < count),
                "failure.endpoints: wanted numbers of endpoints, the first is 0",
            );
            wanted(
                (0.0..=1.0).contains(&failure.share)
                    && not_negative(failure.after_s)
                    && not_negative(failure.from_s)
                    && failure.to_s.is_none_or(not_negative),
                "failure: wanted a share from 0 to 1, and times of 0 or more",
            );
        }
        self.judge_balancers(count, wanted);
    }

    fn judge_balancers(&self, count: u64, wanted: &mut dyn FnMut(bool, &str)) {
        let balancers = &self.balancers;
        wanted(
            balancers.zones.is_empty() || !balancers.shared,
            "balancers.zones: wanted shared = false, since balancers in different zones do not see each other's requests",
        );
        wanted(
            not_negative(balancers.zone_delay_s),
            "balancers.zone_delay_s: wanted 0 or more",
        );
        let views = u64::from(balancers.count) * count;
        wanted(
            (1..=BALANCERS_MAX).contains(&balancers.count)
                && (balancers.shared || views <= VIEWS_MAX),
            "balancers.count: wanted 1 to 1000, and at most 100,000 / endpoints where they share nothing",
        );
        wanted(
            not_negative(balancers.queue_timeout_s),
            "balancers.queue_timeout_s: wanted 0 or more",
        );
        wanted(
            not_negative(self.reports.delay_s),
            "reports.delay_s: wanted 0 or more",
        );
    }
}
