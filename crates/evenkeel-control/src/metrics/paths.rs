//! By which of its addresses an endpoint is reached, where it has several.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::{Page, Sample};

/// One endpoint's.
#[derive(Clone, Debug)]
pub(crate) struct PathSample {
    /// As configured.
    pub(crate) addresses: Vec<String>,
    /// The position of the one in use.
    pub(crate) used: usize,
    /// How often another one came into use.
    pub(crate) switches: u64,
}

impl Sample {
    pub(super) fn paths(&self, page: &mut Page<'_>) -> fmt::Result {
        let several = || {
            let all = self.endpoints.iter();
            all.filter_map(|e| Some((e.labels(), e.path.as_ref()?)))
        };
        page.family(
            "evenkeel_endpoint_address_in_use",
            "1 = the endpoint is reached by this one of its addresses",
            MetricType::Gauge,
            |family| {
                for ([pool, name], path) in several() {
                    for (at, address) in path.addresses.iter().enumerate() {
                        let labels = [pool, name, ("address", address.as_str())];
                        family.gauge(&labels, i64::from(at == path.used))?;
                    }
                }
                Ok(())
            },
        )?;
        page.family(
            "evenkeel_endpoint_switches",
            "How often another address of the endpoint came into use",
            MetricType::Counter,
            |family| several().try_for_each(|(labels, path)| family.count(&labels, path.switches)),
        )
    }
}
