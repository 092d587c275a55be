//! A trial is given no more requests than it has permits, as long as somebody else is up.

use std::collections::BTreeMap;

use evenkeel_core::balance::Choice;
use evenkeel_core::id::EndpointId;
use evenkeel_core::table::{EndpointRow, State};

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct TrialPermits {
    left: BTreeMap<EndpointId, u32>,
}

impl Invariant for TrialPermits {
    fn name(&self) -> &'static str {
        "a trial is given no more than its permits"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.left.clear(),
            Note::Trial { endpoint, permits } => {
                self.left.insert(*endpoint, *permits);
            }
            Note::Picked {
                table,
                tried,
                choice: Choice::Endpoint(index),
            } if table.endpoints[*index].state == State::Trial => {
                let row = &table.endpoints[*index];
                let other = |other: &EndpointRow| {
                    other.state == State::Up && other.weight > 0 && !other.is_standby
                };
                let alone = !table.endpoints.iter().any(other);
                let limited = table.endpoints.iter().any(|row| table.limit_of(row) > 0);
                let left = self.left.entry(row.id).or_default();
                // Alone, or when all others were tried, it is better than nothing.
                if *left == 0 && !alone && tried.is_empty() && !limited {
                    return Err(format!("{} was picked without a permit", row.name));
                }
                *left = left.saturating_sub(1);
            }
            _ => {}
        }
        Ok(())
    }
}
