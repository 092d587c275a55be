//! Secrets: the file names where one is kept, and never holds it. Nothing said here shows what was found in their place.

use std::fs::File;
use std::io::Read;

use super::report::{Report, Wrong};
use super::table::Text;
use crate::config::Secret;
use crate::mistake::MistakeKind;

/// Are secrets fetched from where they are kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Secrets {
    /// No IO: only the reference is checked.
    Leave,
    /// Files and environment are read.
    Fetch,
}

/// A longer secret is some other file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// One secret.
pub(super) fn secret(text: &Text<'_>, report: &Report<'_>, secrets: Secrets) -> Option<Secret> {
    read(
        text,
        report,
        secrets,
        presentable,
        "one line of printable ASCII",
    )
}

/// Keys that are only used here: the first line's makes what is new, and what the others made is still accepted.
pub(super) fn keys(text: &Text<'_>, report: &Report<'_>, secrets: Secrets) -> Option<Vec<Secret>> {
    let wanted = "one to four lines, each a key of at least 16 characters of printable ASCII";
    let joined = read(text, report, secrets, key_lines, wanted)?;
    let lines = joined.reveal().lines().map(|line| Secret::new(line.into()));
    Some(lines.collect())
}

/// Whatever the file holds, to be judged by `judge`, who says what it found and what it wanted.
pub(super) fn judged(
    text: &Text<'_>,
    report: &Report<'_>,
    secrets: Secrets,
    judge: impl FnOnce(&str) -> Result<(), (String, &'static str)>,
) -> Option<Secret> {
    let secret = read(text, report, secrets, Ok, "a file that can be read")?;
    if secret != Secret::not_fetched()
        && let Err((found, wanted)) = judge(secret.reveal())
    {
        let wrong = Wrong::value(found, wanted);
        report.add(&text.spot, wrong.kind(MistakeKind::File));
    }
    Some(secret)
}

fn read(
    text: &Text<'_>,
    report: &Report<'_>,
    secrets: Secrets,
    fit: fn(String) -> Result<String, String>,
    wanted: &'static str,
) -> Option<Secret> {
    let fetched = match text.value.split_once(':') {
        Some(("file", path)) if !path.is_empty() => match secrets {
            Secrets::Leave => Ok(None),
            Secrets::Fetch => from_file(path, report).map(Some),
        },
        Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => match secrets {
            Secrets::Leave => Ok(None),
            Secrets::Fetch => from_environment(name).map(Some),
        },
        _ => {
            let hint = "keep it in a file and name that: \"file:PATH\"".to_owned();
            let wrong = Wrong::value("a text that is not shown", "\"file:PATH\" or \"env:NAME\"");
            report.add(&text.spot, wrong.hint(hint));
            return None;
        }
    };
    match fetched.and_then(|secret| secret.map(fit).transpose()) {
        Ok(Some(secret)) => Some(Secret::new(secret)),
        Ok(None) => Some(Secret::not_fetched()),
        Err(found) => {
            let wrong = Wrong::value(found, wanted);
            report.add(&text.spot, wrong.kind(MistakeKind::File));
            None
        }
    }
}

fn from_file(path: &str, report: &Report<'_>) -> Result<String, String> {
    let path = report.absolute(path);
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    // A pipe or a device could keep us waiting for ever.
    if !std::fs::metadata(&path).map_err(fail)?.is_file() {
        return Err(format!("{}: not a file", path.display()));
    }
    let mut text = String::new();
    let file = File::open(&path).map_err(fail)?;
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(fail)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{}: more than 64 KiB", path.display()));
    }
    Ok(text)
}

fn from_environment(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|e| match e {
        std::env::VarError::NotPresent => format!("no environment variable {name}"),
        std::env::VarError::NotUnicode(_) => format!("no text in the environment variable {name}"),
    })
}

/// Without the line's end that editors add. What a header could not carry would never match.
fn presentable(secret: String) -> Result<String, String> {
    let secret = secret.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err("an empty secret".into());
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a secret with spaces or other characters".into());
    }
    Ok(secret.to_owned())
}

/// A shorter key could be guessed from one cookie.
const KEY_MIN: usize = 16;
/// The one in use, and more old ones than anybody rotates within a session's time.
const KEYS_MAX: usize = 4;

/// Keys, one a line.
pub(in crate::config) fn key_lines(text: String) -> Result<String, String> {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err("no key".into());
    }
    if lines.len() > KEYS_MAX {
        return Err(format!("{} keys", lines.len()));
    }
    for line in &lines {
        if !line.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a key with spaces or other characters".into());
        }
        if line.len() < KEY_MIN {
            return Err(format!("a key of {} characters", line.len()));
        }
    }
    Ok(lines.join("\n"))
}
