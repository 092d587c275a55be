//! Incidents in numbers.

use std::fmt;

use evenkeel_core::diagnose::CAUSES;
use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

impl Sample {
    pub(super) fn incidents(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Incidents that are over, by their most probable cause";
        page.family("evenkeel_incidents", help, MetricType::Counter, |family| {
            CAUSES.iter().try_for_each(|entry| {
                let cause = entry.part.name;
                let count = self.incidents.get(cause).copied().unwrap_or_default();
                family.count(&[("cause", cause)], count)
            })
        })?;
        let help = "Incidents that are not over";
        let name = "evenkeel_incidents_open";
        page.family(name, help, MetricType::Gauge, |family| {
            family.gauge(&[], i64::try_from(self.incidents_open).unwrap_or(i64::MAX))
        })
    }
}
