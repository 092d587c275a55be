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
use std::task::{Context, Poll};
use std::time::Duration;

use evenkeel_core::time::Time;
use slab::Slab;

use super::poller::Alarm;
use super::tasks::{self, NOBODY, TaskKey};

/// Time-outs are of the order of a second: a hundredth of one is close enough.
const TICK_MS: u64 = 10;
/// Horizon 10.24 s.
const SLOTS: usize = 1024;
const NONE: u32 = u32::MAX;
/// No slot: the first tick is that of the machine's start.
const UNLINKED: u64 = 0;
/// The longest the driver sleeps, so that its turning can be seen from outside.
const HEARTBEAT: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Entry {
    deadline: Time,
    /// Tick whose slot it is linked in.
    at: u64,
    /// Who polled it last.
    task: TaskKey,
    previous: u32,
    next: u32,
}

/// The timers of one worker.
pub(crate) struct Wheel {
    inner: RefCell<Inner>,
    /// The alarm rings at this tick.
    wakes_at: Cell<u64>,
    /// `None` in tests, which turn the wheel by hand.
    alarm: Option<Alarm>,
    beat: RefCell<Option<Beat>>,
}

/// Called at each turn.
type Beat = Box<dyn Fn(Time)>;

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
    pub(super) fn new(now: Time, alarm: Option<Alarm>) -> Rc<Wheel> {
        Rc::new(Wheel {
            inner: RefCell::new(Inner {
                entries: Slab::new(),
                heads: vec![NONE; SLOTS].into_boxed_slice(),
                done: tick_of(now),
                now,
            }),
            wakes_at: Cell::new(0),
            alarm,
            beat: RefCell::new(None),
        })
    }

    /// A timer that is not set.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let key = self.inner.borrow_mut().entries.insert(Entry {
            deadline: Time::NEVER,
            task: NOBODY,
            at: UNLINKED,
            previous: NONE,
            next: NONE,
        });
        Timer {
            wheel: self.clone(),
            key,
        }
    }

    /// Calls `beat` at each turn, at least every 100 ms.
    pub(crate) fn on_turn(&self, beat: impl Fn(Time) + 'static) {
        *self.beat.borrow_mut() = Some(Box::new(beat));
    }

    /// What it calls may hold this wheel.
    pub(super) fn forget_beat(&self) {
        let beat = self.beat.borrow_mut().take();
        drop(beat);
    }

    /// Turns the wheel to `now`: hands out whoever's deadline has come.
    fn turn(&self, now: Time, mut due: impl FnMut(TaskKey)) {
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
                (entry.at, entry.previous, entry.next) = (UNLINKED, NONE, NONE);
                let deadline = entry.deadline;
                if deadline <= now {
                    due(entry.task);
                } else if deadline != Time::NEVER {
                    inner.link(key, tick_of(deadline) + 1);
                }
                key = next;
            }
        }
        inner.done = inner.done.max(target);
    }

    /// The next tick at which a slot is not empty, at most `limit`.
    fn next_tick(&self, limit: u64) -> u64 {
        let inner = self.inner.borrow();
        ((inner.done + 1)..limit)
            .find(|tick| inner.heads[*tick as usize % SLOTS] != NONE)
            .unwrap_or(limit)
    }

    /// Turns the wheel for ever.
    pub(super) async fn drive(self: Rc<Self>) {
        let Some(alarm) = &self.alarm else {
            return;
        };
        loop {
            let now = super::now();
            if let Some(beat) = &*self.beat.borrow() {
                beat(now);
            }
            self.turn(now, super::wake);
            let tick = self.next_tick(tick_of(now + HEARTBEAT));
            self.ring_at(tick);
            poll_fn(|_| match alarm.rang() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
    }

    fn ring_at(&self, tick: u64) {
        self.wakes_at.set(tick);
        if let Some(alarm) = &self.alarm {
            alarm.set(Time::from_millis(tick * TICK_MS));
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
        (entry.at, entry.previous, entry.next) = (tick, NONE, head);
    }

    fn unlink(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (previous, next) = (entry.previous, entry.next);
        let tick = std::mem::replace(&mut entry.at, UNLINKED);
        if tick == UNLINKED {
            return;
        }
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
        if entry.at != UNLINKED && entry.at <= tick {
            return;
        }
        let key = self.key as u32;
        inner.unlink(key);
        inner.link(key, tick);
        drop(inner);
        if tick < self.wheel.wakes_at.get() {
            self.wheel.ring_at(tick);
        }
    }

    /// Has the deadline come? If not, the task that is being polled is woken when it does (and by [`wake`](Self::wake)).
    pub(crate) fn poll_expired(&self, _cx: &mut Context<'_>) -> bool {
        let mut inner = self.wheel.inner.borrow_mut();
        let now = inner.now;
        let entry = &mut inner.entries[self.key];
        entry.task = tasks::current();
        entry.deadline <= now
    }

    /// What comes of `future`, unless the deadline comes before.
    pub(crate) async fn within<T>(
        &self,
        deadline: Time,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            self.set(deadline);
            match self.poll_expired(cx) {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Wakes the connection that polled this last.
    pub(crate) fn wake(&self) {
        let task = self.wheel.inner.borrow().entries[self.key].task;
        super::wake(task);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut inner = self.wheel.inner.borrow_mut();
        inner.unlink(self.key as u32);
        inner.entries.remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn wheel(at: u64) -> Rc<Wheel> {
        Wheel::new(ms(at), None)
    }

    /// Who is woken by a turn.
    fn turned(wheel: &Wheel, at: u64) -> Vec<TaskKey> {
        let mut due = Vec::new();
        wheel.turn(ms(at), |task| due.push(task));
        due
    }

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    fn polled_by(timer: &Timer, task: TaskKey) -> bool {
        tasks::pretend(task);
        timer.poll_expired(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_timer_wakes_once_its_deadline_has_come_and_not_before() {
        let wheel = wheel(1000);
        let timer = wheel.timer();
        timer.set(ms(1505));
        assert!(!polled_by(&timer, 7));
        assert!(turned(&wheel, 1500).is_empty());
        assert_eq!(turned(&wheel, 1520), [7]);
        assert!(polled_by(&timer, 7));
        assert!(turned(&wheel, 1600).is_empty());
    }

    #[test]
    fn a_timer_moved_later_keeps_its_slot_and_one_moved_earlier_comes_earlier() {
        let wheel = wheel(0);
        let timer = wheel.timer();
        timer.set(ms(100));
        timer.set(ms(5000));
        polled_by(&timer, 7);
        assert!(turned(&wheel, 4990).is_empty());
        timer.set(ms(5050));
        timer.set(ms(4995));
        assert_eq!(turned(&wheel, 5010), [7]);
    }

    #[test]
    fn a_deadline_beyond_the_horizon_is_kept() {
        let wheel = wheel(0);
        let timer = wheel.timer();
        timer.set(ms(60_000));
        polled_by(&timer, 7);
        for at in (0..60_000).step_by(100) {
            assert!(turned(&wheel, at).is_empty());
        }
        assert_eq!(turned(&wheel, 60_020), [7]);
    }

    #[test]
    fn many_timers_each_come_at_their_own_time_and_dropped_ones_never() {
        let wheel = wheel(0);
        let mut timers = Vec::new();
        for i in 0..500 {
            let timer = wheel.timer();
            let at = 10 + u64::from(i) * 37 % 3000;
            timer.set(ms(at));
            polled_by(&timer, i);
            timers.push((i, at, timer));
        }
        timers.retain(|(i, _, _)| i % 3 != 0);
        let due = turned(&wheel, 1500);
        for i in 0..500 {
            let n = due.iter().filter(|&&task| task == i).count();
            match timers.iter().find(|(kept, _, _)| *kept == i) {
                Some((_, at, _)) if *at <= 1480 => assert_eq!(n, 1, "timer {i} was not woken"),
                Some((_, at, _)) if *at <= 1500 => assert!(n <= 1),
                _ => assert_eq!(n, 0, "timer {i} was woken"),
            }
        }
    }

    #[test]
    fn after_a_pause_longer_than_the_horizon_nobody_is_forgotten() {
        let wheel = wheel(0);
        let timer = wheel.timer();
        timer.set(ms(9_000));
        polled_by(&timer, 7);
        assert_eq!(turned(&wheel, 500_000), [7]);
    }
}
