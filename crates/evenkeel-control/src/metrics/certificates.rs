//! Certificates in numbers: when they end, and which could not be exchanged.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

impl Sample {
    pub(super) fn certificates(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.certificates;
        if all.is_empty() {
            return Ok(());
        }
        page.family(
            "evenkeel_certificate_not_after_seconds",
            "When a certificate in use ends, seconds since 1970",
            MetricType::Gauge,
            |family| {
                let timed = all.iter().filter_map(|c| Some((c, c.time?)));
                timed.into_iter().try_for_each(|(certificate, (_, end))| {
                    family.gauge(&certificate.labels(), end)
                })
            },
        )?;
        page.family(
            "evenkeel_certificate_problem",
            "1 = what is in the files now cannot be used, and what was read before stays in use",
            MetricType::Gauge,
            |family| {
                all.iter().try_for_each(|certificate| {
                    let problem = !certificate.problems.is_empty();
                    family.gauge(&certificate.labels(), i64::from(problem))
                })
            },
        )
    }
}
