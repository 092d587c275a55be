//! Sessions through the loss and return of endpoints, by the picker that serves traffic.

use std::collections::BTreeSet;

use super::*;
use crate::balance::testing::{pool, row, up};
use crate::balance::{Choice, Picker, Request};
use crate::id::Epoch;
use crate::table::Ramp;

const SESSIONS: usize = 300;

/// A client that keeps what it was given.
struct Client {
    session: Session,
    since: Time,
    moved: u32,
    returned: u32,
}

struct Scene {
    table: PoolTable,
    picker: Picker,
    clients: Vec<Client>,
    now: Time,
}

impl Scene {
    /// Clients over three endpoints, each bound.
    fn new() -> Scene {
        let mut table = pool("p2c", [up(100), up(100), up(100)]);
        table.failover.hold = Duration::ZERO;
        let picker = Picker::new(&table, 7);
        let mut scene = Scene {
            table,
            picker,
            clients: Vec::new(),
            now: Time::from_millis(60_000),
        };
        for n in 0..SESSIONS {
            let request = Request::at(scene.now);
            let Choice::Endpoint(index) = scene.picker.pick(&scene.table, &request) else {
                panic!("nobody")
            };
            scene.clients.push(Client {
                session: Session::begin(scene.name(index), (n * 1000 / SESSIONS) as u16),
                since: scene.now,
                moved: 0,
                returned: 0,
            });
        }
        scene
    }

    fn name(&self, index: usize) -> u64 {
        name(&self.table.endpoints[index].name)
    }

    fn change(&mut self, index: usize, change: impl FnOnce(&mut EndpointRow)) {
        change(&mut self.table.endpoints[index]);
        self.table.epoch = Epoch(self.table.epoch.0 + 1);
    }

    /// Every client sends a request, and so long passes.
    fn round(&mut self, pause: Duration) {
        let places = Places::of(&self.table);
        for client in &mut self.clients {
            let since = self.now.since(client.since);
            let wanted = client.session.wanted(&self.table, &places, since, self.now);
            let request = Request::at(self.now).preferring(wanted);
            let Choice::Endpoint(index) = self.picker.pick(&self.table, &request) else {
                panic!("nobody")
            };
            let by = name(&self.table.endpoints[index].name);
            let Some((session, change)) = client.session.served_by(by, &self.table) else {
                continue;
            };
            client.session = session;
            client.since = self.now;
            match change {
                Change::Moved => client.moved += 1,
                Change::Returned => client.returned += 1,
            }
        }
        self.now = self.now + pause;
    }

    fn at(&self, index: usize) -> usize {
        let name = self.name(index);
        self.clients.iter().filter(|c| c.session.at == name).count()
    }

    fn homes(&self, index: usize) -> usize {
        let name = self.name(index);
        let lives = |c: &&Client| c.session.home == name;
        self.clients.iter().filter(lives).count()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn only_the_sessions_of_the_failed_one_move_once_out_and_once_back() {
    let mut scene = Scene::new();
    let (before, lost) = ([0, 1, 2].map(|n| scene.at(n)), scene.name(1));
    assert!(before.iter().all(|&n| n > 50), "{before:?}");
    for _ in 0..5 {
        scene.round(SECOND);
    }
    assert_eq!([0, 1, 2].map(|n| scene.at(n)), before);
    scene.change(1, |row| row.state = State::Down);
    for _ in 0..5 {
        scene.round(SECOND);
    }
    assert_eq!(scene.at(1), 0);
    scene.change(1, |row| row.state = State::Up);
    for _ in 0..5 {
        scene.round(SECOND);
    }
    assert_eq!([0, 1, 2].map(|n| scene.at(n)), before);
    for client in &scene.clients {
        let times = u32::from(client.session.home == lost);
        assert_eq!((client.moved, client.returned), (times, times));
    }
}

#[test]
fn an_endpoint_that_comes_and_goes_moves_nobody_more_than_three_times() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.change(1, |row| row.state = State::Down);
        (0..4).for_each(|_| scene.round(SECOND));
        scene.change(1, |row| row.state = State::Up);
        (0..4).for_each(|_| scene.round(SECOND));
    }
    assert!(
        scene
            .clients
            .iter()
            .all(|c| c.moved <= 2 && c.returned <= 1)
    );
    assert_eq!(
        scene.at(1),
        0,
        "those who went back once live elsewhere now"
    );
}

#[test]
fn without_failback_they_stay_where_they_found_shelter() {
    let mut scene = Scene::new();
    scene.table.failover.failback_auto = false;
    scene.change(0, |row| row.state = State::Maintenance);
    (0..4).for_each(|_| scene.round(SECOND));
    scene.change(0, |row| row.state = State::Up);
    (0..4).for_each(|_| scene.round(SECOND));
    assert_eq!((scene.at(0), scene.homes(0)), (0, 0));
    assert!(
        scene
            .clients
            .iter()
            .all(|c| c.moved <= 1 && c.returned == 0)
    );
}

#[test]
fn they_go_back_as_fast_as_their_home_ramps_up() {
    let mut scene = Scene::new();
    let whole = scene.at(2);
    scene.change(2, |row| row.state = State::Down);
    (0..4).for_each(|_| scene.round(SECOND));
    let started = scene.now;
    let window = Duration::from_secs(100);
    scene.change(2, |row| {
        row.state = State::Up;
        row.ramp = Some(Ramp { started, window });
    });
    scene.now = started + Duration::from_secs(50);
    scene.round(SECOND);
    let half = scene.at(2);
    assert!(
        (whole / 4..=whole * 3 / 4).contains(&half),
        "{half} of {whole}"
    );
    scene.now = started + window;
    scene.round(SECOND);
    assert_eq!(scene.at(2), whole);
}

#[test]
fn a_draining_endpoint_keeps_its_sessions_and_takes_no_new_ones() {
    let mut scene = Scene::new();
    let before = scene.at(0);
    scene.change(0, |row| row.state = State::Draining);
    (0..4).for_each(|_| scene.round(SECOND));
    assert_eq!(scene.at(0), before);
    for _ in 0..100 {
        let choice = scene.picker.pick(&scene.table, &Request::at(scene.now));
        assert_ne!(choice, Choice::Endpoint(0));
    }
}

#[test]
fn one_of_no_weight_keeps_its_sessions() {
    let mut scene = Scene::new();
    let before = scene.at(0);
    scene.change(0, |row| row.weight = 0);
    (0..4).for_each(|_| scene.round(SECOND));
    assert_eq!(scene.at(0), before);
}

/// What a pick prefers and then takes.
fn preferring(table: &PoolTable, index: usize) -> Choice {
    let id = table.endpoints[index].id;
    let request = Request::at(Time::ZERO).preferring(Some(Prefer { id, index }));
    Picker::new(table, 1).pick(table, &request)
}

#[test]
fn a_session_waits_for_a_full_endpoint_and_leaves_one_that_may_not_serve() {
    let mut table = pool("p2c", [up(100), up(100)]);
    table.limit.per_endpoint = 1;
    table.endpoints[0]
        .shared
        .in_flight
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(preferring(&table, 0), Choice::Full);
    assert_eq!(preferring(&table, 1), Choice::Endpoint(1));
    // As far as it is concerned, its own limit is as good as the pool's.
    table.limit.per_endpoint = 0;
    table.endpoints[0].limit = 1;
    assert_eq!(preferring(&table, 0), Choice::Full);
    table.endpoints[0].limit = 2;
    assert_eq!(preferring(&table, 0), Choice::Endpoint(0));
    for state in [State::Down, State::Maintenance, State::Unknown] {
        let table = pool("p2c", [row(state, 100), up(100)]);
        assert_eq!(preferring(&table, 0), Choice::Endpoint(1), "{state:?}");
    }
    let suspect = EndpointRow {
        suspect: true,
        ..up(100)
    };
    let table = pool("p2c", [suspect, up(100)]);
    assert_eq!(preferring(&table, 0), Choice::Endpoint(1));
}

#[test]
fn with_everybody_down_a_session_tries_its_own_first() {
    let mut table = pool("p2c", [row(State::Down, 100), row(State::Down, 100)]);
    assert_eq!(preferring(&table, 0), Choice::Endpoint(0));
    assert_eq!(preferring(&table, 1), Choice::Endpoint(1));
    table.failover.try_all = false;
    assert_eq!(preferring(&table, 1), Choice::Nobody);
}

#[test]
fn in_trial_it_goes_by_the_permits() {
    let table = pool("p2c", [row(State::Trial, 100), up(100)]);
    assert_eq!(preferring(&table, 0), Choice::Endpoint(1));
    let permits = &table.endpoints[0].shared.trial_left;
    permits.store(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(preferring(&table, 0), Choice::Endpoint(0));
    assert_eq!(preferring(&table, 0), Choice::Endpoint(1));
}

#[test]
fn a_try_that_failed_there_is_not_made_there_again() {
    let table = pool("p2c", [up(100), up(100)]);
    let tried = [table.endpoints[0].id];
    let prefer = Prefer {
        id: tried[0],
        index: 0,
    };
    let request = Request::at(Time::ZERO)
        .preferring(Some(prefer))
        .without(&tried);
    let choice = Picker::new(&table, 1).pick(&table, &request);
    assert_eq!(choice, Choice::Endpoint(1));
}

#[test]
fn who_is_preferred_is_found_in_another_order_too() {
    let table = pool("p2c", [up(100), up(100), up(100)]);
    let id = table.endpoints[2].id;
    for index in [0, 2, 7] {
        assert_eq!(Prefer { id, index }.index_in(&table), Some(2));
    }
    let places = Places::of(&table);
    for (index, row) in table.endpoints.iter().enumerate() {
        assert_eq!(places.find(name(&row.name)), Some(index));
    }
    assert_eq!(places.find(name("gone")), None);
}

#[test]
fn every_token_has_its_part_and_no_part_is_empty() {
    let parts: BTreeSet<u16> = (0..10_000u64)
        .map(|n| part_of(name(&n.to_string())))
        .collect();
    assert_eq!(parts.len(), usize::from(PARTS));
    assert!(parts.iter().all(|&part| part < PARTS));
}
