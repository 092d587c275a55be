//! Every endpoint is probed often enough: however many answers are lost, and whatever else happens, at most one and a half
//! intervals and one lost probe lie between two.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::table::State;
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Key, Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ProbedOftenEnough {
    last: BTreeMap<Key, Time>,
}

impl Invariant for ProbedOftenEnough {
    fn name(&self) -> &'static str {
        "every endpoint is probed often enough"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.last.clear(),
            Note::ProbeSent { key } => {
                self.last.insert((*key).clone(), scene.now.at);
            }
            Note::Beat => {
                let mut seen = BTreeMap::new();
                for (name, table) in &scene.tables {
                    let check = &scene.pools[name].check;
                    let longest =
                        check.interval * 3 / 2 + check.timeout + Duration::from_millis(1_100);
                    for row in table
                        .endpoints
                        .iter()
                        .filter(|row| row.state != State::Maintenance)
                    {
                        let key = (name.clone(), row.name.clone());
                        let last = self.last.get(&key).copied().unwrap_or(scene.now.at);
                        if scene.now.at.since(last) > longest {
                            return Err(format!(
                                "{} was last probed {:?} ago",
                                row.name,
                                scene.now.at.since(last)
                            ));
                        }
                        seen.insert(key, last);
                    }
                }
                self.last = seen;
            }
            _ => {}
        }
        Ok(())
    }
}
