//! The tasks of one thread: which there are, and which are to be polled next.
//!
//! A task is a number. What wakes it on its own thread (a socket, a timer) keeps that number and no [`Waker`], so that the
//! steady state touches no reference count; a `Waker` exists for what does not know this loop, and for other threads,
//! which leave their wakes in a list and ring a bell that the loop's epoll hears.
//!
//! A wake may come too late, for a task that has ended, and then meet whoever has its number now: every future here looks
//! at the state of things when it is polled and takes a wake as no more than a hint.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A task's number. Given again once it has ended.
pub(super) type TaskKey = u32;
/// No task.
pub(super) const NOBODY: TaskKey = TaskKey::MAX;

type Body = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// The task that is being polled on this thread.
    static CURRENT: Cell<TaskKey> = const { Cell::new(NOBODY) };
}

/// The task that is being polled on this thread.
pub(super) fn current() -> TaskKey {
    CURRENT.get()
}

/// For tests of what keeps a task's number: polls nothing, only pretends.
#[cfg(test)]
pub(super) fn pretend(key: TaskKey) {
    CURRENT.set(key);
}

/// All tasks of a thread.
pub(super) struct Tasks {
    slots: RefCell<Slots>,
    /// To be polled, each at most once.
    queue: RefCell<VecDeque<TaskKey>>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<TaskKey>,
}

struct Slot {
    /// `None` while it is being polled, and where there is no task.
    body: Option<Body>,
    /// Kept for the next task of this number; out while one is being polled.
    waker: Waker,
    /// How many tasks had this number.
    serial: u32,
    taken: bool,
    queued: bool,
}

/// One task, told from those that had its number before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    key: TaskKey,
    serial: u32,
}

impl Tasks {
    /// None yet. `bell` is an eventfd that the loop watches.
    pub(super) fn new(bell: OwnedFd) -> Tasks {
        Tasks {
            slots: RefCell::default(),
            queue: RefCell::default(),
            bell: Arc::new(Bell {
                woken: Mutex::default(),
                rung: AtomicBool::new(false),
                fd: bell,
            }),
        }
    }

    /// A new task; it is polled when its turn comes.
    pub(super) fn spawn(&self, body: Body) -> TaskId {
        let mut slots = self.slots.borrow_mut();
        let key = slots.free.pop().unwrap_or_else(|| {
            let key = slots.all.len() as TaskKey;
            slots.all.push(Slot {
                body: None,
                waker: Waker::from(Arc::new(Handle {
                    key,
                    bell: self.bell.clone(),
                    listed: AtomicBool::new(false),
                })),
                serial: 0,
                taken: false,
                queued: false,
            });
            key
        });
        let slot = &mut slots.all[key as usize];
        slot.body = Some(body);
        slot.taken = true;
        let serial = slot.serial;
        drop(slots);
        self.wake(key);
        TaskId { key, serial }
    }

    /// Is it still there?
    pub(super) fn is_alive(&self, id: TaskId) -> bool {
        let slots = self.slots.borrow();
        let slot = slots.all.get(id.key as usize);
        slot.is_some_and(|slot| slot.taken && slot.serial == id.serial)
    }

    /// Ends it where it waits. One that ends itself so is dropped when it waits next.
    pub(super) fn abort(&self, id: TaskId) {
        if self.is_alive(id) {
            let body = self.slots.borrow_mut().give_up(id.key);
            discard(body);
        }
    }

    /// Drops them all.
    pub(super) fn clear(&self) {
        let mut key = 0;
        loop {
            let mut slots = self.slots.borrow_mut();
            if key as usize >= slots.all.len() {
                return;
            }
            let body = match slots.all[key as usize].taken {
                true => slots.give_up(key),
                false => None,
            };
            drop(slots);
            discard(body);
            key += 1;
        }
    }

    /// Polls it when its turn comes.
    pub(super) fn wake(&self, key: TaskKey) {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.all.get_mut(key as usize)
            && !slot.queued
        {
            slot.queued = true;
            self.queue.borrow_mut().push_back(key);
        }
    }

    /// Does one wait for its turn?
    pub(super) fn is_due(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// Gives everybody who waits for a turn one; who is woken meanwhile waits for the next.
    pub(super) fn run_due(&self) {
        let due = self.queue.borrow().len();
        for _ in 0..due {
            let Some(key) = self.queue.borrow_mut().pop_front() else {
                return;
            };
            if let Some(slot) = self.slots.borrow_mut().all.get_mut(key as usize) {
                slot.queued = false;
            }
            self.poll(key);
        }
    }

    /// Polls a task now. A panic in it ends it, and nothing else.
    pub(super) fn poll(&self, key: TaskKey) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.all.get_mut(key as usize) else {
            return;
        };
        let Some(mut body) = slot.body.take() else {
            return;
        };
        let waker = std::mem::replace(&mut slot.waker, Waker::noop().clone());
        let serial = slot.serial;
        drop(slots);
        CURRENT.set(key);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            body.as_mut().poll(&mut Context::from_waker(&waker))
        }));
        CURRENT.set(NOBODY);
        let mut slots = self.slots.borrow_mut();
        let slot = &mut slots.all[key as usize];
        slot.waker = waker;
        let lives = slot.taken && slot.serial == serial;
        if lives && matches!(polled, Ok(Poll::Pending)) {
            slot.body = Some(body);
            return;
        }
        if lives {
            slots.give_up(key);
        }
        drop(slots);
        discard(Some(body));
    }

    /// Takes over the wakes of other threads.
    pub(super) fn answer_bell(&self) {
        self.bell.rung.swap(false, AcqRel);
        let woken = std::mem::take(&mut *self.bell.woken());
        for handle in woken {
            // Before the task is polled: a wake from here on is a new one.
            handle.listed.swap(false, AcqRel);
            self.wake(handle.key);
        }
    }
}

impl Slots {
    /// Frees the number of a task; what it was is for the caller to drop, outside of any borrow.
    fn give_up(&mut self, key: TaskKey) -> Option<Body> {
        let slot = &mut self.all[key as usize];
        slot.taken = false;
        slot.serial = slot.serial.wrapping_add(1);
        self.free.push(key);
        slot.body.take()
    }
}

/// Drops a task's future; a panic in there goes no further either.
fn discard(body: Option<Body>) {
    let dropped: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| drop(body)));
    drop(dropped);
}

/// How other threads reach a loop.
pub(super) struct Bell {
    /// Each task at most once.
    woken: Mutex<Vec<Arc<Handle>>>,
    /// The loop was told and has not looked yet.
    rung: AtomicBool,
    fd: OwnedFd,
}

impl Bell {
    fn woken(&self) -> MutexGuard<'_, Vec<Arc<Handle>>> {
        // Nothing is left half done by a panic in here.
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the loop watches. Edge-triggered, so nobody has to read it: each ring is an event.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

impl Tasks {
    pub(super) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }
}

/// A task as a [`Waker`] knows it.
struct Handle {
    key: TaskKey,
    bell: Arc<Bell>,
    /// It stands in the bell's list.
    listed: AtomicBool,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if super::wake_here(&self.bell, self.key) || self.listed.swap(true, AcqRel) {
            return;
        }
        self.bell.woken().push(self.clone());
        if !self.bell.rung.swap(true, AcqRel) {
            // It can only fail when the counter is full, and then the loop has been told often enough.
            let _ = rustix::io::write(&self.bell.fd, &1u64.to_ne_bytes());
        }
    }
}
