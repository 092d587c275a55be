//! What an operator has carried out is written down while it lasts. Whoever comes after a death in the middle says so, and does not
//! do it again: how far it came is not known, and a person had it done once.

use std::time::Duration;

use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::records::UnderwayRecord;

use super::Driver;
use crate::storage::Written;

/// A disk that does not take a note in this time holds up no action: it may be the one that makes room on it.
const NOTE_WITHIN: Duration = Duration::from_secs(1);

impl Driver {
    /// Writes it down. The action begins once the note is on the disk, or cannot be.
    pub(super) fn under_way(
        &mut self,
        service: &str,
        action: &str,
        argument: Option<&str>,
    ) -> Option<Written> {
        self.storage.put_underway(&UnderwayRecord {
            service: service.to_owned(),
            action: action.to_owned(),
            argument: argument.map(str::to_owned),
            started: Stamp(now().wall),
        });
        self.storage.written()
    }

    /// It has ended, one way or the other.
    pub(super) fn not_under_way(&mut self, service: &str, action: &str) {
        self.storage.delete_underway(service, action);
    }

    /// What the process before this one was in the middle of.
    pub(super) fn say_interrupted(&mut self, records: Vec<UnderwayRecord>) {
        for record in records {
            let UnderwayRecord {
                service,
                action,
                argument,
                started,
            } = record;
            let argument = argument.map_or(String::new(), |a| format!(" {a}"));
            let look = match action.as_str() {
                "run" => "the command may have ended by itself, or still run",
                "rollback_release" => {
                    "the release may be another one now: if the service was not started again since, `evenkeel act` restarts it"
                }
                "restore_data" => {
                    "its data is whole, the old or the restored; what is not in its place is kept beside it"
                }
                _ => "part of it may be done",
            };
            tracing::error!(
                target: "evenkeel::recovery", service, action,
                "{service}: {action}{argument} was interrupted: the balancer that had begun it at {started} died; it is not done again by itself; {look}"
            );
            self.storage.delete_underway(&service, &action);
        }
    }
}

/// Waits for a note, but not for long.
pub(super) async fn noted(written: Option<Written>) {
    if let Some(written) = written {
        // Whatever comes of it, it was tried.
        let _ = tokio::time::timeout(NOTE_WITHIN, written).await;
    }
}
