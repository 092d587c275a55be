//! The whole story of an incident: what happened, what clients noticed, why most probably, what was done and by whom.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_core::diagnose::{Cause, Evidence};
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{
    ActionStatus, BecauseStatus, CauseStatus, EndpointStatus, IncidentStatus, NoticedStatus,
    ObservationStatus,
};

use super::{percent, subjects, time, todo};
use crate::commands::status::age_of;
use crate::style::Out;

/// Causes explained besides the first.
const OTHERS_SHOWN: usize = 2;
/// Below this another cause is not worth a sentence.
const WORTH_A_WORD: f64 = 0.02;

/// Tells it. `present`: its endpoints as they are now, by `POOL/ENDPOINT`.
pub(super) fn tell(
    out: &Out,
    incident: &IncidentStatus,
    present: &BTreeMap<String, EndpointStatus>,
) {
    let title = format!("Incident {}: {}", incident.id, subjects(incident));
    out.line(&format!(
        "{}  {}",
        out.bold(&title),
        out.state(&incident.state, &incident.state)
    ));
    out.line("");
    out.line(&happened(incident));
    for phase in incident.phases.iter().filter(|_| incident.phases.len() > 1) {
        out.line(&format!(
            "    {}  {}",
            phase.subject,
            out.state(&phase.phase, &phase.phase)
        ));
    }
    for noticed in &incident.clients {
        out.line(&clients(noticed));
    }
    out.line("");
    why(out, incident);
    out.line("");
    done(out, incident);
    out.line("");
    todo::tell(out, incident, present);
}

fn happened(incident: &IncidentStatus) -> String {
    let one = incident.subjects.len() == 1;
    let what = match (incident.scope.as_str(), one) {
        _ if !incident.harmed && one => "was about to stop serving",
        _ if !incident.harmed => "were about to stop serving",
        ("endpoint", _) => "stopped serving",
        ("node", true) => "stopped serving: the trouble is its machine's",
        ("node", _) => "stopped serving: the trouble is their machine's",
        ("path", _) => "could not be reached: the trouble is on the way there",
        ("zone", _) => "stopped serving: the trouble is their zone's",
        ("dependency", true) => "fails, and the trouble is something it needs",
        ("dependency", _) => "fail together: the trouble is something they need",
        ("release", true) => "fails since something was changed on it",
        ("release", _) => "fail since something was changed on them",
        _ => "seems to fail, but the trouble is most probably evenkeel's own",
    };
    let mut text = format!(
        "What happened: {} {what}. The first sign was at {} ({} ago)",
        subjects(incident),
        incident.first_sign,
        age_of(&incident.first_sign)
    );
    match incident.times_ms.detect {
        Some(0) => text += "; it was known to be a fault at once",
        Some(ms) => text += &format!("; it was known to be a fault {} later", time(ms)),
        None => (),
    }
    text + &ended(incident)
}

/// How it ended, if it did.
fn ended(incident: &IncidentStatus) -> String {
    let taken_out = incident
        .actions
        .last()
        .is_some_and(|last| last.is_asked() && matches!(last.action.as_str(), "drain" | "maint"));
    let ended = match incident.harmed {
        _ if taken_out => "A person took it out",
        true => "Everything served again",
        false => "It was averted",
    };
    match (incident.times_ms.restore, &incident.closed) {
        (Some(ms), Some(_)) => format!(". {ended} after {}.", time(ms)),
        (Some(ms), None) => format!(
            ". Everything served again after {}, and is watched.",
            time(ms)
        ),
        _ => ". It is not over.".to_owned(),
    }
}

/// "What clients noticed: of 2340 requests to pool app meanwhile 3 failed, 41 were tried again, 2 took longer than 1 s."
fn clients(noticed: &NoticedStatus) -> String {
    let NoticedStatus {
        pool,
        requests,
        failed,
        retried,
        slow,
    } = noticed;
    if *requests == 0 {
        return format!("What clients noticed: nothing. No request came to pool {pool} meanwhile.");
    }
    let mut all = Vec::new();
    if *failed > 0 {
        all.push(format!("{failed} failed"));
    }
    if *slow > 0 {
        all.push(format!("{slow} took longer than 1 s"));
    }
    let saved = match retried {
        0 => String::new(),
        1 => " A failed try was made again elsewhere.".to_owned(),
        n => format!(" {n} failed tries were made again elsewhere."),
    };
    match all.is_empty() {
        true => format!(
            "What clients noticed: nothing. None of {requests} requests to pool {pool} meanwhile failed or took longer than 1 s.{saved}"
        ),
        false => format!(
            "What clients noticed: of {requests} requests to pool {pool} meanwhile {}.{saved}",
            all.join(", ")
        ),
    }
}

fn why(out: &Out, incident: &IncidentStatus) {
    let Some(first) = incident.causes.first() else {
        return out.line("Why: nothing points to a cause yet.");
    };
    let sure = match first.probability {
        p if p >= 0.9 => "Why: almost certainly",
        p if p >= 0.6 => "Why: most probably",
        _ => "Why: perhaps",
    };
    out.line(&format!("{sure} {}", cause_line(first)));
    because(out, incident, first);
    let worth = |other: &&CauseStatus| other.probability >= WORTH_A_WORD;
    let others = incident.causes.iter().skip(1).filter(worth);
    for other in others.take(OTHERS_SHOWN) {
        out.line(&format!("  or {}", cause_line(other)));
        because(out, incident, other);
    }
}

fn cause_line(status: &CauseStatus) -> String {
    let summary = Cause::named(&status.cause).map_or("", |cause| cause.entry().part.summary);
    format!(
        "{} ({}). {summary}",
        status.cause,
        percent(status.probability)
    )
}

fn because(out: &Out, incident: &IncidentStatus, cause: &CauseStatus) {
    for reason in &cause.because {
        out.line(&out.dim(&reason_line(incident, reason, now_ms())));
    }
}

/// "+ ended by a signal: signal 9, of the process before (supervision, 12.0 s ago, weight +1.2)".
fn reason_line(incident: &IncidentStatus, reason: &BecauseStatus, now_ms: u64) -> String {
    let sign = if reason.weight > 0.0 { '+' } else { '-' };
    let value = match reason.value.is_empty() || reason.value == reason.evidence {
        true => String::new(),
        false => format!(": {}", reason.value),
    };
    let mut seen = incident.evidence.iter();
    let seen = seen.find(|e| e.evidence == reason.evidence && e.source == reason.source);
    let before = match seen.is_some_and(|seen| is_of_another_process(incident, seen)) {
        true => ", of the process before this one",
        false => "",
    };
    // How old it is now says whether it may still be so; of what is over, how old it was when it was weighed.
    let age = match seen.filter(|_| incident.closed.is_none()) {
        Some(seen) => format!("{} ago", time(now_ms.saturating_sub(seen.at.0.0))),
        None => format!("{} old", time(reason.age_ms)),
    };
    format!(
        "    {sign} {}{value}{before} ({}, {age}, weight {:+.1})",
        reason.evidence, reason.source, reason.weight
    )
}

/// Does it tell how a process ended that was followed by another since?
fn is_of_another_process(incident: &IncidentStatus, seen: &ObservationStatus) -> bool {
    use Evidence::{ExitCode, Killed, OutOfMemoryKill, ProcessEnded};
    let of_an_end = matches!(
        Evidence::named(&seen.evidence),
        Some((ProcessEnded | Killed | ExitCode | OutOfMemoryKill, true))
    );
    let lives = |other: &ObservationStatus| {
        let alive = Evidence::named(&other.evidence) == Some((ProcessEnded, false));
        alive && other.subject == seen.subject && other.at > seen.at
    };
    of_an_end && incident.evidence.iter().any(lives)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn done(out: &Out, incident: &IncidentStatus) {
    if incident.actions.is_empty() {
        return out
            .line("What evenkeel did: sent no more work there while it was down; nothing else.");
    }
    out.line(match incident.actions.iter().any(ActionStatus::is_asked) {
        true => "What was done:",
        false => "What evenkeel did:",
    });
    for alike in repeated(&incident.actions) {
        let (Some(first), Some(action)) = (alike.first(), alike.last()) else {
            continue;
        };
        out.line(&format!("    {}  {}", first.started, action_line(alike)));
        for (what, text) in [("why", &action.why), ("result", &action.detail)] {
            if !text.is_empty() {
                out.line(&out.dim(&format!("        {what}: {text}")));
            }
        }
    }
}

/// The actions cut where one differs from the one before in what was done, to whom, by whom, why, and what came of it.
fn repeated(actions: &[ActionStatus]) -> impl Iterator<Item = &[ActionStatus]> {
    let same = |a: &ActionStatus, b: &ActionStatus| {
        let what = |x: &ActionStatus| (x.action.clone(), x.target.clone(), x.is_asked());
        let how = |x: &ActionStatus| (x.why.clone(), x.outcome.clone());
        what(a) == what(b) && how(a) == how(b)
    };
    actions.chunk_by(same)
}

/// "restart of app/a1: took 1.2 s, and that cured it", "a person asked for drain of app/a1: done"; of several that are alike
/// what the last of them came to.
fn action_line(alike: &[ActionStatus]) -> String {
    let Some(action) = alike.last() else {
        return String::new();
    };
    let ended = action.ended;
    let took = ended.map(|Stamp(ended)| ended.0.saturating_sub(action.started.0.0));
    let took = match took {
        Some(0) => "done".to_owned(),
        Some(ms) => format!("took {}", time(ms)),
        None => "not ended yet".to_owned(),
    };
    let asked = action.is_asked();
    let outcome = match action.outcome.as_str() {
        "cured" if asked => format!("{took}, and after that everything served again"),
        "cured" => format!("{took}, and that cured it"),
        "failed" if asked => "could not be done".to_owned(),
        "failed" => format!("{took}, and that did not help"),
        "watched" => format!("{took}, and whether it helped is being watched"),
        "advised" => "would have been done (mode = \"advise\"), and was not".to_owned(),
        "interrupted" => "was under way when evenkeel was replaced; nobody knows how far it came, and it is not repeated".to_owned(),
        "overtaken" => format!("{took}; whether it helped is not known, because something else was done before that was clear"),
        "done" => took,
        _ => "is under way".to_owned(),
    };
    let whose = if asked { "a person asked for " } else { "" };
    let times = match alike.len() {
        1 => String::new(),
        n => format!(", {n} times until {}; the last", action.started),
    };
    let (what, target) = (&action.action, &action.target);
    format!("{whose}{what} of {target}{times}: {outcome}")
}

#[cfg(test)]
pub(super) mod tests;
