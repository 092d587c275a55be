//! The lists make sense together: the plain stories have the plain answers.

use super::*;

const NOW: Time = Time::from_millis(100_000);

fn item(evidence: Evidence, present: bool) -> Item {
    Item {
        evidence,
        present,
        source: Source::Check,
        at: NOW,
        value: String::new(),
    }
}

fn seen(present: &[Evidence], absent: &[Evidence]) -> Vec<Item> {
    let present = present.iter().map(|e| item(*e, true));
    let absent = absent.iter().map(|e| item(*e, false));
    present.chain(absent).collect()
}

use Evidence::*;

/// What is seen, what was looked for and is not there, and the cause any person would name.
const STORIES: &[(&[Evidence], &[Evidence], Cause)] = &[
    (&[ConnectionRefused, CheckFails], &[], Cause::ProcessDead),
    (
        &[ProcessEnded, Killed],
        &[ConfigChanged, MachineToo, PoolToo],
        Cause::ProcessDead,
    ),
    (
        &[ProcessEnded, ExitCode, ConnectionRefused, CheckFails],
        &[ConfigChanged],
        Cause::ProcessDead,
    ),
    (
        &[ConnectionRefused, ConnectionReset, CheckFails],
        &[PoolToo],
        Cause::ProcessDead,
    ),
    (
        &[NoAnswer, CheckFails],
        &[ProcessEnded, MachineToo, PoolToo],
        Cause::ProcessHung,
    ),
    (&[NoAnswer, Stalled, CheckFails], &[], Cause::ProcessHung),
    (
        &[ProcessStopped, NoAnswer],
        &[ProcessEnded],
        Cause::ProcessHung,
    ),
    (
        &[ConnectTimeout, CheckFails, MachineToo],
        &[PoolToo],
        Cause::HostDead,
    ),
    (
        &[ConnectTimeout, CheckFails],
        &[MachineToo],
        Cause::NetworkPathCut,
    ),
    (
        &[ConnectTimeout, CheckFails, MachineToo, AnswersElsewhere],
        &[PoolToo],
        Cause::NetworkPathCut,
    ),
    (
        &[Stalled, ConnectTimeout, CheckFails],
        &[
            CpuHigh,
            LoadHigh,
            DiskSlow,
            MachineToo,
            PoolToo,
            ProcessEnded,
            ProcessStopped,
            ConfigChanged,
        ],
        Cause::NetworkPathCut,
    ),
    (
        &[SlowAnswers, ConnectTimeout],
        &[CpuHigh, MemoryHigh, DiskSlow, CheckFails],
        Cause::NetworkSlow,
    ),
    (
        &[SlowAnswers],
        &[
            CpuHigh,
            MemoryHigh,
            DiskSlow,
            CheckFails,
            ConnectTimeout,
            ProcessEnded,
            ProcessStopped,
            MachineToo,
            PoolToo,
            ConfigChanged,
        ],
        Cause::ProcessHung,
    ),
    (
        &[SlowAnswers, CpuHigh, LoadHigh],
        &[MemoryHigh, DiskSlow],
        Cause::CpuOverload,
    ),
    (
        &[MemoryHigh, MemoryGrowing, SlowAnswers],
        &[CpuHigh],
        Cause::MemoryLeak,
    ),
    (
        &[MemoryHigh, Swapping, ProcessEnded, Killed, OutOfMemoryKill],
        &[MemoryGrowing],
        Cause::MemoryExhausted,
    ),
    (&[DiskFull, ErrorStatus], &[PoolToo], Cause::DiskFull),
    (&[InodesFull, DiskFull, ErrorStatus], &[], Cause::DiskFull),
    (
        &[DiskSlow, LoadHigh, SlowAnswers],
        &[CpuHigh, MemoryHigh],
        Cause::DiskSlow,
    ),
    (
        &[ErrorStatus, PoolToo],
        &[ReleaseChanged, ConfigChanged],
        Cause::DependencyDown,
    ),
    (
        &[ErrorStatus, CheckFails, PoolToo, MachineToo, EverythingToo],
        &[ProcessEnded, ReleaseChanged, ConfigChanged, DiskFull],
        Cause::DependencyDown,
    ),
    (
        &[ErrorStatus, NoAnswer, PoolToo, MachineToo, OtherPoolDown],
        &[ProcessEnded, ReleaseChanged, ConfigChanged],
        Cause::DependencyDown,
    ),
    (&[ErrorStatus, ReleaseChanged], &[], Cause::BadRelease),
    (
        &[ErrorStatus, ReleaseChanged, PoolToo],
        &[OtherPoolDown],
        Cause::BadRelease,
    ),
    (
        &[ProcessEnded, ExitCode, RestartLoop, ReleaseChanged],
        &[PortTaken],
        Cause::BadRelease,
    ),
    (
        &[ConnectionRefused, CheckFails, ConfigChanged],
        &[ProcessEnded],
        Cause::BadConfig,
    ),
    (
        &[CertificateExpired, CheckFails],
        &[],
        Cause::CertificateExpired,
    ),
    (
        &[CertificateExpired, CheckFails, PoolToo],
        &[],
        Cause::CertificateExpired,
    ),
    (
        &[PortTaken, ProcessEnded, ExitCode],
        &[CheckFails],
        Cause::PortTaken,
    ),
    (
        &[
            ConnectTimeout,
            MachineToo,
            ZoneToo,
            PoolToo,
            EverythingToo,
            OtherPoolDown,
        ],
        &[],
        Cause::BalancerItself,
    ),
    (
        &[NoAnswer, SelfPaused, EverythingToo, PoolToo],
        &[],
        Cause::BalancerItself,
    ),
];

#[test]
fn plain_stories_have_plain_causes() {
    let mut reasoner = Reasoner::new();
    let mut wrong = Vec::new();
    for (present, absent, cause) in STORIES {
        let ranked = reasoner.rank(&seen(present, absent), NOW);
        let told: Vec<_> = ranked
            .iter()
            .map(|r| format!("{} {:.3}", r.cause.name(), r.probability))
            .collect();
        if ranked[0].cause != *cause {
            wrong.push(format!(
                "{present:?} without {absent:?}: wanted {}, found {told:?}",
                cause.name()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_what_was_reached_and_says_that_it_errs_the_balancer_is_not_suspected() {
    // What it needs hangs: its workers all wait, nobody is left to take connections, and everything is down.
    let present = [
        ConnectTimeout,
        NoAnswer,
        ErrorStatus,
        CheckFails,
        ProcessStopped,
        MachineToo,
        PoolToo,
        OtherPoolDown,
    ];
    let absent = [
        ProcessEnded,
        OutOfMemoryKill,
        NotStarted,
        CpuHigh,
        LoadHigh,
        MemoryHigh,
        Swapping,
        DiskFull,
        InodesFull,
        DiskSlow,
        DescriptorsFull,
        ReleaseChanged,
        ConfigChanged,
    ];
    let ranked = Reasoner::new().rank(&seen(&present, &absent), NOW);
    assert_eq!(ranked[0].cause, Cause::DependencyDown, "{ranked:#?}");
    assert!(ranked[0].probability > 0.95, "{ranked:#?}");
}

#[test]
fn causes_stand_at_their_numbers_with_proper_tables() {
    for (number, entry) in CAUSES.iter().enumerate() {
        let name = entry.part.name;
        assert_eq!(entry.cause as usize, number, "{name}");
        assert_eq!(Cause::named(name), Some(entry.cause));
        assert!(entry.prior > 0.0 && !entry.part.summary.is_empty() && !entry.advice.is_empty());
        assert!(!entry.afterwards.is_empty());
        let figures = entry.conditions.iter().map(|(_, p)| *p);
        for p in figures.chain(entry.evidence.iter().map(|(_, p)| *p)) {
            assert!(p > 0.0 && p < 1.0, "{name}: {p}");
        }
        let mut kinds: Vec<_> = entry.evidence.iter().map(|(e, _)| *e).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(
            kinds.len(),
            entry.evidence.len(),
            "{name} names evidence twice"
        );
    }
    let total: f64 = CAUSES.iter().map(|entry| entry.prior).sum();
    assert!((total - 1.0).abs() < 1e-9, "the priors add up to {total}");
}

#[test]
fn the_network_of_the_lists_equals_the_whole_joint_added_up() {
    let mut reasoner = Reasoner::new();
    for (present, absent, _) in STORIES {
        let items = seen(present, absent);
        let found = reasoner.posterior(&items, NOW);
        let wanted = by_hand(&items);
        for (f, w) in found.iter().zip(&wanted) {
            assert!((f - w).abs() < 1e-12, "{present:?}: {f} and {w}");
        }
    }
}

/// For each cause, over all 2^10 combinations of conditions: written from the definition of the tables, not from the
/// network.
fn by_hand(items: &[Item]) -> Vec<f64> {
    let or = |own: f64, from: &[(Condition, f64)], there: usize| {
        let active = from.iter().filter(|(c, _)| there & 1 << *c as usize != 0);
        let absent = active.fold(1.0 - own, |absent, (_, w)| absent * (1.0 - w));
        1.0 - absent.clamp(LEAST, 1.0 - LEAST)
    };
    let seen = likelihoods(items, NOW);
    let mut sums = Vec::new();
    for entry in CAUSES {
        let mut sum = 0.0;
        for there in 0..1usize << CONDITIONS.len() {
            let mut p = entry.prior;
            for (number, condition) in CONDITIONS.iter().enumerate() {
                let own = of(entry.conditions, condition.condition, condition.leak);
                let yes = or(own, condition.from, there);
                p *= if there & 1 << number != 0 {
                    yes
                } else {
                    1.0 - yes
                };
            }
            for (evidence, likelihood) in &seen {
                let kind = evidence.entry();
                let yes = or(of(entry.evidence, *evidence, kind.leak), kind.from, there);
                p *= (1.0 - yes) * likelihood[0] + yes * likelihood[1];
            }
            sum += p;
        }
        sums.push(sum);
    }
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| sum / total).collect()
}

#[test]
fn without_evidence_the_priors_stand_and_old_evidence_becomes_none() {
    let mut reasoner = Reasoner::new();
    let none = reasoner.posterior(&[], NOW);
    for (found, entry) in none.iter().zip(CAUSES) {
        assert!((found - entry.prior).abs() < 1e-12);
    }
    let items = seen(&[CertificateExpired], &[]);
    let fresh = reasoner.posterior(&items, NOW);
    let years = reasoner.posterior(&items, NOW + Duration::from_secs(40_000_000));
    let expired = Cause::CertificateExpired as usize;
    assert!(fresh[expired] > 0.99);
    assert!((years[expired] - none[expired]).abs() < 1e-9);
}

#[test]
fn a_weight_is_what_an_observation_does_to_the_odds() {
    let mut reasoner = Reasoner::new();
    let items = seen(&[ConnectionRefused, CheckFails], &[ProcessEnded]);
    let ranked = reasoner.rank(&items, NOW);
    let with = reasoner.posterior(&items, NOW);
    let without = reasoner.posterior(&items[..2], NOW);
    let dead = ranked.iter().find(|r| r.cause == Cause::ProcessDead);
    let reason = dead.and_then(|r| r.because.iter().find(|b| b.evidence == ProcessEnded));
    let odds = |p: f64| p / (1.0 - p);
    let number = Cause::ProcessDead as usize;
    let wanted = (odds(with[number]) / odds(without[number])).ln();
    let found = reason.map_or(0.0, |r| r.weight);
    assert!((found - wanted).abs() < 1e-9, "{found}, wanted {wanted}");
    assert!(
        found < -1.0,
        "that the process lives speaks against its death"
    );
}

#[test]
fn everything_at_once_is_still_a_distribution() {
    let mut reasoner = Reasoner::new();
    for present in [true, false] {
        let items: Vec<_> = EVIDENCE.iter().map(|e| item(e.evidence, present)).collect();
        let all = reasoner.posterior(&items, NOW);
        let sum: f64 = all.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9 && all.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}
