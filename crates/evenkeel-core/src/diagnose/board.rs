//! What is known of one subject at the moment: the newest observation of each kind, with its source and its time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::clip;
use crate::time::Time;

use super::evidence::Evidence;

/// Who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// The active check.
    Check,
    /// Real traffic.
    Traffic,
    /// Supervision of the service behind it.
    Supervision,
    /// Heartbeats.
    Heartbeat,
    /// Facts of its machine and process.
    Facts,
    /// The configuration.
    Configuration,
    /// How its neighbours are.
    Company,
}

impl Source {
    /// All.
    pub const ALL: [Source; 7] = [
        Source::Check,
        Source::Traffic,
        Source::Supervision,
        Source::Heartbeat,
        Source::Facts,
        Source::Configuration,
        Source::Company,
    ];

    /// The word in status, API and records.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Check => "check",
            Source::Traffic => "traffic",
            Source::Supervision => "supervision",
            Source::Heartbeat => "heartbeat",
            Source::Facts => "facts",
            Source::Configuration => "configuration",
            Source::Company => "company",
        }
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Of what.
    pub evidence: Evidence,
    /// Seen, or looked for and not there.
    pub present: bool,
    /// By whom.
    pub source: Source,
    /// When.
    pub at: Time,
    /// The particulars, for people: "signal 9", "HTTP 503, wanted 200-399". May be empty.
    pub value: String,
}

impl Item {
    /// What an observation of this age is still worth: 1 = as good as new.
    pub fn worth(&self, now: Time) -> f64 {
        let age = now.since(self.at).as_secs_f64();
        (-age / f64::from(self.evidence.entry().half_life_s)).exp2()
    }
}

/// Below this an observation is forgotten: it moves nothing any more.
const WORTHLESS: f64 = 0.02;

/// The newest observation of each kind. Bounded by the number of kinds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Board(BTreeMap<Evidence, Item>);

impl Board {
    /// Takes one in. Does it say anything new, or only again what was known?
    pub fn note(&mut self, mut item: Item) -> bool {
        item.value = clip(item.value);
        let news = |old: &Item| old.present != item.present || old.worth(item.at) < 0.5;
        let new = self.0.get(&item.evidence).is_none_or(news);
        self.0.insert(item.evidence, item);
        new
    }

    /// What this source saw of symptoms is over. Did it know of any?
    pub fn retract(&mut self, source: Source) -> bool {
        let before = self.0.len();
        self.0.retain(|evidence, item| {
            let symptom = evidence.entry().class.is_symptom() && item.present;
            item.source != source || !symptom
        });
        self.0.len() != before
    }

    /// One kind.
    pub fn get(&self, evidence: Evidence) -> Option<&Item> {
        self.0.get(&evidence)
    }

    /// Everything still worth something.
    pub fn items(&self, now: Time) -> impl Iterator<Item = &Item> {
        self.0
            .values()
            .filter(move |item| item.worth(now) >= WORTHLESS)
    }

    /// Symptoms that are there, by their kind, as bits: who shares none of them fails in another way. That a check fails is
    /// of every kind, and counts only where it is all that is known.
    pub fn symptoms(&self, now: Time) -> u8 {
        let present = self.items(now).filter(|item| item.present);
        let kinds = present.map(|item| kind(item.evidence));
        let kinds = kinds.fold(0, |set, kind| set | kind);
        match self.get(Evidence::CheckFails) {
            Some(item) if item.present && kinds == 0 => ANY,
            _ => kinds,
        }
    }
}

const ANY: u8 = u8::MAX;

/// One that answers with errors is not one that does not answer, although both answer badly.
fn kind(evidence: Evidence) -> u8 {
    use Evidence::{CheckFails, ErrorStatus, Garbage, WrongAnswer};
    let class = evidence.entry().class;
    match evidence {
        CheckFails => 0,
        ErrorStatus | Garbage | WrongAnswer => 1 << 7,
        _ if class.is_symptom() => 1 << class as u8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(evidence: Evidence, present: bool, at_s: u64) -> Item {
        Item {
            evidence,
            present,
            source: Source::Check,
            at: Time::from_millis(at_s * 1000),
            value: String::new(),
        }
    }

    #[test]
    fn an_observation_is_worth_half_after_its_half_life_and_is_forgotten_in_the_end() {
        let seen = item(Evidence::ConnectionRefused, true, 100);
        assert!((seen.worth(Time::from_millis(120_000)) - 0.5).abs() < 1e-9);
        let mut board = Board::default();
        board.note(seen);
        assert_eq!(board.items(Time::from_millis(130_000)).count(), 1);
        assert_eq!(board.items(Time::from_millis(400_000)).count(), 0);
    }

    #[test]
    fn a_check_that_passes_takes_back_what_the_check_saw_and_nothing_else() {
        let mut board = Board::default();
        board.note(item(Evidence::ConnectionRefused, true, 1));
        let mut traffic = item(Evidence::ConnectionReset, true, 1);
        traffic.source = Source::Traffic;
        board.note(traffic);
        board.note(item(Evidence::CheckFails, false, 1));
        assert!(board.retract(Source::Check));
        assert!(board.get(Evidence::ConnectionRefused).is_none());
        assert!(board.get(Evidence::ConnectionReset).is_some());
        assert!(
            board.get(Evidence::CheckFails).is_some(),
            "that is no symptom"
        );
        assert!(!board.retract(Source::Check));
    }

    #[test]
    fn the_same_again_is_no_news_until_it_had_grown_old() {
        let mut board = Board::default();
        assert!(board.note(item(Evidence::NoAnswer, true, 1)));
        assert!(!board.note(item(Evidence::NoAnswer, true, 2)));
        assert!(board.note(item(Evidence::NoAnswer, true, 60)));
        assert!(board.note(item(Evidence::NoAnswer, false, 61)));
    }
}
