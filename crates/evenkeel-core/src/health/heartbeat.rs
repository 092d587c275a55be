//! The verdict of an endpoint's own beats.
//!
//! ```text
//!  none expected ── the first beat ──▶ up
//!  up ── the detector suspects its silence ──▶ down
//!  down ── rise beats in a row, and the hold is over, and where failback is manual a person agreed ──▶ up
//! ```
//!
//! A beat is only expected of an endpoint that has sent one: a pool may be given `heartbeat` before its services are taught
//! to beat, and nothing goes down for it. From the first beat on silence counts, also over a restart of the balancer. Who
//! stops beating for good is forgotten by maintenance, or by another address.
//!
//! The way back is the check's: the same machine with beats for passes and a suspicion for a failure, of which one is
//! enough, since the detector has waited already.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{Check, Seen, Turn, Verdict};
use crate::detect::{Arrival, Detector, detector};
use crate::settings::{CheckSettings, FailoverSettings, HeartbeatSettings};
use crate::time::{Time, WallTime};

/// What the sender says of itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Says {
    /// It takes work.
    #[default]
    Ready,
    /// Not yet.
    Starting,
    /// What runs may finish, nothing new.
    Draining,
    /// It is about to end.
    Stopping,
}

impl Says {
    /// All, in the order of a life.
    pub const ALL: [Says; 4] = [Says::Starting, Says::Ready, Says::Draining, Says::Stopping];

    /// The word in the API and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Says::Ready => "ready",
            Says::Starting => "starting",
            Says::Draining => "draining",
            Says::Stopping => "stopping",
        }
    }
}

/// One beat, as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// Its number: one more each time.
    pub sequence: u64,
    /// The sender's own interval; `None` = the configured one.
    pub interval: Option<Duration>,
    /// Does it take work?
    pub says: Says,
    /// How busy it is, 0 to 1.
    pub utilization: Option<f64>,
}

/// What a restart carries of an endpoint that beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedBeats {
    /// Between its beats.
    pub interval: Duration,
    /// Was it down for its silence?
    pub down: bool,
    /// What it said last.
    pub says: Says,
}

/// What is known of an endpoint's beats, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeatsView {
    /// The newest number; `None` = none since the balancer began.
    pub sequence: Option<u64>,
    /// How long ago it arrived, or the wait for it began.
    pub age: Duration,
    /// When it arrived.
    pub heard: Option<WallTime>,
    /// Between two, as the sender says.
    pub interval: Duration,
    /// 0 not at all, from 1 on suspected.
    pub suspicion: f64,
    /// A crash now would be seen within this.
    pub bound: Duration,
    /// What it says.
    pub says: Says,
    /// How busy it says it is, 0 to 1.
    pub utilization: Option<f64>,
    /// Beats that counted.
    pub beats: u64,
    /// Suspicions that a later beat of the same life proved wrong.
    pub mistakes: u64,
}

/// One that beats.
#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    #[serde(with = "crate::keep::part")]
    detector: Box<dyn Detector>,
    interval: Duration,
    /// The newest beat, and when it came.
    heard: Option<(u64, WallTime)>,
    /// That, or when the wait began.
    since: Time,
    says: Says,
    utilization: Option<f64>,
    suspected: bool,
    /// Nobody is suspected before.
    quiet_until: Time,
    beats: u64,
    mistakes: u64,
}

/// The machine of one endpoint's beats.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Heartbeat {
    watch: Option<Watch>,
    verdict: Check,
    why: String,
}

/// What came of a beat.
#[derive(Debug, Default)]
pub struct Heard {
    /// A new verdict.
    pub turn: Option<Turn>,
    /// It says something else than before, or is the first.
    pub news: bool,
}

/// What it has to know of its pool.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What is expected.
    pub settings: &'a HeartbeatSettings,
    /// For `rise`.
    pub check: &'a CheckSettings,
    /// For hold and failback.
    pub failover: &'a FailoverSettings,
    /// Is nobody in the pool usable?
    pub alone: bool,
}

impl Heartbeat {
    /// As it was before a restart: its silence counts from now on.
    pub fn restored(
        carried: CarriedBeats,
        settings: &HeartbeatSettings,
        failback_auto: bool,
        now: Time,
    ) -> Heartbeat {
        let mut watch = Watch::new(settings, carried.interval, now);
        watch.says = carried.says;
        watch.suspected = carried.down;
        let verdict = if carried.down {
            Verdict::Down
        } else {
            Verdict::Up
        };
        Heartbeat {
            watch: Some(watch),
            verdict: Check::restored(verdict, failback_auto),
            why: "no heartbeat since before the restart".into(),
        }
    }

    /// What a restart carries; `None` = none is expected.
    pub fn carried(&self) -> Option<CarriedBeats> {
        let watch = self.watch.as_ref()?;
        Some(CarriedBeats {
            interval: watch.interval,
            down: self.verdict() == Verdict::Down,
            says: watch.says,
        })
    }

    /// What the beats say; unknown while none is expected.
    pub fn verdict(&self) -> Verdict {
        self.verdict.verdict()
    }

    /// Is it down no more but for the hold or a person?
    pub fn returning(&self) -> bool {
        self.verdict.returning()
    }

    /// Why it is down.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// What it says of itself, if that is not "ready".
    pub fn declines(&self) -> Option<Says> {
        let says = self.watch.as_ref()?.says;
        (says != Says::Ready).then_some(says)
    }

    /// When [`Heartbeat::silent`] is next due.
    pub fn next_wakeup(&self) -> Time {
        match &self.watch {
            Some(watch) if !watch.suspected => watch.detector.next_wakeup().max(watch.quiet_until),
            _ => Time::NEVER,
        }
    }

    /// Nothing is expected any more until a beat arrives.
    pub fn forget(&mut self) {
        *self = Heartbeat::default();
    }

    /// Other settings: what is expected is expected by them from now on. `None` = nothing any more.
    pub fn respecify(&mut self, settings: Option<&HeartbeatSettings>, now: Time) {
        match (settings, &mut self.watch) {
            (None, _) => self.forget(),
            (Some(settings), Some(watch)) => {
                watch.detector = make(settings, watch.interval, now);
                watch.since = now;
            }
            (Some(_), None) => {}
        }
    }

    /// A beat arrived.
    pub fn on(&mut self, beat: &Beat, rules: Rules<'_>, at: Time, wall: WallTime) -> Heard {
        let interval = beat.interval.unwrap_or(rules.settings.interval);
        let first = self.watch.is_none();
        if first {
            self.verdict = Check::new();
        }
        let watch = self
            .watch
            .get_or_insert_with(|| Watch::new(rules.settings, interval, at));
        if watch.interval != interval {
            watch.interval = interval;
            watch.detector.retime(interval, at);
        }
        let arrival = watch.detector.beat(beat.sequence, at);
        if arrival == Arrival::Late {
            return Heard::default();
        }
        let news = first || watch.says != beat.says;
        watch.take(beat, arrival, at, wall);
        let turn = self.judge(true, rules, at).map(|turn| Turn {
            why: returned(rules, turn.ramps),
            ..turn
        });
        Heard { turn, news }
    }

    /// Time passed: is its silence too long now?
    pub fn silent(&mut self, rules: Rules<'_>, at: Time) -> Option<Turn> {
        let watch = self.watch.as_mut()?;
        if watch.suspected || at < watch.quiet_until || watch.detector.suspicion(at) < 1.0 {
            return None;
        }
        watch.suspected = true;
        self.why = watch.words(rules.settings, at);
        let turn = self.judge(false, rules, at)?;
        let why = self.why.clone();
        Some(Turn { why, ..turn })
    }

    /// The listener was away for `length` until now: that silence is not the sender's, and nobody is suspected before
    /// `quiet_until`.
    pub fn excuse(&mut self, length: Duration, quiet_until: Time) {
        if let Some(watch) = &mut self.watch {
            watch.detector.excuse(length);
            watch.quiet_until = watch.quiet_until.max(quiet_until);
        }
    }

    /// A person says: ready.
    pub fn agree(&mut self, rules: Rules<'_>, at: Time) -> Option<Turn> {
        self.verdict
            .agree(&judging(rules.check), rules.failover, at)
    }

    /// When the hold is over, while it is down and beats.
    pub fn held_until(&self, failover: &FailoverSettings) -> Option<Time> {
        self.verdict.held_until(failover)
    }

    /// What is known; `None` = none is expected.
    pub fn view(&self, at: Time) -> Option<BeatsView> {
        let watch = self.watch.as_ref()?;
        Some(BeatsView {
            sequence: watch.heard.map(|(sequence, _)| sequence),
            age: at.since(watch.since),
            heard: watch.heard.map(|(_, wall)| wall),
            interval: watch.interval,
            suspicion: watch.detector.suspicion(at.max(watch.since)),
            bound: watch.detector.bound(),
            says: watch.says,
            utilization: watch.utilization,
            beats: watch.beats,
            mistakes: watch.mistakes,
        })
    }

    fn judge(&mut self, passed: bool, rules: Rules<'_>, at: Time) -> Option<Turn> {
        let seen = Seen {
            passed,
            detail: "",
            alone: rules.alone,
        };
        self.verdict
            .on(seen, &judging(rules.check), rules.failover, at)
    }
}

impl Watch {
    fn new(settings: &HeartbeatSettings, interval: Duration, at: Time) -> Watch {
        Watch {
            detector: make(settings, interval, at),
            interval,
            heard: None,
            since: at,
            says: Says::Ready,
            utilization: None,
            suspected: false,
            quiet_until: Time::ZERO,
            beats: 0,
            mistakes: 0,
        }
    }

    fn take(&mut self, beat: &Beat, arrival: Arrival, at: Time, wall: WallTime) {
        // One that began anew was away indeed.
        let wrong = std::mem::take(&mut self.suspected) && arrival == Arrival::Fresh;
        self.mistakes += u64::from(wrong);
        self.beats += 1;
        self.heard = Some((beat.sequence, wall));
        self.since = at;
        self.says = beat.says;
        self.utilization = beat.utilization;
    }

    /// "no heartbeat for 3.0 s (one every 1 s; fixed, timeout 2 s)".
    fn words(&self, settings: &HeartbeatSettings, at: Time) -> String {
        let limit = match settings.detector {
            "phi" => format!("phi reached {}", settings.threshold.value()),
            "fixed" => format!("timeout {:?}", settings.timeout),
            other => other.to_string(),
        };
        let silence = at.since(self.since).as_secs_f64();
        let last = match self.heard {
            Some((sequence, _)) => format!(", the last was number {sequence}"),
            None => String::new(),
        };
        let every = self.interval;
        format!("no heartbeat for {silence:.1} s, one every {every:?} is expected ({limit}){last}")
    }
}

fn make(settings: &HeartbeatSettings, interval: Duration, at: Time) -> Box<dyn Detector> {
    let own = HeartbeatSettings {
        interval,
        ..settings.clone()
    };
    (detector(settings.detector).make)(&own, at)
}

/// One suspicion is enough; beats in a row are counted like checks.
fn judging(check: &CheckSettings) -> CheckSettings {
    CheckSettings {
        rise: check.rise,
        fall: 1,
        ..CheckSettings::default()
    }
}

fn returned(rules: Rules<'_>, ramps: bool) -> String {
    let (rise, hold) = (rules.check.rise, rules.failover.hold);
    match hold.is_zero() || !ramps {
        true => "heartbeats arrive again".into(),
        false => format!("{rise} heartbeats and more in a row, and all for {hold:?}"),
    }
}

#[cfg(test)]
mod tests;
