//! Room for a new connection when there is none left: whoever does nothing goes first.
//!
//! When `max_connections` are open or descriptors run short, the client connections that have been idle for longest are
//! closed, as nginx does with its reusable connections, and heads that are long under way: a client that works gets in
//! while thousands sit there, and a keep-alive connection is something a client has to be ready to lose at any time
//! (RFC 9112 section 9.3.1). Only if there are none of these, those go who have neither sent of their body nor taken of their
//! answer for two seconds, and then those who were idle for a moment only. Nobody else is touched.
//!
//! The same for memory: heads that are not complete yet may hold so much in all, and beyond it those under way for longest go.

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
/// want does not cost everybody's; and of few connections only a part.
const AT_ONCE: usize = 32;
const AT_ONCE_PART: usize = 16;
/// Idle for so long: whoever needs its connection often has used it.
const IDLE_FOR: Duration = Duration::from_secs(1);
/// Idle for less, which is the last choice: among clients that all work, new ones wait instead.
const IDLE_FOR_LEAST: Duration = Duration::from_millis(100);
/// Nearly every head comes in one piece; one that does not has had a round trip for the rest.
const HEAD_FOR: Duration = Duration::from_millis(10);
/// Long enough for a few lost packets, so that nobody's download is cut for a new one's sake while the line works.
const STALLED_FOR: Duration = Duration::from_secs(2);
/// Between two looks for a descriptor to reach an endpoint by.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Descriptors that accepting leaves alone, as a part of all and at most: for connections to endpoints, checks, the admin API.
const RESERVE_PART: u64 = 8;
const RESERVE_MAX: u64 = 1024;

/// What all incomplete heads together may hold, over all workers, and each worker at least: two hundred and fifty of the
/// largest, or seven thousand that only began.
const HEADS_BYTES: usize = 16 << 20;
const HEADS_BYTES_WORKER: usize = 1 << 20;
/// What a head holds beside its bytes: a request's state, about. The bytes count twice, for what is read ahead, where the
/// fields are, and what the allocator cannot join.
const HEAD_BYTES: usize = 2 << 10;

/// What incomplete heads may hold in one of so many workers.
pub(crate) fn heads_max(workers: usize) -> usize {
    (HEADS_BYTES / workers.max(1)).max(HEADS_BYTES_WORKER)
}

/// The first descriptor that accepting should leave alone.
pub(crate) fn reserved_from() -> u64 {
    match getrlimit(Resource::Nofile).current {
        Some(all) => all - (all / RESERVE_PART).min(RESERVE_MAX),
        None => u64::MAX,
    }
}

/// What there is too little of.
pub(crate) enum Wanted<'a> {
    /// Places at this listener.
    Connection(&'a ListenerView),
    /// Descriptors.
    Descriptor,
    /// Memory for heads.
    Memory,
}

impl Conn {
    /// Its turn to go for this, and since when it could; `None` if it may not, or not yet.
    fn can_go(&self, wanted: &Wanted<'_>, now: Time) -> Option<(u8, Time)> {
        let (turn, since, least) = match (self.may_go_for.get(), wanted) {
            (GoesFor::Head(since), Wanted::Memory) => (0, since, Duration::ZERO),
            (GoesFor::Nothing, _) | (_, Wanted::Memory) => return None,
            (GoesFor::Head(since), _) => (0, since, HEAD_FOR),
            (GoesFor::Idle(since), _) if now.since(since) >= IDLE_FOR => (0, since, IDLE_FOR),
            (GoesFor::Stalled(since), _) => (1, since, STALLED_FOR),
            (GoesFor::Idle(since), _) => (2, since, IDLE_FOR_LEAST),
        };
        let there = match wanted {
            Wanted::Connection(listener) => std::ptr::eq(listener.open(), self.listener.open()),
            Wanted::Descriptor | Wanted::Memory => true,
        };
        (there && !self.must_go.get() && now.since(since) >= least).then_some((turn, since))
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
    /// Has those closed that did nothing for longest. They go when they are polled next; says whether there were any.
    pub(crate) fn make_room(&self, wanted: &Wanted<'_>) -> bool {
        let now = rt::now();
        let connections = self.connections.borrow();
        let most = (connections.len() / AT_ONCE_PART).clamp(1, AT_ONCE);
        let mut first = BinaryHeap::with_capacity(most + 1);
        for (key, conn) in connections.iter() {
            let Some(order) = conn.can_go(wanted, now) else {
                continue;
            };
            if first.len() < most || first.peek().is_some_and(|(least, _)| order < *least) {
                first.push((order, key));
                if first.len() > most {
                    first.pop();
                }
            }
        }
        for (_, key) in &first {
            let conn: &Rc<Conn> = &connections[*key];
            conn.must_go.set(true);
            conn.timer.wake();
            self.head_holds(conn, None);
        }
        !first.is_empty()
    }

    /// A head that is not complete holds this many bytes now; `None` = it is over, or will be.
    pub(crate) fn head_holds(&self, conn: &Conn, bytes: Option<usize>) {
        let holds = bytes.map_or(0, |bytes| 2 * bytes + HEAD_BYTES);
        let before = conn
            .head_holds
            .replace(u32::try_from(holds).unwrap_or(u32::MAX));
        let all = (self.heads_hold.get() + holds).saturating_sub(before as usize);
        self.heads_hold.set(all);
        if holds > 0 && all > self.heads_max {
            self.make_room(&Wanted::Memory);
        }
    }

    /// The same when descriptors run short, where idle connections to endpoints are the last resort.
    pub(crate) fn make_room_for_descriptors(&self) -> bool {
        if self.make_room(&Wanted::Descriptor) {
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
