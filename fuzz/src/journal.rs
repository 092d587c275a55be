//! The journal's reader: a file as it comes, and a true one in which bytes were changed and the checksums made right again.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::engine::{Command, Configure, Engine, Event};
use evenkeel_core::id::Epoch;
use evenkeel_core::observe::Contact;
use evenkeel_core::settings::{EndpointSpec, HeartbeatSettings, PoolSpec};
use evenkeel_core::time::{Now, Time, WallTime};
use evenkeel_journal::{Begins, ENGINE, Encoder, Header, Segment};

/// Before the first record.
const HEAD: usize = 12;
/// What stands before a record's payload: its length, its checksum, and the checksum of these two.
const FRAME: usize = 12;

/// Whatever the bytes are, reading them ends, and takes no memory but theirs.
pub fn journal(data: &[u8]) {
    read(data);
    static TRUE: OnceLock<Vec<u8>> = OnceLock::new();
    let mut bytes = TRUE.get_or_init(recorded).clone();
    for edit in data.chunks_exact(4) {
        let at = u32::from_le_bytes([edit[0], edit[1], edit[2], 0]) as usize % bytes.len();
        bytes[at] = edit[3];
    }
    mend(&mut bytes);
    read(&bytes);
}

fn read(bytes: &[u8]) {
    let Ok(mut segment) = Segment::open(bytes) else {
        return;
    };
    let _ = segment.engine();
    while let Ok(Some(_)) = segment.next_record() {}
    assert!(segment.position() + segment.rest() == bytes.len());
}

/// Gives every record the checksums that its length and payload have now.
fn mend(bytes: &mut [u8]) {
    let mut at = HEAD;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let (start, end) = (at + FRAME, at.saturating_add(FRAME).saturating_add(length));
        let Some(payload) = bytes.get(start..end) else {
            return;
        };
        let sum = crc32fast::hash(payload).to_le_bytes();
        bytes[at + 4..at + 8].copy_from_slice(&sum);
        let sum = crc32fast::hash(&bytes[at..at + 8]).to_le_bytes();
        bytes[at + 8..start].copy_from_slice(&sum);
        at = end;
    }
}

/// A few seconds of two endpoints, one of which does not answer.
fn recorded() -> Vec<u8> {
    let (mut engine, mut encoder) = (Engine::new(1, Epoch(7)), Encoder::new());
    let mut now = Now {
        at: Time::from_millis(1_000_000),
        wall: WallTime(1_700_000_000_000),
    };
    let mut events = VecDeque::from([configuration()]);
    for turn in 0..200 {
        if turn % 100 == 0 {
            encoder.take();
            encoder.begin(&engine, &header(now)).expect("plain data");
        }
        let event = events.pop_front().unwrap_or_else(|| {
            now.at = now.at + Duration::from_millis(50);
            now.wall.0 += 50;
            Event::Tick
        });
        encoder.handle(&mut engine, event, now).expect("plain data");
        while let Some(command) = engine.poll() {
            if let Command::Probe {
                endpoint, epoch, ..
            } = command
            {
                events.push_back(Event::Probed {
                    endpoint,
                    epoch,
                    passed: endpoint.0 == 1,
                    contact: Contact::Answered,
                    detail: "HTTP 200".into(),
                });
            }
        }
    }
    encoder.take()
}

fn header(now: Now) -> Header {
    Header {
        build: "fuzz".into(),
        engine: ENGINE.into(),
        pid: 1,
        seed: 1,
        now,
        begins: Begins::Start,
    }
}

fn configuration() -> Event {
    let endpoint = |name: &str| EndpointSpec {
        name: name.into(),
        target: Target::Address(Address::Unix(name.into())),
        others: Vec::new(),
        weight: 100,
        tier: 0,
        standby: None,
        service: None,
        machine: None,
        zone: None,
    };
    Event::Configure(Configure {
        pools: vec![PoolSpec {
            name: "app".into(),
            policy: Default::default(),
            agent_check: None,
            check: Default::default(),
            heartbeat: Some(HeartbeatSettings::default()),
            outlier: Default::default(),
            retry: Default::default(),
            limit: Default::default(),
            failover: Default::default(),
            transport: Default::default(),
            tls: None,
            objective: Default::default(),
            recovery: Default::default(),
            prevention: Default::default(),
            endpoints: ["a1", "a2"].map(endpoint).into(),
        }],
        services: Vec::new(),
        workers: 2,
    })
}
