//! Who else is in trouble: whether a fault is of one process, or of something that several share.
//!
//! A group (a machine, a pool, a zone, everything) is at fault when all of it that can be seen is in trouble at the same
//! time, by signs of the same kind that began within [`WINDOW`] of each other, and it has at least two processes. A pool
//! or a zone must be on at least two machines besides, else its machine explains it just as well; a pool whose machine is spared needs no second one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnose::{Evidence, Item, Source};
use crate::table::State;
use crate::time::Time;

use super::subject::{Stand, Subject};
use super::words::Reach;

/// First signs of one fault come within this: three checks two seconds apart, and a little.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

pub(crate) type Subjects = BTreeMap<Arc<str>, Subject>;

/// The subjects that fail for the same reason as this one, itself included, and what they share.
pub(crate) fn of(subjects: &Subjects, key: &str, now: Time) -> (Reach, Vec<Arc<str>>) {
    let Some(own) = subjects.get(key) else {
        return (Reach::Instance, Vec::new());
    };
    let mut best = (Reach::Instance, instance(subjects, own, now));
    let machine = group(subjects, own, Reach::Machine, now);
    let spared = !machine.iter().all(|other| together(own, other, now));
    for reach in [Reach::Machine, Reach::Pool, Reach::Zone, Reach::Everything] {
        let group = group(subjects, own, reach, now);
        let troubled = group.iter().all(|other| together(own, other, now));
        if troubled
            && !unseen(subjects, own, reach)
            && (is_wide(&group, reach) || (spared && is_pool(&group, reach)))
            && group.len() > best.1.len()
        {
            let keys = group.iter().map(|s| s.spec.key.clone());
            best = (reach, keys.collect());
        }
    }
    best
}

/// What the neighbours say of a fault of this subject: only where there are any.
pub(crate) fn evidence(subjects: &Subjects, own: &Subject, now: Time) -> Vec<Item> {
    let mut items = Vec::new();
    let seen = |(reach, _): &(Reach, Evidence)| !unseen(subjects, own, *reach);
    let kinds = [
        (Reach::Machine, Evidence::MachineToo),
        (Reach::Pool, Evidence::PoolToo),
        (Reach::Zone, Evidence::ZoneToo),
        (Reach::Everything, Evidence::EverythingToo),
    ];
    for (reach, evidence) in kinds.into_iter().filter(seen) {
        let group = group(subjects, own, reach, now);
        let others = group
            .iter()
            .filter(|s| s.spec.instance != own.spec.instance);
        let others: Vec<_> = others.collect();
        if others.is_empty() || (reach >= Reach::Zone && !is_wide(&group, reach)) {
            continue;
        }
        let failing = others.iter().filter(|s| ailing(own, s, now)).count();
        items.push(Item {
            evidence,
            present: failing == others.len(),
            source: Source::Company,
            at: now,
            value: format!("{failing} of {} others fail", others.len()),
        });
    }
    items.extend(other_pools(subjects, own, now));
    items
}

/// Is a pool that this subject is not in down as a whole?
fn other_pools(subjects: &Subjects, own: &Subject, now: Time) -> Option<Item> {
    let mut pools: BTreeMap<&str, bool> = BTreeMap::new();
    for subject in subjects.values().filter(|s| s.spec.pool != own.spec.pool) {
        if let Some(pool) = subject
            .spec
            .pool
            .as_deref()
            .filter(|_| subject.observable(now))
        {
            let down = subject.stand(now) == Stand::Down;
            *pools.entry(pool).or_insert(true) &= down;
        }
    }
    let down: Vec<_> = pools
        .iter()
        .filter(|(_, down)| **down)
        .map(|(p, _)| *p)
        .collect();
    (!pools.is_empty()).then(|| Item {
        evidence: Evidence::OtherPoolDown,
        present: !down.is_empty(),
        source: Source::Company,
        at: now,
        value: down.join(", "),
    })
}

fn instance(subjects: &Subjects, own: &Subject, now: Time) -> Vec<Arc<str>> {
    let same = |s: &&Subject| {
        let itself = s.spec.key == own.spec.key;
        itself || (s.spec.instance == own.spec.instance && in_trouble(s, now))
    };
    subjects
        .values()
        .filter(same)
        .map(|s| s.spec.key.clone())
        .collect()
}

fn group<'a>(subjects: &'a Subjects, own: &Subject, reach: Reach, now: Time) -> Vec<&'a Subject> {
    let all = subjects.values();
    all.filter(|s| shares(own, s, reach) && s.observable(now))
        .collect()
}

fn shares(own: &Subject, other: &Subject, reach: Reach) -> bool {
    let (own, other) = (&own.spec, &other.spec);
    match reach {
        Reach::Instance => other.instance == own.instance,
        Reach::Machine => own.machine.is_some() && other.machine == own.machine,
        Reach::Pool => own.pool.is_some() && other.pool == own.pool,
        Reach::Zone => own.zone.is_some() && other.zone == own.zone,
        Reach::Everything => other.pool.is_some(),
    }
}

/// Is there one in the group that nobody has looked at yet? Then nothing can be said of all of it.
fn unseen(subjects: &Subjects, own: &Subject, reach: Reach) -> bool {
    subjects.values().any(|other| {
        let unknown = other.state == State::Unknown;
        let nameless = other.board.get(Evidence::NameUnknown);
        unknown && shares(own, other, reach) && nameless.is_none_or(|item| !item.present)
    })
}

/// A pool on one machine, where the machine is no reason because others on it are well.
fn is_pool(group: &[&Subject], reach: Reach) -> bool {
    let instances: BTreeSet<_> = group.iter().map(|s| &s.spec.instance).collect();
    reach == Reach::Pool && instances.len() >= 2
}

/// Enough processes, and enough machines, for the group itself to be the reason.
fn is_wide(group: &[&Subject], reach: Reach) -> bool {
    let instances: BTreeSet<_> = group.iter().map(|s| &s.spec.instance).collect();
    let machines: BTreeSet<_> = group.iter().map(|s| &s.spec.machine).collect();
    let wanted = match reach {
        Reach::Everything => 3,
        _ => 2,
    };
    instances.len() >= wanted && (reach == Reach::Machine || machines.len() >= 2)
}

fn in_trouble(subject: &Subject, now: Time) -> bool {
    matches!(subject.stand(now), Stand::Down | Stand::Suspect)
}

/// In trouble at once, from the same time on, by signs of the same class.
fn together(own: &Subject, other: &Subject, now: Time) -> bool {
    let near = match (own.first_sign, other.first_sign) {
        (Some(own), Some(other)) => own.max(other).since(own.min(other)) <= WINDOW,
        _ => false,
    };
    let alike = own.board.symptoms(now) & other.board.symptoms(now) != 0;
    in_trouble(other, now) && near && alike
}

/// In trouble now, or part of the same fault.
fn ailing(own: &Subject, other: &Subject, now: Time) -> bool {
    let same = own.incident.is_some() && own.incident == other.incident;
    same || together(own, other, now)
}
