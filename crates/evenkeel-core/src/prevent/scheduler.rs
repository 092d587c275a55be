//! One pool: whoever is hot gives work away, step by step and within bounds, to whoever is cool; all hot, and less is let in.
//!
//! - Hot is who was at [`HOT`] for three looks, cool again who was below [`COOL`] for five. Between the two nothing moves.
//! - Every five seconds a step: a tenth of its weight away (a fifth where it is at its limit), or a twentieth back. Never
//!   below 30 % of it, and never more than a third of the pool's whole weight for all together: the others were not
//!   made for more.
//! - Those who are warm are given no more: one that tips the next over helps nobody. If all are hot nothing is given away, what
//!   was goes back, and admission tightens instead, down to half, until one of them is not hot any more; but not for disks,
//!   which fill no slower for it where somebody else fills them.
//! - Whoever will be full within half an hour is told of, again at ten minutes and at three.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::EndpointId;
use crate::settings::PreventionMode;
use crate::time::Time;

use super::heat::{COOL, FORECAST_MAX, Filling, Gauges, HOT, Heat};
use super::relief::{LEAST, WHOLE};

/// Looks in a row until hot, and until cool. Facts come once a second.
const HOT_LOOKS: u32 = 3;
const COOL_LOOKS: u32 = 5;
/// Between looks: facts of several hosts don't make them more.
const LOOK_EVERY: Duration = Duration::from_millis(900);
/// Between steps: what a step did is seen in the facts before the next.
const STEP_EVERY: Duration = Duration::from_secs(5);
/// In thousandths of its weight: away, away at the limit, back.
const STEP_AWAY: u32 = 100;
const STEP_AWAY_FAST: u32 = 200;
const STEP_BACK: u32 = 50;
/// At its limit.
const AT_LIMIT: u32 = 95;
/// Of the pool's whole weight, all together, in thousandths.
const MOVED_MAX: u64 = 333;
/// Admission: a step, and the least of what was in flight.
const STEP_ADMISSION: u32 = 100;
const ADMISSION_LEAST: u32 = 500;
/// A warning is given again when so little is left.
const TELL_AT: [Duration; 3] = [
    FORECAST_MAX,
    Duration::from_secs(600),
    Duration::from_secs(180),
];
/// A forecast that is gone for so long is over.
const TOLD_FOR: Duration = Duration::from_secs(600);

/// How an endpoint stands in its pool.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// Which.
    pub id: EndpointId,
    /// Its weight without relief.
    pub weight: u32,
    /// May it be given ordinary work?
    pub usable: bool,
}

/// A share of something, in thousandths, and why; `None` = the whole.
pub type Wanted = Option<(u32, String)>;

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// These get another share of their weight.
    pub reliefs: Vec<(EndpointId, Wanted)>,
    /// Another share is let in.
    pub admission: Option<Wanted>,
    /// To be said of these.
    pub warnings: Vec<(EndpointId, String)>,
}

/// What is known of one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    gauges: Gauges,
    heat: Heat,
    hot: bool,
    /// Looks in a row that spoke for the other.
    looks: u32,
    factor: u32,
    /// How much was left of each when it was told of, and when that was seen last.
    told: BTreeMap<String, (usize, Time)>,
}

/// The scheduler of one pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scheduler {
    watched: BTreeMap<EndpointId, Watched>,
    admission: u32,
    looked: Option<Time>,
    stepped: Option<Time>,
}

impl Default for Scheduler {
    fn default() -> Scheduler {
        Scheduler {
            watched: BTreeMap::new(),
            admission: WHOLE,
            looked: None,
            stepped: None,
        }
    }
}

impl Scheduler {
    /// The gauges of one endpoint, to be told what was read.
    pub fn gauges(&mut self, id: EndpointId) -> &mut Gauges {
        let new = || Watched {
            gauges: Gauges::default(),
            heat: Heat::default(),
            hot: false,
            looks: 0,
            factor: WHOLE,
            told: BTreeMap::new(),
        };
        &mut self.watched.entry(id).or_insert_with(new).gauges
    }

    /// How hot it was when last looked at; `None` = nothing was ever read of it.
    pub fn heat(&self, id: EndpointId) -> Option<&Heat> {
        self.watched.get(&id).map(|watched| &watched.heat)
    }

    /// What of it will be full within half an hour.
    pub fn filling(&self, id: EndpointId, now: Time) -> &[Filling] {
        let watched = self.watched.get(&id);
        watched.map_or(&[], |watched| watched.gauges.filling(now))
    }

    /// When [`Scheduler::look`] is due without news: facts may have ceased, and then what moved goes back.
    pub fn next_wakeup(&self) -> Time {
        let moved = self.admission < WHOLE || self.watched.values().any(|w| w.factor < WHOLE);
        match self.stepped.filter(|_| moved) {
            Some(stepped) => stepped + STEP_EVERY,
            None => Time::NEVER,
        }
    }

    /// Looks at all of them, and steps if it is time.
    pub fn look(&mut self, stands: &[Stand], mode: PreventionMode, now: Time) -> Decision {
        let mut decision = Decision::default();
        self.watched
            .retain(|id, _| stands.iter().any(|stand| stand.id == *id));
        if mode == PreventionMode::Off {
            self.release(&mut decision);
            return decision;
        }
        if self
            .looked
            .is_none_or(|at| now.since(at) >= LOOK_EVERY || now < at)
        {
            self.looked = Some(now);
            for (id, watched) in &mut self.watched {
                watched.look(now);
                let words = watched.tell(now);
                let said = words.into_iter().map(|words| (*id, words));
                decision.warnings.extend(said);
            }
        }
        if mode == PreventionMode::Advise {
            self.release(&mut decision);
        } else if self
            .stepped
            .is_none_or(|at| now.since(at) >= STEP_EVERY || now < at)
        {
            self.stepped = Some(now);
            self.step(stands, &mut decision);
        }
        decision
    }

    fn step(&mut self, stands: &[Stand], decision: &mut Decision) {
        let before: BTreeMap<_, _> = self.watched.iter().map(|(id, w)| (*id, w.factor)).collect();
        let usable = || {
            stands
                .iter()
                .filter(|stand| stand.usable && stand.weight > 0)
        };
        let heat = |stand: &Stand| self.watched.get(&stand.id);
        let hot = usable().filter(|stand| heat(stand).is_some_and(|w| w.hot));
        let (hot, all) = (hot.count(), usable().count());
        let cool = |stand: &&Stand| heat(stand).is_none_or(|w| !w.hot && w.heat.percent < COOL);
        let takers = usable().any(|stand| cool(&stand));
        let everybody = hot > 0 && hot == all;
        for stand in stands {
            let Some(watched) = self.watched.get_mut(&stand.id) else {
                continue;
            };
            match watched.hot && stand.usable && !everybody {
                true if takers => watched.away(),
                true => {}
                false => watched.factor = (watched.factor + STEP_BACK).min(WHOLE),
            }
        }
        self.bound(stands, &before);
        for (id, watched) in &self.watched {
            // The reason is told anew even where the share stays.
            if before.get(id) != Some(&watched.factor) || watched.factor < WHOLE {
                decision.reliefs.push((*id, watched.wanted()));
            }
        }
        let eases = |stand: &Stand| self.watched.get(&stand.id).is_some_and(|w| w.heat.eases);
        let tighten = everybody && usable().all(eases);
        self.admit(tighten, decision);
    }

    /// No more than a third of the whole is moved; whoever gave last has to wait, and if it is still too much (somebody
    /// is not usable any more) all take something back.
    fn bound(&mut self, stands: &[Stand], before: &BTreeMap<EndpointId, u32>) {
        let usable = || {
            stands
                .iter()
                .filter(|stand| stand.usable && stand.weight > 0)
        };
        let whole: u64 = usable().map(|stand| u64::from(stand.weight)).sum();
        let most = whole * MOVED_MAX;
        let moved = |watched: &BTreeMap<EndpointId, Watched>| -> u64 {
            let of = |stand: &Stand| {
                let factor = watched.get(&stand.id).map_or(WHOLE, |w| w.factor);
                u64::from(stand.weight) * u64::from(WHOLE - factor)
            };
            usable().map(of).sum()
        };
        for stand in usable() {
            let over = moved(&self.watched).saturating_sub(most);
            if over == 0 {
                return;
            }
            let (Some(watched), Some(was)) =
                (self.watched.get_mut(&stand.id), before.get(&stand.id))
            else {
                continue;
            };
            let back = over.div_ceil(u64::from(stand.weight)) as u32;
            if watched.factor < *was {
                watched.factor = watched.factor.saturating_add(back).min(*was);
            }
        }
        let moved = moved(&self.watched);
        if moved > most {
            for stand in usable() {
                if let Some(watched) = self.watched.get_mut(&stand.id) {
                    let less = u64::from(WHOLE - watched.factor) * most / moved;
                    watched.factor = WHOLE - less as u32;
                }
            }
        }
    }

    fn admit(&mut self, tighten: bool, decision: &mut Decision) {
        let before = self.admission;
        self.admission = match tighten {
            true => (before - STEP_ADMISSION.min(before)).max(ADMISSION_LEAST),
            false => (before + STEP_ADMISSION).min(WHOLE),
        };
        if before == self.admission {
            return;
        }
        let hottest = self.watched.values().map(|w| &w.heat);
        let why = match hottest.max_by_key(|heat| heat.percent) {
            Some(heat) if tighten => format!("every endpoint is hot: {}", heat.why),
            _ => "opening again".to_owned(),
        };
        let wanted = (self.admission < WHOLE).then_some((self.admission, why));
        decision.admission = Some(wanted);
    }

    /// Everything goes back at once: nobody is to act here any more.
    fn release(&mut self, decision: &mut Decision) {
        for (id, watched) in &mut self.watched {
            if watched.factor < WHOLE {
                watched.factor = WHOLE;
                decision.reliefs.push((*id, None));
            }
        }
        if self.admission < WHOLE {
            self.admission = WHOLE;
            decision.admission = Some(None);
        }
    }
}

impl Watched {
    fn look(&mut self, now: Time) {
        self.heat = self.gauges.heat(now);
        let (turns, needed) = match self.hot {
            false => (self.heat.percent >= HOT, HOT_LOOKS),
            true => (self.heat.percent < COOL, COOL_LOOKS),
        };
        self.looks = if turns { self.looks + 1 } else { 0 };
        if self.looks >= needed {
            self.hot = !self.hot;
            self.looks = 0;
        }
    }

    fn away(&mut self) {
        // Between hot and cool what moved stays where it is.
        let step = match self.heat.percent {
            AT_LIMIT.. => STEP_AWAY_FAST,
            HOT.. => STEP_AWAY,
            _ => 0,
        };
        let least = LEAST.min(self.factor);
        self.factor = self.factor.saturating_sub(step).max(least);
    }

    fn wanted(&self) -> Wanted {
        let why = match self.heat.why.as_str() {
            "" => "cool again, its weight comes back".to_owned(),
            why if self.hot => why.to_owned(),
            why => format!("cooler, its weight comes back: {why}"),
        };
        (self.factor < WHOLE).then_some((self.factor, why))
    }

    /// What has to be said of what will be full.
    fn tell(&mut self, now: Time) -> Vec<String> {
        let mut said = Vec::new();
        for filling in self.gauges.filling(now) {
            let urgency = TELL_AT.iter().filter(|at| filling.full_in <= **at).count();
            let told = self.told.entry(filling.what.clone()).or_insert((0, now));
            told.1 = now;
            if urgency > told.0 {
                told.0 = urgency;
                said.push(format!("{} at this rate", filling.words()));
            }
        }
        self.told.retain(|_, (_, seen)| now.since(*seen) < TOLD_FOR);
        said
    }
}
