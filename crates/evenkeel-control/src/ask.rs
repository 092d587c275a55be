//! What the admin API asks of the control loop. Each question carries the place for its answer; the queue is bounded, and
//! a loop that does not answer in time is reported as such instead of being waited for.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::account::what_if::Question;
use evenkeel_core::diagnose::Cause;
use evenkeel_core::incident::Labeller;
use evenkeel_schema::admin::{
    ActionAnswer, ActionRequest, Availabilities, Availability, EndpointStatus, ErrorAnswer,
    ErrorCode, HeartbeatAnswer, HeartbeatRequest, IncidentStatus, Incidents, NotifyAnswer,
    RecoveryAnswer, RecoveryPoints, RevisionAnswer, RevisionStatus, StateOrder, Status,
};
use evenkeel_schema::config::Secret;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Sample;

/// Questions waiting at once; there are not more admin connections.
pub(crate) const ASKS_MAX: usize = 256;
/// The loop turns in microseconds; one that takes this long is stuck.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A reload opens addresses and reads files.
const CHANGE_WITHIN: Duration = Duration::from_secs(60);

/// Gigabytes over a slow disk; a restoration that takes longer goes on and is told of in the log.
const RECOVER_WITHIN: Duration = Duration::from_secs(600);

/// A configuration to go to.
#[derive(Debug)]
pub(crate) enum Change {
    /// FILE again.
    Reload,
    /// This text, which becomes FILE, if FILE is still the one with this tag (`*` = any).
    Put { text: String, if_match: String },
    /// An older revision; `None` = the one before the current.
    Rollback(Option<u64>),
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) text: Arc<str>,
    pub(crate) etag: String,
}

/// What decides who may change something; it may change with a reload.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) token: Option<Secret>,
    /// Does a client certificate count?
    pub(crate) client_ca: bool,
    pub(crate) node: String,
}

type Answer<T> = oneshot::Sender<T>;
pub(crate) type Outcome<T> = Result<T, ErrorAnswer>;

/// A question.
pub(crate) enum Ask {
    Status(Answer<Status>),
    Metrics(Answer<Sample>),
    Availability(String, Option<Question>, Answer<Outcome<Availability>>),
    Availabilities(Option<Question>, Answer<Outcome<Availabilities>>),
    /// `Err` says why not.
    Ready(Answer<Result<(), String>>),
    Config(Answer<Current>),
    Revisions(Answer<Vec<RevisionStatus>>),
    Access(Answer<Access>),
    Order {
        pool: String,
        endpoint: String,
        state: StateOrder,
        answer: Answer<Outcome<EndpointStatus>>,
    },
    Weight {
        pool: String,
        endpoint: String,
        weight: Option<u32>,
        answer: Answer<Outcome<EndpointStatus>>,
    },
    /// Each answered in its place.
    Beats(Vec<HeartbeatRequest>, Answer<Vec<Outcome<HeartbeatAnswer>>>),
    Incidents(Answer<Incidents>),
    Incident(u64, Answer<Outcome<IncidentStatus>>),
    Label {
        id: u64,
        /// What it was, and who says so.
        said: (Cause, Labeller),
        answer: Answer<Outcome<IncidentStatus>>,
    },
    Change(Change, Answer<Outcome<RevisionAnswer>>),
    /// Carries out an action on a service.
    Act {
        service: String,
        request: ActionRequest,
        answer: Answer<Outcome<ActionAnswer>>,
    },
    /// Sends a test message to all who are told of a pool.
    Notify(String, Answer<Outcome<NotifyAnswer>>),
    RecoveryPoints(Answer<RecoveryPoints>),
    /// Reads one back.
    Verify {
        service: String,
        id: String,
        answer: Answer<Outcome<RecoveryAnswer>>,
    },
    /// Puts one in the place of the service's data.
    Restore {
        service: String,
        id: String,
        answer: Answer<Outcome<RecoveryAnswer>>,
    },
}

/// The API's end of the queue.
#[derive(Clone)]
pub(crate) struct Asker(mpsc::Sender<Ask>);

impl Asker {
    pub(crate) fn new() -> (Asker, mpsc::Receiver<Ask>) {
        let (sender, receiver) = mpsc::channel(ASKS_MAX);
        (Asker(sender), receiver)
    }

    /// Asks and waits for the answer, for a bounded time.
    pub(crate) async fn ask<T>(&self, question: impl FnOnce(Answer<T>) -> Ask) -> Outcome<T> {
        self.ask_within(ANSWER_WITHIN, question).await
    }

    /// A configuration change takes longer.
    pub(crate) async fn change(&self, change: Change) -> Outcome<RevisionAnswer> {
        let question = |answer| Ask::Change(change, answer);
        self.ask_within(CHANGE_WITHIN, question).await?
    }

    /// Reading or writing all of a service's data takes longer still.
    pub(crate) async fn recover<T>(&self, question: impl FnOnce(Answer<T>) -> Ask) -> Outcome<T> {
        self.ask_within(RECOVER_WITHIN, question).await
    }

    async fn ask_within<T>(
        &self,
        limit: Duration,
        question: impl FnOnce(Answer<T>) -> Ask,
    ) -> Outcome<T> {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(question(answer)).is_err() {
            return Err(unavailable("the control loop takes no more questions"));
        }
        match tokio::time::timeout(limit, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(unavailable("the balancer is shutting down")),
            Err(_) => Err(unavailable("the control loop does not answer in time")),
        }
    }
}

pub(crate) fn unavailable(message: &str) -> ErrorAnswer {
    ErrorAnswer::new(
        ErrorCode::Unavailable,
        message,
        "traffic is not affected; try again in a moment",
    )
}
