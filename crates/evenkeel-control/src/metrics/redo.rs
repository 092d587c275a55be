//! What became of journalled requests, where there are any.

use std::fmt;

use evenkeel_core::recover::redo::Redone;
use prometheus_client::metrics::MetricType;

use super::{Column, Page, Sample};

impl Sample {
    pub(super) fn redo(&self, page: &mut Page<'_>) -> fmt::Result {
        let pools = self.counters.redo.iter();
        let pools = pools.map(|(pool, counts)| (pool, counts.read()));
        let pools: Vec<_> = pools
            .filter(|(_, counts)| *counts != Redone::default())
            .collect();
        const COUNTS: [Column<Redone, u64>; 5] = [
            (
                "evenkeel_redo_journalled",
                "Requests written down before they were forwarded",
                |c| c.kept,
            ),
            (
                "evenkeel_redo_not_journalled",
                "Requests forwarded without, for want of room, of time or of a disk, or because they are too large",
                |c| c.not_kept,
            ),
            (
                "evenkeel_redo_redone",
                "Journalled requests that were never answered, sent again and answered then",
                |c| c.redone,
            ),
            (
                "evenkeel_redo_superseded",
                "Journalled requests that a later one made meaningless",
                |c| c.superseded,
            ),
            (
                "evenkeel_redo_given_up",
                "Journalled requests that were sent again in vain, or became too old",
                |c| c.given_up,
            ),
        ];
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                pools.iter().try_for_each(|(pool, counts)| {
                    family.count(&[("pool", pool.as_str())], value(counts))
                })
            })?;
        }
        let help = "Journalled requests that wait to be sent again";
        page.family("evenkeel_redo_pending", help, MetricType::Gauge, |family| {
            pools.iter().try_for_each(|(pool, counts)| {
                let pending = i64::try_from(counts.pending).unwrap_or(i64::MAX);
                family.gauge(&[("pool", pool.as_str())], pending)
            })
        })
    }
}
