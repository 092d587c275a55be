//! Between those who log and standard error: a bounded queue and a thread that writes.
//!
//! Standard error may be a pipe that nobody reads, or a terminal that was stopped. Control, which logs, must go on checking
//! and failing over then, so nobody but the thread waits for it; lines that find the queue full are dropped and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lines that may wait: some 150 KiB, more than a reload of a large configuration says.
const LINES_MAX: usize = 1024;
/// How long the end of the process waits for what was said last.
const LAST_WORDS: Duration = Duration::from_millis(500);

enum Item {
    Line(Vec<u8>),
    /// Everything before it was written.
    Mark(SyncSender<()>),
}

/// Where lines go. One call of `write` is one line.
#[derive(Clone)]
pub(super) struct Queue {
    to: SyncSender<Item>,
    /// Every logging thread adds, the writing thread takes.
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Queue> {
        let (to, from) = sync_channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = dropped.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&from, sink, &counted))?;
        Ok(Queue { to, dropped })
    }

    /// Waits until what was said is written, but not for long.
    pub(super) fn finish(&self) {
        let until = Instant::now() + LAST_WORDS;
        let (done, written) = sync_channel(1);
        let mut mark = Item::Mark(done);
        while let Err(TrySendError::Full(back)) = self.to.try_send(mark) {
            if Instant::now() >= until {
                return;
            }
            mark = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.to.try_send(Item::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(from: &Receiver<Item>, mut sink: impl Write, dropped: &AtomicU64) {
    // Where nobody reads any more there is nobody to tell.
    while let Ok(item) = from.recv() {
        match item {
            Item::Line(line) => {
                let _ = sink.write_all(&line);
            }
            Item::Mark(done) => {
                let _ = done.try_send(());
            }
        }
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            let _ = writeln!(
                sink,
                "evenkeel: {lost} log lines were dropped, because standard error did not take them fast enough"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    /// Takes nothing while its lock is held, and says when it is asked to.
    struct Gate(Arc<Mutex<Vec<u8>>>, Sender<()>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.send(());
            self.0.lock().expect("no test panics").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_standard_error_nobody_reads_holds_nobody_up_and_the_loss_is_counted() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (asked, was_asked) = std::sync::mpsc::channel();
        let held = written.lock().expect("no test panics");
        let mut queue = Queue::start(Gate(written.clone(), asked)).expect("threads can be had");
        queue.write_all(b"first\n").expect("never fails");
        was_asked.recv().expect("the thread writes");
        for _ in 0..LINES_MAX + 7 {
            queue.write_all(b"more\n").expect("never fails");
        }
        drop(held);
        queue.finish();
        let text = written.lock().expect("no test panics").clone();
        let text = String::from_utf8(text).expect("lines are UTF-8");
        assert_eq!(text.matches("more\n").count(), LINES_MAX);
        assert!(
            text.contains("evenkeel: 7 log lines were dropped"),
            "{text}"
        );
    }
}
