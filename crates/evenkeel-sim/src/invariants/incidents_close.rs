//! Incidents: a number is given once and later ones are greater, over restarts of the balancer too; what is open has
//! somebody in trouble, or had a moment ago; and with all faults gone every incident is over.

use std::collections::BTreeSet;

use evenkeel_core::incident::News;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct IncidentsClose {
    last: u64,
    open: BTreeSet<u64>,
}

impl Invariant for IncidentsClose {
    fn name(&self) -> &'static str {
        "incidents are numbered once and are over when the faults are"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Incident(change) => {
                let id = change.record.id;
                for news in &change.news {
                    match news {
                        News::Opened if id <= self.last => {
                            return Err(format!("incident {id} comes after {}", self.last));
                        }
                        News::Opened => {
                            self.last = id;
                            self.open.insert(id);
                        }
                        News::Closed | News::Merged(_) => drop(self.open.remove(&id)),
                        News::Forgotten => {}
                        _ if change.record.closed.is_none() && !self.open.contains(&id) => {
                            return Err(format!("incident {id} was over: {news:?}"));
                        }
                        _ => {}
                    }
                }
                match change.record.closed {
                    None if change.record.subjects.is_empty() => {
                        Err(format!("incident {id} is open and about nobody"))
                    }
                    _ => Ok(()),
                }
            }
            Note::End { .. } if !self.open.is_empty() => {
                Err(format!("incidents {:?} are still open", self.open))
            }
            _ => Ok(()),
        }
    }
}
