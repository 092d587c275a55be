//! Metrics of heartbeats, and of faults that are the node's own.

use std::fmt;

use evenkeel_core::engine::BeatsView;
use prometheus_client::metrics::MetricType;

use super::page::Page;
use super::{Column, Sample};

impl Sample {
    pub(super) fn heartbeats(&self, page: &mut Page<'_>) -> fmt::Result {
        const GAUGES: [Column<BeatsView, f64>; 4] = [
            (
                "evenkeel_heartbeat_suspicion",
                "How suspicious the silence since the last heartbeat is: from 1 on the endpoint is taken for dead",
                |b| b.suspicion,
            ),
            (
                "evenkeel_heartbeat_age_seconds",
                "Since the last heartbeat arrived, or the wait for it began",
                |b| b.age.as_secs_f64(),
            ),
            (
                "evenkeel_heartbeat_detection_seconds",
                "A crash now would be seen within this",
                |b| b.bound.as_secs_f64(),
            ),
            (
                "evenkeel_heartbeat_utilization",
                "How busy the endpoint says it is, 0 to 1; 0 if it says nothing",
                |b| b.utilization.unwrap_or(0.0),
            ),
        ];
        const COUNTS: [Column<BeatsView, u64>; 2] = [
            ("evenkeel_heartbeats", "Heartbeats that counted", |b| {
                b.beats
            }),
            (
                "evenkeel_heartbeat_mistakes",
                "Times an endpoint was suspected that a later heartbeat showed to have lived",
                |b| b.mistakes,
            ),
        ];
        let beating = || {
            let all = self.endpoints.iter();
            all.filter_map(|e| Some((e, e.heartbeat.as_ref()?)))
        };
        if beating().next().is_none() {
            return Ok(());
        }
        for (name, help, value) in GAUGES {
            page.family(name, help, MetricType::Gauge, |family| {
                beating().try_for_each(|(e, b)| family.gauge_f64(&e.labels(), value(b)))
            })?;
        }
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                beating().try_for_each(|(e, b)| family.count(&e.labels(), value(b)))
            })?;
        }
        Ok(())
    }

    /// What this node knows of its own faults.
    pub(super) fn own(&self, page: &mut Page<'_>) -> fmt::Result {
        page.family(
            "evenkeel_alone",
            "1 = no other machine answers, which is taken for this machine's own fault",
            MetricType::Gauge,
            |family| family.gauge(&[], i64::from(self.alone)),
        )?;
        page.family(
            "evenkeel_store_failing",
            "1 = what should be kept cannot be stored: the disk is full or fails",
            MetricType::Gauge,
            |family| family.gauge(&[], i64::from(self.store_failing)),
        )?;
        page.family(
            "evenkeel_pauses",
            "Times this process did not run for a while",
            MetricType::Counter,
            |family| family.count(&[], self.pauses),
        )?;
        page.family(
            "evenkeel_paused_seconds",
            "How long these pauses were together",
            MetricType::Counter,
            |family| family.count_f64(&[], self.paused_s),
        )
    }
}
