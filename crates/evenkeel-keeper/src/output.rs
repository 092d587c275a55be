//! The keeper's voice: its own lines and those of the services, onto its standard error.
//!
//! A thread of its own writes, behind a bounded queue, because the descriptor is shared with whoever started evenkeel: it may be a
//! pipe nobody reads, and making it non-blocking would change it for the other processes that write to it. When the queue is full,
//! lines are dropped and counted, and the loop goes on.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags};

use crate::wire::LogFormat;

/// The longest line of a service that is forwarded whole; a stack trace fits, a binary dump does not.
pub(crate) const LINE_BYTES_MAX: usize = 8 * 1024;
/// What is handed to the writing thread at once.
const BATCH_BYTES: usize = 32 * 1024;
/// How many batches may wait: with [`BATCH_BYTES`] about 2 MiB, a burst of a verbose service.
const BATCHES_MAX: usize = 64;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Collects lines of one turn and passes them on.
pub(crate) struct Log {
    format: LogFormat,
    batch: Vec<u8>,
    batch_lines: u64,
    dropped: u64,
    queue: Option<SyncSender<Vec<u8>>>,
    finished: Receiver<()>,
}

impl Log {
    /// Starts the writing thread. To be called with the keeper's signals already blocked, since threads inherit that.
    pub(crate) fn to_stderr() -> Self {
        Self::to(io::stderr())
    }

    fn to(mut sink: impl Write + Send + 'static) -> Self {
        let (queue, batches) = sync_channel::<Vec<u8>>(BATCHES_MAX);
        let (done, finished) = channel();
        std::thread::spawn(move || {
            while let Ok(batch) = batches.recv() {
                write_patiently(&mut sink, &batch);
            }
            let _ = done.send(());
        });
        Self {
            format: LogFormat::Text,
            batch: Vec::new(),
            batch_lines: 0,
            dropped: 0,
            queue: Some(queue),
            finished,
        }
    }

    pub(crate) fn set_format(&mut self, format: LogFormat) {
        self.format = format;
    }

    /// A line of the keeper itself.
    pub(crate) fn say(&mut self, text: &str) {
        self.own("INFO", text);
    }

    /// A line of the keeper itself about something that should not be.
    pub(crate) fn warn(&mut self, text: &str) {
        self.own("WARN", text);
    }

    /// The same shape as the balancer's lines, so that one eye and one parser read both.
    fn own(&mut self, level: &str, text: &str) {
        let time = timestamp(SystemTime::now());
        let line = match self.format {
            LogFormat::Text => format!("{time} {level:5} keeper: {text}\n"),
            LogFormat::Json => {
                let text = json_string(text);
                format!(
                    "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"target\":\"keeper\",\"message\":{text}}}\n"
                )
            }
        };
        self.batch.extend(line.bytes());
        self.line_done();
    }

    /// A line of a service; `cut` if it was longer than forwarded.
    pub(crate) fn forward(&mut self, name: &str, stream: Stream, line: &[u8], cut: bool) {
        let mark: &str = if cut { " [cut]" } else { "" };
        match self.format {
            LogFormat::Text => {
                self.batch.extend(name.bytes());
                self.batch.extend(b" | ");
                self.batch.extend(line);
                self.batch.extend(mark.bytes());
                self.batch.push(b'\n');
            }
            LogFormat::Json => {
                let (time, name) = (timestamp(SystemTime::now()), json_string(name));
                let text = json_string(&(String::from_utf8_lossy(line) + mark));
                let stream = if stream == Stream::Out {
                    "stdout"
                } else {
                    "stderr"
                };
                let line = format!(
                    "{{\"timestamp\":\"{time}\",\"level\":\"INFO\",\"target\":\"service\",\"service\":{name},\"stream\":\"{stream}\",\"message\":{text}}}\n"
                );
                self.batch.extend(line.bytes());
            }
        }
        self.line_done();
    }

    fn line_done(&mut self) {
        self.batch_lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Passes on what was collected; to be called once per turn.
    pub(crate) fn flush(&mut self) {
        let Some(queue) = &self.queue else { return };
        if self.batch.is_empty() {
            return;
        }
        let (batch, lines) = (
            std::mem::take(&mut self.batch),
            std::mem::take(&mut self.batch_lines),
        );
        match queue.try_send(batch) {
            Ok(()) if self.dropped > 0 => self.say_dropped(),
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped += lines,
        }
    }

    /// Writes what is left, for at most so long. The last lines say why the keeper ended, so here it waits for room.
    pub(crate) fn close(mut self, patience: Duration) {
        let until = Instant::now() + patience;
        if self.dropped > 0 {
            self.say_dropped();
        }
        if let Some(queue) = self.queue.take() {
            let mut batch = std::mem::take(&mut self.batch);
            while let Err(TrySendError::Full(returned)) = queue.try_send(batch) {
                if Instant::now() >= until {
                    return;
                }
                batch = returned;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self
            .finished
            .recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    fn say_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        self.warn(&format!(
            "{dropped} log lines were dropped, because standard error did not take them fast enough"
        ));
    }
}

/// Standard error may be shared with a program that made it non-blocking.
fn write_patiently(sink: &mut impl Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return,
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let stderr = rustix::stdio::stderr();
                let _ = rustix::event::poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None);
            }
            Err(_) => return, // closed: nobody reads a log any more
        }
    }
}

/// Cuts a stream of bytes into lines of bounded length.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    /// The beginning of the present line was given out; the rest of it is thrown away.
    skipping: bool,
}

impl Lines {
    /// Takes bytes and gives out each line that is complete or too long (then `true`), without its line end.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
            if !self.skipping {
                let room = LINE_BYTES_MAX - self.partial.len();
                self.partial.extend(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    line(&self.partial, true);
                    self.partial.clear();
                    self.skipping = true;
                }
            }
            if end.is_some() {
                if !self.skipping {
                    line(
                        self.partial.strip_suffix(b"\r").unwrap_or(&self.partial),
                        false,
                    );
                    self.partial.clear();
                }
                self.skipping = false;
            }
        }
    }

    /// Passes over bytes that nobody is to see, and over the rest of the line they end in.
    pub(crate) fn skip(&mut self, bytes: &[u8]) {
        self.partial.clear();
        self.skipping = !bytes.ends_with(b"\n");
    }

    /// Gives out a last line without a line end.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&[u8], bool)) {
        if !self.partial.is_empty() {
            line(&self.partial, false);
            self.partial.clear();
        }
    }
}

/// A JSON string of this text, with its quotes (RFC 8259, section 7).
fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// RFC 3339 in UTC with milliseconds. Days to a date as in Howard Hinnant's `civil_from_days`: years begin in March, so the leap day
/// comes last, and eras of 400 years all have 146097 days.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400 + 719_468, since.as_secs() % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn split(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.feed(piece, |line, cut| got.push((line.to_vec(), cut)));
        }
        lines.finish(|line, cut| got.push((line.to_vec(), cut)));
        got
    }

    #[test]
    fn lines_are_found_wherever_the_reads_cut_them() {
        let whole = b"one\ntwo\r\n\nfour";
        let want: Vec<_> = [&b"one"[..], b"two", b"", b"four"]
            .map(|line| (line.to_vec(), false))
            .into();
        for cut in 0..whole.len() {
            assert_eq!(split(&[&whole[..cut], &whole[cut..]]), want, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_too_long_is_cut_once_and_marked_and_the_next_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX * 3];
        let got = split(&[&long, &long, b"\nnext\n"]);
        assert_eq!(
            got,
            [
                (vec![b'x'; LINE_BYTES_MAX], true),
                (b"next".to_vec(), false)
            ]
        );
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_not_cut() {
        let mut line = vec![b'x'; LINE_BYTES_MAX];
        line.push(b'\n');
        assert_eq!(split(&[&line]), [(vec![b'x'; LINE_BYTES_MAX], false)]);
    }

    #[test]
    fn json_strings_escape_what_json_forbids() {
        assert_eq!(
            json_string("a\"b\\c\td\u{1}é"),
            "\"a\\\"b\\\\c\\td\\u0001é\""
        );
    }

    #[test]
    fn its_own_lines_have_time_and_level_like_the_balancers() {
        let gate = Gate(Arc::default(), channel().0);
        let mut log = Log::to(gate.clone());
        log.say("balancer started as pid 7");
        log.set_format(LogFormat::Json);
        log.warn("killing \"it\"");
        log.close(Duration::from_secs(60));
        let text = String::from_utf8(gate.0.lock().unwrap().clone()).unwrap();
        let (plain, json) = text.split_once('\n').unwrap();
        let (time, rest) = plain.split_at("2026-01-01T00:00:00.000Z".len());
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert_eq!(rest, " INFO  keeper: balancer started as pid 7");
        let rest = "\"level\":\"WARN\",\"target\":\"keeper\",\"message\":\"killing \\\"it\\\"\"}\n";
        assert!(json.ends_with(rest), "{json}");
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        let at = |seconds: u64| timestamp(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_772_323_199), "2026-02-28T23:59:59.007Z");
        assert_eq!(at(1_798_761_600), "2027-01-01T00:00:00.007Z");
    }

    /// A sink that takes nothing while its lock is held, and says when it is asked to.
    #[derive(Clone)]
    struct Gate(Arc<Mutex<Vec<u8>>>, std::sync::mpsc::Sender<()>);
    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.send(());
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_never_the_loop_and_they_are_counted() {
        let (asked, wait_asked) = channel();
        let gate = Gate(Arc::default(), asked);
        let held = gate.0.lock().unwrap();
        let mut log = Log::to(gate.clone());
        log.forward("s", Stream::Out, b"first", false);
        log.flush();
        wait_asked.recv().unwrap(); // from here on the thread takes nothing more
        let lines = 20_000;
        for _ in 1..lines {
            log.forward("s", Stream::Out, &[b'x'; 1000], false);
        }
        log.flush();
        let dropped = log.dropped;
        assert!(dropped > 0, "everything fitted: the bound does not bind");
        drop(held);
        log.close(Duration::from_secs(60));
        let text = String::from_utf8(gate.0.lock().unwrap().clone()).unwrap();
        let forwarded = text.lines().filter(|line| line.starts_with("s | ")).count() as u64;
        assert_eq!(forwarded + dropped, lines);
        assert!(text.ends_with(&format!("keeper: {dropped} log lines were dropped, because standard error did not take them fast enough\n")));
    }
}
