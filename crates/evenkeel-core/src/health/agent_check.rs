//! What an endpoint's own agent says of it: HAProxy's agent check ("agent-check" of its configuration manual).
//!
//! Beside the check, a line of text is read from a port: words in any order, of which each changes what it is about and nothing
//! else. `75%` is the share of its weight that it wants; `maxconn:30` the requests in flight it takes at most, and `maxconn:0` any
//! number, as a server without that setting; `ready`, `drain` and `maint` are an administrator's words; `down`, `fail` and
//! `stopped` take it out and only `up` brings it back, and then its check decides. Only the agent takes back what the agent said: one
//! that falls silent has changed nothing, since whether the endpoint serves is what the check is for.
//!
//! Where it says less than the check does, the check counts: an endpoint is up only if both agree.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::standing::clip;
use crate::id::Epoch;
use crate::settings::AgentCheckSettings;
use crate::table::State;
use crate::time::{Time, WallTime};

/// Beyond its time-out: an answer that is later than this was lost on the way.
const GRACE: Duration = Duration::from_secs(1);
/// Words of a line that are looked at: there are eight that mean something.
const WORDS_MAX: usize = 32;
/// The whole of its weight. Who asks for more gets that: what others would have to give up for it is not his to say.
const WHOLE_PERCENT: u32 = 100;

/// What its administrator wants, by way of the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Admin {
    #[default]
    Ready,
    Drain,
    Maint,
}

/// The words of one line: what is not among them stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    admin: Option<Admin>,
    /// `Some(None)` = up.
    down: Option<Option<String>>,
    percent: Option<u32>,
    limit: Option<u32>,
}

/// What the agent of one endpoint said so far, and when it is asked again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentCheck {
    /// In thousandths of the interval.
    place: u32,
    due: Time,
    /// The look under way: its fence, and when it is given up.
    under_way: Option<(Epoch, Time)>,
    admin: Admin,
    down: Option<String>,
    percent: Option<u32>,
    limit: Option<u32>,
    /// The line that was read last, and when.
    line: Option<(String, WallTime)>,
    /// Why there is no newer one.
    trouble: Option<String>,
    /// From before a restart: it holds until the first look at the agent has ended.
    carried: Option<(State, String)>,
}

/// What the agent said, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentCheckView<'a> {
    /// The line that was read last.
    pub line: Option<&'a str>,
    /// When.
    pub heard: Option<WallTime>,
    /// Why there is no newer one.
    pub trouble: Option<&'a str>,
    /// The share of its weight that it wants, in percent.
    pub percent: Option<u32>,
    /// Requests in flight that it takes.
    pub limit: Option<u32>,
}

impl AgentCheck {
    /// Never asked: at once, later in its `place` of the interval (in thousandths).
    pub fn new(place: u32) -> AgentCheck {
        AgentCheck {
            place: place % 1000,
            due: Time::ZERO,
            under_way: None,
            admin: Admin::Ready,
            down: None,
            percent: None,
            limit: None,
            line: None,
            trouble: None,
            carried: None,
        }
    }

    /// What it said before a restart.
    pub(super) fn carry(&mut self, state: State, why: &str) {
        self.carried = Some((state, why.to_owned()));
    }

    /// Another agent, or none: nothing of it is known.
    pub(super) fn forget(&mut self) {
        *self = AgentCheck::new(self.place);
    }

    /// When [`AgentCheck::send`] is next due.
    pub fn next_wakeup(&self) -> Time {
        self.under_way.map_or(self.due, |(_, lost)| lost)
    }

    /// If a look is due, sends it under this fence.
    pub fn send(
        &mut self,
        fence: impl FnOnce() -> Epoch,
        timeout: Duration,
        now: Time,
    ) -> Option<Epoch> {
        if now < self.next_wakeup() {
            return None;
        }
        let epoch = fence();
        self.under_way = Some((epoch, now + timeout + GRACE));
        Some(epoch)
    }

    /// A look ended: with a line, or with why there is none. Was it the one under way?
    pub fn on(
        &mut self,
        epoch: Epoch,
        answer: Result<&str, &str>,
        settings: &AgentCheckSettings,
        now: Time,
        wall: WallTime,
    ) -> bool {
        let meant = self.under_way.take_if(|(fence, _)| *fence == epoch);
        if meant.is_none() {
            return false;
        }
        // The first times lie in their places, so that not all agents of a pool are asked at one moment.
        let early = match self.line.is_none() && self.trouble.is_none() {
            true => settings.interval / 1000 * self.place,
            false => Duration::ZERO,
        };
        self.due = now + settings.interval.saturating_sub(early / 2);
        self.carried = None;
        match answer.map(|line| (line, parse(line))) {
            Ok((line, Some(words))) => {
                self.take(words);
                self.line = Some((clip(line.to_owned()), wall));
                self.trouble = None;
            }
            Ok((line, None)) => {
                let found: String = line
                    .chars()
                    .take(40)
                    .flat_map(char::escape_default)
                    .collect();
                self.trouble = Some(format!("no word of an agent in \"{found}\""));
            }
            Err(why) => self.trouble = Some(clip(why.to_owned())),
        }
        true
    }

    fn take(&mut self, words: Words) {
        self.admin = words.admin.unwrap_or(self.admin);
        self.down = words.down.unwrap_or_else(|| self.down.take());
        self.percent = words.percent.or(self.percent);
        self.limit = words.limit.or(self.limit);
    }

    /// What everybody sees, where heartbeat, check and traffic say `seen`.
    pub fn covers(&self, seen: State) -> State {
        if let Some((state, _)) = &self.carried {
            return worse(*state, seen);
        }
        match self.admin {
            Admin::Maint => State::Maintenance,
            _ if self.down.is_some() => worse(State::Down, seen),
            Admin::Drain => worse(State::Draining, seen),
            Admin::Ready if self.percent == Some(0) => worse(State::Draining, seen),
            Admin::Ready => seen,
        }
    }

    /// Why, for people.
    pub fn why(&self) -> String {
        if let Some((_, why)) = &self.carried {
            return why.clone();
        }
        match (self.admin, &self.down) {
            (Admin::Maint, _) => "its agent says maint".to_owned(),
            (_, Some(down)) => format!("its agent says {down}"),
            (Admin::Drain, _) => "its agent says drain".to_owned(),
            (Admin::Ready, _) => match self.percent {
                Some(percent) => format!("its agent says {percent}%"),
                None => "its agent says up".to_owned(),
            },
        }
    }

    /// The share of its weight that it wants, in percent.
    pub fn percent(&self) -> Option<u32> {
        self.percent
    }

    /// Requests in flight that it takes; 0 = no limit.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(0)
    }

    /// `None` = it was never asked, or has not answered yet.
    pub fn view(&self) -> Option<AgentCheckView<'_>> {
        let known = self.line.is_some() || self.trouble.is_some();
        known.then(|| AgentCheckView {
            line: self.line.as_ref().map(|(line, _)| line.as_str()),
            heard: self.line.as_ref().map(|(_, heard)| *heard),
            trouble: self.trouble.as_deref(),
            percent: self.percent,
            limit: self.limit,
        })
    }
}

/// What the agent says takes an endpoint out, and never in.
fn worse(said: State, seen: State) -> State {
    match (said, seen) {
        (State::Draining, State::Up | State::Trial | State::Unknown) => State::Draining,
        (State::Draining, seen) => seen,
        (said, _) => said,
    }
}

/// `None`: not one of its words means anything.
fn parse(line: &str) -> Option<Words> {
    let (words, note) = match line.split_once('#') {
        Some((words, note)) => (words, Some(note.trim()).filter(|note| !note.is_empty())),
        None => (line, None),
    };
    let (mut said, mut any) = (Words::default(), false);
    let split = words.split([' ', '\t', ',']).filter(|w| !w.is_empty());
    for word in split.take(WORDS_MAX) {
        any |= said.word(&word.to_ascii_lowercase(), note);
    }
    any.then_some(said)
}

impl Words {
    fn word(&mut self, word: &str, note: Option<&str>) -> bool {
        match word {
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maint),
            "up" => self.down = Some(None),
            "down" | "fail" | "stopped" => {
                let text = match note {
                    Some(note) => format!("{word}: {note}"),
                    None => word.to_owned(),
                };
                self.down = Some(Some(clip(text)));
            }
            _ => return self.number(word),
        }
        true
    }

    fn number(&mut self, word: &str) -> bool {
        let digits = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large for any of ours is as good as the largest.
            plain.then(|| text.parse().unwrap_or(u32::MAX))
        };
        if let Some(percent) = word.strip_suffix('%').and_then(digits) {
            self.percent = Some(percent.min(WHOLE_PERCENT));
            return true;
        }
        let limit = word.strip_prefix("maxconn:").and_then(digits);
        self.limit = limit.or(self.limit);
        limit.is_some()
    }
}

#[cfg(test)]
mod tests;
