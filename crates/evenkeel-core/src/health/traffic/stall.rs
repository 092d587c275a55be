//! Has fallen silent: requests wait for it, not a byte comes back, and its peers answer.
//!
//! A stopped process, a deadlock, a cable pulled: nothing fails, all merely waits, and every new request waits with it until
//! time-outs decide. Here silence itself is the evidence:
//!
//! - nothing was heard of it for three times as long as 99 of 100 of its answers of the last 10 to 20 s took, and for 200 ms
//!   at least (a garbage collection, a scheduler's slice or a lost packet's first repetition take as long);
//! - at least three requests have waited for as long as that. A request that is slow by its nature is one; that three begin
//!   one after the other, all of the slowest hundredth, and nothing is answered between them, is one case in a million;
//! - meanwhile the very workers whose requests wait have heard from its peers. If they hear from nobody, the fault is
//!   theirs, or everybody's.
//!
//! Then it is suspected: no new work, and a probe decides. Three ends:
//!
//! - it answers something: no suspicion any more;
//! - a probe passes, where a probe shows more than that its kernel lives: back at once, and more patience the next time.
//!   If it then answers nothing again, twice, its checks work and its requests do not: ejected;
//! - where a probe shows no more than that (tcp), the requests themselves decide: silent for twice as long is ejected.
//!
//! A probe that fails ejects it too; that is seen where probes are seen (`health::endpoint`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counters::Lane;
use crate::id::EndpointId;
use crate::time::Time;

use super::latency::show;
use super::{By, Finding, Place, Rule, Scene, Seen, Sentence};

/// Silence shorter than this is never a stall.
const SILENCE_MIN: Duration = Duration::from_millis(200);
/// Beyond this, time-outs are as quick.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Times its own 99 %.
const PATIENCE: u32 = 3;
/// Its own times are known from this many answers.
const ANSWERS_MIN: u64 = 20;
/// Requests that must have waited for so long.
const WAITING_MIN: u64 = 3;
/// Answers of peers that a worker must have heard meanwhile, the last of them this recently.
const WITNESSES_MIN: u64 = 3;
const WITNESSED_WITHIN: Duration = Duration::from_millis(250);
/// Passed probes without an answer after them: the checks work, the requests do not.
const PROBES_MAX: u32 = 2;
/// A suspicion that nothing decides is dropped.
const SUSPECTED_MAX: Duration = Duration::from_secs(5);
/// Readings kept of how many requests a worker had handed over: so many, and so many of them in one patience.
const MARKS: usize = 16;
const MARKS_IN_PATIENCE: u32 = 6;

/// What is known of one endpoint's silence.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Silence {
    /// Since when nothing was heard.
    since: Time,
    heard: u64,
    lanes: Vec<Marks>,
    /// It was asked to be suspected in the look before.
    asked: bool,
    suspected: Option<Time>,
    /// What 99 of 100 of its answers took when it was asked to be suspected.
    usual: Option<Duration>,
    /// Times it was suspected in vain.
    vain: u32,
}

/// Of one worker: how many requests it had handed over when, and what it had heard from peers when the silence began.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    handed: VecDeque<(Time, u64)>,
    peers: u64,
}

/// What one worker heard of the whole pool.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Ear {
    heard: u64,
    last: Time,
}

/// The rule's memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Stall {
    silences: BTreeMap<EndpointId, Silence>,
    ears: Vec<Ear>,
}

impl Rule for Stall {
    fn name(&self) -> &'static str {
        "stall"
    }

    fn look(&mut self, scene: &Scene<'_>, findings: &mut Vec<Finding>) {
        self.listen(scene);
        for seen in scene.counted() {
            let silence = self.silences.entry(seen.id).or_default();
            if let Some((sentence, why)) = silence.judge(seen, &self.ears, scene) {
                findings.push(Finding {
                    endpoint: seen.id,
                    sentence,
                    why,
                });
            }
        }
    }

    fn forget(&mut self, endpoint: EndpointId) {
        self.silences.remove(&endpoint);
    }
}

impl Stall {
    fn listen(&mut self, scene: &Scene<'_>) {
        let workers = scene.endpoints.iter().map(|seen| seen.lanes.len()).max();
        self.ears.resize(workers.unwrap_or(0), Ear::default());
        for (worker, ear) in self.ears.iter_mut().enumerate() {
            let heard = |seen: &Seen<'_>| seen.lanes.get(worker).map_or(0, Lane::heard);
            let heard = scene.endpoints.iter().map(heard).sum();
            if heard != ear.heard {
                *ear = Ear {
                    heard,
                    last: scene.now,
                };
            }
        }
    }
}

impl Silence {
    fn judge(
        &mut self,
        seen: &Seen<'_>,
        ears: &[Ear],
        scene: &Scene<'_>,
    ) -> Option<(Sentence, String)> {
        let heard = seen.lanes.iter().map(Lane::heard).sum();
        let silent = heard == self.heard && !self.lanes.is_empty();
        self.heard = heard;
        self.note_place(seen, ears, scene.now);
        if scene.overslept || seen.excused {
            self.begin(seen, ears, scene.now);
            return None;
        }
        if !silent {
            self.vain = 0;
            self.suspected = None;
            self.begin(seen, ears, scene.now);
        }
        let usual = self.usual(seen)?;
        let patience = patience(usual, self.vain);
        self.mark(seen, patience, scene.now);
        match (silent, seen.place) {
            (false, Place::Suspected) => Some((Sentence::Acquit, "it answers again".into())),
            (false, _) => None,
            (true, Place::Suspected) => self.decide(seen, ears, usual, scene),
            (true, _) => self.accuse(seen, ears, usual, scene.now),
        }
    }

    /// What 99 of 100 of its answers take at most, if that is known.
    fn usual(&mut self, seen: &Seen<'_>) -> Option<Duration> {
        let recent = &seen.track.recent;
        let fresh = recent.quantile(990);
        let usual = fresh.filter(|_| recent.total() >= ANSWERS_MIN);
        usual.or(self.suspected.and(self.usual))
    }

    /// Silent, and not suspected yet.
    fn accuse(
        &mut self,
        seen: &Seen<'_>,
        ears: &[Ear],
        usual: Duration,
        now: Time,
    ) -> Option<(Sentence, String)> {
        let patience = patience(usual, self.vain);
        let waiting = self.waiting(seen, ears, patience, now);
        if waiting < WAITING_MIN || patience > SILENCE_MAX {
            return None;
        }
        self.asked = true;
        self.usual = Some(usual);
        let why = self.words(seen, usual, ears, now);
        Some(match self.vain >= PROBES_MAX {
            false => (Sentence::Suspect, why),
            true => {
                let why = format!("{why}, though its checks pass");
                (Sentence::Eject(By::Stall), why)
            }
        })
    }

    /// Was it suspected, and is it no more although it is still silent? Then that was in vain, and it has a new chance.
    fn note_place(&mut self, seen: &Seen<'_>, ears: &[Ear], now: Time) {
        let was = std::mem::take(&mut self.asked) || self.suspected.is_some();
        match seen.place {
            Place::Suspected => {
                self.suspected.get_or_insert(now);
            }
            _ if was => {
                self.suspected = None;
                self.vain = self.vain.saturating_add(1).min(8);
                self.begin(seen, ears, now);
            }
            _ => {}
        }
    }

    /// A silence begins now.
    fn begin(&mut self, seen: &Seen<'_>, ears: &[Ear], now: Time) {
        self.since = now;
        self.lanes.resize_with(seen.lanes.len(), Marks::default);
        for ((marks, lane), ear) in self.lanes.iter_mut().zip(seen.lanes).zip(ears) {
            marks.peers = ear.heard.saturating_sub(lane.heard());
        }
    }

    /// Notes how many requests each worker has handed over, as often as patience needs it.
    fn mark(&mut self, seen: &Seen<'_>, patience: Duration, now: Time) {
        for (marks, lane) in self.lanes.iter_mut().zip(seen.lanes) {
            let newest = marks.handed.back();
            if newest.is_some_and(|(at, _)| now.since(*at) < patience / MARKS_IN_PATIENCE) {
                continue;
            }
            if marks.handed.len() >= MARKS {
                marks.handed.pop_front();
            }
            marks.handed.push_back((now, lane.handed));
        }
    }

    /// Requests that have certainly waited for as long as patience lasts, on workers that have heard from peers.
    fn waiting(&self, seen: &Seen<'_>, ears: &[Ear], patience: Duration, now: Time) -> u64 {
        if now.since(self.since) < patience {
            return 0;
        }
        let lanes = self.lanes.iter().zip(seen.lanes).zip(ears);
        let old = lanes.map(|((marks, lane), ear)| {
            let recently = now.since(ear.last) <= WITNESSED_WITHIN;
            let witnessed = recently && witnesses(marks, lane, ear) >= WITNESSES_MIN;
            let mut then = marks.handed.iter().rev();
            let then = then.find(|(at, _)| now.since(*at) >= patience);
            match then.filter(|_| witnessed) {
                Some((_, handed)) => handed.saturating_sub(lane.settled),
                None => 0,
            }
        });
        old.sum()
    }

    /// It is suspected and still silent.
    fn decide(
        &mut self,
        seen: &Seen<'_>,
        ears: &[Ear],
        usual: Duration,
        scene: &Scene<'_>,
    ) -> Option<(Sentence, String)> {
        let suspected = scene.now.since(self.suspected.unwrap_or(scene.now));
        let patience = 2 * patience(usual, self.vain);
        if !scene.probe_convinces && self.waiting(seen, ears, patience, scene.now) >= WAITING_MIN {
            let why = self.words(seen, usual, ears, scene.now);
            return Some((Sentence::Eject(By::Stall), why));
        }
        (suspected > SUSPECTED_MAX)
            .then(|| (Sentence::Acquit, "nothing decided the suspicion".into()))
    }

    fn words(&self, seen: &Seen<'_>, usual: Duration, ears: &[Ear], now: Time) -> String {
        let lanes = self.lanes.iter().zip(seen.lanes).zip(ears);
        let peers: u64 = lanes
            .map(|((marks, lane), ear)| witnesses(marks, lane, ear))
            .sum();
        let waiting: u64 = seen.lanes.iter().map(Lane::waiting).sum();
        format!(
            "not a byte for {} with {waiting} requests in flight (99 % of its answers take {} at most), its peers answered {peers}",
            show(now.since(self.since)),
            show(usual),
        )
    }
}

/// What this worker heard of the peers since the silence began.
fn witnesses(marks: &Marks, lane: &Lane, ear: &Ear) -> u64 {
    let peers = ear.heard.saturating_sub(lane.heard());
    peers.saturating_sub(marks.peers)
}

fn patience(usual: Duration, vain: u32) -> Duration {
    let patience = usual.saturating_mul(PATIENCE).max(SILENCE_MIN);
    patience.saturating_mul(1 + vain)
}
