//! The words for where a subject of an incident is, how far a fault reaches, and how an action ended.

use serde::{Deserialize, Serialize};

use crate::diagnose::{Cause, Scope};

/// Where one subject is on its way through a fault.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Phase {
    /// Nothing is wrong.
    #[default]
    Normal,
    /// Serves again and is watched for a while.
    Verifying,
    /// Signs, and no verdict yet.
    Suspected,
    /// Something is being done, or it is on its way back.
    Recovering,
    /// It does not serve.
    Down,
}

impl Phase {
    /// All, from best to worst.
    pub const ALL: [Phase; 5] = [
        Phase::Normal,
        Phase::Verifying,
        Phase::Suspected,
        Phase::Recovering,
        Phase::Down,
    ];

    /// The word in API, log and records.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Normal => "normal",
            Phase::Verifying => "verifying",
            Phase::Suspected => "suspected",
            Phase::Recovering => "recovering",
            Phase::Down => "down",
        }
    }
}

/// What the subjects of a fault have in common, from what is configured of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Reach {
    /// One process.
    #[default]
    Instance,
    /// Everything on one machine.
    Machine,
    /// Everything in one pool, on several machines.
    Pool,
    /// Everything in one zone, on several machines.
    Zone,
    /// Everything there is, on several machines.
    Everything,
}

impl Reach {
    /// How far the fault reaches, if this is its most probable cause.
    pub fn scope(self, cause: Option<Cause>) -> Scope {
        let by_nature = cause.map_or(Scope::Endpoint, |cause| cause.entry().scope);
        match (self, by_nature) {
            (Reach::Everything, _) => Scope::Us,
            (_, Scope::Us) => Scope::Us,
            (Reach::Zone, _) => Scope::Zone,
            (_, Scope::Dependency | Scope::Release | Scope::Path) => by_nature,
            (Reach::Pool, _) => Scope::Dependency,
            (Reach::Machine, _) => Scope::Node,
            (Reach::Instance, Scope::Node) if cause == Some(Cause::HostDead) => Scope::Node,
            (Reach::Instance, _) => Scope::Endpoint,
        }
    }
}

/// Who wanted an action.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Actor {
    /// The recovery, or supervision.
    #[default]
    Evenkeel,
    /// A person.
    Operator,
}

impl Actor {
    /// Both.
    pub const ALL: [Actor; 2] = [Actor::Evenkeel, Actor::Operator];

    /// The word in API and records.
    pub const fn name(self) -> &'static str {
        match self {
            Actor::Evenkeel => "evenkeel",
            Actor::Operator => "operator",
        }
    }
}

/// Who said what an incident was.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Labeller {
    /// A person, who has found out.
    #[default]
    Operator,
    /// A drill, which made it happen.
    Drill,
}

impl Labeller {
    /// Both.
    pub const ALL: [Labeller; 2] = [Labeller::Operator, Labeller::Drill];

    /// The word in API and records.
    pub const fn name(self) -> &'static str {
        match self {
            Labeller::Operator => "operator",
            Labeller::Drill => "drill",
        }
    }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It is under way.
    Running,
    /// It is done; whether it helped is being watched.
    Watched,
    /// The fault is gone after it.
    Cured,
    /// It could not be done, or the fault is still there.
    Failed,
    /// It was decided and shown, and not done: `mode = "advise"`.
    Advised,
    /// evenkeel was replaced in the middle of it, and nobody knows how far it came.
    Interrupted,
    /// Before it was known whether it helped, something else was done.
    Overtaken,
    /// It is done, and had nothing to cure.
    Done,
}

impl Outcome {
    /// All.
    pub const ALL: [Outcome; 8] = [
        Outcome::Running,
        Outcome::Watched,
        Outcome::Cured,
        Outcome::Failed,
        Outcome::Advised,
        Outcome::Interrupted,
        Outcome::Overtaken,
        Outcome::Done,
    ];

    /// The word in API, log and records.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Watched => "watched",
            Outcome::Cured => "cured",
            Outcome::Failed => "failed",
            Outcome::Advised => "advised",
            Outcome::Interrupted => "interrupted",
            Outcome::Overtaken => "overtaken",
            Outcome::Done => "done",
        }
    }

    /// Will nothing that is seen later change it?
    pub(crate) const fn is_known(self) -> bool {
        !matches!(
            self,
            Outcome::Running | Outcome::Watched | Outcome::Overtaken
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_follows_from_what_is_shared_and_from_the_causes_nature() {
        let scope = |reach: Reach, cause| reach.scope(Some(cause)).name();
        assert_eq!(scope(Reach::Instance, Cause::ProcessDead), "endpoint");
        assert_eq!(scope(Reach::Instance, Cause::NetworkPathCut), "path");
        assert_eq!(scope(Reach::Instance, Cause::HostDead), "node");
        assert_eq!(scope(Reach::Machine, Cause::ProcessDead), "node");
        assert_eq!(scope(Reach::Machine, Cause::DependencyDown), "dependency");
        assert_eq!(scope(Reach::Pool, Cause::BadRelease), "release");
        assert_eq!(scope(Reach::Pool, Cause::ProcessHung), "dependency");
        assert_eq!(scope(Reach::Zone, Cause::HostDead), "zone");
        assert_eq!(scope(Reach::Everything, Cause::HostDead), "us");
        assert_eq!(Reach::Machine.scope(None), Scope::Node);
    }
}
