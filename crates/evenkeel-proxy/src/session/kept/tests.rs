//! The table of kept sessions: its bound, and what is handed out to be stored.

use super::*;

fn entry(at: u64, ends_s: u64) -> Entry {
    Entry {
        session: Session::begin(at, 0),
        since_s: 0,
        ends_s,
        counted: true,
    }
}

/// Tokens of one shard.
fn token(n: u64) -> u64 {
    n
}

#[test]
fn a_session_is_found_until_it_is_over() {
    let kept = Kept::default();
    assert_eq!(kept.keep(token(1), entry(7, 100), 50), None);
    assert_eq!(kept.find(token(1), 99), Some(entry(7, 100)));
    assert_eq!(kept.find(token(1), 100), None);
    assert_eq!(kept.find(token(2), 50), None);
    kept.keep(token(1), entry(8, 200), 150);
    assert_eq!(kept.find(token(1), 150), Some(entry(8, 200)));
}

#[test]
fn it_never_grows_beyond_its_bound_and_who_is_heard_of_stays() {
    let kept = Kept::of(SHARDS * 10);
    kept.keep(token(0), entry(0, 1000), 1);
    for n in 1..1000 {
        assert!(kept.find(token(0), 1).is_some(), "{n}");
        let gone = kept.keep(token(n), entry(n, 1000), 1);
        assert_eq!(gone.is_some(), n >= 10, "{n}");
    }
    let shard = kept.shard(0);
    assert_eq!((shard.sessions.len(), shard.ring.len()), (10, 10));
}

#[test]
fn where_everybody_is_heard_of_there_is_a_bound_too() {
    let kept = Kept::of(SHARDS * 10);
    for n in 0..100 {
        kept.keep(token(n), entry(n, 1000), 1);
        for n in 0..=n {
            kept.find(token(n), 1);
        }
    }
    let shard = kept.shard(0);
    assert_eq!((shard.sessions.len(), shard.ring.len()), (10, 10));
}

#[test]
fn what_is_over_goes_while_others_come() {
    let kept = Kept::default();
    for n in 0..1000 {
        kept.keep(token(n), entry(n, 10), 1);
    }
    for n in 1000..1400 {
        assert_eq!(kept.keep(token(n), entry(n, 1000), 20), None);
    }
    assert!(
        kept.shard(0).sessions.len() <= 400,
        "{}",
        kept.shard(0).sessions.len()
    );
}

/// Takes out all that has changed.
fn changed(kept: &Kept, now_s: u64, last: bool) -> Vec<Row> {
    let parts = kept.changed((SHARDS, usize::MAX), now_s, last);
    let mut rows: Vec<Row> = parts.into_iter().flat_map(|(_, rows)| rows).collect();
    rows.sort_by_key(|row| row.token);
    rows
}

/// The n-th token of the n-th shard.
fn spread(n: u64) -> u64 {
    n << 32 | n
}

#[test]
fn what_was_handed_out_is_taken_in_by_the_next_process() {
    let kept = Kept::default();
    for n in 0..1000 {
        kept.keep(spread(n), entry(n, 100 + n), 50);
    }
    let rows = changed(&kept, 600, false);
    assert_eq!(rows.len(), 1000 - 501, "what is over is not handed out");
    let next = Kept::default();
    next.restore(&rows, 600, 400);
    for n in 0..1000 {
        let found = next.find(spread(n), 600);
        assert_eq!(found.is_some(), n > 500, "{n}");
        let wanted = entry(n, (100 + n).min(1000));
        assert_eq!(
            found,
            Some(Entry {
                counted: false,
                ..wanted
            })
            .filter(|_| n > 500)
        );
    }
    assert_eq!(changed(&next, 600, true), [], "all of it is stored already");
}

#[test]
fn what_is_known_already_is_newer_than_what_was_stored() {
    let kept = Kept::of(SHARDS * 2);
    kept.keep(token(1), entry(7, 100), 50);
    let stored = |n, at| Row {
        token: token(n),
        session: Session::begin(at, 0),
        since_s: 90,
        ends_s: 100,
    };
    kept.restore(&[stored(1, 8), stored(2, 9), stored(3, 10)], 60, 1000);
    assert_eq!(kept.find(token(1), 60), Some(entry(7, 100)));
    assert_eq!(
        kept.find(token(2), 60).map(|e| e.since_s),
        Some(60),
        "not from the future"
    );
    assert_eq!(kept.find(token(3), 60), None, "there was no room");
}

#[test]
fn only_shards_in_which_something_has_changed_are_handed_out() {
    let kept = Kept::default();
    for n in 0..512 {
        kept.keep(spread(n), entry(n, 1000), 0);
    }
    assert_eq!(changed(&kept, 0, false).len(), 512);
    assert_eq!(changed(&kept, 0, false), []);
    kept.keep(spread(7), entry(8, 1000), 0);
    let rows = changed(&kept, 0, false);
    let tokens: Vec<u64> = rows.iter().map(|row| row.token).collect();
    assert_eq!(tokens, [spread(7), spread(263)], "the whole shard");
}

#[test]
fn one_that_is_only_prolonged_is_written_seldom_and_at_the_end() {
    let kept = Kept::default();
    kept.keep(token(1), entry(7, 800), 0);
    assert_eq!(changed(&kept, 0, false).len(), 1);
    for now_s in 1..100 {
        kept.keep(token(1), entry(7, 800 + now_s), now_s);
    }
    assert_eq!(changed(&kept, 99, false), []);
    assert_eq!(changed(&kept, 99, true)[0].ends_s, 899);
    assert_eq!(changed(&kept, 99, true), []);
    kept.keep(token(1), entry(7, 1000), 200);
    assert_eq!(changed(&kept, 200, false)[0].ends_s, 1000);
}

#[test]
fn they_are_handed_out_a_few_at_a_time_and_all_in_turn() {
    let kept = Kept::default();
    for n in 0..1024 {
        kept.keep(spread(n), entry(n, 1000), 0);
    }
    let mut seen = std::collections::BTreeSet::new();
    for turn in 0..64 {
        let parts = kept.changed((4, usize::MAX), 0, false);
        assert_eq!(parts.len(), 4, "turn {turn}");
        // The first ones change again and again, and nobody waits for that.
        kept.keep(spread(0), entry(turn, 1000), 0);
        seen.extend(parts.into_iter().map(|(number, _)| number));
    }
    assert_eq!(seen.len(), SHARDS);
    kept.keep(spread(1), entry(9, 1000), 0);
    assert_eq!(
        kept.changed((SHARDS, 4), 0, false).len(),
        1,
        "so many sessions are enough"
    );
}
