//! Syntax errors as the TOML parser reports them, turned into mistakes.

use super::report::{Report, Spot, Wrong};
use super::words::quote;
use crate::mistake::MistakeKind;

/// Is the text small enough to be parsed at all?
pub(super) fn bounded(text: &str, report: &Report<'_>) -> bool {
    if text.len() <= crate::config::TEXT_BYTES_MAX {
        return true;
    }
    let found = format!("{} bytes", text.len());
    let wrong = Wrong::value(found, "at most 4 MiB").kind(MistakeKind::File);
    let spot = Spot {
        at: 0,
        path: String::new(),
    };
    report.add(&spot, wrong);
    false
}

/// All that the parser could find: it goes on after an error.
pub(super) fn errors(errors: &[toml::de::Error], text: &str, report: &Report<'_>) {
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let (what, wanted) = match error.message().split_once(", expected ") {
            Some((what, wanted)) => (what, wanted),
            None => (error.message(), "TOML"),
        };
        let there = text.get(span.clone()).unwrap_or_default();
        let there = there.lines().next().unwrap_or_default();
        let (found, wanted) = match what {
            "duplicate key" => (format!("{} a second time", quote(there)), "each key once"),
            "string values must be quoted" => {
                let found = if there.is_empty() {
                    "nothing".into()
                } else {
                    quote(there)
                };
                (found, "a value like \"text\", 1 or true")
            }
            what if there.is_empty() => (what.to_owned(), wanted),
            what => (format!("{what} at {}", quote(there)), wanted),
        };
        let spot = Spot {
            at: span.start,
            path: String::new(),
        };
        report.add(&spot, Wrong::value(found, wanted).kind(MistakeKind::Syntax));
    }
}
