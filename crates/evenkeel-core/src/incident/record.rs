//! An incident as plain data: what is logged, stored and shown. Whoever stores it chooses the format.

use serde::{Deserialize, Serialize};

use crate::diagnose::{Cause, Evidence, Ranked, Scope, Source};
use crate::time::WallTime;

use super::noticed::Noticed;
use super::words::{Actor, Labeller, Outcome, Phase, Reach};

/// Something that is or was part of the fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// `pool/endpoint`, or a service's name.
    pub key: String,
    /// Its pool, if it is an endpoint.
    pub pool: Option<String>,
    /// Where it is on its way.
    pub phase: Phase,
}

/// Something that was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// What.
    pub action: String,
    /// To whom.
    pub target: String,
    /// Who wanted it.
    pub by: Actor,
    /// Why this one.
    pub why: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done, or why it could not be.
    pub detail: String,
    /// When it began.
    pub started: WallTime,
    /// When it ended.
    pub ended: Option<WallTime>,
}

/// An observation that counts for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Of whom.
    pub subject: String,
    /// Of what.
    pub evidence: Evidence,
    /// Seen, or looked for and not there.
    pub present: bool,
    /// By whom.
    pub source: Source,
    /// When.
    pub at: WallTime,
    /// The particulars.
    pub value: String,
}

/// How long its steps took, in ms; `None` = not taken yet, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesMs {
    /// From the first sign until it was known to be a fault.
    pub detect: Option<u64>,
    /// From then until the first action began.
    pub decide: Option<u64>,
    /// From an action's beginning to its end, of the one that ended last.
    pub act: Option<u64>,
    /// From the first sign until everything served again.
    pub restore: Option<u64>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number: it only grows, over restarts too.
    pub id: u64,
    /// By key.
    pub subjects: Vec<SubjectRecord>,
    /// What they have in common.
    pub reach: Reach,
    /// How far it reaches.
    pub scope: Scope,
    /// The first sign.
    pub first_sign: WallTime,
    /// Known to be a fault since.
    pub opened: WallTime,
    /// Everything serves again since.
    pub restored: Option<WallTime>,
    /// Over since; `None` = open.
    pub closed: Option<WallTime>,
    /// Most probable first.
    pub causes: Vec<Ranked>,
    /// What the verdict rests on.
    pub evidence: Vec<EvidenceRecord>,
    /// In their order.
    pub actions: Vec<ActionRecord>,
    /// Somebody of it did not serve; false = it was seen before that.
    pub harmed: bool,
    /// A person is needed, for these reasons; empty = not.
    pub person: Vec<String>,
    /// How long its steps took.
    pub times: TimesMs,
    /// What somebody who knows says it was.
    pub label: Option<Cause>,
    /// Who said that.
    pub labelled_by: Labeller,
    /// What clients of each of its pools noticed, by the pool's name.
    pub clients: Vec<(String, Noticed)>,
    /// Numbers of others that turned out to be the same fault and became part of it: given once, so never again.
    pub merged: Vec<u64>,
}

impl Record {
    /// The most probable cause.
    pub fn cause(&self) -> Cause {
        self.causes.first().map_or(Cause::Unknown, |r| r.cause)
    }

    /// Its pool, if it is in one pool.
    pub fn pool(&self) -> Option<&str> {
        let mut pools = self.subjects.iter().map(|s| s.pool.as_deref());
        let first = pools.next()??;
        pools.all(|pool| pool == Some(first)).then_some(first)
    }

    /// `closed`, else where its worst subject is.
    pub fn state(&self) -> &'static str {
        if self.closed.is_some() {
            return "closed";
        }
        let worst = self.subjects.iter().map(|s| s.phase).max();
        worst.unwrap_or_default().name()
    }
}
