//! Every request of the corpus: alone, in pieces, and between two others.

use crate::answers::{Answer, End};
use crate::corpus::{Arrives, Case, Wanted, requests};
use crate::judge::Request;
use crate::random::Random;
use crate::stage::{Heard, Stage, number};

/// A request that nobody can mistake for another.
fn marked(at: &str) -> String {
    format!("GET /marked/{at} HTTP/1.1\r\nHost: marked.example\r\n\r\n")
}

#[test]
fn the_corpus_is_large_enough() {
    let all = requests();
    let count = |f: fn(&Wanted) -> bool| all.iter().filter(|c| f(&c.wanted)).count();
    let refused = count(|w| matches!(w, Wanted::Refused(_)));
    let right = count(|w| !matches!(w, Wanted::Refused(_)));
    assert!(refused >= 400 && right >= 150, "{refused} {right}");
    println!("{refused} requests to be refused, {right} to be served");
}

#[test]
fn every_request_gets_its_answer_and_nothing_malformed_goes_on() {
    let stage = Stage::new();
    run(&stage, |case| vec![case.bytes.clone()]);
}

#[test]
fn every_request_in_pieces_gets_the_same_answer() {
    let stage = Stage::new();
    let mut random = Random(1);
    run(&stage, |case| {
        let pieces = 2 + random.below(6);
        let mut at = 0;
        let mut all = Vec::new();
        for cut in random.cuts(case.bytes.len(), pieces) {
            all.push(case.bytes[at..cut].to_vec());
            at = cut;
        }
        all.push(case.bytes[at..].to_vec());
        all
    });
}

/// Sends each case alone, in these pieces.
fn run(stage: &Stage, mut pieces: impl FnMut(&Case) -> Vec<Vec<u8>>) {
    let mut faults = Vec::new();
    for case in requests() {
        let before = stage.requests();
        let pieces = pieces(&case);
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let hang_up = case.cut || !matches!(case.wanted, Wanted::Refused(_));
        let verdict = stage
            .send(&pieces, hang_up)
            .and_then(|heard| judge(stage, &case.wanted, &heard, before));
        if let Err(why) = verdict {
            faults.push(format!("{why}: {}", case.text()));
        }
        if faults.len() >= crate::ENOUGH {
            break;
        }
    }
    report(stage, faults);
}

fn report(stage: &Stage, mut faults: Vec<String>) {
    faults.append(&mut stage.log.lock().unwrap().wrong);
    crate::report(&faults);
}

/// Holds one case's answers, and what arrived since `before`, against what is wanted.
fn judge(stage: &Stage, wanted: &Wanted, heard: &Heard, before: usize) -> Result<(), String> {
    if heard.end != End::Closed {
        return Err("a reset that may destroy the answer".into());
    }
    let log = stage.log.lock().unwrap();
    let arrived = &log.requests[before..];
    let last: Vec<&Answer> = heard.answers.iter().filter(|a| a.status >= 200).collect();
    let [answer] = last[..] else {
        return Err(format!("{} answers", last.len()));
    };
    match wanted {
        Wanted::Refused(status) | Wanted::Own(status) => {
            if answer.status != *status || !answer.is_own() {
                return Err(format!("{} instead of {status}", answer.status));
            }
            let closed = answer.one("connection").as_deref() == Some("close");
            if closed != matches!(wanted, Wanted::Refused(_)) {
                return Err(format!("says of its connection: close {closed}"));
            }
            match arrived {
                [] => Ok(()),
                _ => Err(format!("arrived as {arrived:?}")),
            }
        }
        Wanted::Arrives(arrives) => {
            if answer.status != 200 || answer.is_own() {
                return Err(format!("refused with {}", answer.status));
            }
            match arrived {
                [request] => compare(arrives, request),
                _ => Err(format!("arrived {} times", arrived.len())),
            }
        }
    }
}

fn compare(wanted: &Arrives, request: &Request) -> Result<(), String> {
    let line = format!("{} {}", request.method, request.target);
    if !wanted.line.is_empty() && line != wanted.line {
        return Err(format!("arrived as {line}"));
    }
    for (name, value) in &wanted.has {
        if request.one(name).as_deref() != Some(value) {
            return Err(format!("{name} arrived as {:?}", request.one(name)));
        }
    }
    for name in &wanted.gone {
        if !request.all(name).is_empty() {
            return Err(format!("{name} arrived"));
        }
    }
    if request.body != wanted.body {
        return Err(format!("body {:?}", String::from_utf8_lossy(&request.body)));
    }
    let trailers = request.trailers.iter();
    let trailers: Vec<_> = trailers
        .map(|(n, v)| (n.as_str(), String::from_utf8_lossy(v)))
        .collect();
    let same = trailers.len() == wanted.trailers.len()
        && trailers
            .iter()
            .zip(&wanted.trailers)
            .all(|(a, b)| a.0 == b.0 && a.1 == b.1);
    match same {
        true => Ok(()),
        false => Err(format!("trailers {trailers:?}")),
    }
}

#[test]
fn what_stands_before_and_behind_a_request_is_never_part_of_it() {
    let stage = Stage::new();
    let mut faults = Vec::new();
    for (at, case) in requests().into_iter().enumerate() {
        let (first, last) = (
            marked(&format!("{at}/first")),
            marked(&format!("{at}/last")),
        );
        // Behind what breaks off, another request would be its rest.
        let behind = if case.cut { "" } else { last.as_str() };
        let bytes = [first.as_bytes(), &case.bytes, behind.as_bytes()].concat();
        let before = stage.requests();
        let verdict = stage
            .send(&[&bytes], true)
            .and_then(|heard| judge_between(&stage, &case, &heard, before, at));
        if let Err(why) = verdict {
            faults.push(format!("{why}: {}", case.text()));
        }
        if faults.len() >= crate::ENOUGH {
            break;
        }
    }
    report(&stage, faults);
}

fn judge_between(
    stage: &Stage,
    case: &Case,
    heard: &Heard,
    before: usize,
    at: usize,
) -> Result<(), String> {
    let (middle, last) = match &case.wanted {
        Wanted::Refused(_) => (false, false),
        Wanted::Own(_) => (false, true),
        Wanted::Arrives(arrives) => (true, !arrives.closes),
    };
    let log = stage.log.lock().unwrap();
    let arrived: Vec<String> = log.requests[before..]
        .iter()
        .map(|r| r.target.clone())
        .collect();
    let marked = |what: &str| format!("/marked/{at}/{what}");
    let mut wanted = vec![marked("first")];
    if middle {
        wanted.push(arrived.get(1).cloned().unwrap_or_default());
    }
    if last {
        wanted.push(marked("last"));
    }
    if arrived != wanted {
        return Err(format!("arrived as {arrived:?}"));
    }
    let finals = heard.answers.iter().filter(|a| a.status >= 200);
    let numbers: Vec<Option<usize>> = finals.map(number).collect();
    let mut expected: Vec<Option<usize>> = (before..before + wanted.len()).map(Some).collect();
    match &case.wanted {
        Wanted::Refused(_) => expected.push(None),
        Wanted::Own(_) => expected.insert(1, None),
        Wanted::Arrives(_) => {}
    }
    match numbers == expected {
        true => Ok(()),
        false => Err(format!("answers {numbers:?} instead of {expected:?}")),
    }
}
