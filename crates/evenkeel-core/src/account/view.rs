//! What an account says at this moment, over the objective's window.

use std::sync::Arc;
use std::time::Duration;

use super::burn::{self, Firing, RULES, Rule};
use super::causes::CauseTimes;
use super::history::{History, Kind, Piece};
use super::pool::PoolAccount;
use super::reliability::{CONFIDENCE, Truncated, interval, mean, parallel};
use super::what_if::Measured;
use crate::settings::ObjectiveSettings;
use crate::time::{Now, Time, WallTime};

/// The figures of one history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// What it is now.
    pub kind: Kind,
    /// What is known of the window: its four kinds add up to the time observed.
    pub sum: Piece,
    /// Mean operating time between failures, seconds; `None` before the first.
    pub mtbf_s: Option<f64>,
    /// The interval that holds it nine times in ten.
    pub mtbf_interval_s: (Option<f64>, Option<f64>),
    /// Mean time to repair, seconds; `None` before the first.
    pub mttr_s: Option<f64>,
    /// The interval that holds it nine times in ten.
    pub mttr_interval_s: (Option<f64>, Option<f64>),
}

impl Figures {
    fn of(history: &History, window: Duration, at: Time) -> Figures {
        let kind = history.kind();
        Figures::new(kind, history.sum(window, at))
    }

    fn new(kind: Kind, sum: Piece) -> Figures {
        let (up, down) = (sum.seconds(Kind::Up), sum.seconds(Kind::Down));
        let of = |total, events, truncated| match events {
            0 => (None, None),
            events => interval(total, events, truncated, CONFIDENCE),
        };
        // A repair that goes on is time without its event yet.
        let repairing = match kind {
            Kind::Down => Truncated::ByTime,
            _ => Truncated::ByEvent,
        };
        Figures {
            kind,
            sum,
            mtbf_s: mean(up, sum.failures),
            mtbf_interval_s: of(up, sum.failures, Truncated::ByTime),
            mttr_s: mean(down, sum.repairs),
            mttr_interval_s: of(down, sum.repairs, repairing),
        }
    }
}

/// One endpoint's account.
#[derive(Clone, Debug)]
pub struct EndpointReport {
    /// Its name.
    pub name: Arc<str>,
    /// Its figures; [`Piece::failures`] are its faults.
    pub figures: Figures,
    /// Tries it was given.
    pub requests: u64,
    /// Of those, failed.
    pub failures: u64,
    /// Times a fault took it, or what was done about one, while another was there to take its work.
    pub failovers: u64,
    /// Its share of the pool's weight: what of the requests would be its part; 0 in a later tier and for a standby.
    pub weight_share: f64,
}

/// A pool's account.
#[derive(Clone, Debug)]
pub struct PoolReport<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// What is aimed for.
    pub objective: ObjectiveSettings,
    /// When the account began.
    pub began: WallTime,
    /// The pool's figures.
    pub figures: Figures,
    /// By name.
    pub endpoints: Vec<EndpointReport>,
    /// What its availability would be if its endpoints failed independently of each other, each as it did.
    pub independent: Option<f64>,
    /// Requests answered.
    pub requests: u64,
    /// Of those, with a failure.
    pub failed_requests: u64,
    /// What is left of the error budget; less than 0 = overspent.
    pub budget_left: f64,
    /// How many times as fast as allowed the budget was spent in the last hour.
    pub burn_rate: f64,
    /// The burn of each rule's long and short window.
    pub burns: Vec<(&'static Rule, f64, f64)>,
    /// Alerts that go on, worst first.
    pub firing: Vec<Firing>,
    /// Times by cause, of all incidents since the account began.
    pub causes: &'a CauseTimes,
}

impl PoolReport<'_> {
    /// good / total of the requests; `None` without any.
    pub fn request_availability(&self) -> Option<f64> {
        let good = self.requests.saturating_sub(self.failed_requests);
        (self.requests > 0).then(|| good as f64 / self.requests as f64)
    }

    /// All endpoints' times together: what a model of more or fewer of them starts from.
    pub fn measured(&self) -> Measured {
        let mut all = Measured::default();
        for endpoint in &self.endpoints {
            let sum = &endpoint.figures.sum;
            all.endpoints += 1;
            all.up_s += sum.seconds(Kind::Up);
            all.down_s += sum.seconds(Kind::Down);
            all.failures += sum.failures;
            all.repairs += sum.repairs;
        }
        all
    }
}

impl PoolAccount {
    /// What it says now.
    pub fn report(&self, now: Now) -> PoolReport<'_> {
        let window = self.objective.window;
        let weights = self.endpoints.values().map(|book| u64::from(book.weight));
        let whole = weights.sum::<u64>().max(1) as f64;
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .map(|(name, book)| {
                let [requests, failures, failovers] = book.counts.sum(self.elapsed_ns, window);
                EndpointReport {
                    name: name.clone(),
                    figures: Figures::of(&book.history, window, now.at),
                    requests,
                    failures,
                    failovers,
                    weight_share: f64::from(book.weight) / whole,
                }
            })
            .collect();
        let availabilities = endpoints.iter().map(|e| e.figures.sum.availability());
        let independent: Option<Vec<f64>> = availabilities.collect();
        let [good, bad] = self.requests(window);
        let objective = self.objective.availability;
        let burn = |window| self.spent(window).burn(objective);
        PoolReport {
            name: &self.name,
            objective: self.objective,
            began: self.began,
            figures: Figures::of(&self.history, window, now.at),
            endpoints,
            independent: independent.filter(|a| !a.is_empty()).map(parallel),
            requests: good.saturating_add(bad),
            failed_requests: bad,
            budget_left: self.spent(window).budget_left(objective),
            burn_rate: burn(burn::SHOWN),
            burns: RULES
                .iter()
                .map(|rule| (rule, burn(rule.long), burn(rule.short)))
                .collect(),
            firing: self.alerts.firing().collect(),
            causes: &self.causes,
        }
    }

    /// Alerts that go on, worst first.
    pub fn firing(&self) -> impl Iterator<Item = Firing> {
        self.alerts.firing()
    }
}
