//! The fuzz targets as plain functions, so that the same code runs under libFuzzer (`fuzz_targets/`) and, where there is no
//! nightly compiler, under the seeded mutations of `src/bin/smoke.rs`. A target panics where a promise is broken.

mod agent_line;
mod chunked;
mod engine;
mod heads;
mod journal;
#[allow(dead_code)] // the proxy's tests ask more of it
#[path = "../../crates/evenkeel-proxy/tests/hostile/judge.rs"]
mod judge;
mod tls;

pub use agent_line::agent_line;
pub use chunked::chunked;
pub use engine::{answers, requests};
pub use heads::{request_head, response_head};
pub use journal::journal;
pub use tls::{certificates, sni, token};

use evenkeel_keeper::wire;

/// A target's body.
pub type Target = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("agent_line", agent_line),
    ("agent_messages", agent_messages),
    ("answers", answers),
    ("certificates", certificates),
    ("chunked", chunked),
    ("config", config),
    ("journal", journal),
    ("keeper_messages", keeper_messages),
    ("request_head", request_head),
    ("requests", requests),
    ("response_head", response_head),
    ("sni", sni),
    ("token", token),
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

/// What agents and balancers say to each other over the network: no bytes do harm, however they are cut, and what can be read is
/// written back to what is read the same.
pub fn agent_messages(data: &[u8]) {
    use evenkeel_schema::agent::{
        FIRST_FRAME_BYTES_MAX, Frames, FromAgent, Message, ToAgent, encode, read,
    };
    fn again<M: Message + PartialEq + std::fmt::Debug>(frame: &[u8]) -> Option<M> {
        let message: M = read(frame).ok()?;
        let bytes = encode(&message).expect("what was read can be written");
        let back: M = read(&bytes[4..]).expect("what was written can be read");
        assert_eq!(back, message);
        Some(message)
    }
    let (ends, bytes) = splits(data);
    let mut frames = Frames::new(FIRST_FRAME_BYTES_MAX);
    let mut from = 0;
    for end in ends {
        frames.push(&bytes[from..end]);
        from = end;
        loop {
            let frame = match frames.take() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => return,
            };
            assert!(!frame.is_empty() && frame.len() <= FIRST_FRAME_BYTES_MAX);
            match again::<FromAgent>(&frame) {
                Some(FromAgent::Service(service)) => {
                    service.report().expect("it was checked when it was read");
                }
                Some(FromAgent::Facts(facts)) => {
                    let facts_of = facts.facts("host-1");
                    assert_eq!(facts_of.services.len(), facts.services.len());
                }
                _ => {}
            }
            again::<ToAgent>(&frame);
        }
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
