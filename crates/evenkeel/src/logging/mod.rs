//! The log: one line an event on standard error, for people or, with `format = "json"`, for programs.
//!
//! In text, a line is a sentence. What happens to endpoints and services is told by the sentence alone: the fields of those
//! events say the same again, word by word, and are for JSON.

mod queue;

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_schema::config::{Log, LogFormat};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::VisitOutput;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Targets of the events whose sentence says all that their fields say.
const SENTENCES: [&str; 2] = ["evenkeel::endpoint", "evenkeel::service"];

/// The balancer process's log, once it has begun.
static QUEUE: OnceLock<queue::Queue> = OnceLock::new();

/// Waits, not for long, until everything said is written: to be called before the process ends.
pub(crate) fn finish() {
    if let Some(queue) = QUEUE.get() {
        queue.finish();
    }
}

/// Starts the log of the balancer process. A second call changes nothing.
///
/// # Errors
/// No thread could be had.
pub(crate) fn start(log: &Log) -> io::Result<()> {
    let queue = queue::Queue::start(io::stderr())?;
    let queue = QUEUE.get_or_init(|| queue);
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| queue.clone());
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).event_format(Text).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// `2026-01-01T00:00:00.000Z WARN  app/a1 up → down: …`: the same shape as the keeper's own lines.
struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let (now, of) = (Stamp(WallTime(ms)), event.metadata());
        write!(writer, "{now:.3} {:5} ", of.level().as_str())?;
        if SENTENCES.contains(&of.target()) {
            let mut sentence = Sentence(DefaultVisitor::new(writer.by_ref(), true));
            event.record(&mut sentence);
            sentence.0.finish()?;
        } else {
            context.format_fields(writer.by_ref(), event)?;
        }
        writeln!(writer)
    }
}

/// Writes an event's message and leaves its other fields out.
struct Sentence<'a>(DefaultVisitor<'a>);

impl Visit for Sentence<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.record_debug(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no test panics").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_text_says_nothing_twice_and_leaves_out_nothing() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Text)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let (pool, to) = ("app", "down");
            tracing::warn!(target: "evenkeel::endpoint", pool, to, "app/a1 up → down: refused");
            tracing::info!(open = 3, "draining connections");
        });
        let bytes = sink.0.lock().expect("no test panics").clone();
        let text = String::from_utf8(bytes).expect("lines are UTF-8");
        let lines: Vec<(&str, &str)> = text.lines().map(|line| line.split_at(24)).collect();
        assert!(lines.iter().all(|(time, _)| time.ends_with('Z')), "{text}");
        let said: Vec<&str> = lines.iter().map(|(_, said)| *said).collect();
        assert_eq!(
            said,
            [
                " WARN  app/a1 up → down: refused",
                " INFO  draining connections open=3"
            ]
        );
    }
}
