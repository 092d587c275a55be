//! Between two of the same action at the same patient lies its rest, and within an hour there are never more than the pool's
//! budget, whatever dies in between.

use std::time::Duration;

use evenkeel_core::recover::actions::Harm;
use evenkeel_core::recover::{CarriedRecovery, Tried};

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ActionsRest;

impl Invariant for ActionsRest {
    fn name(&self) -> &'static str {
        "actions rest, and are not more than the budget"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Recovery(record) => rested(record).and_then(|()| within_budget(record, scene)),
            _ => Ok(()),
        }
    }
}

fn rested(record: &CarriedRecovery) -> Result<(), String> {
    for (n, tried) in record.tried.iter().enumerate() {
        let same = |other: &&Tried| other.subject == tried.subject && other.action == tried.action;
        let Some(before) = record.tried[..n].iter().rev().find(same) else {
            continue;
        };
        let passed = Duration::from_millis(tried.at.0.saturating_sub(before.at.0));
        if passed < tried.action.0.rest {
            let action = tried.action.name();
            return Err(format!(
                "{action} of {} again after {passed:?}",
                tried.subject
            ));
        }
    }
    Ok(())
}

/// A story is shorter than an hour.
fn within_budget(record: &CarriedRecovery, scene: &Scene) -> Result<(), String> {
    let Some(spec) = scene.pools.get(&record.pool) else {
        return Ok(());
    };
    let harms = |tried: &&Tried| tried.action.0.harm > Harm::Nothing;
    let used = record.tried.iter().filter(harms).count();
    let most = spec.recovery.max_actions_per_hour as usize;
    match used > most {
        true => Err(format!("{}: {used} of {most}", record.pool)),
        false => Ok(()),
    }
}
