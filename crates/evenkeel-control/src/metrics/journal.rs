//! The journal in numbers.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

impl Sample {
    pub(super) fn journal(&self, page: &mut Page<'_>) -> fmt::Result {
        page.family(
            "evenkeel_journal_recording",
            "1 = what the engine is told is kept for replay; 0 = the disk will not, and traffic goes on without",
            MetricType::Gauge,
            |family| family.gauge(&[], i64::from(self.journal.recording)),
        )?;
        page.family(
            "evenkeel_journal_bytes",
            "Written to the journal",
            MetricType::Counter,
            |family| family.count(&[], self.journal.bytes),
        )?;
        page.family(
            "evenkeel_journal_lost_events",
            "Events that are missing from the journal",
            MetricType::Counter,
            |family| family.count(&[], self.journal.lost),
        )?;
        page.family(
            "evenkeel_journal_gaps",
            "Times that events began to be missing from the journal",
            MetricType::Counter,
            |family| family.count(&[], self.journal.gaps),
        )
    }
}
