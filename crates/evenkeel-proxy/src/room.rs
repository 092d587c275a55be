//! Room for a new connection when there is none left: whoever does nothing goes first.
//!
//! When `max_connections` are open or descriptors run short, the client connections that have been idle for longest are
//! closed, and then heads that are long under way, as nginx does with its reusable connections: a client that works gets in
//! while thousands sit there, and a keep-alive connection is something a client has to be ready to lose at any time
//! (RFC 9112 section 9.3.1). Nobody who is being served is touched.

use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use evenkeel_core::counters::Reject;
use evenkeel_core::time::Time;
use rustix::process::{Resource, getrlimit};

use crate::rt;
use crate::worker::{Conn, GoesFor, ListenerView, Worker};

/// Closed in one go: so many that looking through all connections is spread over many new ones, so few that a moment's
/// want does not cost everybody's.
const AT_ONCE: usize = 32;
/// Who served a request just now most likely has another: among clients that all work, new ones wait instead.
const IDLE_FOR: Duration = Duration::from_millis(100);
/// A head that is honest takes a round trip or two.
const HEAD_FOR: Duration = Duration::from_secs(1);
/// Between two looks for a descriptor to reach an endpoint by.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Descriptors that accepting leaves alone, as a part of all and at most: for connections to endpoints, checks, the admin API.
const RESERVE_PART: u64 = 8;
const RESERVE_MAX: u64 = 1024;

/// The first descriptor that accepting should leave alone.
pub(crate) fn reserved_from() -> u64 {
    match getrlimit(Resource::Nofile).current {
        Some(all) => all - (all / RESERVE_PART).min(RESERVE_MAX),
        None => u64::MAX,
    }
}

impl Conn {
    /// Since when it could go; `None` if it may not, or not yet.
    fn can_go(&self, now: Time) -> Option<Time> {
        let (since, least) = match self.may_go_for.get() {
            GoesFor::Nothing => return None,
            GoesFor::Idle(since) => (since, IDLE_FOR),
            GoesFor::Head(since) => (since, HEAD_FOR),
        };
        (!self.must_go.get() && now.since(since) >= least).then_some(since)
    }
}

impl Conn {
    /// Waits for what a connection begins with, unless its place is needed and it has had its time: then `None`.
    pub(crate) async fn unless_it_must_go<F: Future + Unpin>(
        &self,
        began: Time,
        mut beginning: F,
    ) -> Option<F::Output> {
        self.may_go_for.set(GoesFor::Head(began));
        let outcome = poll_fn(|cx| match Pin::new(&mut beginning).poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if self.must_go.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.may_go_for.set(GoesFor::Nothing);
        self.must_go.set(false);
        outcome
    }
}

impl Worker {
    /// Has those closed that did nothing for longest, of one listener or of all. They go when they are polled next; says
    /// whether there were any.
    pub(crate) fn make_room(&self, listener: Option<&ListenerView>) -> bool {
        let now = rt::now();
        let mut oldest: BinaryHeap<(Time, usize)> = BinaryHeap::with_capacity(AT_ONCE + 1);
        let connections = self.connections.borrow();
        for (key, conn) in connections.iter() {
            let wanted = listener.is_none_or(|l| std::ptr::eq(l.open(), conn.listener.open()));
            let Some(since) = wanted.then(|| conn.can_go(now)).flatten() else {
                continue;
            };
            if oldest.len() < AT_ONCE || oldest.peek().is_some_and(|(t, _)| since < *t) {
                oldest.push((since, key));
                if oldest.len() > AT_ONCE {
                    oldest.pop();
                }
            }
        }
        for (_, key) in &oldest {
            let conn: &Rc<Conn> = &connections[*key];
            conn.must_go.set(true);
            conn.timer.wake();
        }
        !oldest.is_empty()
    }

    /// The same when descriptors run short, where idle connections to endpoints are the last resort.
    pub(crate) fn make_room_for_descriptors(&self) -> bool {
        if self.make_room(None) {
            return true;
        }
        self.drop_idle_endpoints();
        false
    }

    /// An endpoint could not be reached for want of a descriptor: makes room and waits a moment.
    pub(crate) async fn wait_for_descriptor(&self, listener: &ListenerView) {
        listener.reject(Reject::NoResources);
        self.make_room_for_descriptors();
        rt::sleep(LOOK_AGAIN).await;
    }
}
