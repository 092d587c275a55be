//! While anything works, traffic has somewhere to go: a pick comes back empty only if everybody is taken out by an
//! operator, weighs nothing, or is down in a pool that is told to fail then.

use evenkeel_core::balance::Choice;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct SomewhereToGo;

impl Invariant for SomewhereToGo {
    fn name(&self) -> &'static str {
        "traffic has somewhere to go while anything works"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        let Note::Picked {
            table,
            choice: Choice::Nobody,
            ..
        } = note
        else {
            return Ok(());
        };
        let reachable = table.endpoints.iter().filter(|row| row.weight > 0);
        let served = |row: &&evenkeel_core::table::EndpointRow| match table.failover.try_all {
            true => row.state.last_resort(),
            // Standbys alone are nobody's, unless all is tried.
            false => row.state.usable() && !row.is_standby,
        };
        match reachable.filter(|row| row.address.is_some()).find(served) {
            Some(row) => Err(format!(
                "nobody was picked although {} is {:?}",
                row.name, row.state
            )),
            None => Ok(()),
        }
    }
}
