//! Suspicion never takes the last one: whoever comes under suspicion leaves somebody up who is not, and gets nothing while
//! there is such a one.

use std::collections::BTreeSet;

use evenkeel_core::balance::Choice;
use evenkeel_core::id::EndpointId;
use evenkeel_core::settings::FailoverMode;
use evenkeel_core::table::{EndpointRow, PoolTable, State};

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct SuspectsLeaveSomebody {
    suspects: BTreeSet<EndpointId>,
}

impl Invariant for SuspectsLeaveSomebody {
    fn name(&self) -> &'static str {
        "a suspicion leaves somebody else, and the suspect without work"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.suspects.clear(),
            Note::Published(table) => return self.published(table),
            Note::Picked {
                table,
                choice: Choice::Endpoint(index),
                ..
            } => {
                let row = &table.endpoints[*index];
                let is_static = table.failover.mode == FailoverMode::Static;
                let other = |other: &&EndpointRow| {
                    other.trusted()
                        && other.weight > 0
                        && other.address.is_some()
                        && !(is_static && other.is_standby)
                };
                if let (true, Some(other)) = (row.suspect, table.endpoints.iter().find(other)) {
                    let (suspect, other) = (&row.name, &other.name);
                    return Err(format!(
                        "{suspect} is suspected and was given work beside {other}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl SuspectsLeaveSomebody {
    fn published(&mut self, table: &PoolTable) -> Result<(), String> {
        let left = |row: &EndpointRow| row.trusted() && row.state == State::Up && row.weight > 0;
        for row in &table.endpoints {
            if !row.suspect {
                self.suspects.remove(&row.id);
            } else if self.suspects.insert(row.id) && !table.endpoints.iter().any(left) {
                return Err(format!(
                    "{} came under suspicion and was the last",
                    row.name
                ));
            }
        }
        Ok(())
    }
}
