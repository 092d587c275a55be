//! An operator's word about an endpoint: its state, its weight.

use evenkeel_core::engine::{Event, Order};
use evenkeel_core::id::EndpointId;
use evenkeel_schema::admin::{EndpointStatus, ErrorAnswer, ErrorCode, StateOrder};
use evenkeel_store::Durability;

use super::{Driver, view};
use crate::ask::Outcome;

impl Driver {
    pub(super) fn order(
        &mut self,
        pool: &str,
        endpoint: &str,
        state: StateOrder,
    ) -> Outcome<EndpointStatus> {
        let order = Order::from(state);
        self.operate(pool, endpoint, |endpoint| Event::Order { endpoint, order })
    }

    pub(super) fn weight(
        &mut self,
        pool: &str,
        endpoint: &str,
        weight: Option<u32>,
    ) -> Outcome<EndpointStatus> {
        self.operate(pool, endpoint, |endpoint| Event::Weight {
            endpoint,
            weight,
        })
    }

    /// An operator's word about one endpoint: on the disk at once, since nobody will say it again.
    fn operate(
        &mut self,
        pool: &str,
        endpoint: &str,
        event: impl FnOnce(EndpointId) -> Event,
    ) -> Outcome<EndpointStatus> {
        let id = self.find(pool, endpoint)?;
        if self.loading.is_some() {
            self.ordered.insert((pool.to_owned(), endpoint.to_owned()));
        }
        self.durability = Durability::Now;
        self.event(event(id));
        self.durability = Durability::Relaxed;
        let view = self.engine.endpoint(id);
        let view = view.ok_or_else(|| {
            ErrorAnswer::new(
                ErrorCode::Internal,
                "the endpoint is gone",
                "look at the status again",
            )
        })?;
        Ok(view::endpoint(&self.engine, &view, &self.facts))
    }
}
