//! What harms and was under way when control died is not done again for the same fault by the next one: nobody knows how far
//! it came.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_core::recover::End;
use evenkeel_core::recover::actions::Harm;

use super::Invariant;
use crate::scene::{Note, Scene};

type What = (Arc<str>, u64, &'static str);

#[derive(Debug, Default)]
pub(super) struct NothingDoneTwice {
    open: BTreeSet<What>,
    /// Open when control died.
    interrupted: BTreeSet<What>,
}

impl Invariant for NothingDoneTwice {
    fn name(&self) -> &'static str {
        "what a death interrupted is not done twice"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.interrupted.append(&mut self.open),
            Note::Recovery(record) => {
                let harmful = record
                    .tried
                    .iter()
                    .filter(|t| t.action.0.harm > Harm::Nothing);
                for tried in harmful {
                    let what = (tried.subject.clone(), tried.incident, tried.action.name());
                    match tried.end {
                        End::Open if self.interrupted.contains(&what) => {
                            return Err(format!("{what:?}"));
                        }
                        End::Open => drop(self.open.insert(what)),
                        _ => drop(self.open.remove(&what)),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
