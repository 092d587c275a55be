//! Metrics of agents on other hosts. Their names are those of agents that endpoints name or that were let in, a thousand at most.

use std::fmt;

use prometheus_client::metrics::MetricType;

use super::page::Page;
use super::{Column, Sample};
use crate::driver::AgentSample;

impl Sample {
    pub(super) fn agents(&self, page: &mut Page<'_>) -> fmt::Result {
        const COUNTS: [Column<AgentSample, u64>; 2] = [
            ("evenkeel_agent_messages", "Messages of an agent", |a| {
                a.messages
            }),
            (
                "evenkeel_agent_refused_orders",
                "Orders that an agent refused or could not carry out",
                |a| a.refused,
            ),
        ];
        if self.agents.is_empty() && self.agents_refused.iter().all(|(_, count)| *count == 0) {
            return Ok(());
        }
        page.family(
            "evenkeel_agent_connected",
            "1 = the agent is connected",
            MetricType::Gauge,
            |family| {
                self.agents.iter().try_for_each(|agent| {
                    family.gauge(&[("agent", &agent.name)], i64::from(agent.connected))
                })
            },
        )?;
        for (name, help, value) in COUNTS {
            page.family(name, help, MetricType::Counter, |family| {
                self.agents
                    .iter()
                    .try_for_each(|agent| family.count(&[("agent", &agent.name)], value(agent)))
            })?;
        }
        page.family(
            "evenkeel_agents_refused",
            "Connections that were not let in as an agent's",
            MetricType::Counter,
            |family| {
                self.agents_refused
                    .iter()
                    .try_for_each(|(reason, count)| family.count(&[("reason", reason)], *count))
            },
        )
    }
}
