//! While an endpoint ramps its share never jumps: twice a second a fresh picker is asked over the same table, and the
//! share may have grown by no more than the ramp has.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::balance::{Choice, Picker, Request};
use evenkeel_core::counters::EndpointShared;
use evenkeel_core::id::{EndpointId, Epoch};
use evenkeel_core::settings::PolicySpec;
use evenkeel_core::table::{PoolTable, State};
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Note, Scene};

const PICKS: u32 = 300;
/// Of the tier drawn by lot, and of picks that do not end with a full cycle.
const SLACK: f64 = 0.1;

#[derive(Debug, Default)]
pub(super) struct NoJumpInARamp {
    beats: u64,
    /// Share, ramp's factor and table when last looked.
    last: BTreeMap<EndpointId, (f64, f64, Epoch)>,
}

impl Invariant for NoJumpInARamp {
    fn name(&self) -> &'static str {
        "a share never jumps while it ramps"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.last.clear(),
            Note::Beat => {
                self.beats += 1;
                if self.beats.is_multiple_of(5) {
                    return scene
                        .tables
                        .values()
                        .try_for_each(|table| self.look(table, scene.now.at));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl NoJumpInARamp {
    fn look(&mut self, table: &PoolTable, now: Time) -> Result<(), String> {
        let ramping = |row: &evenkeel_core::table::EndpointRow| {
            let ramp = row.ramp.filter(|ramp| now < ramp.started + ramp.window)?;
            let passed = now.since(ramp.started).as_secs_f64() / ramp.window.as_secs_f64();
            (row.state == State::Up && row.weight > 0).then_some(passed.max(0.1))
        };
        if !table.endpoints.iter().any(|row| ramping(row).is_some()) {
            return Ok(());
        }
        let shares = shares(table, now);
        for (row, share) in table.endpoints.iter().zip(shares) {
            let Some(factor) = ramping(row) else {
                continue;
            };
            let before = self.last.insert(row.id, (share, factor, table.epoch));
            let Some((last, last_factor, epoch)) =
                before.filter(|(_, _, epoch)| *epoch == table.epoch)
            else {
                continue;
            };
            // Several may ramp at once, and a tier's part grows with them: in sum no faster than the ramps do.
            let grown = (factor - last_factor) * 2.0 + SLACK;
            if share > last + grown {
                return Err(format!(
                    "{} went from {last:.2} to {share:.2} in table {epoch} while its ramp went from {last_factor:.2} to {factor:.2}",
                    row.name
                ));
            }
        }
        Ok(())
    }
}

/// What each endpoint gets now, by asking.
fn shares(table: &PoolTable, now: Time) -> Vec<f64> {
    let mut copy = table.clone();
    copy.policy = PolicySpec::named("round_robin");
    copy.limit.per_endpoint = 0;
    for row in &mut copy.endpoints {
        row.limit = 0;
        row.shared = Arc::new(EndpointShared::new(1));
    }
    let mut picker = Picker::new(&copy, 1);
    let mut taken = vec![0_u32; copy.endpoints.len()];
    for _ in 0..PICKS {
        if let Choice::Endpoint(index) = picker.pick(&copy, &Request::at(now)) {
            taken[index] += 1;
        }
    }
    taken
        .iter()
        .map(|&n| f64::from(n) / f64::from(PICKS))
        .collect()
}
