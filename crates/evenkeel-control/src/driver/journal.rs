//! How the journal is, for people and for metrics.

use evenkeel_schema::admin::JournalStatus;

use super::Driver;

impl Driver {
    pub(super) fn journal_status(&self) -> JournalStatus {
        let view = self.journal.view();
        JournalStatus {
            recording: view.recording,
            why: (!view.recording).then_some(view.why),
            segment: view.segment,
            bytes: view.bytes,
            lost: view.lost,
            gaps: view.gaps,
        }
    }
}
