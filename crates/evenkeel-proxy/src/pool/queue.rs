//! Requests that wait for an endpoint with room, of all workers, first come first served; the newest first while the brake holds
//! (`core::prevent::Brake`), since then the oldest have hardly any time left.
//!
//! Whoever frees a place looks at one number; only if somebody waits does it take the lock and wake the first that is not
//! awake already. A woken waiter picks by itself, and stays where it is in the line if somebody was faster.
//!
//! No wake-up is lost: the waiter counts itself (sequentially consistent) before it looks for a place, and whoever frees
//! a place does so (sequentially consistent) before it looks at the count; in their one order at least one sees the other.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::Pool;
use std::rc::Rc;

/// The line of one pool.
#[derive(Default)]
pub(crate) struct Queue {
    /// Length of `line`; every worker adds and takes.
    waiting: AtomicU32,
    /// Those of them that wait for some endpoints only: a session's own, or those where the request was not tried; every worker adds and takes.
    bound: AtomicU32,
    /// As the table says; whoever publishes one stores.
    newest_first: AtomicBool,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// Those who wait for some endpoints only.
    bound: usize,
    waiters: BTreeMap<u64, Waiter>,
}

struct Waiter {
    waker: Waker,
    /// Told of a place and has not looked yet.
    awake: bool,
}

impl Queue {
    /// A place became free: wakes the first waiter that does not know of another one.
    pub(crate) fn place_freed(&self) {
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        let mut line = self.line();
        let mut asleep = line.waiters.values_mut().filter(|w| !w.awake);
        let next = match self.newest_first.load(Relaxed) {
            true => asleep.next_back(),
            false => asleep.next(),
        };
        if let Some(waiter) = next {
            waiter.awake = true;
            waiter.waker.wake_by_ref();
        }
    }

    /// Everything may be different, also who goes first: all look again, in this order.
    pub(crate) fn wake_all(&self, newest_first: bool) {
        self.newest_first.store(newest_first, Relaxed);
        if self.waiting.load(SeqCst) == 0 {
            return;
        }
        let wake = |waiter: &mut Waiter| {
            waiter.awake = true;
            waiter.waker.wake_by_ref();
        };
        let mut line = self.line();
        match newest_first {
            true => line.waiters.values_mut().rev().for_each(wake),
            false => line.waiters.values_mut().for_each(wake),
        }
    }

    /// Does nobody wait for the next free place, wherever it is? Whoever waits for his own endpoint, or for one where he was not
    /// yet, is no reason for others to: elsewhere there may be room.
    pub(crate) fn is_open(&self) -> bool {
        let waiting = self.waiting.load(SeqCst);
        waiting == 0 || waiting == self.bound.load(SeqCst)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing is left half done by a panic in here.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line; dropping it leaves the line.
pub(crate) struct Ticket {
    pool: Rc<Pool>,
    number: u64,
    bound: bool,
}

impl Ticket {
    /// Joins the end of the line, if fewer than `limit` wait; `bound` to wait for some endpoints only. Also says whether nobody
    /// was there before for whom a place may be.
    pub(crate) fn join(
        pool: &Rc<Pool>,
        limit: u32,
        bound: bool,
        cx: &Context<'_>,
    ) -> Option<(Ticket, bool)> {
        let queue = &pool.cell.queue;
        let mut line = queue.line();
        if line.waiters.len() >= limit as usize {
            return None;
        }
        let alone = bound || line.waiters.len() == line.bound;
        let number = line.next;
        line.next += 1;
        line.waiters.insert(
            number,
            Waiter {
                waker: cx.waker().clone(),
                awake: false,
            },
        );
        queue.waiting.fetch_add(1, SeqCst);
        queue.bound.fetch_add(u32::from(bound), SeqCst);
        line.bound += usize::from(bound);
        drop(line);
        pool.counters().queued.add(1);
        let ticket = Ticket {
            pool: pool.clone(),
            number,
            bound,
        };
        Some((ticket, alone))
    }

    /// Says that this waiter looks for a place now: what becomes free from here on wakes it again.
    pub(crate) fn look(&self, cx: &Context<'_>) {
        if let Some(waiter) = self.pool.cell.queue.line().waiters.get_mut(&self.number) {
            waiter.awake = false;
            waiter.waker.clone_from(cx.waker());
        }
        fence(SeqCst);
    }

    /// Leaves what became free to the next behind. Only ever backwards, so that it is not passed round for ever.
    pub(crate) fn pass(&self) {
        let queue = &self.pool.cell.queue;
        let mut line = queue.line();
        let behind = match queue.newest_first.load(Relaxed) {
            true => {
                let mut behind = line.waiters.range_mut(..self.number).rev();
                behind.find(|(_, w)| !w.awake)
            }
            false => {
                let mut behind = line.waiters.range_mut(self.number + 1..);
                behind.find(|(_, w)| !w.awake)
            }
        };
        if let Some((_, waiter)) = behind {
            waiter.awake = true;
            waiter.waker.wake_by_ref();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let queue = &self.pool.cell.queue;
        let mut line = queue.line();
        let gone = line.waiters.remove(&self.number);
        line.bound -= usize::from(self.bound && gone.is_some());
        drop(line);
        queue.bound.fetch_sub(u32::from(self.bound), SeqCst);
        queue.waiting.fetch_sub(1, SeqCst);
        self.pool.counters().queued.add(-1);
        // It may have been told of a place that it leaves to the next.
        if gone.is_some_and(|waiter| waiter.awake) {
            queue.place_freed();
        }
    }
}
