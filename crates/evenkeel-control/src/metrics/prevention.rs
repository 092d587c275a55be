//! Who runs hot, who gets less for it, and what is kept out.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

impl Sample {
    /// Heat and what is done about it. What is not known is left out.
    pub(super) fn prevention(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.endpoints;
        page.family(
            "evenkeel_endpoint_heat",
            "How near the endpoint is to what it may use: 1 = at a limit, from 0.8 on work moves off it",
            MetricType::Gauge,
            |family| {
                let mut known = all.iter().filter_map(|e| Some((e, e.heat?)));
                known.try_for_each(|(e, heat)| family.gauge_f64(&e.labels(), f64::from(heat) / 100.0))
            },
        )?;
        page.family(
            "evenkeel_endpoint_effective_weight",
            "What the endpoint gets of its weight at the moment, ramp and relief counted in",
            MetricType::Gauge,
            |family| {
                all.iter()
                    .try_for_each(|e| family.gauge(&e.labels(), i64::from(e.effective_weight)))
            },
        )?;
        page.family(
            "evenkeel_endpoint_full_in_seconds",
            "Time until this resource of the endpoint is full at its present rate; only where that is within half an hour",
            MetricType::Gauge,
            |family| {
                for endpoint in all {
                    for filling in &endpoint.filling {
                        let [pool, name] = endpoint.labels();
                        let labels = [pool, name, ("resource", filling.what.as_str())];
                        family.gauge_f64(&labels, filling.full_in.as_secs_f64())?;
                    }
                }
                Ok(())
            },
        )?;
        page.family(
            "evenkeel_pool_admission",
            "Share of what was in flight that the pool lets in: 1 = all, less while every endpoint is hot",
            MetricType::Gauge,
            |family| {
                let mut all = self.admissions.iter();
                all.try_for_each(|(pool, share)| family.gauge_f64(&[("pool", pool)], *share))
            },
        )
    }
}
