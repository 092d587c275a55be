//! A configuration as the ledger takes it: whose subjects there are now, what changed of them, and which incidents that touches.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnose::{Evidence, Item, Source};
use crate::time::Now;

use super::company::Subjects;
use super::ledger::Ledger;
use super::machine::Input;
use super::subject::{Subject, SubjectSpec};

impl Ledger {
    /// The configuration: all subjects there are. The incidents that it touches before everything served again.
    pub fn configure(&mut self, specs: Vec<SubjectSpec>, now: Now) -> Vec<u64> {
        self.born.get_or_insert(now.at);
        let mut old = std::mem::take(&mut self.subjects);
        self.endpoints.clear();
        self.services.clear();
        let overtaken = self.reloaded(touched_by(&specs, &old), now);
        self.late
            .configure(specs.iter().filter_map(|spec| spec.pool.clone()).collect());
        for spec in specs {
            let key = spec.key.clone();
            if let Some(endpoint) = spec.endpoint {
                self.endpoints.insert(endpoint, key.clone());
            }
            if let Some(service) = &spec.service {
                let keys = self.services.entry(service.clone()).or_default();
                keys.push(key.clone());
            }
            let subject = match old.remove(&key) {
                Some(kept) => self.reconfigured(kept, spec, now),
                None => Subject::new(spec),
            };
            self.touched.insert(key.clone());
            self.subjects.insert(key, subject);
        }
        for (key, gone) in old {
            self.active.remove(&key);
            if let Some(id) = gone.incident {
                self.tell(id, Input::Left(key), now);
            }
        }
        // Later ones keep what they are part of.
        if !std::mem::replace(&mut self.configured, true) {
            self.adopt(now);
        }
        overtaken
    }

    /// A subject that was there before.
    fn reconfigured(&self, mut kept: Subject, spec: SubjectSpec, now: Now) -> Subject {
        if kept.spec.fingerprint != spec.fingerprint {
            kept.served = false;
            kept.board.note(Item {
                evidence: Evidence::ConfigChanged,
                present: true,
                source: Source::Configuration,
                at: now.at,
                value: String::new(),
            });
        }
        kept.state = spec.state;
        kept.spec = spec;
        kept
    }
}

/// The incidents whose subjects a configuration changes, takes away or starts again, each with one of those.
fn touched_by(specs: &[SubjectSpec], old: &Subjects) -> BTreeMap<u64, Arc<str>> {
    let new: BTreeMap<&str, &SubjectSpec> = specs.iter().map(|spec| (&*spec.key, spec)).collect();
    let touched = old.values().rev().filter(|subject| {
        let same = new.get(&*subject.spec.key);
        let same = same.is_some_and(|spec| spec.fingerprint == subject.spec.fingerprint);
        !same || subject.is_given_up()
    });
    touched
        .filter_map(|subject| Some((subject.incident?, subject.spec.key.clone())))
        .collect()
}
