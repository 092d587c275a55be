//! Incidents as the admin API shows them; the store keeps the same.

use evenkeel_core::diagnose::{Cause, Evidence, Ranked, Reason, Scope, Source};
use evenkeel_core::incident::{
    ActionRecord, Actor, EvidenceRecord, Labeller, Noticed, Outcome, Phase, Reach, Record,
    SubjectRecord, TimesMs,
};
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// One of `GET /v1/incidents`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentStatus {
    /// Its number; it only grows.
    pub id: u64,
    /// `null` where it is not of one pool.
    pub pool: Option<String>,
    /// `pool/endpoint`, or the name of a service that no endpoint names.
    pub subjects: Vec<String>,
    /// `endpoint`, `node`, `path`, `zone`, `dependency`, `release` or `us`.
    pub scope: String,
    /// `suspected`, `down`, `recovering`, `verifying` or `closed`.
    pub state: String,
    /// Known to be a fault since.
    pub opened: Stamp,
    /// Over since; `null` = open.
    pub closed: Option<Stamp>,
    /// Most probable first.
    pub causes: Vec<CauseStatus>,
    /// What was done about it, in order.
    pub actions: Vec<ActionStatus>,
    /// How long its steps took.
    pub times_ms: TimesStatus,
    /// What it was, as somebody said who knows.
    pub label: Option<String>,
    /// Who said so: `operator` or `drill`; absent while nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_by: Option<String>,
    /// What clients of its pools noticed from the first sign until it was over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<NoticedStatus>,
    /// Where each subject is.
    #[serde(default)]
    pub phases: Vec<PhaseStatus>,
    /// `instance`, `machine`, `pool`, `zone` or `everything`: what the subjects have in common.
    #[serde(default)]
    pub reach: String,
    /// When the first sign was seen.
    #[serde(default)]
    pub first_sign: Stamp,
    /// When everything served again.
    #[serde(default)]
    pub restored: Option<Stamp>,
    /// Somebody of it did not serve; false = it was seen before that.
    #[serde(default = "yes")]
    pub harmed: bool,
    /// Why a person is needed; empty = none is.
    #[serde(default)]
    pub person: Vec<String>,
    /// All observations the verdict rests on.
    #[serde(default)]
    pub evidence: Vec<ObservationStatus>,
    /// Numbers of others that turned out to be the same fault and are part of this one.
    #[serde(default)]
    pub merged: Vec<u64>,
}

/// One of [`IncidentStatus::causes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseStatus {
    /// Its name.
    pub cause: String,
    /// 0 to 1.
    pub probability: f64,
    /// What moved it most, strongest first.
    pub because: Vec<BecauseStatus>,
}

/// One of [`CauseStatus::because`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BecauseStatus {
    /// What was seen, or was looked for and not there.
    pub evidence: String,
    /// Who saw it.
    pub source: String,
    /// How old it was at the verdict.
    pub age_ms: u64,
    /// Natural logarithm of what it multiplied the odds of the cause by.
    pub weight: f64,
    /// The particulars.
    #[serde(default)]
    pub value: String,
}

/// One of [`IncidentStatus::actions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionStatus {
    /// Its name.
    pub action: String,
    /// To whom.
    pub target: String,
    /// `running`, `watched`, `cured`, `failed`, `advised` (shown, not done), `interrupted`, `overtaken` (something else was done
    /// before it was known whether it helped) or `done` (there was nothing for it to cure).
    pub outcome: String,
    /// When it began.
    pub started: Stamp,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// Why this one.
    #[serde(default)]
    pub why: String,
    /// What was done, or why it could not be.
    #[serde(default)]
    pub detail: String,
    /// Who wanted it: `evenkeel` or `operator`.
    #[serde(default = "evenkeel")]
    pub by: String,
}

impl ActionStatus {
    /// Did a person want it?
    pub fn is_asked(&self) -> bool {
        self.by == Actor::Operator.name()
    }
}

/// [`IncidentStatus::times_ms`]: `null` = not yet, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesStatus {
    /// From the first sign until it was known to be a fault.
    pub detect: Option<u64>,
    /// From then until the first action began.
    pub decide: Option<u64>,
    /// From an action's beginning to its end, of the one that ended last.
    pub act: Option<u64>,
    /// From the first sign until everything served again.
    pub restore: Option<u64>,
}

/// One of [`IncidentStatus::clients`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticedStatus {
    /// Whose clients.
    pub pool: String,
    /// Requests that were answered, or were not.
    pub requests: u64,
    /// Of those, answered with 5xx after all tries.
    pub failed: u64,
    /// Further tries, after one had failed.
    pub retried: u64,
    /// Of the requests, those that took longer than a second.
    pub slow: u64,
}

/// One of [`IncidentStatus::phases`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseStatus {
    /// `pool/endpoint`, or a service's name.
    pub subject: String,
    /// Its pool.
    pub pool: Option<String>,
    /// `normal`, `suspected`, `down`, `recovering` or `verifying`.
    pub phase: String,
}

/// One of [`IncidentStatus::evidence`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationStatus {
    /// Of whom.
    pub subject: String,
    /// What was seen, or was looked for and not there.
    pub evidence: String,
    /// Who saw it.
    pub source: String,
    /// When.
    pub at: Stamp,
    /// The particulars.
    #[serde(default)]
    pub value: String,
}

/// `GET /v1/incidents`.
pub type Incidents = Vec<IncidentStatus>;

impl From<Record> for IncidentStatus {
    fn from(record: Record) -> IncidentStatus {
        IncidentStatus {
            id: record.id,
            pool: record.pool().map(str::to_owned),
            subjects: record.subjects.iter().map(|s| s.key.clone()).collect(),
            scope: record.scope.name().to_owned(),
            state: record.state().to_owned(),
            opened: Stamp(record.opened),
            closed: record.closed.map(Stamp),
            causes: record.causes.into_iter().map(cause).collect(),
            actions: record.actions.into_iter().map(action).collect(),
            times_ms: TimesStatus {
                detect: record.times.detect,
                decide: record.times.decide,
                act: record.times.act,
                restore: record.times.restore,
            },
            label_by: record.label.map(|_| record.labelled_by.name().to_owned()),
            label: record.label.map(|cause| cause.name().to_owned()),
            clients: record.clients.into_iter().map(noticed).collect(),
            phases: record.subjects.into_iter().map(phase).collect(),
            reach: reach_name(record.reach).to_owned(),
            first_sign: Stamp(record.first_sign),
            restored: record.restored.map(Stamp),
            harmed: record.harmed,
            person: record.person,
            evidence: record.evidence.into_iter().map(observation).collect(),
            merged: record.merged,
        }
    }
}

impl IncidentStatus {
    /// As the engine takes it back in. What another version of evenkeel called by names that are not known here is left
    /// out; a scope, phase or outcome not known here is taken for the plainest.
    pub fn into_record(self) -> Record {
        let label = self.label.as_deref().and_then(Cause::named);
        let by = self.label_by.as_deref();
        let by = by.and_then(|by| known(&Labeller::ALL, Labeller::name, by));
        Record {
            id: self.id,
            subjects: self.phases.into_iter().map(subject).collect(),
            reach: REACHES
                .into_iter()
                .find(|reach| reach_name(*reach) == self.reach)
                .unwrap_or_default(),
            scope: known(&Scope::ALL, Scope::name, &self.scope).unwrap_or(Scope::Endpoint),
            first_sign: self.first_sign.0,
            opened: self.opened.0,
            restored: self.restored.map(|at| at.0),
            closed: self.closed.map(|at| at.0),
            causes: self.causes.into_iter().filter_map(ranked).collect(),
            evidence: self.evidence.into_iter().filter_map(observed).collect(),
            actions: self.actions.into_iter().map(acted).collect(),
            times: TimesMs {
                detect: self.times_ms.detect,
                decide: self.times_ms.decide,
                act: self.times_ms.act,
                restore: self.times_ms.restore,
            },
            harmed: self.harmed,
            person: self.person,
            label,
            labelled_by: by.unwrap_or_default(),
            clients: self.clients.into_iter().map(clients).collect(),
            merged: self.merged,
        }
    }
}

fn evenkeel() -> String {
    Actor::Evenkeel.name().to_owned()
}

const fn yes() -> bool {
    true
}

/// Four digits are more than the figures behind it are worth.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

pub(super) fn known<T: Copy, const N: usize>(
    all: &[T; N],
    name: fn(T) -> &'static str,
    word: &str,
) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == word)
}

const REACHES: [Reach; 5] = [
    Reach::Instance,
    Reach::Machine,
    Reach::Pool,
    Reach::Zone,
    Reach::Everything,
];

fn reach_name(reach: Reach) -> &'static str {
    match reach {
        Reach::Instance => "instance",
        Reach::Machine => "machine",
        Reach::Pool => "pool",
        Reach::Zone => "zone",
        Reach::Everything => "everything",
    }
}

fn cause(ranked: Ranked) -> CauseStatus {
    let because = ranked.because.into_iter().map(|reason| BecauseStatus {
        evidence: reason.evidence.words(reason.present).to_owned(),
        source: reason.source.name().to_owned(),
        age_ms: u64::try_from(reason.age.as_millis()).unwrap_or(u64::MAX),
        weight: rounded(reason.weight),
        value: reason.value,
    });
    CauseStatus {
        cause: ranked.cause.name().to_owned(),
        probability: rounded(ranked.probability),
        because: because.collect(),
    }
}

fn ranked(status: CauseStatus) -> Option<Ranked> {
    let reason = |because: BecauseStatus| {
        let (evidence, present) = Evidence::named(&because.evidence)?;
        Some(Reason {
            evidence,
            present,
            source: known(&Source::ALL, Source::name, &because.source)?,
            value: because.value,
            age: std::time::Duration::from_millis(because.age_ms),
            weight: because.weight,
        })
    };
    Some(Ranked {
        cause: Cause::named(&status.cause)?,
        probability: status.probability,
        because: status.because.into_iter().filter_map(reason).collect(),
    })
}

fn action(record: ActionRecord) -> ActionStatus {
    ActionStatus {
        action: record.action,
        target: record.target,
        outcome: record.outcome.name().to_owned(),
        started: Stamp(record.started),
        ended: record.ended.map(Stamp),
        why: record.why,
        detail: record.detail,
        by: record.by.name().to_owned(),
    }
}

fn acted(status: ActionStatus) -> ActionRecord {
    let outcome = known(&Outcome::ALL, Outcome::name, &status.outcome);
    ActionRecord {
        action: status.action,
        target: status.target,
        outcome: outcome.unwrap_or(Outcome::Failed),
        started: status.started.0,
        ended: status.ended.map(|at| at.0),
        by: known(&Actor::ALL, Actor::name, &status.by).unwrap_or_default(),
        why: status.why,
        detail: status.detail,
    }
}

fn noticed((pool, of): (String, Noticed)) -> NoticedStatus {
    NoticedStatus {
        pool,
        requests: of.requests,
        failed: of.failed,
        retried: of.retried,
        slow: of.slow,
    }
}

fn clients(status: NoticedStatus) -> (String, Noticed) {
    let noticed = Noticed {
        requests: status.requests,
        failed: status.failed,
        retried: status.retried,
        slow: status.slow,
    };
    (status.pool, noticed)
}

fn phase(record: SubjectRecord) -> PhaseStatus {
    PhaseStatus {
        subject: record.key,
        pool: record.pool,
        phase: record.phase.name().to_owned(),
    }
}

fn subject(status: PhaseStatus) -> SubjectRecord {
    SubjectRecord {
        key: status.subject,
        pool: status.pool,
        phase: known(&Phase::ALL, Phase::name, &status.phase).unwrap_or_default(),
    }
}

fn observation(record: EvidenceRecord) -> ObservationStatus {
    ObservationStatus {
        subject: record.subject,
        evidence: record.evidence.words(record.present).to_owned(),
        source: record.source.name().to_owned(),
        at: Stamp(record.at),
        value: record.value,
    }
}

fn observed(status: ObservationStatus) -> Option<EvidenceRecord> {
    let (evidence, present) = Evidence::named(&status.evidence)?;
    Some(EvidenceRecord {
        subject: status.subject,
        evidence,
        present,
        source: known(&Source::ALL, Source::name, &status.source)?,
        at: status.at.0,
        value: status.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::time::WallTime;

    fn record() -> Record {
        let reason = Reason {
            evidence: Evidence::ProcessEnded,
            present: false,
            source: Source::Supervision,
            value: "process 7".into(),
            age: std::time::Duration::from_millis(120),
            weight: -3.1,
        };
        Record {
            id: 3,
            subjects: vec![SubjectRecord {
                key: "app/a1".into(),
                pool: Some("app".into()),
                phase: Phase::Recovering,
            }],
            reach: Reach::Machine,
            scope: Scope::Node,
            first_sign: WallTime(1_767_225_600_000),
            opened: WallTime(1_767_225_600_210),
            restored: None,
            closed: None,
            causes: vec![Ranked {
                cause: Cause::ProcessHung,
                probability: 0.97,
                because: vec![reason],
            }],
            evidence: vec![EvidenceRecord {
                subject: "app/a1".into(),
                evidence: Evidence::NoAnswer,
                present: true,
                source: Source::Check,
                at: WallTime(1_767_225_600_000),
                value: "no answer within 1s".into(),
            }],
            harmed: true,
            merged: vec![4],
            person: vec!["restart: not in `allow`".to_owned()],
            actions: vec![ActionRecord {
                by: Actor::Operator,
                why: "the only one that fits".to_owned(),
                detail: String::new(),
                action: "restart".into(),
                target: "app/a1".into(),
                outcome: Outcome::Running,
                started: WallTime(1_767_225_600_213),
                ended: None,
            }],
            times: TimesMs {
                detect: Some(210),
                decide: Some(3),
                ..TimesMs::default()
            },
            label: Some(Cause::BadRelease),
            labelled_by: Labeller::Drill,
            clients: vec![(
                "app".into(),
                Noticed {
                    requests: 200,
                    failed: 1,
                    retried: 7,
                    slow: 2,
                },
            )],
        }
    }

    #[test]
    fn an_incident_reads_as_promised_and_comes_back_as_it_was() {
        let status = IncidentStatus::from(record());
        let json = serde_json::to_string(&status).unwrap();
        let promised = r#"{"id":3,"pool":"app","subjects":["app/a1"],"scope":"node","state":"recovering","opened":"2026-01-01T00:00:00.21Z","closed":null,"causes":[{"cause":"process_hung","probability":0.97,"because":[{"evidence":"its process is alive","source":"supervision","age_ms":120,"weight":-3.1,"value":"process 7"}]}],"actions":[{"action":"restart","target":"app/a1","outcome":"running","started":"2026-01-01T00:00:00.213Z","ended":null,"why":"the only one that fits","detail":"","by":"operator"}],"times_ms":{"detect":210,"decide":3,"act":null,"restore":null},"label":"bad_release","label_by":"drill","clients":[{"pool":"app","requests":200,"failed":1,"retried":7,"slow":2}],"#;
        assert!(json.starts_with(promised), "{json}");
        let read: IncidentStatus = serde_json::from_str(&json).unwrap();
        assert_eq!(read.into_record(), record());
    }
}
