//! Those that are down get nothing while somebody usable is left, those never seen get nothing while somebody known is
//! up, and nothing goes where the weight is 0 or the address unknown. A tried endpoint is tried again only if no untried one has room.

use std::sync::atomic::Ordering::Relaxed;

use evenkeel_core::balance::Choice;
use evenkeel_core::settings::FailoverMode;
use evenkeel_core::table::{EndpointRow, State};

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct UsableFirst;

impl Invariant for UsableFirst {
    fn name(&self) -> &'static str {
        "usable endpoints come first"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        let Note::Picked {
            table,
            tried,
            choice: Choice::Endpoint(index),
        } = note
        else {
            return Ok(());
        };
        let row = &table.endpoints[*index];
        if row.weight == 0 || row.address.is_none() {
            return Err(format!(
                "{} was picked with weight {}",
                row.name, row.weight
            ));
        }
        let is_static = table.failover.mode == FailoverMode::Static;
        let fits = |other: &&EndpointRow| {
            other.state.usable() && other.weight > 0 && !(is_static && other.is_standby)
        };
        let usable = table.endpoints.iter().find(fits);
        if let (Some(usable), false) = (usable, row.state.usable()) {
            return Err(format!(
                "{} is {:?}, {} is usable",
                row.name, row.state, usable.name
            ));
        }
        let room = |other: &EndpointRow| {
            let limit = table.limit_of(other);
            limit == 0 || other.shared.in_flight.load(Relaxed) < limit
        };
        let fresh = |other: &&EndpointRow| {
            fits(other)
                && !other.suspect
                && other.state == State::Up
                && !tried.contains(&other.id)
                && room(other)
        };
        match table.endpoints.iter().find(fresh) {
            Some(fresh) if tried.contains(&row.id) => Err(format!(
                "{} again although {} was not tried",
                row.name, fresh.name
            )),
            _ => Ok(()),
        }
    }
}
