//! Which address is in use, told as small stories on networks that are cut and mended.

use super::*;

const T: fn(u64) -> Time = Time::from_millis;

fn target(n: u8) -> Target {
    Target::Address(Address::Ip(([10, n, 0, 1], 80).into()))
}

#[derive(Clone, Default)]
struct Settings {
    check: CheckSettings,
    failover: FailoverSettings,
}

impl Settings {
    fn rules(&self) -> Rules<'_> {
        Rules {
            check: &self.check,
            failover: &self.failover,
        }
    }
}

struct Rig {
    path: Path,
    settings: Settings,
    now: Now,
    epoch: Epoch,
    /// Networks that no packet passes.
    cut: Vec<u8>,
    asked: Vec<u8>,
    changes: Vec<Change>,
}

fn rig(others: &[u8]) -> Rig {
    let spec = spec(1, others);
    Rig {
        path: Path::new(&spec, WallTime(0)),
        settings: Settings::default(),
        now: Now {
            at: T(1_000_000),
            wall: WallTime(1_000_000),
        },
        epoch: Epoch(1),
        cut: Vec::new(),
        asked: Vec::new(),
        changes: Vec::new(),
    }
}

fn spec(first: u8, others: &[u8]) -> EndpointSpec {
    EndpointSpec {
        name: "a1".into(),
        target: target(first),
        others: others.iter().map(|n| target(*n)).collect(),
        weight: 100,
        tier: 0,
        standby: None,
        service: None,
        machine: None,
        zone: None,
    }
}

impl Rig {
    fn wish(&self) -> Option<usize> {
        self.path.wish(self.settings.rules(), self.now.at)
    }

    fn network(address: &Address) -> u8 {
        match address {
            Address::Ip(std::net::SocketAddr::V4(ip)) => ip.ip().octets()[1],
            _ => 0,
        }
    }

    /// Goes where it wishes to go.
    fn follow(&mut self) {
        if let Some(to) = self.wish() {
            let rules = self.settings.rules();
            let change = self.path.change(to, rules, self.now);
            self.path.fenced(self.epoch);
            self.changes.push(change);
        }
    }

    /// Lets time pass: others are probed as they are due, the one in use every half second while in doubt, else every two.
    fn run(&mut self, ms: u64) {
        let end = self.now.at + Duration::from_millis(ms);
        let mut own = self.now.at;
        while self.now.at < end {
            while self.path.is_due(self.now.at) {
                self.epoch.0 += 1;
                let timeout = self.settings.check.timeout;
                let Some(address) = self.path.send(self.epoch, timeout, self.now.at) else {
                    break;
                };
                let network = Rig::network(&address);
                self.asked.push(network);
                let passed = !self.cut.contains(&network);
                let rules = self.settings.rules();
                self.path
                    .probed(self.epoch, passed, "200", rules, self.now.at);
                self.follow();
            }
            if own <= self.now.at {
                let network = Rig::network(self.path.address().unwrap());
                let contact = match self.cut.contains(&network) {
                    true => Contact::Silent,
                    false => Contact::Answered,
                };
                self.path.contacted(contact, self.now.at);
                self.follow();
                own = self.now.at
                    + match self.path.in_doubt() {
                        true => self.settings.check.fast_interval,
                        false => self.settings.check.interval,
                    };
            }
            self.now.at = self.now.at + Duration::from_millis(10);
            self.now.wall.0 += 10;
        }
    }

    fn used(&self) -> u8 {
        Rig::network(self.path.address().unwrap())
    }
}

#[test]
fn a_cut_path_is_left_for_the_first_other_address_that_answers() {
    let mut rig = rig(&[2, 3]);
    rig.run(5_000);
    assert_eq!((rig.used(), rig.changes.len()), (1, 0));
    rig.cut = vec![1, 2];
    rig.run(3_000);
    assert_eq!(rig.used(), 3);
    assert!(
        rig.changes[0].why.contains("10.3.0.1:80 answers"),
        "{:?}",
        rig.changes
    );
    assert!(!rig.changes[0].back);
}

#[test]
fn a_refusal_and_an_error_are_answers_and_change_nothing() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    for kind in [
        FailureKind::Connect,
        FailureKind::Reset,
        FailureKind::Timeout,
        FailureKind::Garbage,
        FailureKind::Status(503),
    ] {
        (0..100).for_each(|_| rig.path.tried(kind, rig.now.at));
        rig.run(500);
    }
    assert!(rig.changes.is_empty());
}

#[test]
fn one_lost_packet_is_no_cut_and_an_answer_takes_the_doubt_back() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    for _ in 0..10 {
        rig.path.tried(FailureKind::ConnectTimeout, rig.now.at);
        rig.path.tried(FailureKind::ConnectTimeout, rig.now.at);
        assert!(rig.path.in_doubt());
        rig.run(2_500);
        assert!(!rig.path.in_doubt());
    }
    assert!(rig.changes.is_empty());
}

#[test]
fn three_tries_that_got_no_connection_are_enough_once_another_address_has_answered() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    rig.cut = vec![1];
    (0..3).for_each(|_| rig.path.tried(FailureKind::ConnectTimeout, rig.now.at));
    assert_eq!(rig.wish(), None, "not asked yet");
    rig.run(10);
    assert_eq!(rig.used(), 2);
}

#[test]
fn with_all_addresses_cut_it_stays_where_it_is_and_keeps_asking() {
    let mut rig = rig(&[2, 3]);
    rig.run(1_000);
    rig.cut = vec![1, 2, 3];
    rig.asked.clear();
    rig.run(10_000);
    assert_eq!((rig.used(), rig.changes.len()), (1, 0));
    assert!((30..=50).contains(&rig.asked.len()), "{}", rig.asked.len());
    rig.cut = vec![1, 2];
    rig.run(1_000);
    assert_eq!(rig.used(), 3);
}

#[test]
fn what_passed_before_the_doubt_began_proves_nothing() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    rig.cut = vec![1, 2];
    rig.run(20_000);
    assert!(rig.changes.is_empty());
}

#[test]
fn it_goes_back_after_the_hold_and_not_before() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    rig.cut = vec![1];
    rig.run(5_000);
    assert_eq!(rig.used(), 2);
    rig.cut.clear();
    rig.run(9_000);
    assert_eq!(rig.used(), 2, "the hold is 10 s");
    rig.run(6_000);
    assert_eq!(rig.used(), 1);
    let back = rig.changes.last().unwrap();
    assert!(back.back && back.why.contains("well again"), "{back:?}");
}

#[test]
fn with_manual_failback_a_person_says_when() {
    let mut rig = rig(&[2]);
    rig.settings.failover.failback_auto = false;
    rig.run(1_000);
    rig.cut = vec![1];
    rig.run(5_000);
    rig.cut.clear();
    rig.run(60_000);
    assert_eq!(rig.used(), 2);
    rig.path.agree();
    rig.run(3_000);
    assert_eq!(rig.used(), 1);
}

#[test]
fn a_relapse_doubles_the_hold_up_to_an_hour() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    let mut away = Vec::new();
    for _ in 0..12 {
        rig.cut = vec![1];
        rig.run(5_000);
        assert_eq!(rig.used(), 2);
        rig.cut.clear();
        let since = rig.now.at;
        while rig.used() == 2 {
            rig.run(1_000);
        }
        away.push(rig.now.at.since(since).as_secs());
    }
    let first = &away[..4];
    assert!(
        first.is_sorted() && first[0] <= 14 && first[3] >= 80,
        "{away:?}"
    );
    assert!(away.iter().all(|s| *s <= 3_610), "{away:?}");
    assert!(away[11] >= 3_590, "{away:?}");
}

#[test]
fn two_addresses_that_both_fail_by_turns_are_not_followed_faster_and_faster() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    for n in 0..300u64 {
        rig.cut = vec![1 + (n % 2) as u8];
        rig.run(2_000);
    }
    assert!(rig.changes.len() <= 600 / 8 + 10, "{}", rig.changes.len());
}

#[test]
fn what_was_sent_to_an_address_in_use_no_more_is_known_by_its_fence() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    let old = (rig.epoch, rig.path.id());
    rig.cut = vec![1];
    rig.run(5_000);
    assert!(rig.path.is_former(old.0));
    assert_ne!(rig.path.id(), old.1);
}

#[test]
fn a_reload_keeps_the_address_in_use_unless_it_or_the_first_is_another() {
    let mut rig = rig(&[2]);
    rig.run(1_000);
    rig.cut = vec![1];
    rig.run(5_000);
    let id = rig.path.id();
    assert!(rig.path.respecify(&spec(1, &[3, 2]), rig.now));
    assert_eq!((rig.used(), rig.path.id()), (2, id));
    assert!(!rig.path.respecify(&spec(1, &[3]), rig.now));
    assert_eq!(rig.used(), 1);
    assert_ne!(rig.path.id(), id);
}

#[test]
fn a_restart_goes_on_with_the_address_that_was_in_use() {
    let mut rig = rig(&[2]);
    assert_eq!(rig.path.carried(), None);
    rig.run(1_000);
    rig.cut = vec![1];
    rig.run(5_000);
    let carried = rig.path.carried().unwrap();
    let mut next = Path::new(&spec(1, &[2]), WallTime(5));
    next.restore(carried.clone());
    assert_eq!(next.target(), &target(2));
    assert_eq!(next.carried(), Some(carried.clone()));
    let mut other = Path::new(&spec(1, &[3]), WallTime(5));
    other.restore(carried);
    assert_eq!(other.target(), &target(1));
}

#[test]
fn a_name_that_never_resolved_is_left_for_an_address() {
    let name = Target::Name {
        host: "db".into(),
        port: 80,
    };
    let mut rig = rig(&[]);
    let spec = EndpointSpec {
        target: name.clone(),
        ..spec(1, &[2])
    };
    rig.path = Path::new(&spec, WallTime(0));
    rig.path.unresolved(&name, rig.now.at);
    rig.epoch.0 += 1;
    assert!(
        rig.path
            .send(rig.epoch, rig.settings.check.timeout, rig.now.at)
            .is_some()
    );
    let rules = rig.settings.rules();
    rig.path.probed(rig.epoch, true, "200", rules, rig.now.at);
    rig.follow();
    assert_eq!(rig.used(), 2);
    // It is followed from then on, and gone back to like any other.
    rig.path
        .resolved(&name, &Address::Ip(([10, 1, 0, 1], 80).into()), rig.now);
    rig.run(20_000);
    assert_eq!(rig.used(), 1);
}

#[test]
fn an_endpoint_with_one_address_never_changes_and_asks_nobody() {
    let mut rig = rig(&[]);
    rig.cut = vec![1];
    (0..100).for_each(|_| rig.path.tried(FailureKind::ConnectTimeout, rig.now.at));
    rig.run(20_000);
    assert!(rig.changes.is_empty() && rig.asked.is_empty());
    assert_eq!(rig.path.next_wakeup(), Time::NEVER);
}
