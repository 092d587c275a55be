//! The loop by itself: tasks, wakes, sockets.

use super::*;

use std::cell::Cell;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::Sender;

use std::io::{Read, Write};

/// Runs a test's future on a loop of its own.
pub(crate) fn block_on<Fut: Future<Output = ()> + 'static>(
    main: impl FnOnce() -> Fut + Send + 'static,
) {
    let done = Arc::new(AtomicBool::new(false));
    let told = done.clone();
    let worker = thread("test".to_owned(), move || async move {
        main().await;
        told.store(true, SeqCst);
    });
    let worker = worker.expect("a thread can be started");
    worker.join().expect("a loop never panics");
    assert!(done.load(SeqCst), "the test panicked");
}

/// Runs one that tells things, and gives back what it told.
fn told<T: Send + 'static, Fut: Future<Output = ()> + 'static>(
    main: impl FnOnce(Sender<T>) -> Fut + Send + 'static,
) -> Vec<T> {
    let (tell, told) = mpsc::channel();
    block_on(move || main(tell));
    told.iter().collect()
}

/// A stream and its peer.
fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let peer = TcpStream::connect(address).expect("it listens");
    let (ours, _) = listener.accept().expect("it was connected to");
    ours.set_nonblocking(true).expect("a socket can be so");
    (Stream::new(ours.into()), peer)
}

async fn read(stream: &Stream, room: usize) -> Vec<u8> {
    let mut buf = Vec::with_capacity(room);
    let read = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await;
    read.expect("the peer did not break it");
    buf
}

#[test]
fn a_panic_ends_its_own_task_and_no_other_and_who_is_dropped_by_it_knows() {
    struct Told(Sender<bool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(thread::panicking()).ok();
        }
    }
    let outcome = told(|tell| async move {
        let bad = Told(tell.clone());
        spawn(async move {
            let _bad = bad;
            step_back().await;
            panic!("on purpose");
        });
        step_back().await;
        step_back().await;
        drop(Told(tell));
    });
    assert_eq!(outcome, [true, false]);
}

#[test]
fn an_aborted_task_is_dropped_where_it_waits_and_its_number_is_another_ones() {
    struct Told(Sender<&'static str>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send("dropped").ok();
        }
    }
    let outcome = told(|tell| async move {
        let told = Told(tell.clone());
        let waits = spawn(async move {
            let _told = told;
            std::future::pending::<()>().await;
        });
        step_back().await;
        waits.abort();
        tell.send("aborted").ok();
        let next = tell.clone();
        spawn(async move {
            next.send("next").ok();
        });
        waits.abort();
        step_back().await;
    });
    assert_eq!(outcome, ["dropped", "aborted", "next"]);
}

#[test]
fn what_is_still_spawned_at_the_end_is_dropped() {
    let kept = Arc::new(());
    let held = kept.clone();
    block_on(|| async move {
        spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
    });
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_wake_from_another_thread_is_heard_by_a_loop_that_sleeps() {
    let outcome = told(|tell| async move {
        let (give, take) = mpsc::channel::<std::task::Waker>();
        let told = Arc::new(AtomicBool::new(false));
        let set = told.clone();
        let other = thread::spawn(move || {
            for waker in take {
                set.store(true, SeqCst);
                waker.wake();
            }
        });
        for _ in 0..100 {
            let mut given = false;
            poll_fn(|cx| {
                if told.swap(false, SeqCst) {
                    return Poll::Ready(());
                }
                if !given {
                    given = true;
                    give.send(cx.waker().clone()).ok();
                }
                Poll::Pending
            })
            .await;
        }
        drop(give);
        tell.send(other.join().is_ok()).ok();
    });
    assert_eq!(outcome, [true]);
}

#[test]
fn a_task_that_never_waits_lets_the_others_go_on_where_it_steps_back() {
    let outcome = told(|tell| async move {
        let ended = Rc::new(Cell::new(false));
        let end = ended.clone();
        spawn(async move {
            sleep(Duration::from_millis(1)).await;
            end.set(true);
        });
        while !ended.get() {
            step_back().await;
        }
        tell.send(true).ok();
    });
    assert_eq!(outcome, [true]);
}

#[test]
fn a_reader_is_woken_by_bytes_and_by_the_end_and_not_kept_from_what_came_before() {
    let outcome = told(|tell| async move {
        let (stream, mut peer) = pair();
        let other = thread::spawn(move || {
            peer.write_all(b"first").expect("it is open");
            let mut answer = [0; 1];
            peer.read_exact(&mut answer).expect("it answers");
            peer.write_all(b"second").expect("it is open");
            peer.shutdown(Shutdown::Write).expect("it is open");
            peer
        });
        let mut got = Vec::new();
        while got.len() < 5 {
            got.extend(read(&stream, 64).await);
        }
        // Nothing more is there: it must wait, and be told.
        poll_fn(|cx| stream.poll_write(cx, b"!"))
            .await
            .expect("the peer reads");
        while got.len() < 11 {
            // Less room than there is to read: what is left is not told again.
            got.extend(read(&stream, 2).await);
        }
        let end = read(&stream, 64).await;
        let peer = other.join().expect("it did as it should");
        // The end may be read before the word of it comes.
        poll_fn(|cx| match stream.poll_closing(cx) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        assert!(!poll_fn(|cx| Poll::Ready(stream.poll_gone(cx))).await);
        drop(peer);
        tell.send((got, end)).ok();
    });
    assert_eq!(outcome, [(b"firstsecond".to_vec(), Vec::new())]);
}

#[test]
fn a_writer_that_found_no_room_is_woken_when_there_is_some() {
    const BYTES: usize = 32 << 20;
    let outcome = told(|tell| async move {
        let (stream, mut peer) = pair();
        let other = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len()).ok()
        });
        let (mut left, mut refused) = (BYTES, false);
        let bytes = vec![7; 1 << 20];
        while left > 0 {
            let len = left.min(bytes.len());
            left -= poll_fn(|cx| {
                let wrote = stream.poll_write(cx, &bytes[..len]);
                refused |= wrote.is_pending();
                wrote
            })
            .await
            .expect("the peer reads");
        }
        drop(stream);
        tell.send((other.join().expect("it read"), refused)).ok();
    });
    assert_eq!(outcome, [(Some(BYTES), true)]);
}
