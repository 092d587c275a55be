//! Going to another configuration: one at a time, prepared off the loop, taken in whole or not at all.

use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode, Rejected, RevisionAnswer};
use evenkeel_schema::config::etag;

use super::{ChangeAnswer, Driver, Report};
use crate::api::Way;
use crate::ask::{Change, unavailable};
use crate::prepare::{Plan, Prepared, Source};
use crate::revisions::Noted;

/// Changes waiting for the one being prepared: people and one deployment tool, not a flood.
const CHANGES_MAX: usize = 16;

impl Driver {
    /// Puts a change in the queue.
    pub(super) fn ask_change(&mut self, change: Change, answer: Option<ChangeAnswer>) {
        let refusal = if !self.phase.serving() {
            Some(unavailable("the balancer is shutting down"))
        } else if self.changes.len() >= CHANGES_MAX {
            let message = format!("{CHANGES_MAX} changes are waiting already");
            let hint = "wait for them; the log says what they wait for";
            Some(ErrorAnswer::new(ErrorCode::Busy, message, hint))
        } else {
            None
        };
        match refusal {
            Some(refusal) => self.refuse(refusal, answer),
            None => {
                self.changes.push_back((change, answer));
                self.next_change();
            }
        }
    }

    /// Begins with the next change, unless one is being prepared.
    fn next_change(&mut self) {
        while !self.changing
            && let Some((change, answer)) = self.changes.pop_front()
        {
            match self.source(change) {
                Ok((source, number)) => self.prepare(source, number, answer),
                Err(refusal) => self.refuse(refusal, answer),
            }
        }
    }

    /// Where the new text comes from, and which revision it already is.
    fn source(&self, change: Change) -> Result<(Source, Option<u64>), ErrorAnswer> {
        match change {
            Change::Reload => Ok((Source::File, None)),
            Change::Put { text, if_match } => {
                let tag = etag(&self.config.text);
                if if_match != "*" && if_match != tag {
                    return Err(ErrorAnswer::new(
                        ErrorCode::ConfigChanged,
                        format!("If-Match is {if_match:.80}, the configuration in force is {tag}"),
                        "GET /v1/config again, make your change there, and send it with its ETag",
                    ));
                }
                Ok((Source::Text(text), None))
            }
            Change::Rollback(number) => match self.revisions.back_to(number) {
                Some((number, text)) => Ok((Source::Revision(text), Some(number))),
                None => Err(self.no_such_revision(number)),
            },
        }
    }

    fn no_such_revision(&self, number: Option<u64>) -> ErrorAnswer {
        let message = match number {
            Some(number) => format!("there is no revision {number}"),
            None => "there is no revision before the current one".to_owned(),
        };
        let kept: Vec<_> = self.revisions.numbers();
        let hint = match (kept.first(), kept.last()) {
            (Some(only), Some(last)) if only == last => format!("only revision {only} is kept"),
            (Some(first), Some(last)) => format!("revisions {first} to {last} are kept"),
            _ => "none is kept".to_owned(),
        };
        ErrorAnswer::new(ErrorCode::NoSuchRevision, message, hint)
    }

    fn prepare(&mut self, source: Source, number: Option<u64>, answer: Option<ChangeAnswer>) {
        self.changing = true;
        let plan = Plan {
            source,
            file: self.file.clone(),
            current: self.config.clone(),
            tls: self.tls.clone(),
            host: self.host.clone(),
        };
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let prepared = tokio::task::spawn_blocking(move || plan.run()).await;
            let prepared = prepared.unwrap_or_else(|_| {
                let message = "preparing the configuration panicked";
                let hint = "this is a bug in evenkeel; nothing was changed, the log says more";
                Err(ErrorAnswer::new(ErrorCode::Internal, message, hint))
            });
            // A loop that ended wants no report.
            let _ = reports
                .send(Report::Changed(prepared, number, answer))
                .await;
        });
    }

    /// A prepared configuration arrives, or the reasons why not.
    pub(super) fn changed(
        &mut self,
        prepared: Result<Prepared, ErrorAnswer>,
        number: Option<u64>,
        answer: Option<ChangeAnswer>,
    ) {
        self.changing = false;
        match prepared {
            Ok(prepared) => {
                let revision = self.take_in(prepared, number);
                if let Some(answer) = answer {
                    // Who asked may have gone: the change is made all the same.
                    self.answer_once_written(answer, Ok(RevisionAnswer { revision }));
                }
            }
            Err(refusal) => {
                // FILE could not be replaced after its new addresses were opened: they are let go again.
                if refusal.error.code == ErrorCode::FileNotWritable {
                    self.hand_over();
                }
                self.refuse(refusal, answer);
            }
        }
        self.next_change();
    }

    fn take_in(&mut self, prepared: Prepared, number: Option<u64>) -> u64 {
        let Prepared {
            config,
            tls,
            certificates,
            news: read_again,
        } = prepared;
        let noted = match number {
            Some(number) => {
                self.revisions.went_back(number);
                Noted::default()
            }
            None => self.revisions.apply(&config.text, now().wall),
        };
        let revision = self.revisions.current();
        let news = match (number, &noted.new) {
            (Some(_), _) => "applied again",
            (None, Some(_)) => "applied",
            (None, None) => "unchanged",
        };
        self.config = config;
        self.door.set(Way::of(&self.config.admin, &tls));
        self.tls = tls;
        self.rejected = None;
        self.configure();
        self.took_in_certificates(certificates, read_again);
        self.store_revision(noted);
        tracing::info!("configuration revision {revision} {news}");
        revision
    }

    /// Says why everywhere: log, status, metric, answer.
    fn refuse(&mut self, refusal: ErrorAnswer, answer: Option<ChangeAnswer>) {
        let why = reasons(&refusal);
        if is_rejection(refusal.error.code) {
            self.rejected_total += 1;
            self.rejected = Some(Rejected {
                at: Stamp(now().wall),
                why: why.clone(),
            });
            for line in why.lines() {
                tracing::error!("configuration rejected: {line}");
            }
        } else {
            tracing::warn!("configuration not changed: {why}");
        }
        if let Some(answer) = answer {
            // Who asked may have gone; the log has it.
            let _ = answer.send(Err(refusal));
        }
    }
}

/// One a line.
fn reasons(refusal: &ErrorAnswer) -> String {
    let mistakes = &refusal.error.mistakes;
    if mistakes.is_empty() {
        return refusal.error.message.clone();
    }
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Was it the configuration that was refused, or only the request?
fn is_rejection(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ConfigRejected | ErrorCode::RestartNeeded | ErrorCode::AddressTaken
    )
}
