//! The fuzz targets as plain functions, so that the same code runs under libFuzzer (`fuzz_targets/`) and, where there is no
//! nightly compiler, under the seeded mutations of `src/bin/smoke.rs`. A target panics where a promise is broken.

mod chunked;
mod engine;
mod heads;
#[allow(dead_code)] // the proxy's tests ask more of it
#[path = "../../crates/evenkeel-proxy/tests/hostile/judge.rs"]
mod judge;
mod tls;

pub use chunked::chunked;
pub use engine::{answers, requests};
pub use heads::{request_head, response_head};
pub use tls::{certificates, sni};

use evenkeel_keeper::wire;

/// A target's body.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("answers", answers),
    ("certificates", certificates),
    ("chunked", chunked),
    ("config", config),
    ("keeper_messages", keeper_messages),
    ("request_head", request_head),
    ("requests", requests),
    ("response_head", response_head),
    ("sni", sni),
];

/// A configuration file: it is read or there is at least one mistake, each with a place in the file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match evenkeel_schema::config::Config::parse(
        text,
        std::path::Path::new("/etc/evenkeel/fuzz.toml"),
    ) {
        Ok(config) => assert_eq!(&*config.text, text),
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a mistake"),
    }
}

/// What keeper and child say to each other: whatever can be read is written back the same.
pub fn keeper_messages(data: &[u8]) {
    if let Ok(message) = wire::decode_to_keeper(data) {
        let again = wire::encode_to_keeper(&message).expect("what was read can be written");
        assert_eq!(again, data, "{message:?}");
    }
    if let Ok(message) = wire::decode_from_keeper(data) {
        let again = wire::encode_from_keeper(&message).expect("what was read can be written");
        assert_eq!(again, data, "{message:?}");
    }
}

/// Where to split the rest of an input: its first bytes say so, each as the length of a piece.
fn splits(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((&count, rest)) = data.split_first() else {
        return (Vec::new(), data);
    };
    let count = (count as usize % 8).min(rest.len());
    let (lengths, rest) = rest.split_at(count);
    let mut at = 0;
    let ends = lengths.iter().map(|&length| {
        at += length as usize;
        at.min(rest.len())
    });
    (ends.chain([rest.len()]).collect(), rest)
}
