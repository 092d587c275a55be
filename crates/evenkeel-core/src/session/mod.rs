//! Sessions: the requests of one client stay with one endpoint.
//!
//! What is known of a session travels with the client (or is kept for it by a shell) and is this small: where it began (its
//! *home*), where it is, and whether it went back once already. The rule: it stays where it is for as long as that endpoint
//! serves, draining or not. If it does not, an ordinary pick finds another, and the session stays there. With
//! `failover.failback = "auto"` it goes home again once its home is back, as fast as its home ramps up, and then never a
//! second time: an endpoint that comes and goes moves each session three times at most, however often it does so.
//!
//! Endpoints go by the hash of their name: it is the same after a reload and in another process, where ids and indices are
//! not.

mod counts;
mod live;
mod part;

use std::time::Duration;

use crate::balance::hash;
use crate::failover::ramp;
use crate::id::EndpointId;
use crate::table::{EndpointRow, PoolTable, State};
use crate::time::Time;

pub use counts::SessionWorker;
pub use live::Live;
pub use part::{PARTS, Part, Row, part_of};

/// A session does not go home sooner after it left than this, nor before `failover.hold`: until it is decided that its
/// home is down (by traffic or a few checks) it still seems to be up.
pub const AWAY_MIN: Duration = Duration::from_secs(2);

/// [`Session::luck`] is below this.
pub const LUCK: u16 = ramp::WHOLE as u16;

/// The name by which a session knows an endpoint.
pub fn name(endpoint: &str) -> u64 {
    hash::key(endpoint.as_bytes())
}

/// Where a session belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The endpoint it goes back to, by [`name`].
    pub home: u64,
    /// The endpoint it is at.
    pub at: u64,
    /// It went back once: it does not again.
    pub returned: bool,
    /// Its place, below [`LUCK`], in the order in which sessions go home while that ramps up.
    pub luck: u16,
}

/// How a session went to another endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Away, as its own could not serve.
    Moved,
    /// Home.
    Returned,
}

/// The endpoint a pick should take if it may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefer {
    /// Who.
    pub id: EndpointId,
    /// Its index in [`PoolTable::endpoints`] when that was looked up; in a newer table it may be another.
    pub index: usize,
}

impl Prefer {
    /// Its index in this table.
    pub fn index_in(&self, table: &PoolTable) -> Option<usize> {
        let is = |row: &EndpointRow| row.id == self.id;
        match table.endpoints.get(self.index) {
            Some(row) if is(row) => Some(self.index),
            _ => table.endpoints.iter().position(is),
        }
    }
}

/// The endpoints of one table by name.
#[derive(Clone, Debug, Default)]
pub struct Places(Box<[(u64, usize)]>);

impl Places {
    /// Of this table.
    pub fn of(table: &PoolTable) -> Places {
        let names = table.endpoints.iter().map(|row| name(&row.name));
        let mut places: Vec<_> = names.zip(0..).collect();
        places.sort_unstable();
        Places(places.into())
    }

    /// The index of the endpoint of this name.
    pub fn find(&self, name: u64) -> Option<usize> {
        let found = self.0.binary_search_by_key(&name, |place| place.0).ok()?;
        Some(self.0[found].1)
    }
}

impl Session {
    /// A new one.
    pub fn begin(endpoint: u64, luck: u16) -> Session {
        Session {
            home: endpoint,
            at: endpoint,
            returned: false,
            luck,
        }
    }

    /// Who should serve its next request. `since` is how long ago it came to where it is; `places` are those of `table`.
    pub fn wanted(
        &self,
        table: &PoolTable,
        places: &Places,
        since: Duration,
        now: Time,
    ) -> Option<Prefer> {
        let goes_home = self.may_return(table) && since >= AWAY_MIN.max(table.failover.hold);
        let home = places.find(self.home).filter(|_| goes_home);
        let home = home.filter(|&index| self.is_back(&table.endpoints[index], now));
        let index = home.or_else(|| places.find(self.at))?;
        let id = table.endpoints[index].id;
        Some(Prefer { id, index })
    }

    /// The session as it is after an answer of this endpoint; `None` if nothing has changed.
    pub fn served_by(&self, endpoint: u64, table: &PoolTable) -> Option<(Session, Change)> {
        if endpoint == self.at {
            return None;
        }
        let may_return = self.may_return(table);
        let at = endpoint;
        if may_return && endpoint == self.home {
            let returned = true;
            return Some((
                Session {
                    at,
                    returned,
                    ..*self
                },
                Change::Returned,
            ));
        }
        // It leaves its home for the first time, or goes on from where it found shelter: home stays home. Otherwise it lives here now.
        let leaves = self.at == self.home && !self.returned && table.failover.failback_auto;
        let home = match leaves || may_return {
            true => self.home,
            false => endpoint,
        };
        Some((Session { at, home, ..*self }, Change::Moved))
    }

    /// It is away from home, and has not gone back yet.
    fn may_return(&self, table: &PoolTable) -> bool {
        self.at != self.home && !self.returned && table.failover.failback_auto
    }

    /// Is its home well enough for this one to go back?
    fn is_back(&self, home: &EndpointRow, now: Time) -> bool {
        let share = home.ramp.map_or(ramp::WHOLE, |r| ramp::factor(&r, now));
        home.state == State::Up
            && home.trusted()
            && home.weight > 0
            && home.address.is_some()
            && !home.shared.failed_just_now(now)
            && u32::from(self.luck) < share
    }
}

#[cfg(test)]
mod tests;
