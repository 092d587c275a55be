//! Whom real traffic has found, and by which rule.

use std::fmt;

use evenkeel_core::health::traffic::By;
use prometheus_client::metrics::MetricType;

use super::{Column, EndpointSample, Page, Sample};

impl Sample {
    /// Whom real traffic has found, and by which rule.
    pub(super) fn ejections(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.endpoints;
        let help = "1 = silent with requests in flight: no new work until a probe decides";
        page.family(
            "evenkeel_endpoint_suspected",
            help,
            MetricType::Gauge,
            |family| {
                all.iter()
                    .try_for_each(|e| family.gauge(&e.labels(), i64::from(e.suspected)))
            },
        )?;
        const COUNTS: [Column<EndpointSample, [u64; By::ALL.len()]>; 2] = [
            (
                "evenkeel_ejections",
                "Ejections by real traffic, by the rule that found the endpoint",
                |e| e.ejections,
            ),
            (
                "evenkeel_ejections_withheld",
                "Found by a rule and not ejected: enforce = false, or the pool could not spare it",
                |e| e.spared,
            ),
        ];
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                for endpoint in all {
                    for (by, count) in By::ALL.iter().zip(value(endpoint)) {
                        let [pool, name] = endpoint.labels();
                        family.count(&[pool, name, ("rule", by.name())], count)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
