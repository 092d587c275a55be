//! One timer per connection, moved for the price of a store.
//!
//! A connection's deadline changes several times a request and nearly never comes. So a timer that moves to a later time
//! stays where it is in the wheel; when its slot comes round it is looked at and put where it belongs. Only a move to an
//! earlier time touches the wheel, in constant time: slots are doubly linked lists through one slab, so a timer is never
//! in the wheel twice. Deadlines beyond the horizon wait in its last slot and are looked at again.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use evenkeel_core::time::Time;
use slab::Slab;

/// Time-outs are of the order of a second: a hundredth of one is close enough.
const TICK_MS: u64 = 10;
/// Horizon 10.24 s.
const SLOTS: usize = 1024;
const NONE: u32 = u32::MAX;
/// The longest the driver sleeps, so that its turning can be seen from outside.
const HEARTBEAT: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Entry {
    deadline: Time,
    waker: Option<Waker>,
    /// Tick whose slot it is linked in; `None` = not linked.
    at: Option<u64>,
    previous: u32,
    next: u32,
}

/// The timers of one worker.
pub(crate) struct Wheel {
    inner: RefCell<Inner>,
    /// The driver's sleep ends at this tick.
    wakes_at: Cell<u64>,
    driver: RefCell<Option<Waker>>,
}

struct Inner {
    entries: Slab<Entry>,
    heads: Box<[u32]>,
    /// All slots up to this tick were looked at.
    done: u64,
    now: Time,
}

/// A timer of one connection.
pub(crate) struct Timer {
    wheel: Rc<Wheel>,
    key: usize,
}

fn tick_of(at: Time) -> u64 {
    at.as_nanos() / (TICK_MS * 1_000_000)
}

impl Wheel {
    pub(crate) fn new(now: Time) -> Rc<Wheel> {
        Rc::new(Wheel {
            inner: RefCell::new(Inner {
                entries: Slab::new(),
                heads: vec![NONE; SLOTS].into_boxed_slice(),
                done: tick_of(now),
                now,
            }),
            wakes_at: Cell::new(0),
            driver: RefCell::new(None),
        })
    }

    /// A timer that is not set.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let key = self.inner.borrow_mut().entries.insert(Entry {
            deadline: Time::NEVER,
            waker: None,
            at: None,
            previous: NONE,
            next: NONE,
        });
        Timer {
            wheel: self.clone(),
            key,
        }
    }

    /// Turns the wheel to `now`: wakes whoever's deadline has come.
    fn turn(&self, now: Time) {
        let mut due = Vec::new();
        let mut inner = self.inner.borrow_mut();
        inner.now = now;
        let target = tick_of(now);
        // After a pause longer than the horizon every slot is looked at once.
        let mut tick = inner.done.max(target.saturating_sub(SLOTS as u64));
        while tick < target {
            tick += 1;
            inner.done = tick;
            let mut key = std::mem::replace(&mut inner.heads[tick as usize % SLOTS], NONE);
            while key != NONE {
                let entry = &mut inner.entries[key as usize];
                let next = entry.next;
                (entry.at, entry.previous, entry.next) = (None, NONE, NONE);
                let deadline = entry.deadline;
                if deadline <= now {
                    due.extend(entry.waker.clone());
                } else if deadline != Time::NEVER {
                    inner.link(key, tick_of(deadline) + 1);
                }
                key = next;
            }
        }
        inner.done = inner.done.max(target);
        drop(inner);
        for waker in due {
            waker.wake();
        }
    }

    /// The next tick at which a slot is not empty, at most `limit`.
    fn next_tick(&self, limit: u64) -> u64 {
        let inner = self.inner.borrow();
        ((inner.done + 1)..limit)
            .find(|tick| inner.heads[*tick as usize % SLOTS] != NONE)
            .unwrap_or(limit)
    }

    /// Turns the wheel for ever; calls `beat` at each turn, at least every 100 ms.
    pub(crate) async fn drive(self: Rc<Self>, mut beat: impl FnMut(Time)) {
        loop {
            let now = super::now();
            beat(now);
            self.turn(now);
            let latest = tick_of(now + HEARTBEAT);
            let tick = self.next_tick(latest);
            self.wakes_at.set(tick);
            let wait = Time::from_millis(tick * TICK_MS).since(now);
            let mut sleep = pin!(super::sleep(wait));
            poll_fn(|cx| {
                *self.driver.borrow_mut() = Some(cx.waker().clone());
                if self.wakes_at.get() < tick {
                    return Poll::Ready(());
                }
                sleep.as_mut().poll(cx)
            })
            .await;
        }
    }
}

impl Inner {
    fn link(&mut self, key: u32, tick: u64) {
        let tick = tick.clamp(self.done + 1, self.done + SLOTS as u64 - 1);
        let slot = tick as usize % SLOTS;
        let head = std::mem::replace(&mut self.heads[slot], key);
        if head != NONE {
            self.entries[head as usize].previous = key;
        }
        let entry = &mut self.entries[key as usize];
        (entry.at, entry.previous, entry.next) = (Some(tick), NONE, head);
    }

    fn unlink(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (previous, next) = (entry.previous, entry.next);
        let Some(tick) = entry.at.take() else {
            return;
        };
        if previous == NONE {
            self.heads[tick as usize % SLOTS] = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
    }
}

impl Timer {
    /// Sets the deadline; [`Time::NEVER`] = none.
    pub(crate) fn set(&self, deadline: Time) {
        let mut inner = self.wheel.inner.borrow_mut();
        let entry = &mut inner.entries[self.key];
        entry.deadline = deadline;
        if deadline == Time::NEVER {
            return;
        }
        let tick = tick_of(deadline) + 1;
        if entry.at.is_some_and(|at| at <= tick) {
            return;
        }
        let key = self.key as u32;
        inner.unlink(key);
        inner.link(key, tick);
        drop(inner);
        if tick < self.wheel.wakes_at.get() {
            self.wheel.wakes_at.set(tick);
            if let Some(driver) = self.wheel.driver.borrow().as_ref() {
                driver.wake_by_ref();
            }
        }
    }

    /// Has the deadline come? If not, this task is woken when it does (and by [`wake`](Self::wake)).
    pub(crate) fn poll_expired(&self, cx: &mut Context<'_>) -> bool {
        let mut inner = self.wheel.inner.borrow_mut();
        let now = inner.now;
        let entry = &mut inner.entries[self.key];
        match &entry.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => entry.waker = Some(cx.waker().clone()),
        }
        entry.deadline <= now
    }

    /// Wakes the connection that polled this last.
    pub(crate) fn wake(&self) {
        let waker = self.wheel.inner.borrow().entries[self.key].waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut inner = self.wheel.inner.borrow_mut();
        inner.unlink(self.key as u32);
        // Out of the borrow before the waker is dropped: that may drop a task.
        let entry = inner.entries.remove(self.key);
        drop(inner);
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::task::Wake;

    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn polled(timer: &Timer) -> (Arc<Count>, bool) {
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = count.clone().into();
        let expired = timer.poll_expired(&mut Context::from_waker(&waker));
        (count, expired)
    }

    #[test]
    fn a_timer_wakes_once_its_deadline_has_come_and_not_before() {
        let wheel = Wheel::new(ms(1000));
        let timer = wheel.timer();
        timer.set(ms(1505));
        let (woken, expired) = polled(&timer);
        assert!(!expired);
        wheel.turn(ms(1500));
        assert_eq!(woken.0.load(Relaxed), 0);
        wheel.turn(ms(1520));
        assert_eq!(woken.0.load(Relaxed), 1);
        assert!(polled(&timer).1);
    }

    #[test]
    fn a_timer_moved_later_keeps_its_slot_and_one_moved_earlier_comes_earlier() {
        let wheel = Wheel::new(ms(0));
        let timer = wheel.timer();
        timer.set(ms(100));
        timer.set(ms(5000));
        let (woken, _) = polled(&timer);
        wheel.turn(ms(4990));
        assert_eq!(woken.0.load(Relaxed), 0);
        timer.set(ms(5050));
        timer.set(ms(4995));
        wheel.turn(ms(5010));
        assert_eq!(woken.0.load(Relaxed), 1);
    }

    #[test]
    fn a_deadline_beyond_the_horizon_is_kept() {
        let wheel = Wheel::new(ms(0));
        let timer = wheel.timer();
        timer.set(ms(60_000));
        let (woken, _) = polled(&timer);
        for at in (0..60_000).step_by(100) {
            wheel.turn(ms(at));
            assert_eq!(woken.0.load(Relaxed), 0);
        }
        wheel.turn(ms(60_020));
        assert_eq!(woken.0.load(Relaxed), 1);
    }

    #[test]
    fn many_timers_each_come_at_their_own_time_and_dropped_ones_never() {
        let wheel = Wheel::new(ms(0));
        let timers: Vec<_> = (0..500u64)
            .map(|i| {
                let timer = wheel.timer();
                timer.set(ms(10 + i * 37 % 3000));
                let woken = polled(&timer).0;
                (i, timer, woken)
            })
            .collect();
        let mut kept = Vec::new();
        for (i, timer, woken) in timers {
            if i % 3 == 0 {
                kept.push((i, None, woken));
            } else {
                kept.push((i, Some(timer), woken));
            }
        }
        wheel.turn(ms(1500));
        for (i, timer, woken) in &kept {
            let due = timer.is_some() && 10 + i * 37 % 3000 <= 1480;
            let not_due = timer.is_none() || 10 + i * 37 % 3000 > 1500;
            let n = woken.0.load(Relaxed);
            assert!(!(due && n != 1), "timer {i} was not woken");
            assert!(!(not_due && n != 0), "timer {i} was woken");
        }
    }

    #[test]
    fn after_a_pause_longer_than_the_horizon_nobody_is_forgotten() {
        let wheel = Wheel::new(ms(0));
        let timer = wheel.timer();
        timer.set(ms(9_000));
        let (woken, _) = polled(&timer);
        wheel.turn(ms(500_000));
        assert_eq!(woken.0.load(Relaxed), 1);
    }
}
