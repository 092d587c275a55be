//! What evenkeel makes of the fault, by its admin API: when it was found, what was thought and done, when it was over.
//!
//! Times are those evenkeel wrote down, by the clock both share: looking more often would not make them better.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evenkeel_core::table::State;
use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{EndpointStatus, IncidentStatus, Incidents, TimesStatus};
use evenkeel_schema::records::{CaseRecord, ClientsRecord};
use hyper::Method;

use super::interrupt::Interrupt;
use super::scenarios::Scenario;
use super::site::Site;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Once the fault is gone it may take so long until everything serves: checks, restarts with their pauses, holds.
pub(super) const AFTERWARDS: Duration = Duration::from_secs(90);
/// The admin API may be away so long: its balancer may be replaced meanwhile.
const AWAY: Duration = Duration::from_secs(10);

/// The course of one drill.
pub(super) struct Watch<'s> {
    site: &'s Site,
    began: WallTime,
    /// The newest incident before it.
    before: u64,
    /// Of those it is part of, the one in which something was done, else the newest.
    incident: Option<IncidentStatus>,
    /// When the first of them was opened.
    detected: Option<Stamp>,
    felt: Option<fn(&Site) -> bool>,
    endpoint: Option<EndpointStatus>,
    away: Option<Instant>,
}

impl<'s> Watch<'s> {
    /// Just before the fault.
    pub(super) fn begin(
        site: &'s Site,
        felt: Option<fn(&Site) -> bool>,
    ) -> Result<Watch<'s>, String> {
        let all: Incidents = site.read("/v1/incidents")?;
        let open = |i: &&IncidentStatus| i.closed.is_none();
        if let Some(open) = all.iter().find(open) {
            return Err(format!(
                "incident {} is open: nothing was injected, because two faults at once can't be told apart; \
                 `evenkeel explain {}` says what it is",
                open.id, open.id
            ));
        }
        Ok(Watch {
            site,
            began: now(),
            before: all.iter().map(|i| i.id).max().unwrap_or(0),
            incident: None,
            detected: None,
            felt,
            endpoint: None,
            away: None,
        })
    }

    /// Looks until it is over or the time is up.
    pub(super) fn until_healed(
        &mut self,
        within: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), String> {
        let until = Instant::now() + within;
        while Instant::now() < until && !self.is_over() {
            interrupt.sleep(LOOK_EVERY)?;
            match (self.look(), self.away) {
                (Ok(()), _) => self.away = None,
                (Err(_), None) => self.away = Some(Instant::now()),
                (Err(why), Some(since)) if since.elapsed() > AWAY => return Err(why),
                (Err(_), Some(_)) => {}
            }
        }
        Ok(())
    }

    /// The fault itself was taken back: it is felt no more.
    pub(super) fn taken_back(&mut self) {
        self.felt = None;
    }

    /// It was found, is closed, the endpoint serves, and nothing is felt of it.
    pub(super) fn is_over(&self) -> bool {
        let closed = self.incident.as_ref().is_some_and(|i| i.closed.is_some());
        let serves = self.endpoint.as_ref().is_some_and(|e| e.state == State::Up);
        closed && serves && !self.felt.is_some_and(|felt| felt(self.site))
    }

    fn look(&mut self) -> Result<(), String> {
        let pool = self.site.pool_now()?;
        let mut endpoints = pool.endpoints.into_iter();
        self.endpoint = endpoints.find(|e| self.site.key.ends_with(&format!("/{}", e.name)));
        let all: Incidents = self.site.read("/v1/incidents")?;
        let names = |i: &IncidentStatus| i.subjects.contains(&self.site.key);
        // A fault that was merged into an older number does not count: there was no older one open.
        let of_this = all.into_iter().filter(|i| i.id > self.before && names(i));
        let of_this: Vec<_> = of_this.collect();
        self.detected = of_this.iter().map(|i| i.opened).min();
        let told = |i: &&IncidentStatus| (!i.actions.is_empty(), i.id);
        let Some(told) = of_this.iter().max_by_key(told) else {
            return Ok(());
        };
        let path = format!("/v1/incidents/{}", told.id);
        let whole = self.site.call(Method::GET, &path, None)?;
        self.incident = serde_json::from_value(whole).ok();
        Ok(())
    }

    /// All that was seen.
    pub(super) fn case(
        &self,
        scenario: &Scenario,
        what: &str,
        injected: Stamp,
        healed: Option<Stamp>,
        clients: ClientsRecord,
    ) -> CaseRecord {
        let cause = scenario.cause.name();
        let since = |at: Stamp| at.0.0.saturating_sub(injected.0.0);
        let ranked = self.incident.iter().flat_map(|i| &i.causes);
        let rank = ranked
            .into_iter()
            .position(|ranked| ranked.cause == cause)
            .and_then(|at| u32::try_from(at + 1).ok());
        let back = self.endpoint.as_ref().filter(|e| e.state == State::Up);
        CaseRecord {
            scenario: scenario.name.to_owned(),
            cause: cause.to_owned(),
            endpoint: self.site.key.clone(),
            service: self.site.service.name.to_string(),
            what: what.to_owned(),
            injected,
            healed,
            times_ms: self
                .incident
                .as_ref()
                .map_or_else(TimesStatus::default, |i| {
                    let own = i.actions.iter().filter(|action| !action.is_asked());
                    let first = own.map(|action| action.started).min();
                    TimesStatus {
                        detect: self.detected.map(since),
                        decide: first.map(|at| at.0.0.saturating_sub(i.opened.0.0)),
                        act: i.times_ms.act,
                        restore: i.restored.or(i.closed).map(since),
                    }
                }),
            fail_back_ms: back
                .filter(|e| e.since.0 >= self.began)
                .map(|e| since(e.since)),
            rank,
            incident: self.incident.clone(),
            clients,
        }
    }
}

/// The wall clock, which evenkeel's times are by.
pub(super) fn now() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
