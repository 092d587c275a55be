//! What is stored comes back, and what is not right is refused with a reason.

use std::time::Duration;

use evenkeel_core::account::{AccountEvent, Kept, PoolAccount, Seen};
use evenkeel_core::engine::{Carried, CarriedBeats, CarriedPath, DecidedBy, Order, Says};
use evenkeel_core::session::{LUCK, PARTS, Part, Row, Session};
use evenkeel_core::settings::ObjectiveSettings;
use evenkeel_core::table::State;
use evenkeel_core::time::{Now, Time, WallTime};

use super::*;
use crate::config::TEXT_BYTES_MAX;
use crate::stamp::Stamp;

fn carried() -> Carried {
    Carried {
        pool: "app".into(),
        endpoint: "a1".into(),
        target: "127.0.0.1:9001".into(),
        state: State::Down,
        since: WallTime(1_767_225_600_123),
        why: "connection refused".into(),
        decided_by: DecidedBy::Check,
        ejected_until: Some(WallTime(1_767_225_630_000)),
        ejections: 2,
        order: Some(Order::Draining),
        weight: Some(0),
        beats: Some(CarriedBeats {
            interval: Duration::from_millis(250),
            down: true,
            says: Says::Draining,
        }),
        path: Some(CarriedPath {
            target: "10.1.0.1:9001".into(),
            since: WallTime(1_767_225_600_000),
            why: "no packet gets to 127.0.0.1:9001".into(),
        }),
    }
}

#[test]
fn what_the_engine_carries_comes_back_as_it_was() {
    let bytes = EndpointRecord::from(carried()).encode().unwrap();
    let read = EndpointRecord::decode(&bytes).unwrap();
    assert_eq!(Carried::from(read), carried());
    let plain = Carried {
        ejected_until: None,
        order: None,
        weight: None,
        beats: None,
        path: None,
        ..carried()
    };
    let read = EndpointRecord::decode(&EndpointRecord::from(plain.clone()).encode().unwrap());
    assert_eq!(Carried::from(read.unwrap()), plain);
}

/// An account with something in every part of it.
fn kept() -> Kept {
    let now = |s: u64| Now {
        at: Time::from_millis(s * 1000),
        wall: WallTime(1_767_225_600_000 + s * 1000),
    };
    let objective = ObjectiveSettings::default();
    let mut account = PoolAccount::new("app".into(), objective, now(0));
    let seen = |name: &str| Seen {
        name: name.into(),
        state: Some(State::Up),
        weight: 100,
    };
    let endpoints = &[seen("a1"), seen("a2")];
    account.on(
        AccountEvent::Configured {
            objective,
            endpoints,
        },
        now(0),
    );
    let (endpoint, to) = ("a1", State::Down);
    let by = DecidedBy::Check;
    account.on(AccountEvent::Changed { endpoint, to, by }, now(3));
    account.on(AccountEvent::Counted { good: 7, bad: 1 }, now(4));
    let tried = AccountEvent::Tried {
        endpoint,
        tries: 5,
        failures: 1,
    };
    account.on(tried, now(4));
    let took = [Some(Duration::from_millis(120)), None, None, None];
    let cause = "process_dead";
    let closed = AccountEvent::Closed {
        incident: 3,
        cause,
        took,
    };
    account.on(closed, now(4));
    account.keep(now(5))
}

#[test]
fn an_account_comes_back_as_it_was() {
    let bytes = AccountRecord::from(kept()).encode().unwrap();
    let read = AccountRecord::decode(&bytes).unwrap();
    assert_eq!(Kept::from(read), kept());
}

#[test]
fn an_account_that_cannot_be_is_refused_with_a_reason() {
    type Damage = fn(&mut AccountRecord);
    let cases: [(Damage, &str); 6] = [
        (|r| r.incidents = vec![1; 5000], "longer than can be"),
        (|r| r.elapsed_ns = u64::MAX, "century"),
        (|r| r.book.pieces[0][0] = u64::MAX, "longer than can be"),
        (|r| r.book.pieces = vec![[0; 6]; 5000], "longer than can be"),
        (
            |r| r.book.known = Some("unknown".into()),
            "neither up nor down",
        ),
        (|r| r.requests[0].slot_ns = 0, "longer than can be"),
    ];
    for (damage, why) in cases {
        let mut record = AccountRecord::from(kept());
        damage(&mut record);
        let error = AccountRecord::decode(&record.encode().unwrap()).unwrap_err();
        assert!(error.why.contains(why), "{error}");
    }
    let bytes = AccountRecord::from(kept()).encode().unwrap();
    assert!(AccountRecord::decode(&bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn a_revision_comes_back_byte_for_byte() {
    let text = "# ä\n[node]\nname = \"\\u0041\"\r\n";
    let record = RevisionRecord::new(7, Stamp(WallTime(1_767_225_600_000)), text);
    let read = RevisionRecord::decode(&record.encode().unwrap()).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.text, text);
}

#[test]
fn the_largest_configuration_fits_however_it_is_escaped() {
    let text = "\u{1}".repeat(TEXT_BYTES_MAX);
    let record = RevisionRecord::new(1, Stamp::default(), &text);
    let bytes = record.encode().unwrap();
    assert!(bytes.len() <= RECORD_BYTES_MAX);
    assert_eq!(RevisionRecord::decode(&bytes).unwrap(), record);
}

#[test]
fn keys_of_revisions_sort_as_their_numbers() {
    assert!(RevisionRecord::key(9) < RevisionRecord::key(10));
    assert!(RevisionRecord::key(u64::MAX - 1) < RevisionRecord::key(u64::MAX));
    assert_eq!(EndpointRecord::key("app", "a1"), carried().key());
}

#[test]
fn what_is_corrupt_or_foreign_is_refused_with_a_reason() {
    let good = EndpointRecord::from(carried()).encode().unwrap();
    let good = String::from_utf8(good).unwrap();
    let cases = [
        (String::new(), "EOF"),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (
            good.replace("\"version\":1", "\"version\":2"),
            "found endpoint version 2",
        ),
        (
            good.replace("\"kind\":\"endpoint\"", "\"kind\":\"revision\""),
            "found revision version 1",
        ),
        (
            good.replace("\"down\"", "\"dwn\""),
            "no state is called \"dwn\"",
        ),
        (
            good.replace("\"draining\"", "\"ready\""),
            "no order to keep",
        ),
        (good.replace("\"weight\":0", "\"weight\":300"), "over 256"),
        ("[".repeat(100_000), "invalid type"),
        ("{\"x\":".repeat(100_000), "EOF"),
    ];
    for (bytes, why) in cases {
        let error = EndpointRecord::decode(bytes.as_bytes()).unwrap_err();
        assert!(error.why.contains(why), "{error}, not {why}");
        assert!(
            error
                .to_string()
                .starts_with("stored endpoint record not usable")
        );
    }
    let too_large = vec![b' '; RECORD_BYTES_MAX + 1];
    assert!(
        EndpointRecord::decode(&too_large)
            .unwrap_err()
            .why
            .contains("bytes")
    );
}

#[test]
fn a_revision_whose_text_changed_is_refused() {
    let record = RevisionRecord::new(7, Stamp::default(), "[node]\n");
    let bytes = String::from_utf8(record.encode().unwrap()).unwrap();
    let error = RevisionRecord::decode(bytes.replace("[node]", "[nope]").as_bytes()).unwrap_err();
    assert!(error.why.contains("not the one that was stored"), "{error}");
}

/// A part of a pool's sessions: two at home, one away.
fn sessions() -> Part {
    let row = |token: u64, home: u64, at: u64| Row {
        token,
        session: Session {
            home,
            at,
            returned: home == at,
            luck: token as u16 % LUCK,
        },
        since_s: 1_767_225_600,
        ends_s: 1_767_229_200,
    };
    Part {
        pool: "app".into(),
        number: 7,
        rows: vec![row(u64::MAX, 5, 5), row(2, u64::MAX, 5), row(3, 5, 5)],
    }
}

#[test]
fn sessions_come_back_as_they_were_and_endpoints_are_named_once() {
    let record = SessionsRecord::from(&sessions());
    assert_eq!(record.endpoints, [5, u64::MAX]);
    let bytes = record.encode().unwrap();
    assert_eq!(
        Part::from(SessionsRecord::decode(&bytes).unwrap()),
        sessions()
    );
}

#[test]
fn sessions_of_endpoints_that_are_not_named_are_refused() {
    type Spoil = fn(&mut SessionsRecord);
    let spoils: [(Spoil, &str); 4] = [
        (|r| r.rows[1].1 = 2, "the session of token 2"),
        (|r| r.rows[1].2 = u32::MAX, "the session of token 2"),
        (
            |r| r.rows[0].4 = LUCK,
            "the session of token ffffffffffffffff",
        ),
        (|r| r.part = PARTS, "part 256 of 256"),
    ];
    for (spoil, why) in spoils {
        let mut record = SessionsRecord::from(&sessions());
        spoil(&mut record);
        let refused = SessionsRecord::decode(&record.encode().unwrap()).unwrap_err();
        assert!(refused.why.contains(why), "{refused}");
    }
}
