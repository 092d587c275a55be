//! Writing a family of metrics: what OpenMetrics' encoder wants, in the few shapes that are used here.

use std::fmt;
use std::time::Duration;

use evenkeel_core::account::Times;
use evenkeel_core::counters::{Histogram, LATENCY_BOUNDS_S};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

pub(super) type Labels<'a> = [(&'static str, &'a str)];
/// No exemplars are shown.
const NO_EXEMPLAR: Option<&Exemplar<[(&str, &str); 0], f64>> = None;

/// The page being written.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    pub(super) fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        fill: impl FnOnce(&mut Family<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, kind)?;
        fill(&mut Family(encoder))
    }
}

/// One family of it.
pub(super) struct Family<'a>(MetricEncoder<'a>);

impl Family<'_> {
    pub(super) fn count(&mut self, labels: &Labels<'_>, value: u64) -> fmt::Result {
        // A set without labels would be written as `{}`.
        match labels.is_empty() {
            true => self.0.encode_counter(&value, NO_EXEMPLAR),
            false => self
                .0
                .encode_family(&labels)?
                .encode_counter(&value, NO_EXEMPLAR),
        }
    }

    pub(super) fn gauge(&mut self, labels: &Labels<'_>, value: i64) -> fmt::Result {
        match labels.is_empty() {
            true => self.0.encode_gauge(&value),
            false => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    pub(super) fn gauge_f64(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        match labels.is_empty() {
            true => self.0.encode_gauge(&value),
            false => self.0.encode_family(&labels)?.encode_gauge(&value),
        }
    }

    pub(super) fn count_f64(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        match labels.is_empty() {
            true => self.0.encode_counter(&value, NO_EXEMPLAR),
            false => self
                .0
                .encode_family(&labels)?
                .encode_counter(&value, NO_EXEMPLAR),
        }
    }

    /// Times kept in buckets of their own, as a histogram with these bounds.
    pub(super) fn times(
        &mut self,
        labels: &Labels<'_>,
        times: &Times,
        bounds_s: &[f64],
    ) -> fmt::Result {
        let mut below = 0;
        let mut buckets = Vec::with_capacity(bounds_s.len() + 1);
        for bound in bounds_s {
            let at_most = times.at_most(Duration::from_secs_f64(*bound));
            buckets.push((*bound, at_most.saturating_sub(below)));
            below = at_most;
        }
        let count = times.count();
        buckets.push((f64::INFINITY, count.saturating_sub(below)));
        self.0
            .encode_family(&labels)?
            .encode_histogram::<[(&str, &str); 0]>(times.sum_s(), count, &buckets, None)
    }

    /// All of `parts` added up.
    pub(super) fn histogram<'h>(
        &mut self,
        labels: &Labels<'_>,
        parts: impl Iterator<Item = &'h Histogram>,
    ) -> fmt::Result {
        let mut counts = [0u64; LATENCY_BOUNDS_S.len() + 1];
        let mut sum_us = 0u64;
        for part in parts {
            sum_us = sum_us.saturating_add(part.sum_us());
            for (total, count) in counts.iter_mut().zip(part.buckets()) {
                *total += count;
            }
        }
        let bounds = LATENCY_BOUNDS_S.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        self.0
            .encode_family(&labels)?
            .encode_histogram::<[(&str, &str); 0]>(
                sum_us as f64 / 1e6,
                counts.iter().sum(),
                &buckets,
                None,
            )
    }
}
