//! An open incident with the evidence gathered for it.
//!
//! What was seen stays seen: a check that passes again while the fault is being cured takes nothing back from the reasons
//! why there was one. Evidence is taken only from subjects that are down or suspected, so that what an action does to a
//! process (it ends, it refuses connections for a moment) is not taken for a sign.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diagnose::{Evidence, Item, Reasoner, Source};
use crate::time::{Now, Time};

use super::company::{self, Subjects};
use super::machine::{Incident, Input, Step};
use super::record::{EvidenceRecord, Record};
use super::subject::{Stand, Subject};
use super::words::Phase;

/// Probabilities that moved by less say nothing new; the reasons for them are not weighed again.
const MOVED: f64 = 0.005;
/// Present evidence older than so much of its worth gives way to its absence.
const WORTH_KEPT: f64 = 0.1;

/// A release that was read this long after the first sign may be what that was a sign of.
const RELEASE_READ: Duration = Duration::from_millis(2500);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) incident: Incident,
    evidence: BTreeMap<Evidence, (Arc<str>, Item)>,
    /// When the causes are to be ranked anew; `NEVER` = nothing new.
    pub(crate) judge_at: Time,
    pub(crate) judged: Time,
    /// The recovery is doing something about it, or watches whether that helped.
    pub(crate) treated: bool,
    /// Of each cause, when the reasons were last weighed.
    posterior: Vec<f64>,
}

impl Open {
    pub(crate) fn new(incident: Incident) -> Open {
        Open {
            incident,
            evidence: BTreeMap::new(),
            judge_at: Time::ZERO,
            judged: Time::ZERO,
            treated: false,
            posterior: Vec::new(),
        }
    }

    pub(crate) fn resume(record: &Record, now: Now) -> Open {
        let mut open = Open::new(Incident::resume(record, now));
        open.judge_at = Time::NEVER;
        for kept in &record.evidence {
            let age = Duration::from_millis(now.wall.0.saturating_sub(kept.at.0));
            let item = Item {
                evidence: kept.evidence,
                present: kept.present,
                source: kept.source,
                at: now.at - age,
                value: kept.value.clone(),
            };
            open.take(kept.subject.as_str().into(), item, now.at);
        }
        open
    }

    /// Takes one observation in.
    fn take(&mut self, subject: Arc<str>, item: Item, now: Time) {
        // How the last process ended is as it was said last.
        let newest = item.source == Source::Supervision;
        let keep_old = |old: &Item| {
            let denied = old.present && !item.present && old.worth(now) >= WORTH_KEPT;
            (denied && !newest) || (old.present == item.present && old.at >= item.at)
        };
        let old = self.evidence.get(&item.evidence);
        if !old.is_some_and(|(_, old)| keep_old(old)) {
            self.evidence.insert(item.evidence, (subject, item));
        }
    }

    /// Gathers what its subjects and their neighbours show now.
    fn gather(&mut self, subjects: &Subjects, now: Time) {
        let keys: Vec<_> = self.incident.keys().cloned().collect();
        let ill = |key: &Arc<str>| {
            let subject = subjects.get(key)?;
            matches!(subject.phase, Phase::Down | Phase::Suspected).then_some(subject)
        };
        let proven = |key: &str| subjects.get(key).is_some_and(Subject::is_stopped);
        self.evidence
            .retain(|_, (subject, item)| item.source != Source::Company || !proven(subject));
        let mut first = true;
        for subject in keys.iter().filter_map(ill) {
            for item in subject.board.items(now) {
                if self.came_after(item) {
                    continue;
                }
                self.take(subject.spec.key.clone(), item.clone(), now);
            }
            for item in known(subject, now) {
                self.take(subject.spec.key.clone(), item, now);
            }
            // Whose own process is stopped does not fail because others do, however many of them are.
            if !subject.is_stopped() && std::mem::take(&mut first) {
                for item in company::evidence(subjects, subject, now) {
                    self.take(subject.spec.key.clone(), item, now);
                }
            }
        }
    }

    /// What changed when the fault was there already did not bring it about. A release is read every second or so, and may have
    /// changed a little before.
    fn came_after(&self, item: &Item) -> bool {
        let began = self.incident.began();
        item.present
            && match item.evidence {
                Evidence::ConfigChanged => item.at > began,
                Evidence::ReleaseChanged => item.at > began + RELEASE_READ,
                _ => false,
            }
    }

    /// When a symptom was seen last: what is known is weighed as it was worth then, so that the reasons for a fault do not fade
    /// while it is being cured, and those that fade slowly do not come to look like it.
    fn seen(&self, now: Time) -> Time {
        let items = self.evidence.values().map(|(_, item)| item);
        let symptoms = items.filter(|i| i.present && i.evidence.entry().class.is_symptom());
        symptoms.map(|item| item.at).max().unwrap_or(now).min(now)
    }

    /// Does it last: is somebody down or suspected, or was it never judged?
    pub(crate) fn is_lasting(&self, subjects: &Subjects) -> bool {
        let ill = |key: &Arc<str>| {
            let phase = subjects.get(key).map(|subject| subject.phase);
            matches!(phase, Some(Phase::Down | Phase::Suspected))
        };
        self.incident.causes().is_empty() || self.incident.keys().any(ill)
    }

    /// Ranks the causes anew.
    pub(crate) fn judge(
        &mut self,
        subjects: &Subjects,
        reasoner: &mut Reasoner,
        now: Now,
    ) -> Option<Step> {
        self.judge_at = Time::NEVER;
        self.judged = now.at;
        self.gather(subjects, now.at);
        let items: Vec<Item> = self
            .evidence
            .values()
            .map(|(_, item)| item.clone())
            .collect();
        let seen = self.seen(now.at);
        let posterior = reasoner.posterior(&items, seen);
        let mut moved = self.posterior.iter().zip(&posterior);
        let causes = match moved.any(|(a, b)| (a - b).abs() > MOVED) || self.posterior.is_empty() {
            true => {
                self.posterior = posterior;
                reasoner.rank(&items, seen)
            }
            false => self.incident.causes().to_vec(),
        };
        let evidence = self
            .evidence
            .values()
            .map(|(subject, item)| EvidenceRecord {
                subject: subject.to_string(),
                evidence: item.evidence,
                present: item.present,
                source: item.source,
                at: super::machine::earlier(now.wall, now.at.since(item.at)),
                value: item.value.clone(),
            });
        let evidence = evidence.collect();
        self.incident.on(Input::Verdict { causes, evidence }, now)
    }

    pub(crate) fn absorb(&mut self, other: Open, now: Time) {
        for (subject, item) in other.evidence.into_values() {
            self.take(subject, item, now);
        }
        self.incident.absorb(other.incident);
    }
}

/// What is known without anybody having to look: that its process lives, and that its configuration has worked before.
fn known(subject: &Subject, now: Time) -> Vec<Item> {
    let mut items = Vec::new();
    if subject.stand(now) == Stand::Down
        && let Some(pid) = subject.lives(now)
    {
        items.push(Item {
            evidence: Evidence::ProcessEnded,
            present: false,
            source: Source::Supervision,
            at: now,
            value: format!("process {pid}"),
        });
    }
    if subject.served && subject.board.get(Evidence::ConfigChanged).is_none() {
        items.push(Item {
            evidence: Evidence::ConfigChanged,
            present: false,
            source: Source::Configuration,
            at: now,
            value: String::new(),
        });
    }
    items
}
