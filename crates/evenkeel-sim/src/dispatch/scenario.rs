//! A scenario: a fleet, what comes to it, and what is expected of it. TOML, in seconds; a key that is not known is refused.

use std::collections::BTreeMap;

use evenkeel_core::balance::Kind;
use serde::Deserialize;

mod judge;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub summary: String,
    /// Whose figures it is held against.
    #[serde(default)]
    pub source: String,
    /// Which policies; none = all of evenkeel's.
    #[serde(default)]
    pub policies: Vec<String>,
    /// How long.
    pub run: Run,
    /// What comes.
    pub arrival: Arrival,
    /// How much work a request is.
    #[serde(default)]
    pub work: Work,
    /// Sorts of requests; none = all are alike.
    #[serde(default, rename = "class")]
    pub classes: Vec<Class>,
    /// Who chooses.
    #[serde(default)]
    pub balancers: Balancers,
    /// How often and how long a request is tried.
    #[serde(default)]
    pub tries: Tries,
    /// Who asks, and how patiently.
    #[serde(default)]
    pub clients: Clients,
    /// What endpoints say of their load.
    #[serde(default)]
    pub reports: Reports,
    /// Who works.
    pub endpoints: Vec<Endpoints>,
    /// Who fails.
    #[serde(default, rename = "failure")]
    pub failures: Vec<Failure>,
    /// What must come out.
    #[serde(default)]
    pub expect: Vec<super::Expect>,
}

/// How long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Simulated seconds, warm-up and all.
    pub seconds: f64,
    /// What ends in the first so many seconds is not counted: the fleet begins empty.
    #[serde(default)]
    pub warm_up: f64,
    /// The same seed tells the same story.
    #[serde(default = "one")]
    pub seed: u64,
    /// Policies' own lots: under another number they draw others, while the same requests come. How far a policy scatters.
    #[serde(default)]
    pub choices: u32,
}

fn one() -> u64 {
    1
}

/// How requests come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// Independent of each other: exponential gaps.
    #[default]
    Poisson,
    /// Even gaps.
    Constant,
    /// A number of users who each wait for their answer, think, and send the next.
    Closed,
}

/// What comes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// How.
    #[serde(default)]
    pub process: Process,
    /// As a share of what all endpoints together can do at their full capacity.
    pub load: Option<f64>,
    /// Or requests a second.
    pub rate: Option<f64>,
    /// `closed`: how many users.
    #[serde(default)]
    pub users: u32,
    /// `closed`: how long they think, exponential with this mean.
    #[serde(default)]
    pub think_s: f64,
    /// How many keys there are for policies that go by one; 0 = each request has its own.
    #[serde(default)]
    pub keys: u32,
}

/// How work is distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Exponential.
    #[default]
    Exponential,
    /// All the same.
    Constant,
    /// Normal, as far from its mean on average as its mean is from 0, and cut off there.
    Normal,
    /// Pareto with `shape`: the smaller, the heavier its tail.
    Pareto,
    /// Small, but `large_share` of all are `ratio` times as much.
    Bimodal,
}

/// How much work a request is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Work {
    /// How it is distributed.
    pub distribution: Distribution,
    /// Seconds on one core of speed 1, on average.
    pub mean_s: f64,
    /// Of `pareto`; above 1, or there is no mean.
    pub shape: f64,
    /// Of `bimodal`.
    pub large_share: f64,
    /// Of `bimodal`.
    pub ratio: f64,
}

impl Default for Work {
    /// Theory's unit. The tail of `pareto` is that of web traffic's sizes, with a variance, so that a run comes to an end.
    fn default() -> Work {
        Work {
            distribution: Distribution::Exponential,
            mean_s: 1.0,
            shape: 2.2,
            large_share: 0.1,
            ratio: 10.0,
        }
    }
}

/// A sort of requests, as a balancer can tell it from others: a route of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// What it is called.
    pub name: String,
    /// Its part of all, beside those of the others.
    pub share: f64,
    /// So many times the work that is said for all.
    #[serde(default = "full")]
    pub times: f64,
}

/// Who chooses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Balancers {
    /// How many; each request comes to any of them.
    pub count: u32,
    /// They see each other's requests in flight, as the workers of one evenkeel do; if not, each knows only its own.
    pub shared: bool,
    /// `limit.per_endpoint`; 0 = none.
    pub per_endpoint: u32,
    /// `limit.queue`.
    pub queue: u32,
    /// `limit.queue_timeout`; 0 = none.
    pub queue_timeout_s: f64,
    /// The zones they are in, in turn; none = zones do not count. Each then knows only its own requests.
    pub zones: Vec<String>,
    /// Each way between two zones.
    pub zone_delay_s: f64,
    /// Does control brake where work is done in vain (`prevention.mode = "act"`)?
    pub brake: bool,
}

impl Default for Balancers {
    /// As evenkeel's own.
    fn default() -> Balancers {
        Balancers {
            count: 1,
            shared: true,
            per_endpoint: 0,
            queue: 1000,
            queue_timeout_s: 2.0,
            zones: Vec::new(),
            zone_delay_s: 0.0,
            brake: true,
        }
    }
}

/// How often and how long a request is tried.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tries {
    /// Further tries after one that failed.
    pub retries: u32,
    /// After which a try counts as failed; its endpoint, which is not told, does the work all the same. 0 = never.
    pub timeout_s: f64,
    /// `retry.budget` in percent of the requests of the last ten seconds; none = without limit.
    pub budget_percent: Option<u32>,
    /// How long a request waits before it is tried again.
    pub delay_s: f64,
}

/// Who asks. A client is no balancer: it leaves when its patience ends, and then its balancer knows that nobody waits, but the
/// endpoint does the work all the same, as servers do that do not look whether anybody is still there.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// How long one waits for an answer; 0 = for ever.
    pub patience_s: f64,
    /// How often one asks again, after leaving or after an error.
    pub retries: u32,
    /// How long before it does.
    pub delay_s: f64,
}

/// What endpoints say of their load to policies that go by it: all requests they work on, and how long one takes now.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reports {
    /// With each answer.
    pub with_answers: bool,
    /// Asked beside the traffic.
    pub asked: bool,
    /// From the question to the answer; it tells of the moment in the middle.
    pub delay_s: f64,
}

/// What is done with several requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// One on each core, the others wait.
    #[default]
    Fifo,
    /// All at once, each more slowly.
    Sharing,
}

/// Endpoints of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// How many.
    pub count: u32,
    /// Of each.
    #[serde(default = "one_core")]
    pub cores: u32,
    /// Seconds of work a second, of each core.
    #[serde(default = "full")]
    pub speed: f64,
    /// As it is configured, 0 to 256.
    #[serde(default = "weight")]
    pub weight: u32,
    /// What is done with several requests.
    #[serde(default)]
    pub discipline: Discipline,
    /// `[second, factor]`: from then on its speed is multiplied by the factor; 0 = it stands still.
    #[serde(default)]
    pub capacity: Vec<[f64; 2]>,
    /// The zone they are in.
    pub zone: Option<String>,
    /// `[second, second]`: from the one to the other they are known to be down, and get no new work.
    #[serde(default)]
    pub out: Vec<[f64; 2]>,
    /// Classes that are so many times the work here (a cold cache, a slow disk).
    #[serde(default)]
    pub takes: BTreeMap<String, f64>,
    /// Who else is on its machine.
    pub antagonist: Option<Antagonist>,
}

/// What takes the processor of an endpoint's machine, each with a story of its own. `cores` are then what is allotted to the
/// endpoint: what it always has. While there is no contention it has more, by lot.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Antagonist {
    /// The part of the time in which the machine is full.
    pub full_share: f64,
    /// How long it then is, on average.
    pub full_s: f64,
    /// What is spare else, in multiples of `cores`: from, to.
    pub spare: [f64; 2],
    /// How long one such level lasts, on average.
    pub level_s: f64,
}

fn one_core() -> u32 {
    1
}

fn full() -> f64 {
    1.0
}

fn weight() -> u32 {
    100
}

/// Some endpoints fail a part of what they get, without doing any work for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Which: their numbers from 0, in the order of `endpoints`.
    pub endpoints: Vec<u32>,
    /// What part of it.
    pub share: f64,
    /// How long a failure takes.
    #[serde(default)]
    pub after_s: f64,
    /// From this second on.
    #[serde(default)]
    pub from_s: f64,
    /// Until this one; none = to the end.
    pub to_s: Option<f64>,
}

impl Scenario {
    /// Reads one, and says all that is wrong with it.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.judged()
    }

    fn judged(self) -> Result<Scenario, String> {
        let mistakes = judge::mistakes(&self);
        let sound = mistakes.is_empty().then_some(self);
        sound.ok_or_else(|| mistakes.join("\n"))
    }

    /// The same under another load, or what is wrong with that.
    pub fn at_load(&self, load: f64) -> Result<Scenario, String> {
        if self.arrival.process == Process::Closed {
            return Err(
                "arrival: users who wait for their answers make their own load; it can't be chosen"
                    .into(),
            );
        }
        let mut scenario = self.clone();
        scenario.arrival.load = Some(load);
        scenario.arrival.rate = None;
        scenario.judged()
    }

    /// The loads under which something is expected, in that order; `None` is the scenario's own.
    pub fn loads(&self) -> Vec<Option<f64>> {
        let mut loads = Vec::new();
        for expect in &self.expect {
            if !loads.contains(&expect.load) {
                loads.push(expect.load);
            }
        }
        match loads.is_empty() {
            true => vec![None],
            false => loads,
        }
    }

    /// The same under one of these.
    pub fn under(&self, load: Option<f64>) -> Result<Scenario, String> {
        load.map_or_else(|| Ok(self.clone()), |load| self.at_load(load))
    }

    /// How many endpoints there are.
    pub fn endpoint_count(&self) -> u64 {
        self.endpoints.iter().map(|e| u64::from(e.count)).sum()
    }

    /// Seconds of work a second that all endpoints can do.
    fn capacity(&self) -> f64 {
        let of = |e: &Endpoints| f64::from(e.count) * f64::from(e.cores) * e.speed;
        self.endpoints.iter().map(of).sum()
    }

    /// Seconds of work of a request, where no endpoint takes longer for its class.
    fn mean_work(&self) -> f64 {
        let share: f64 = self.classes.iter().map(|class| class.share).sum();
        let times: f64 = self.classes.iter().map(|c| c.share * c.times).sum();
        match self.classes.is_empty() {
            true => self.work.mean_s,
            false => self.work.mean_s * times / share,
        }
    }

    /// A class as policies know it: a route of its own.
    pub(super) fn kind(&self, class: usize) -> Kind {
        let route = match self.classes.is_empty() {
            true => 0,
            false => class as u32 + 1,
        };
        Kind {
            route,
            ..Kind::default()
        }
    }

    /// So many times the work is this class.
    pub(super) fn times(&self, class: usize) -> f64 {
        self.classes.get(class).map_or(1.0, |class| class.times)
    }

    /// So many times that at this endpoint.
    pub(super) fn takes(&self, endpoint: usize, class: usize) -> f64 {
        let Some(class) = self.classes.get(class) else {
            return 1.0;
        };
        let mut first = 0;
        let kind = self.endpoints.iter().find(|kind| {
            first += kind.count as usize;
            endpoint < first
        });
        let takes = kind.and_then(|kind| kind.takes.get(&class.name));
        takes.copied().unwrap_or(1.0)
    }

    /// Requests a second, but for `closed`.
    pub(super) fn rate(&self) -> f64 {
        let by_load = |load: f64| load * self.capacity() / self.mean_work();
        let rate = self.arrival.rate;
        rate.or(self.arrival.load.map(by_load)).unwrap_or(0.0)
    }

    /// An upper estimate of how many requests come.
    pub(super) fn requests(&self) -> f64 {
        let closed = f64::from(self.arrival.users) / (self.arrival.think_s + self.mean_work());
        let rate = match self.arrival.process {
            Process::Closed => closed.max(self.capacity() / self.mean_work()),
            _ => self.rate(),
        };
        rate * self.run.seconds
    }
}
