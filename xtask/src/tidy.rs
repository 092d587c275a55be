//! `cargo xtask tidy`: rules that no compiler checks. Each rule is a file of its own that returns complaints; this one
//! collects them. A rule may be broken with a reason, in `xtask/tidy-allow.toml`, and that list can only shrink.

mod allow;
mod arrows;
mod bans;
mod sizes;
mod source;
mod words;

use crate::{Failure, steps};
use source::Source;

/// Checks everything and prints every complaint.
pub(crate) fn run() -> Result<(), Failure> {
    let root = steps::root();
    let sources = source::tracked(&root)?;
    let mut complaints = Vec::new();
    let allowed = allow::Allowed::load(&root)?;
    let measured = sizes::measure(&sources, &mut complaints);
    complaints.extend(allowed.judge(&measured));
    for source in &sources {
        complaints.extend(words::complaints(source));
    }
    complaints.extend(headers(&sources));
    complaints.extend(arrows::complaints(&root)?);
    complaints.extend(bans::complaints(&root)?);
    println!("{}", measured.summary());
    if complaints.is_empty() {
        return Ok(());
    }
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    Err(format!("{} complaints", complaints.len()))
}

/// Every Rust file begins by saying what it is for.
fn headers(sources: &[Source]) -> impl Iterator<Item = String> {
    sources
        .iter()
        .filter(|source| source.is_rust() && !source.text.starts_with("//!"))
        .map(|source| {
            format!(
                "{}: starts with no `//!` that says what it is for and why it is this way",
                source.path
            )
        })
}
