//! Whatever happens in the life of an account, it adds up.

use proptest::prelude::*;

use super::*;

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Change(usize, State),
    Configure(Vec<usize>),
    /// The calendar's clock jumps by so many ms.
    Jump(i64),
    /// Restart after so many ms of this process's life were not stored, and so long a gap.
    Restart(u64, u64),
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn step() -> impl Strategy<Value = Step> {
    let state = proptest::sample::select(&State::ALL[..]);
    prop_oneof![
        4 => (0u64..100_000_000_000).prop_map(Step::Pass),
        1 => (0u64..1_000_000_000_000_000).prop_map(Step::Pass),
        6 => (0..NAMES.len(), state).prop_map(|(n, state)| Step::Change(n, state)),
        1 => proptest::sample::subsequence(vec![0, 1, 2], 1..3).prop_map(Step::Configure),
        1 => (-10_000_000_000i64..10_000_000_000).prop_map(Step::Jump),
        2 => (0u64..60_000, 0u64..100_000_000).prop_map(|(lost, gap)| Step::Restart(lost, gap)),
    ]
}

/// An account and, beside it, what it must add up to.
struct Life {
    account: PoolAccount,
    now: Now,
    /// Nanoseconds the pool and each of the endpoints must have.
    elapsed: u64,
    endpoints: std::collections::BTreeMap<&'static str, u64>,
}

impl Life {
    fn new() -> Life {
        let now = at(Duration::ZERO);
        let objective = ObjectiveSettings {
            window: Duration::from_secs(3 * 86_400),
            ..ObjectiveSettings::default()
        };
        let account = PoolAccount::new("app".into(), objective, now);
        let (elapsed, endpoints) = Default::default();
        let mut life = Life {
            account,
            now,
            elapsed,
            endpoints,
        };
        life.configure(&[0]);
        life
    }

    fn tell_configured(&mut self, names: &[&str]) {
        let objective = self.account.objective;
        let endpoints = &seen(names, None);
        self.account.on(
            AccountEvent::Configured {
                objective,
                endpoints,
            },
            self.now,
        );
    }

    fn configure(&mut self, numbers: &[usize]) {
        let names: Vec<&'static str> = numbers.iter().map(|n| NAMES[*n]).collect();
        self.tell_configured(&names);
        self.endpoints.retain(|name, _| names.contains(name));
        for name in names {
            self.endpoints.entry(name).or_default();
        }
    }

    fn pass(&mut self, ns: u64) {
        self.now.at = self.now.at + Duration::from_nanos(ns);
        self.now.wall.0 += ns / 1_000_000;
        self.elapsed += ns;
        self.endpoints
            .values_mut()
            .for_each(|elapsed| *elapsed += ns);
    }

    fn restart(&mut self, lost: u64, gap: u64) {
        let kept = self.account.keep(self.now);
        // What comes now is never stored; then the balancer is away.
        let away = (lost + gap) * 1_000_000;
        self.now.at = Time::from_nanos(lost * 31);
        self.now.wall.0 += lost + gap;
        let objective = self.account.objective;
        self.account = PoolAccount::new("app".into(), objective, self.now);
        let names: Vec<_> = self.endpoints.keys().copied().collect();
        self.tell_configured(&names);
        self.account.remember(&kept);
        self.elapsed += away;
        self.endpoints
            .values_mut()
            .for_each(|elapsed| *elapsed += away);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(ns) => self.pass(ns),
            Step::Change(n, to) => {
                let endpoint = NAMES[n];
                self.account.on(
                    AccountEvent::Changed {
                        endpoint,
                        to,
                        by: DecidedBy::Check,
                    },
                    self.now,
                );
            }
            Step::Configure(numbers) => self.configure(&numbers),
            Step::Jump(ms) => self.now.wall.0 = self.now.wall.0.saturating_add_signed(ms),
            Step::Restart(lost, gap) => self.restart(lost, gap),
        }
    }
}

proptest! {
    #[test]
    fn the_four_kinds_always_add_up_to_elapsed_time_to_the_nanosecond(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut life = Life::new();
        let window = life.account.objective.window.as_nanos() as u64;
        for step in steps {
            life.step(step);
            let report = life.account.report(life.now);
            prop_assert_eq!(report.figures.sum.len(), life.elapsed.min(window));
            for endpoint in &report.endpoints {
                let elapsed = life.endpoints[&*endpoint.name];
                prop_assert_eq!(endpoint.figures.sum.len(), elapsed.min(window));
            }
            let kept = life.account.keep(life.now);
            prop_assert_eq!(kept.elapsed.as_nanos() as u64, life.elapsed);
            prop_assert!(kept.endpoints.iter().all(|e| e.book.pieces.len() <= PIECES_MAX));
        }
    }

    #[test]
    fn the_same_events_give_the_same_account(steps in proptest::collection::vec(step(), 1..40)) {
        let run = || {
            let mut life = Life::new();
            for step in steps.clone() {
                life.step(step);
            }
            life.account.keep(life.now)
        };
        prop_assert_eq!(run(), run());
    }
}
