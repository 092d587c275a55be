//! Incidents as the engine tells of them: into the log, the store and the metrics; and as the admin API asks for them.

use evenkeel_core::diagnose::Cause;
use evenkeel_core::engine::Event;
use evenkeel_core::incident::{Actor, IncidentChange, Labeller, News, Record};
use evenkeel_schema::admin::{ErrorAnswer, ErrorCode, IncidentStatus, Incidents};
use evenkeel_store::Durability;

use super::Driver;
use crate::ask::Outcome;

impl Driver {
    pub(super) fn incident_changed(&mut self, change: IncidentChange) {
        let IncidentChange { record, news } = change;
        let opened = news.contains(&News::Opened);
        for one in &news {
            // How it was judged first stands in the line of its beginning.
            if !(opened && *one == News::Blamed) {
                log(&record, one);
            }
            match one {
                News::Closed => {
                    *self
                        .incidents_by_cause
                        .entry(record.cause().name())
                        .or_default() += 1;
                    self.account_incident(&record);
                }
                News::Labelled => self.account_incident(&record),
                News::Merged(_) | News::Forgotten => {
                    self.notice_incident(&record, &news);
                    return self.storage.delete_incident(record.id);
                }
                _ => {}
            }
        }
        // Figures are weighed again; that there is a fault, what was done and what a person says is not to be lost.
        let figures = |one: &News| matches!(one, News::Updated | News::Blamed);
        let durability = match news.iter().all(figures) {
            true => Durability::Relaxed,
            false => Durability::Now,
        };
        self.notice_incident(&record, &news);
        self.storage.put_incident(&record.into(), durability);
    }

    pub(super) fn incidents(&self) -> Incidents {
        let records = self.engine.incidents().into_iter();
        records.map(IncidentStatus::from).collect()
    }

    pub(super) fn incident(&self, id: u64) -> Outcome<IncidentStatus> {
        let found = self.engine.incident(id).map(IncidentStatus::from);
        found.ok_or_else(|| {
            let newest = self.engine.incidents().first().map(|record| record.id);
            let hint = match newest {
                Some(newest) => format!("the newest is {newest}; `evenkeel incidents` lists them"),
                None => "there was none so far".to_owned(),
            };
            let message = format!("there is no incident {id}");
            ErrorAnswer::new(ErrorCode::NoSuchIncident, message, hint)
        })
    }

    pub(super) fn label(
        &mut self,
        id: u64,
        (cause, by): (Cause, Labeller),
    ) -> Outcome<IncidentStatus> {
        let incident = self.incident(id)?.id;
        self.event(Event::Label {
            incident,
            cause,
            by,
        });
        self.incident(incident)
    }
}

/// "incident 3 opened: app/a1 (endpoint), most likely process_dead (97 %): its process ended, connection refused".
fn log(record: &Record, news: &News) {
    let (id, cause, scope) = (record.id, record.cause().name(), record.scope.name());
    let line = match news {
        News::Opened => format!("opened: {}", story(record)),
        News::Blamed => format!("now {}", story(record)),
        News::Joined(key) => format!("{key} is part of it; {}", story(record)),
        News::Acted => match record.actions.last() {
            Some(last) => {
                let outcome = last.outcome.name();
                let more = match (last.outcome, last.detail.as_str()) {
                    (evenkeel_core::incident::Outcome::Running, _) => &last.why,
                    (_, detail) => detail,
                };
                let colon = if more.is_empty() { "" } else { ": " };
                let (whose, is) = match last.by {
                    Actor::Evenkeel => ("action", " is"),
                    Actor::Operator => ("a person asked for", ", which is"),
                };
                format!(
                    "{whose} {} of {}{is} {outcome}{colon}{more}",
                    last.action, last.target
                )
            }
            None => return,
        },
        News::Restored => "everything serves again; it is watched for a while".to_owned(),
        News::Closed => match record.times.restore {
            Some(ms) => format!("closed: {cause}, served again after {ms} ms"),
            None => format!("closed: {cause}"),
        },
        News::Merged(into) => format!("is the same fault as incident {into}, and part of it now"),
        News::Labelled => {
            let label = record.label.map_or("nothing", Cause::name);
            format!("labelled {label}")
        }
        News::NeedsPerson => {
            let why = record.person.join("; ");
            format!(
                "needs a person: {} is not cured, and nothing is left to be tried: {why}",
                story(record)
            )
        }
        News::Updated | News::Forgotten => return,
    };
    let line = format!("incident {id} {line}");
    match news {
        News::NeedsPerson => {
            tracing::error!(target: "evenkeel::incident", id, cause, scope, "{line}");
        }
        News::Opened => tracing::warn!(target: "evenkeel::incident", id, cause, scope, "{line}"),
        _ => tracing::info!(target: "evenkeel::incident", id, cause, scope, "{line}"),
    }
}

/// Names told in one line; the rest is counted.
const NAMES_SHOWN: usize = 3;

fn story(record: &Record) -> String {
    let names: Vec<_> = record.subjects.iter().map(|s| s.key.as_str()).collect();
    let mut who = names[..names.len().min(NAMES_SHOWN)].join(", ");
    if names.len() > NAMES_SHOWN {
        who += &format!(" and {} more", names.len() - NAMES_SHOWN);
    }
    let Some(first) = record.causes.first() else {
        return who;
    };
    let reasons = first.because.iter().filter(|reason| reason.weight > 0.0);
    let reasons: Vec<_> = reasons
        .take(NAMES_SHOWN)
        .map(|reason| reason.evidence.words(reason.present))
        .collect();
    format!(
        "{who} ({}), most likely {} ({:.0} %): {}",
        record.scope.name(),
        first.cause.name(),
        first.probability * 100.0,
        reasons.join(", ")
    )
}
