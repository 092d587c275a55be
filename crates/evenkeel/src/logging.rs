//! The log: one line an event on standard error, for people or, with `format = "json"`, for programs.

use evenkeel_schema::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts the log of the balancer process. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match log.format {
        LogFormat::Text => builder.with_target(false).with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
