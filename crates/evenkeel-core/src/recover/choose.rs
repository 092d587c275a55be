//! Which action, if any: the least harmful that fits the ranked causes, is allowed, possible and rested, and has not failed already.
//!
//! How well an action fits is the probability that it helps: over all causes, how probable the cause is times how probably the
//! action helps against it. Whatever fits at least half as well as the best one is a candidate, and of those the least harmful
//! is taken; between equally harmless ones the one that has cured this cause more often before.

use std::time::Duration;

use crate::diagnose::{Cause, Scope};
use crate::settings::ServiceSpec;
use crate::supervise::ServiceState;
use crate::time::{Now, Time, WallTime};

use super::actions::{ACTIONS, Action, Harm, Needs, Step};
use super::case::{Behind, Case};
use super::history::History;
use super::order::End;

/// Less probable help is none.
const FIT_MIN: f64 = 0.2;
/// A candidate fits at least so well, beside the best one.
const FIT_SHARE: f64 = 0.5;
/// A fault is looked at for so long before traffic is moved or files are deleted for it; its first sign is often not its plainest.
const SETTLE_LITTLE: Duration = Duration::from_millis(500);
/// Before a service is touched its facts must have been read once more, which happens every second.
const SETTLE: Duration = Duration::from_millis(1500);
/// Cured by the same action so short a time ago, it was not cured.
const RELAPSE: Duration = Duration::from_secs(300);

/// Whoever rests no longer than this is waited for without a word.
const RESTS_LONG: Duration = Duration::from_secs(15);

/// The kernel's word of when a process began may be off by so much; nobody is judged and treated sooner after it began.
const CLOCKS: Duration = Duration::from_secs(1);

const INTERRUPTED: &str = "was under way when the balancer before this one ended, and how far it came nobody knows: it is not done again by itself, but a person may order it";

/// What came of choosing.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// This.
    Take {
        action: &'static Action,
        cause: Cause,
        /// Whether more than one was to choose from, and why this one.
        why: String,
    },
    /// Something may be possible then; why not now, where that is long.
    Wait(Time, Option<String>),
    /// Nothing; why not, for each that would treat it.
    Nothing(Vec<String>),
}

/// An action that is not to be taken.
enum Obstacle {
    Until(Time),
    /// It was done to it before.
    Rests(Time),
    Because(String),
}

/// `since` = when this subject was first seen sick, of late: it may have been on its way back before, or waited for a person.
pub(crate) fn choose(case: &Case<'_>, since: Time, history: &History, now: Now) -> Choice {
    let (mut wait, mut reasons) = ((Time::NEVER, None), Vec::new());
    let mut fitting: Vec<(&'static Action, f64)> = Vec::new();
    for action in ACTIONS.iter().copied() {
        let fit = fit(case, action);
        if fit < FIT_MIN {
            continue;
        }
        match obstacle(case, action, since, history, now) {
            None => fitting.push((action, fit)),
            Some(Obstacle::Until(at)) if at < wait.0 => wait = (at, None),
            Some(Obstacle::Rests(at)) if at < wait.0 => wait = (at, rests(action, at, now)),
            Some(Obstacle::Until(_) | Obstacle::Rests(_)) => (),
            Some(Obstacle::Because(why)) => reasons.push(format!("{}: {why}", action.part.name)),
        }
    }
    let best = fitting.iter().map(|(_, fit)| *fit).fold(0.0, f64::max);
    fitting.retain(|(_, fit)| *fit >= best * FIT_SHARE);
    let cause = case.cause();
    let rank = |(action, fit): &(&'static Action, f64)| {
        let relapsed = relapsed(case, action, history, now);
        let rate = history.cures(cause, action).rate();
        (relapsed, action.harm, 1.0 - rate, 1.0 - fit)
    };
    fitting.sort_by(|a, b| {
        let order = rank(a).partial_cmp(&rank(b));
        order.unwrap_or(std::cmp::Ordering::Equal)
    });
    match fitting.first() {
        Some((action, fit)) => Choice::Take {
            action,
            cause: treated(case, action),
            why: words(case, action, *fit, fitting.len(), history),
        },
        None if wait.0 != Time::NEVER => Choice::Wait(wait.0, wait.1),
        None if reasons.is_empty() => Choice::Nothing(vec![match case.scope {
            Scope::Us => "the fault is most probably evenkeel's own".to_owned(),
            _ => format!("nothing that is known treats {}", cause.name()),
        }]),
        None => Choice::Nothing(reasons),
    }
}

fn fit(case: &Case<'_>, action: &Action) -> f64 {
    let helps = |cause: Cause| {
        let found = action.treats.iter().find(|(treated, _)| *treated == cause);
        found.map_or(0.0, |(_, helps)| *helps)
    };
    let causes = case.causes.iter();
    causes.map(|r| r.probability * helps(r.cause)).sum()
}

/// The most probable of the causes that it treats.
fn treated(case: &Case<'_>, action: &Action) -> Cause {
    let treats = |cause: Cause| action.treats.iter().any(|(treated, _)| *treated == cause);
    let found = case.causes.iter().find(|ranked| treats(ranked.cause));
    found.map_or(case.cause(), |ranked| ranked.cause)
}

fn words(
    case: &Case<'_>,
    action: &'static Action,
    fit: f64,
    of: usize,
    history: &History,
) -> String {
    let cause = treated(case, action);
    let ranked = case.causes.iter().find(|r| r.cause == cause);
    let percent = ranked.map_or(0.0, |r| r.probability * 100.0);
    let choice = match of {
        1 => "the only one that fits".to_owned(),
        n => format!("the least harmful of {n} that fit"),
    };
    let counted = history.cures(cause, action);
    let record = match counted.tried {
        0 => String::new(),
        tried => format!("; cured it {} of {tried} times so far", counted.cured),
    };
    let name = cause.name();
    format!(
        "{name} ({percent:.0} %): {choice}, helps with {:.0} %{record}",
        fit * 100.0
    )
}

fn obstacle(
    case: &Case<'_>,
    action: &'static Action,
    since: Time,
    history: &History,
    now: Now,
) -> Option<Obstacle> {
    let because = |why: &str| Some(Obstacle::Because(why.to_owned()));
    let name = action.part.name;
    if let Some(why) = out_of_scope(case, action) {
        return because(why);
    }
    if !case.settings.allows(action) {
        return because("not in `allow`");
    }
    if let Some(why) = lacking(case, action) {
        return because(why);
    }
    let acts = !matches!(action.needs, Needs::Nothing | Needs::Endpoint);
    if acts && case.service.as_ref().is_some_and(|s| !s.heard) {
        return because("its agent is not connected");
    }
    if acts
        && case
            .service
            .as_ref()
            .is_some_and(|s| !touchable(s, case, history, now))
    {
        return Some(Obstacle::Until(now.at + SETTLE_LITTLE));
    }
    if history.interrupted_for(&case.subject, case.incident, name) {
        return because(INTERRUPTED);
    }
    if history.failed_for(&case.subject, case.incident, name) {
        return because("tried, and did not help");
    }
    if case.usable && action.harm >= Harm::Some && !case.spare {
        return because("min_healthy would not be left without it");
    }
    let begun = case.opened.max(since);
    let ready = match action.harm {
        Harm::Nothing => begun,
        Harm::Little => begun + SETTLE_LITTLE,
        _ => begun + SETTLE,
    };
    let rested = history.rested(&case.subject, case.patient(), action, now);
    match ready.max(rested) {
        at if at <= now.at => None,
        at if rested > ready => Some(Obstacle::Rests(at)),
        at => Some(Obstacle::Until(at)),
    }
}

/// What a person is told of an action that rests, unless that is over at once.
fn rests(action: &Action, until: Time, now: Now) -> Option<String> {
    let left = until.since(now.at);
    (left > RESTS_LONG).then(|| {
        let (name, left) = (action.part.name, left.as_secs());
        format!(
            "{name}: fits, and was done here not long ago; it rests for another {left} s, and a person may order it now"
        )
    })
}

/// What is not the service's fault is not treated at the service.
fn out_of_scope(case: &Case<'_>, action: &Action) -> Option<&'static str> {
    let touches = |step: &Step| !matches!(step, Step::Balancer | Step::Control | Step::Relief);
    let touches = action.steps.iter().any(touches);
    match case.scope {
        Scope::Us => Some("the fault is most probably evenkeel's own"),
        Scope::Path | Scope::Zone if touches => Some("the trouble is not where it would act"),
        // What the operator says may still be right.
        Scope::Dependency if touches && action.needs != Needs::Command => {
            Some("the trouble is something they all need")
        }
        _ => None,
    }
}

/// What it needs and is not there.
fn lacking(case: &Case<'_>, action: &Action) -> Option<&'static str> {
    if action.part.name == "switch_network" {
        // Who has other addresses goes to the next one by itself, see `health`.
        return Some("there is no other address that answers");
    }
    if action.needs == Needs::Nothing {
        return None;
    }
    if action.needs == Needs::Endpoint {
        // What has no work already, and cannot be restarted, cannot be relieved.
        let idle = case.endpoint.is_none() || !case.usable;
        return (idle && case.service.is_none()).then_some("it has no work already");
    }
    let Some(service) = &case.service else {
        return Some("no supervised service stands behind it");
    };
    let care = &service.spec.care;
    let missing = |there: bool, why: &'static str| (!there).then_some(why);
    match action.needs {
        Needs::MemoryMax => missing(care.memory_max.is_some(), "the service has no `memory_max`"),
        Needs::DiskPaths => missing(
            !care.disk_paths.is_empty(),
            "the service has no `disk_paths`",
        ),
        Needs::Release => missing(care.release.is_some(), "the service has no `release`"),
        Needs::Data if care.data.is_none() => Some("the service has no `data`"),
        // What was copied since may be as broken. Where nobody has told yet, whoever carries it out looks.
        Needs::Data => {
            let sound = |oldest: Option<WallTime>| oldest.is_some_and(|made| made < case.since);
            let there = service.oldest_point.is_none_or(sound);
            missing(
                there,
                "there is no recovery point from before the fault that can be restored",
            )
        }
        Needs::Command => missing(
            command(&service.spec, case).is_some(),
            "the service has no command named as the cause, or `recover`",
        ),
        Needs::Nothing | Needs::Endpoint | Needs::Service => None,
    }
}

/// Supervision has its own plans with one that is ending or starting. One that was taken over from an earlier process of ours counts as
/// starting until it is seen to be ready, and one that hangs never is: it was ready before if it has had the time for that, or if
/// something was done about it since it began, which is done to nobody who only starts.
fn touchable(service: &Behind, case: &Case<'_>, history: &History, now: Now) -> bool {
    match service.state {
        ServiceState::Ready | ServiceState::Failed => true,
        ServiceState::Starting => service.begun.is_some_and(|begun| {
            let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let ran = now.wall.0.saturating_sub(begun.0);
            let after = WallTime(begun.0.saturating_add(ms(CLOCKS)));
            ran >= ms(service.spec.ready_timeout)
                || history.begun_after(&case.subject, case.patient(), after)
        }),
        _ => false,
    }
}

/// The operator's command for this: named as one of the probable causes is, else `recover`.
pub(crate) fn command(spec: &ServiceSpec, case: &Case<'_>) -> Option<String> {
    let there = |name: &&str| spec.care.commands.iter().any(|(n, _)| n == name);
    let probable = case.causes.iter().filter(|r| r.probability >= FIT_MIN);
    let mut names = probable.map(|r| r.cause.name()).chain(["recover"]);
    names.find(there).map(str::to_owned)
}

/// Did it cure this a moment ago, and it is back?
fn relapsed(case: &Case<'_>, action: &Action, history: &History, now: Now) -> bool {
    history.of(&case.subject).any(|tried| {
        let ended = tried.ended.unwrap_or(tried.at);
        let ago = now.wall.0.saturating_sub(ended.0);
        tried.action.name() == action.part.name
            && tried.end == End::Cured
            && tried.incident != case.incident
            && u128::from(ago) < RELAPSE.as_millis()
    })
}
