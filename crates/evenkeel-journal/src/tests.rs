//! That a journal tells what was, whatever became of its file.

mod cost;
mod files;

use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::engine::{Command, Configure, Engine, Event};
use evenkeel_core::id::{EndpointId, Epoch};
use evenkeel_core::observe::{Contact, Failure, FailureKind};
use evenkeel_core::settings::{EndpointSpec, PoolSpec};
use evenkeel_core::time::{Now, Time, WallTime};

use crate::format::{FRAME, FRAME_SUM};
use crate::{Begins, ENGINE, Encoder, Ending, Ends, Header, ReadError, Segment, replay};

fn now(ms: u64) -> Now {
    Now {
        at: Time::from_millis(1_000_000 + ms),
        wall: WallTime(1_700_000_000_000 + ms),
    }
}

fn configuration() -> Event {
    let endpoint = |name: &str| EndpointSpec {
        name: name.into(),
        others: Vec::new(),
        target: Target::Address(Address::Unix(name.into())),
        weight: 100,
        tier: 0,
        standby: None,
        service: None,
        machine: None,
        zone: None,
    };
    Event::Configure(Configure {
        pools: vec![PoolSpec {
            recovery: Default::default(),
            name: "app".into(),
            policy: Default::default(),
            agent_check: None,
            check: Default::default(),
            heartbeat: None,
            outlier: Default::default(),
            retry: Default::default(),
            limit: Default::default(),
            failover: Default::default(),
            transport: Default::default(),
            tls: None,
            prevention: Default::default(),
            objective: Default::default(),
            endpoints: ["a1", "a2", "a3"].map(endpoint).into(),
        }],
        services: Vec::new(),
        workers: 2,
    })
}

fn header(begins: Begins) -> Header {
    Header {
        build: "0.0.0".into(),
        engine: ENGINE.into(),
        pid: 7,
        seed: 1,
        now: now(0),
        begins,
    }
}

/// A minute of three endpoints, one of which dies.
fn story() -> (Vec<u8>, Vec<Command>) {
    let (mut engine, mut encoder) = (Engine::new(1, Epoch(7)), Encoder::new());
    encoder.begin(&engine, &header(Begins::Start)).unwrap();
    let mut events = std::collections::VecDeque::from([configuration()]);
    let mut all = Vec::new();
    let mut time = now(0);
    while time.at < now(60_000).at {
        let event = events.pop_front().unwrap_or_else(|| {
            let due = engine.next_wakeup().unwrap().max(time.at);
            let passed = due.since(time.at) + Duration::from_micros(1);
            time.at = time.at + passed;
            time.wall.0 += passed.as_millis() as u64;
            Event::Tick
        });
        encoder.handle(&mut engine, event, time).unwrap();
        while let Some(command) = engine.poll() {
            if let Command::Probe {
                endpoint, epoch, ..
            } = command
            {
                let passed = endpoint != EndpointId(2) || time.at < now(20_000).at;
                events.push_back(Event::Probed {
                    endpoint,
                    epoch,
                    passed,
                    contact: Contact::Answered,
                    detail: if passed { "200" } else { "connection refused" }.into(),
                });
                if !passed {
                    events.push_back(Event::Failed(Failure {
                        path: Default::default(),
                        endpoint,
                        kind: FailureKind::Connect,
                        run: 1,
                        at: time.at,
                    }));
                }
            }
            all.push(command);
        }
    }
    encoder.end(Ends::Shutdown);
    (encoder.take(), all)
}

#[test]
fn the_same_engine_wants_the_same_again() {
    let (bytes, recorded) = story();
    let mut segment = Segment::open(&bytes).unwrap();
    let mut again = Vec::new();
    let replayed = replay(&mut segment, |_, commands, _| {
        again.extend(commands.iter().cloned());
    });
    let replayed = replayed.unwrap();
    assert!(replayed.difference.is_none(), "{:?}", replayed.difference);
    assert_eq!(replayed.ending, Ending::Ordered(Ends::Shutdown));
    assert_eq!(replayed.engine.incidents_open(), 1);
    assert!(recorded.len() > 100, "{}", recorded.len());
    assert_eq!(
        postcard::to_stdvec(&recorded).unwrap(),
        postcard::to_stdvec(&again).unwrap()
    );
}

#[test]
fn a_file_that_ends_anywhere_tells_all_that_came_whole() {
    let (bytes, _) = story();
    let mut most = 0;
    let snapshot = Segment::open(&bytes).unwrap().position();
    for length in (0..bytes.len()).rev().step_by(37) {
        match Segment::open(&bytes[..length]) {
            Err(error) => {
                let early = matches!(error, ReadError::Unborn | ReadError::Foreign);
                assert!(early && length < snapshot, "{length}: {error}");
            }
            Ok(mut segment) => {
                let replayed = replay(&mut segment, |_, _, _| ()).unwrap();
                assert!(replayed.difference.is_none());
                assert!(!matches!(replayed.ending, Ending::Ordered(_)));
                most = replayed.turns.max(most);
            }
        }
    }
    assert!(most > 100, "{most}");
}

#[test]
fn a_byte_that_the_disk_changed_is_found() {
    let (bytes, _) = story();
    let whole = replay(&mut Segment::open(&bytes).unwrap(), |_, _, _| ()).unwrap();
    let mut segment = Segment::open(&bytes).unwrap();
    let mut heads = vec![segment.position()];
    while segment.next_record().unwrap().is_some() {
        heads.push(segment.position());
    }
    heads.truncate(heads.len() - 1); // the end
    let last = heads.pop().unwrap();
    let all_of_a_head = heads.iter().rev().take(3).flat_map(|at| *at..at + FRAME);
    for at in (0..last).step_by(101).chain(all_of_a_head) {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let read = Segment::open(&bytes).and_then(|mut s| replay(&mut s, |_, _, _| ()));
            assert!(read.is_err(), "bit {bit} of byte {at}");
        }
    }
    // A record that is the last may as well be one that did not come whole.
    for at in last..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let read = Segment::open(&bytes).and_then(|mut s| replay(&mut s, |_, _, _| ()));
        let ordered = read.is_ok_and(|now| now.ending == whole.ending);
        assert!(!ordered, "byte {at}");
    }
}

#[test]
fn zeros_after_the_last_record_are_what_a_crash_leaves() {
    let (mut bytes, _) = story();
    bytes.truncate(bytes.len() - FRAME - 2);
    bytes.resize(bytes.len() + 4096, 0);
    let replayed = replay(&mut Segment::open(&bytes).unwrap(), |_, _, _| ()).unwrap();
    assert_eq!(replayed.ending, Ending::Torn(4096));
}

/// As if somebody had written another story: the checksum is right.
#[test]
fn the_first_difference_is_named() {
    let (bytes, _) = story();
    let mut segment = Segment::open(&bytes).unwrap();
    let mut start = segment.position();
    let mut turn = 0;
    // The first event that decided anything after the first hundred.
    let frame = loop {
        let Some(crate::Record::Turn(read)) = segment.next_record().unwrap() else {
            panic!("the story is longer");
        };
        turn += 1;
        if turn > 100 && read.decided.is_some() {
            break start..segment.position();
        }
        start = segment.position();
    };
    let mut bytes = bytes.clone();
    bytes[frame.end - 1] ^= 1; // of its digest
    let sum = crc32fast::hash(&bytes[frame.start + FRAME..frame.end]);
    let head = &mut bytes[frame.start..frame.start + FRAME];
    head[4..FRAME_SUM].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32fast::hash(&head[..FRAME_SUM]);
    head[FRAME_SUM..].copy_from_slice(&sum.to_le_bytes());
    let replayed = replay(&mut Segment::open(&bytes).unwrap(), |_, _, _| ()).unwrap();
    let difference = replayed.difference.unwrap();
    assert_eq!(difference.turn, turn);
    assert_ne!(difference.recorded.decided, difference.replayed);
}

#[test]
fn what_others_wrote_is_said_to_be_theirs() {
    assert_eq!(Segment::open(b"#!/bin/sh").unwrap_err(), ReadError::Foreign);
    assert_eq!(Segment::open(b"").unwrap_err(), ReadError::Foreign);
    let (bytes, _) = story();
    let mut newer = bytes.clone();
    newer[8] = 9;
    assert_eq!(Segment::open(&newer).unwrap_err(), ReadError::Newer(9));
    let mut older = bytes.clone();
    older[8] = 1;
    assert_eq!(Segment::open(&older).unwrap_err(), ReadError::Older(1));
    let (mut encoder, engine) = (Encoder::new(), Engine::new(1, Epoch(7)));
    let theirs = Header {
        engine: "another".into(),
        ..header(Begins::Start)
    };
    encoder.begin(&engine, &theirs).unwrap();
    let error = Segment::open(&encoder.take()).unwrap_err();
    assert!(matches!(error, ReadError::Other { .. }), "{error}");
}
