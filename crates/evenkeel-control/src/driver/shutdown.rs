//! The orderly end: readiness fails first, so that whoever is in front sends its traffic elsewhere; then nothing new is
//! accepted and what is in flight may finish; then the services stop; then everything is on the disk. Every step has its
//! bound, and a second request to end skips them all.

use std::time::Duration;

use evenkeel_core::engine::Event;
use evenkeel_core::time::Time;
use evenkeel_probe::clock::now;

use super::Driver;

/// Between two looks at whether a step is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Beyond a service's own stop time-out: for the kill that follows it and the word that it worked.
const STOP_SLACK: Duration = Duration::from_secs(2);
/// For the last writes; a disk that needs longer is stalled, and states are seen anew anyway.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Not ready any more, but serving.
    Leaving {
        until: Time,
    },
    /// What is in flight may finish.
    Draining {
        until: Time,
    },
    /// Services end.
    Stopping {
        until: Time,
    },
    Over,
}

impl Phase {
    pub(super) fn over(self) -> bool {
        self == Phase::Over
    }
    pub(super) fn serving(self) -> bool {
        self == Phase::Serving
    }
    pub(super) fn stopping(self) -> bool {
        matches!(self, Phase::Stopping { .. } | Phase::Over)
    }
    pub(super) fn next_wake(self) -> Time {
        match self {
            Phase::Serving | Phase::Over => Time::NEVER,
            Phase::Leaving { until } => until,
            Phase::Draining { until } | Phase::Stopping { until } => {
                until.min(now().at + LOOK_EVERY)
            }
        }
    }
}

impl Driver {
    pub(super) fn begin_shutdown(&mut self) {
        if !self.phase.serving() {
            tracing::warn!("asked to end a second time: ending at once");
            self.host.drain();
            self.phase = Phase::Over;
            return;
        }
        let delay = self.config.node.shutdown_delay;
        match delay.as_millis() {
            0 => tracing::info!("shutting down: /readyz answers 503"),
            ms => tracing::info!(
                "shutting down: /readyz answers 503, traffic is served for {ms} ms more"
            ),
        }
        self.phase = Phase::Leaving {
            until: now().at + delay,
        };
    }

    /// Goes on to the next phase, or several, when it is time.
    pub(super) fn advance_shutdown(&mut self, at: Time) {
        if let Phase::Leaving { until } = self.phase
            && until <= at
        {
            self.host.drain();
            let open = self.host.open_connections();
            tracing::info!("no new connections are taken; {open} are open and may finish");
            self.phase = Phase::Draining {
                until: at + self.config.node.drain_timeout,
            };
        }
        if let Phase::Draining { until } = self.phase {
            let open = self.host.open_connections();
            if open == 0 || until <= at {
                if open > 0 {
                    tracing::warn!(open, "connections are cut: drain_timeout has passed");
                }
                self.stop_services(at);
            }
        }
        if let Phase::Stopping { until } = self.phase {
            let here = self.engine.services().filter(|s| s.agent.is_none());
            let running: Vec<_> = here.filter(|s| s.pid.is_some()).collect();
            if running.is_empty() || until <= at {
                for service in running {
                    tracing::error!("service {} did not end in time", service.spec.name);
                }
                self.phase = Phase::Over;
            }
        }
    }

    fn stop_services(&mut self, at: Time) {
        self.close_accounts();
        let services = self.engine.services().filter(|s| s.agent.is_none());
        let longest = services.map(|s| s.spec.stop_timeout).max();
        self.phase = Phase::Stopping {
            until: at + longest.unwrap_or_default() + STOP_SLACK,
        };
        self.event(Event::StopServices);
    }

    /// Everything on the disk, for as long as that may take.
    pub(super) async fn store_all(&mut self) {
        let Some(stored) = self.storage.sync() else {
            return tracing::warn!("the store is too far behind: the last states are not stored");
        };
        match tokio::time::timeout(STORE_WITHIN, stored).await {
            Ok(Ok(Err(why))) => tracing::error!("the last states are not stored: {why}"),
            Ok(_) => {}
            Err(_) => tracing::warn!("the disk does not answer: the last states are not stored"),
        }
    }
}
