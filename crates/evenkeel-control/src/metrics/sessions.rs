//! Sessions, of the pools that know their clients again.

use std::fmt;

use evenkeel_core::session::SessionWorker;
use prometheus_client::metrics::MetricType;

use super::{Column, Page, Sample};
use crate::driver::live_sessions;

/// A reason, and where its count is.
type Reason = (&'static str, fn(&SessionWorker) -> u64);

impl Sample {
    pub(super) fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        const COUNTS: [Column<SessionWorker, u64>; 4] = [
            ("evenkeel_sessions_begun", "Sessions that began", |s| {
                s.begun.value()
            }),
            (
                "evenkeel_sessions_kept",
                "Requests that came with a session and were served where that was",
                |s| s.kept.value(),
            ),
            (
                "evenkeel_sessions_moved",
                "Times a session went to another endpoint because its own could not serve",
                |s| s.moved.value(),
            ),
            (
                "evenkeel_sessions_returned",
                "Times a session went back",
                |s| s.returned.value(),
            ),
        ];
        const IGNORED: [Reason; 2] = [
            ("forged", |s| s.forged.value()),
            ("expired", |s| s.expired.value()),
        ];
        let pools = self.counters.pools.iter();
        let pools: Vec<_> = pools
            .filter(|(pool, _)| self.sticky.contains(pool.as_str()))
            .collect();
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                pools.iter().try_for_each(|(pool, workers)| {
                    family.count(&[("pool", pool)], workers.sum(|w| value(&w.sessions)))
                })
            })?;
        }
        let help = "Session cookies, and tokens that should be signed, that were ignored: made by nobody here, or too old";
        let name = "evenkeel_session_cookies_ignored";
        page.family(name, help, MetricType::Counter, |family| {
            for (pool, workers) in &pools {
                for (reason, value) in IGNORED {
                    let labels = [("pool", pool.as_str()), ("reason", reason)];
                    family.count(&labels, workers.sum(|w| value(&w.sessions)))?;
                }
            }
            Ok(())
        })?;
        let help = "Sessions at the endpoint that are not over, of which a request came since the balancer began";
        let name = "evenkeel_endpoint_sessions";
        page.family(name, help, MetricType::Gauge, |family| {
            let all = self.endpoints.iter();
            for endpoint in all.filter(|e| self.sticky.contains(&e.pool)) {
                let live = live_sessions(&endpoint.shared, self.now_s);
                family.gauge(&endpoint.labels(), i64::try_from(live).unwrap_or(i64::MAX))?;
            }
            Ok(())
        })
    }
}
