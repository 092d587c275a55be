//! An agent carries an order out once, and none under a fence that is not newer than what it has carried out on that service
//! before: over its own deaths, over the balancer's, and when the network says everything twice and late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::id::Epoch;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct OrdersElsewhereOnce {
    newest: BTreeMap<(Arc<str>, Arc<str>), Epoch>,
    /// By the process that gave it, and its number there.
    taken: BTreeSet<(u32, u64)>,
}

impl Invariant for OrdersElsewhereOnce {
    fn name(&self) -> &'static str {
        "an agent carries an order out once, and none that is older than another"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        let Note::AgentActs {
            host,
            service,
            order,
            fence,
            ..
        } = note
        else {
            return Ok(());
        };
        if !self.taken.insert(*order) {
            return Err(format!("{host}/{service}: order {order:?} a second time"));
        }
        let key = ((*host).clone(), (*service).clone());
        match self.newest.insert(key, *fence) {
            Some(newest) if newest >= *fence => Err(format!(
                "{host}/{service}: an order under {fence} after one under {newest}"
            )),
            _ => Ok(()),
        }
    }
}
