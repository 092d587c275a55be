//! Messages to people in numbers.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

impl Sample {
    pub(super) fn notices(&self, page: &mut Page<'_>) -> fmt::Result {
        let (counts, waiting, withheld) = &self.notices;
        let help = "Tries to tell people: delivered, failed (it is tried again), given_up, dropped";
        let name = "evenkeel_notifications";
        page.family(name, help, MetricType::Counter, |family| {
            counts.iter().try_for_each(|((pool, outcome), count)| {
                family.count(&[("pool", pool), ("outcome", outcome)], *count)
            })
        })?;
        let help = "Messages to people that have not arrived yet";
        let name = "evenkeel_notifications_waiting";
        page.family(name, help, MetricType::Gauge, |family| {
            family.gauge(&[], i64::try_from(*waiting).unwrap_or(i64::MAX))
        })?;
        let help = "Messages that nobody was sent because there were too many in an hour";
        let name = "evenkeel_notifications_withheld";
        page.family(name, help, MetricType::Counter, |family| {
            family.count(&[], *withheld)
        })
    }
}
