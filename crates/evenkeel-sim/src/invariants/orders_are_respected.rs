//! What an operator took out gets nothing, from the moment of the order, over reloads and restarts, until taken back.

use evenkeel_core::balance::Choice;
use evenkeel_core::table::State;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct OrdersAreRespected;

impl Invariant for OrdersAreRespected {
    fn name(&self) -> &'static str {
        "what an operator took out gets nothing"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        let Note::Picked {
            table,
            choice: Choice::Endpoint(index),
            ..
        } = note
        else {
            return Ok(());
        };
        let key = Scene::key(table, *index);
        let state = table.endpoints[*index].state;
        let out = matches!(state, State::Draining | State::Maintenance);
        match scene.orders.get(&key) {
            Some(order) => Err(format!("{} was picked although it is {order:?}", key.1)),
            None if out => Err(format!("{} was picked in state {state:?}", key.1)),
            None => Ok(()),
        }
    }
}
