//! The event loop under the data plane, and the only module that knows which one it is: epoll and a list of tasks, one
//! thread each. Everything above sees a [`Stream`] that reads, writes and splices when it can, a [`Listener`], a
//! [`Timer`] that is cheap to move, and [`spawn`].
//!
//! A loop of its own, because all that a general one offers is paid for with every event: here an event is a look into a
//! table and a call of the future that waits for it.
//!
//! | file | idea |
//! | --- | --- |
//! | `poller` | what the kernel said of each descriptor, and who waits for it |
//! | `tasks` | the futures of a thread, and those to be polled next |
//! | `timer` | one timer per connection, moved for the price of a store |
//! | `stream` | a connected socket, watched only when it must wait |
//! | `listener` | a listening socket |

mod listener;
mod poller;
mod stream;
mod tasks;
mod timer;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_core::time::Time;
use rustix::time::{ClockId, clock_gettime};

use poller::{Alarm, News, Poller, Watch};
use tasks::{Bell, TaskId, TaskKey, Tasks};

pub(crate) use listener::{Accepted, Listener};
pub(crate) use stream::{Stream, connect};
pub(crate) use timer::{Timer, Wheel};

/// The monotonic clock. One call is some 25 ns: a request asks at its start, at its answer's head and at its end, and
/// passes the answer along.
pub(crate) fn now() -> Time {
    let t = clock_gettime(ClockId::Monotonic);
    // The clock starts at boot and its parts are never negative.
    Time::from_nanos(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
}

/// Seconds and milliseconds since 1970.
pub(crate) fn wall() -> (u64, u32) {
    let t = clock_gettime(ClockId::Realtime);
    (t.tv_sec.max(0) as u64, (t.tv_nsec / 1_000_000) as u32)
}

/// One thread's loop.
struct Loop {
    poller: Poller,
    tasks: Tasks,
    wheel: Rc<Wheel>,
}

thread_local! {
    static LOOP: RefCell<Option<Rc<Loop>>> = const { RefCell::new(None) };
}

/// Runs `main` on an event loop in a thread of its own; everything still spawned when it returns is dropped.
pub(crate) fn thread<F, Fut>(name: String, main: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let (ready, started) = mpsc::sync_channel(1);
    let handle = thread::Builder::new()
        .name(name)
        .spawn(move || match Loop::new() {
            Ok(one) => {
                let _ = ready.send(Ok(()));
                one.run(main);
            }
            Err(e) => {
                let _ = ready.send(Err(e));
            }
        })?;
    started
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the worker thread ended before it ran")))?;
    Ok(handle)
}

impl Loop {
    fn new() -> io::Result<Loop> {
        let poller = Poller::new()?;
        let tasks = Tasks::new(Poller::bell()?);
        poller.hear(tasks.bell().fd())?;
        let alarm = Alarm::new(&poller)?;
        Ok(Loop {
            poller,
            tasks,
            wheel: Wheel::new(now(), Some(alarm)),
        })
    }

    /// Until `main` has ended.
    fn run<Fut: Future<Output = ()> + 'static>(self, main: impl FnOnce() -> Fut) {
        let this = Rc::new(self);
        LOOP.set(Some(this.clone()));
        let main = this.tasks.spawn(Box::pin(main()));
        this.tasks.spawn(Box::pin(this.wheel.clone().drive()));
        let mut events = Poller::events();
        let mut news = Vec::new();
        loop {
            this.tasks.run_due();
            if !this.tasks.is_alive(main) {
                break;
            }
            let waited = this.poller.wait(&mut events, this.tasks.is_due());
            // Only a programming error could make it fail, and then every turn: better no worker than one that spins.
            waited.expect("epoll waits for descriptors that this loop itself opened");
            // All is noted before anybody acts on it: a connection on which bytes came unasked must not look quiet to a
            // task whose event happens to stand before.
            news.extend(events.drain(..).filter_map(|event| this.poller.note(event)));
            for news in news.drain(..) {
                match news {
                    News::For(task) => this.tasks.poll(task),
                    News::Bell => this.tasks.answer_bell(),
                }
            }
        }
        this.tasks.clear();
        this.wheel.forget_beat();
        LOOP.take();
    }

    /// Calls `f` with this thread's loop. `None` where there is none, or no more.
    fn with<T>(f: impl FnOnce(&Loop) -> T) -> Option<T> {
        let called = LOOP.try_with(|one| one.borrow().as_ref().map(|one| f(one)));
        called.ok().flatten()
    }
}

/// Begins to watch a descriptor.
fn watch(fd: BorrowedFd<'_>, write: bool) -> io::Result<Watched> {
    let watched = Loop::with(|one| one.poller.watch(fd, write).map(Watched));
    watched.unwrap_or_else(|| {
        Err(io::Error::other(
            "a socket was waited for outside of a loop",
        ))
    })
}

/// Wakes a task of this thread.
fn wake(task: TaskKey) {
    Loop::with(|one| one.tasks.wake(task));
}

/// Wakes a task if it is one of this thread.
fn wake_here(bell: &Arc<Bell>, task: TaskKey) -> bool {
    let woken = Loop::with(|one| {
        let here = Arc::ptr_eq(one.tasks.bell(), bell);
        if here {
            one.tasks.wake(task);
        }
        here
    });
    woken == Some(true)
}

/// A descriptor that the loop watches. Whoever has it also holds the descriptor, and drops this first.
struct Watched(Rc<Watch>);

impl Watched {
    /// Watches for room to write, too.
    fn writes(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Loop::with(|one| one.poller.watch_writes(fd, &self.0)).unwrap_or(Ok(()))
    }

    /// Has the kernel forget it: for a descriptor whose open file lives on with others.
    fn end(&self, fd: BorrowedFd<'_>) {
        Loop::with(|one| one.poller.unwatch(fd));
    }
}

impl std::ops::Deref for Watched {
    type Target = Watch;
    fn deref(&self) -> &Watch {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        Loop::with(|one| one.poller.forget(&self.0));
    }
}

/// Something spawned.
pub(crate) struct Task(TaskId);

impl Task {
    /// Drops it where it waits.
    pub(crate) fn abort(&self) {
        Loop::with(|one| one.tasks.abort(self.0));
    }
}

/// Runs a future on this worker's loop beside all others. A panic in it ends it and goes no further; what it holds is
/// dropped, so all it shares with others must be right at every moment between two of its steps.
///
/// # Panics
/// Outside of a [`thread`].
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    let spawned = Loop::with(|one| one.tasks.spawn(Box::pin(future)));
    Task(spawned.expect("tasks are spawned by tasks"))
}

/// This worker's timers.
///
/// # Panics
/// Outside of a [`thread`].
pub(crate) fn wheel() -> Rc<Wheel> {
    Loop::with(|one| one.wheel.clone()).expect("timers are asked for by tasks")
}

/// Waits; for rare waits off the request path, to the hundredth of a second. A connection uses its [`Timer`].
pub(crate) async fn sleep(duration: Duration) {
    let timer = wheel().timer();
    timer.within(now() + duration, pending::<()>()).await;
}

/// Lets everybody else have a turn first.
pub(crate) async fn step_back() {
    let mut back = false;
    poll_fn(|_| {
        if back {
            return Poll::Ready(());
        }
        back = true;
        wake(tasks::current());
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::block_on;
