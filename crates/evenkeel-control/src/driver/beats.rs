//! Heartbeats on their way to the engine, and what the loop knows of its own pauses.

use std::time::Duration;

use evenkeel_core::detect::{Pause, Turns};
use evenkeel_core::engine::Event;
use evenkeel_core::time::{Now, WallTime};
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{
    ErrorAnswer, ErrorCode, HeartbeatAnswer, HeartbeatRequest, OwnStatus,
};
use evenkeel_store::Durability;

use super::{Driver, SWEEP_EVERY};
use crate::ask::Outcome;

/// A pause is told in the log from here on; shorter ones are only counted.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// The loop's eye on itself.
pub(super) struct Own {
    turns: Turns,
    /// The newest pause: when it ended, and how long it was.
    last: Option<(WallTime, Duration)>,
}

impl Own {
    /// The loop wakes for its sweeps at least.
    pub(super) fn new() -> Own {
        Own {
            turns: Turns::new(SWEEP_EVERY),
            last: None,
        }
    }

    /// Pauses so far, and how long they were together.
    pub(super) fn pauses(&self) -> (u64, Duration) {
        self.turns.pauses()
    }
}

impl Driver {
    /// The loop turns: before anything of this turn reaches the engine it is told of a pause before it.
    pub(super) fn turn(&mut self, now: Now) {
        let Some(pause) = self.own.turns.on(now.at) else {
            return;
        };
        self.own.last = Some((now.wall, pause.length));
        log_pause(&pause);
        let paused = Event::Paused(pause);
        self.journal.handle(&mut self.engine, paused, now);
        self.carry_out();
    }

    /// Takes heartbeats in, each answered in its place.
    pub(super) fn beats(&mut self, beats: &[HeartbeatRequest]) -> Vec<Outcome<HeartbeatAnswer>> {
        beats.iter().map(|beat| self.beat(beat)).collect()
    }

    fn beat(&mut self, request: &HeartbeatRequest) -> Outcome<HeartbeatAnswer> {
        let names = request.names();
        let (pool, name) = names.map_err(|wrong| {
            let hint = "pool and endpoint as in the configuration";
            ErrorAnswer::new(ErrorCode::BadRequest, wrong, hint)
        })?;
        let endpoint = self.find(pool, name)?;
        let view = self.engine.pool(pool);
        if view.is_some_and(|view| view.spec.heartbeat.is_none()) {
            return Err(ErrorAnswer::new(
                ErrorCode::NoHeartbeatExpected,
                format!("pool {pool} expects no heartbeats"),
                format!("write [pool.{pool}.heartbeat] into the configuration"),
            ));
        }
        let beat = request.beat();
        let known = self.engine.endpoint(endpoint);
        let known = known.is_some_and(|view| view.heartbeat.carried().is_some());
        // That it beats at all is on the disk at once: a balancer that replaces this one has to miss it.
        self.durability = match known {
            true => Durability::Relaxed,
            false => Durability::Now,
        };
        self.event(Event::Beat { endpoint, beat });
        self.durability = Durability::Relaxed;
        Ok(HeartbeatAnswer {
            acknowledged: request.sequence,
        })
    }

    /// What this node knows of its own faults.
    pub(super) fn own_status(&self) -> OwnStatus {
        let (pauses, paused) = self.own.pauses();
        let cut = self.engine.cut();
        let store = self.storage.trouble();
        OwnStatus {
            store_since: store.as_ref().map(|trouble| Stamp(trouble.since)),
            store: store.map(|trouble| trouble.why),
            alone: cut.map(|cut| cut.why.clone()),
            alone_since: cut.map(|cut| Stamp(cut.since)),
            pauses,
            paused_last: self.own.last.map(|(ended, _)| Stamp(ended)),
            paused_last_ms: self.own.last.map(|(_, length)| millis(length)),
            paused_ms: millis(paused),
            replaced: self.host.replaced(),
        }
    }
}

fn log_pause(pause: &Pause) {
    let seconds = pause.length.as_secs_f64();
    if pause.length >= WORTH_A_LINE {
        tracing::warn!(
            target: "evenkeel::own",
            "this process did not run for {seconds:.1} s; what timed out meanwhile is not counted against any endpoint"
        );
    } else {
        tracing::debug!(target: "evenkeel::own", "this process did not run for {seconds:.3} s");
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
