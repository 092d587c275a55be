//! Epoll, edge-triggered: what the kernel said of each descriptor and which task waits for what.
//!
//! Edge-triggered, because an event is then told once: level-triggered, the kernel asks each socket again at the next wait
//! only to find that it was read empty. What was told is remembered in a [`Watch`] until a call on the descriptor says
//! otherwise.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use evenkeel_core::time::Time;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use slab::Slab;

use super::tasks::{self, NOBODY, TaskKey};

/// Events taken at once. Enough that a busy worker pays for one wait per many requests, few enough that what was read of
/// one turn still is in the nearest cache when it is written.
const EVENTS_MAX: usize = 256;

/// There is something to read, or an end, or an error.
pub(super) const READ: u8 = 1;
/// There is room to write, or an error.
pub(super) const WRITE: u8 = 2;
/// The peer's sending side is closed, or all of it.
pub(super) const ENDED: u8 = 4;
/// The peer is gone for good.
pub(super) const GONE: u8 = 8;

/// Stands for the bell instead of a descriptor's place.
const BELL: u64 = u64::MAX;

/// One epoll and all it watches.
pub(super) struct Poller {
    epoll: OwnedFd,
    watches: RefCell<Slab<Rc<Watch>>>,
    serial: Cell<u32>,
}

/// What is known of a watched descriptor.
pub(super) struct Watch {
    key: u32,
    /// Tells it from what had its place before: an event may come late.
    serial: u32,
    task: Cell<TaskKey>,
    ready: Cell<u8>,
    waits: Cell<u8>,
    /// Watched for room to write, too.
    writes: Cell<bool>,
}

/// What a turn brought.
pub(super) enum News {
    /// Something that this task waits for.
    For(TaskKey),
    /// Other threads woke tasks.
    Bell,
}

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        Ok(Poller {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            watches: RefCell::default(),
            serial: Cell::new(0),
        })
    }

    /// Room for the events of a turn.
    pub(super) fn events() -> Vec<Event> {
        Vec::with_capacity(EVENTS_MAX)
    }

    /// An eventfd for other threads.
    pub(super) fn bell() -> io::Result<OwnedFd> {
        Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
    }

    /// Listens to it.
    pub(super) fn hear(&self, bell: &OwnedFd) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            bell,
            EventData::new_u64(BELL),
            flags,
        )?)
    }

    /// Begins to watch for something to read, and if `write` for room to write.
    pub(super) fn watch(&self, fd: BorrowedFd<'_>, write: bool) -> io::Result<Rc<Watch>> {
        let mut watches = self.watches.borrow_mut();
        let entry = watches.vacant_entry();
        self.serial.set(self.serial.get().wrapping_add(1));
        let watch = Rc::new(Watch {
            // Descriptors are numbered by an int: there cannot be more places.
            key: entry.key() as u32,
            serial: self.serial.get(),
            task: Cell::new(NOBODY),
            ready: Cell::new(0),
            waits: Cell::new(0),
            writes: Cell::new(write),
        });
        epoll::add(&self.epoll, fd, watch.data(), flags(write))?;
        entry.insert(watch.clone());
        Ok(watch)
    }

    /// Watches for room to write, too.
    pub(super) fn watch_writes(&self, fd: BorrowedFd<'_>, watch: &Watch) -> io::Result<()> {
        if !watch.writes.get() {
            epoll::modify(&self.epoll, fd, watch.data(), flags(true))?;
            watch.writes.set(true);
        }
        Ok(())
    }

    /// Knows it no more. The kernel forgets it when the descriptor is closed, if nobody else holds the same open file;
    /// what it may still say of it is told apart by its serial number.
    pub(super) fn forget(&self, watch: &Watch) {
        let known = self.watches.borrow_mut().try_remove(watch.key as usize);
        debug_assert!(known.is_some_and(|known| known.serial == watch.serial));
    }

    /// Has the kernel forget it, for a descriptor whose open file lives on with others.
    pub(super) fn unwatch(&self, fd: BorrowedFd<'_>) {
        // It is watched, so there is nothing that could fail.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits until something happens, or with `at_once` only looks.
    pub(super) fn wait(&self, events: &mut Vec<Event>, at_once: bool) -> io::Result<()> {
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        events.clear();
        let room = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.epoll, room, at_once.then_some(&NOW)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Notes what happened; says who wants to know.
    pub(super) fn note(&self, event: Event) -> Option<News> {
        let data = event.data;
        let data = data.u64();
        if data == BELL {
            return Some(News::Bell);
        }
        let watches = self.watches.borrow();
        let watch = watches.get(data as u32 as usize)?;
        if watch.serial != (data >> 32) as u32 {
            return None;
        }
        watch.note(event.flags).then(|| News::For(watch.task.get()))
    }
}

fn flags(write: bool) -> EventFlags {
    let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    match write {
        true => flags | EventFlags::OUT,
        false => flags,
    }
}

impl Watch {
    fn data(&self) -> EventData {
        EventData::new_u64(u64::from(self.serial) << 32 | u64::from(self.key))
    }

    /// True if its task waits for that.
    fn note(&self, flags: EventFlags) -> bool {
        const BROKEN: EventFlags = EventFlags::HUP.union(EventFlags::ERR);
        const CLOSED: EventFlags = EventFlags::HUP.union(EventFlags::RDHUP);
        let mut new = 0;
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | BROKEN) {
            new |= READ;
        }
        if flags.intersects(EventFlags::OUT | BROKEN) {
            new |= WRITE;
        }
        if flags.intersects(CLOSED) {
            new |= ENDED;
        }
        if flags.contains(EventFlags::HUP) || flags.contains(EventFlags::RDHUP | EventFlags::ERR) {
            new |= GONE;
        }
        self.ready.set(self.ready.get() | new);
        let wanted = self.waits.get() & new != 0;
        if wanted {
            self.waits.set(0);
        }
        wanted
    }

    /// Was any of these told, and not taken back?
    pub(super) fn is(&self, what: u8) -> bool {
        self.ready.get() & what != 0
    }

    /// A call on the descriptor showed that it is not so any more.
    pub(super) fn take_back(&self, what: u8) {
        self.ready.set(self.ready.get() & !what);
    }

    /// Wakes the task that is being polled when one of these is told.
    pub(super) fn wait_for(&self, what: u8) {
        self.waits.set(self.waits.get() | what);
        self.task.set(tasks::current());
    }
}

/// A clock's alarm as a descriptor: set seldom and heard like any other, so that waiting needs no time limit, which the
/// kernel would have to put into its own timers and take out again each time.
pub(super) struct Alarm {
    fd: OwnedFd,
    watch: Rc<Watch>,
}

impl Alarm {
    pub(super) fn new(poller: &Poller) -> io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let watch = poller.watch(fd.as_fd(), false)?;
        Ok(Alarm { fd, watch })
    }

    /// Rings then and not before, once.
    pub(super) fn set(&self, at: Time) {
        let nanos = at.as_nanos().max(1);
        let value = Timespec {
            tv_sec: (nanos / 1_000_000_000) as i64,
            tv_nsec: (nanos % 1_000_000_000) as _,
        };
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        // It fails only for a time that is none.
        let _ = timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once);
    }

    /// Did it ring since this was asked last? If not, the task is woken when it does.
    pub(super) fn rang(&self) -> bool {
        let rang = self.watch.is(READ);
        self.watch.take_back(READ);
        if !rang {
            self.watch.wait_for(READ);
        }
        rang
    }
}
