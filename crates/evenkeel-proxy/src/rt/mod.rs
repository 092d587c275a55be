//! The event loop under the data plane, and the only module that knows which one it is: tokio's current-thread runtime
//! today. Everything above sees a [`Stream`] that reads, writes and splices when it can, a [`Listener`], a [`Timer`]
//! that is cheap to move, and [`spawn`].
//!
//! A [`Stream`] is registered with epoll only when it must wait: a short connection that never waits never is.

mod listener;
mod stream;
mod timer;

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use evenkeel_core::time::Time;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::AbortHandle;

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

/// Runs `main` on an event loop in a thread of its own; everything still spawned when it returns is dropped.
pub(crate) fn thread<F, Fut>(name: String, main: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()>,
{
    let (ready, started) = mpsc::sync_channel(1);
    let handle = thread::Builder::new().name(name).spawn(move || {
        let built = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build_local(LocalOptions::default());
        match built {
            Ok(runtime) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(main());
            }
            Err(e) => {
                let _ = ready.send(Err(e));
            }
        }
    })?;
    started
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the worker thread ended before it ran")))?;
    Ok(handle)
}

/// Registers a descriptor with the loop. Its successor is an unsafe function, because a descriptor could be closed while
/// it is watched; here whoever is given the watch also holds the descriptor and drops the watch first.
#[allow(deprecated)]
fn watch<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(fd, interest)
}

/// Something spawned.
pub(crate) struct Task(AbortHandle);

impl Task {
    /// Drops it where it waits.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

/// Runs a future on this worker's loop beside all others.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    Task(tokio::task::spawn_local(future).abort_handle())
}

/// Runs a future to its end or to its panic, which goes no further. What the future holds is dropped either way, so all
/// it shares with others must be right at every moment between two of its steps.
pub(crate) async fn panics(future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(false),
            Err(_) => Poll::Ready(true),
        }
    })
    .await
}

/// Waits; for rare waits off the request path. A connection uses its [`Timer`].
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_its_own_task_and_no_other() {
        let (done, outcome) = mpsc::channel();
        let worker = thread("test".to_owned(), move || async move {
            let told = done.clone();
            spawn(async move {
                let panicked = panics(async { panic!("on purpose") }).await;
                told.send(panicked).expect("the test listens");
            });
            sleep(Duration::from_millis(1)).await;
            done.send(panics(async {}).await).expect("the test listens");
        });
        worker
            .expect("a thread can be started")
            .join()
            .expect("the loop goes on");
        assert_eq!(outcome.iter().collect::<Vec<_>>(), [true, false]);
    }
}
