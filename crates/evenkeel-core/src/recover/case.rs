//! One sick subject as the planner sees it: everything it may decide by, gathered at one moment.

use std::sync::Arc;

use crate::diagnose::{Cause, Ranked, Scope};
use crate::id::{EndpointId, ServiceId};
use crate::settings::{RecoverySettings, ServiceSpec};
use crate::supervise::ServiceState;
use crate::time::{Time, WallTime};

/// The service behind a subject.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    pub(crate) name: Arc<str>,
    /// Supervised here; `None` = by an agent.
    pub(crate) id: Option<ServiceId>,
    /// Whoever supervises it hears what it is ordered: an agent that is not connected does not.
    pub(crate) heard: bool,
    pub(crate) state: ServiceState,
    pub(crate) pid: Option<u32>,
    /// When its process began, if that was taken over from an earlier engine and was not seen to be ready since.
    pub(crate) begun: Option<WallTime>,
    pub(crate) spec: Arc<ServiceSpec>,
    /// When its oldest recovery point was made, `Some(None)` = there is none that can be restored; `None` = that is not known.
    pub(crate) oldest_point: Option<Option<WallTime>>,
}

/// How a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It serves and nothing is wrong with it.
    Well,
    /// It serves, and will not for long: its memory or a disk of it is nearly used up.
    Ailing,
    /// It does not serve.
    Down,
    /// It does not serve yet, and is on its way back.
    Returning,
}

/// One subject of an open incident.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) incident: u64,
    /// When it was known to be a fault.
    pub(crate) opened: Time,
    /// Its first sign.
    pub(crate) since: WallTime,
    /// Most probable first.
    pub(crate) causes: &'a [Ranked],
    pub(crate) scope: Scope,
    pub(crate) subject: Arc<str>,
    pub(crate) pool: Arc<str>,
    pub(crate) settings: &'a RecoverySettings,
    pub(crate) condition: Condition,
    pub(crate) endpoint: Option<EndpointId>,
    /// May it be given ordinary work now?
    pub(crate) usable: bool,
    /// Others of its pool that may, beyond `min_healthy`.
    pub(crate) spare: bool,
    /// Requests that wait for it.
    pub(crate) waiting: u64,
    pub(crate) service: Option<Behind>,
}

impl Case<'_> {
    /// The most probable cause.
    pub(crate) fn cause(&self) -> Cause {
        self.causes.first().map_or(Cause::Unknown, |r| r.cause)
    }

    /// Is there anything to be done about it?
    pub(crate) fn is_sick(&self) -> bool {
        matches!(self.condition, Condition::Down | Condition::Ailing)
    }

    /// What its lock is called: two endpoints of one service are one patient.
    pub(crate) fn patient(&self) -> &Arc<str> {
        self.service.as_ref().map_or(&self.subject, |s| &s.name)
    }
}
