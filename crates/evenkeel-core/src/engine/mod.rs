//! One place that decides, driven by events.

mod carried;
mod command;
mod event;
mod view;

pub use carried::Carried;
pub use command::{Command, DecidedBy, ServiceTransition, Transition};
pub use event::{Configure, Event, Order, Running};
pub use view::{EndpointView, PoolView, ServiceView};

use std::collections::VecDeque;

use crate::id::{EndpointId, Epoch, PoolId, ServiceId};
use crate::time::{Now, Time};

/// The engine.
#[derive(Debug)]
pub struct Engine {
    commands: VecDeque<Command>,
}

impl Engine {
    /// `seed` makes every random choice; `first` is the fence to begin with: it must be greater than any that an earlier
    /// process of this node has used, so that its late commands are refused.
    pub fn new(_seed: u64, _first: Epoch) -> Engine {
        Engine {
            commands: VecDeque::new(),
        }
    }

    /// Takes one event in.
    pub fn handle(&mut self, _event: Event, _now: Now) {}

    /// The next command, until there is none.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn next_wakeup(&self) -> Option<Time> {
        None
    }

    /// All pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = PoolView<'_>> {
        std::iter::empty()
    }

    /// The pool of this name.
    pub fn pool(&self, _name: &str) -> Option<PoolView<'_>> {
        None
    }

    /// One endpoint.
    pub fn endpoint(&self, _id: EndpointId) -> Option<EndpointView<'_>> {
        None
    }

    /// An endpoint's id by the names.
    pub fn endpoint_id(&self, _pool: &str, _endpoint: &str) -> Option<EndpointId> {
        None
    }

    /// All supervised services, by name.
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        std::iter::empty()
    }

    /// One service.
    pub fn service(&self, _id: ServiceId) -> Option<ServiceView<'_>> {
        None
    }

    /// A service's id by its name.
    pub fn service_id(&self, _name: &str) -> Option<ServiceId> {
        None
    }

    /// A pool's id by its name.
    pub fn pool_id(&self, _name: &str) -> Option<PoolId> {
        None
    }
}
