//! What HTTP allows in names, values and paths (RFC 9110, RFC 3986), as far as a configuration writes them.

use std::collections::BTreeMap;

use super::report::Wrong;
use super::table::Table;
use super::words::quote;
use crate::mistake::MistakeKind;

/// Methods whose case is easily got wrong.
pub(super) const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// A `token`: methods and field names.
pub(super) fn token(text: &str) -> bool {
    let char = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= 256 && text.bytes().all(char)
}

/// A field's value: visible characters, spaces and tabs inside.
pub(super) fn field_value(text: &str) -> bool {
    let char = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    text.trim() == text && text.len() <= 8192 && text.bytes().all(char)
}

/// Where a client can be sent.
pub(super) fn location(text: &str) -> bool {
    let visible = text.bytes().all(|b| b.is_ascii_graphic());
    let host = |rest: &str| !rest.is_empty() && !rest.starts_with('/');
    let url = |scheme| text.strip_prefix(scheme).is_some_and(host);
    let path = text.starts_with('/') && !text.starts_with("//");
    visible && (url("http://") || url("https://") || path)
}

/// Path and query that a request can be sent with.
pub(super) fn request_target(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

/// Is this what a path can look like after dot segments are removed and unreserved characters decoded? One that cannot
/// would never match. Else a hint.
pub(super) fn normal_path(path: &str) -> Result<(), Option<String>> {
    if !path.starts_with('/') {
        return Err((!path.is_empty()).then(|| format!("did you mean \"/{path}\"?")));
    }
    if path.contains(['?', '#']) {
        return Err(Some("a path ends before \"?\" and \"#\"".into()));
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Some(
            "\".\" and \"..\" are removed from requests first".into(),
        ));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Some(
            "write other characters percent-encoded: \"%C3%A4\"".into(),
        ));
    }
    percent(path)
}

fn percent(path: &str) -> Result<(), Option<String>> {
    for (at, _) in path.match_indices('%') {
        let digits = path.get(at + 1..at + 3);
        let Some(byte) = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            return Err(Some("\"%\" needs two hexadecimal digits after it".into()));
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            let plain = char::from(byte);
            return Err(Some(format!(
                "write {plain:?} plainly: it is decoded in requests first"
            )));
        }
    }
    Ok(())
}

/// A table of header fields: names in lower case, each once.
pub(super) fn headers(table: &Table<'_, '_>, key: &str) -> Vec<(String, String)> {
    let mut fields = BTreeMap::new();
    for (name, value) in table.text_map(key) {
        if !token(name.value) {
            let wrong = Wrong::value(quote(name.value), "a header's name like \"x-user\"");
            table.report.add(&name.spot, wrong);
        }
        if !field_value(value.value) {
            let wrong = Wrong::value(quote(value.value), "a header's value, on one line");
            table.report.add(&value.spot, wrong);
        }
        let lower = name.value.to_ascii_lowercase();
        if fields.insert(lower, value.value.to_owned()).is_some() {
            let found = format!("{} a second time", quote(name.value));
            let wrong = Wrong::value(found, "each header once").kind(MistakeKind::Twice);
            let hint = "names are compared without case".to_owned();
            table.report.add(&name.spot, wrong.hint(hint));
        }
    }
    fields.into_iter().collect()
}

/// Why a regular expression is none, in one line.
pub(super) fn regex_error(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large when compiled".into(),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}
