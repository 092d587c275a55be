//! Which agents a balancer has, by name, and over which connection each speaks.
//!
//! A name belongs to the connection that had it first, as long as that one is heard: the second of two hosts that were given the
//! same name is refused, instead of both taking turns. The same agent that calls anew, because it noticed first that its line was
//! cut, takes its own name over at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::time::Time;

/// Agents at once: each costs a descriptor, and no balancer has more hosts behind it.
pub const AGENTS_MAX: usize = 1000;
/// A connection over which nothing came for so long is dead. Agents beat every 3 s at least; a busy host may miss two of them.
/// Whether their host is dead is judged much sooner, by heartbeats and checks.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// One connection, by a number that no other has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// What is to be done with who says hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in.
    Welcome,
    /// It is in, and its own older connection is to be closed.
    Replaces(LinkId),
    /// It is not, for this reason.
    Refused(String),
}

#[derive(Debug)]
struct Entry {
    link: LinkId,
    instance: u64,
    from: String,
    heard: Time,
}

/// All that are connected.
#[derive(Debug, Default)]
pub struct Roster(BTreeMap<Arc<str>, Entry>);

impl Roster {
    /// Somebody says hello. `instance` is a number of this agent's life, `from` the address it comes from, for people.
    pub fn hello(
        &mut self,
        name: &Arc<str>,
        link: LinkId,
        (instance, from): (u64, &str),
        now: Time,
    ) -> Verdict {
        let entry = Entry {
            link,
            instance,
            from: from.to_owned(),
            heard: now,
        };
        match self.0.get(name) {
            None if self.0.len() >= AGENTS_MAX => Verdict::Refused(format!(
                "{AGENTS_MAX} agents are connected, and more are not taken"
            )),
            None => {
                self.0.insert(name.clone(), entry);
                Verdict::Welcome
            }
            Some(old) if old.instance == instance || silent(old, now) => {
                let replaced = old.link;
                self.0.insert(name.clone(), entry);
                Verdict::Replaces(replaced)
            }
            Some(old) => Verdict::Refused(format!(
                "another agent from {} is connected as {name} already: give each host's agent its own name",
                old.from
            )),
        }
    }

    /// Something came over this connection.
    pub fn heard(&mut self, name: &str, link: LinkId, now: Time) {
        if let Some(entry) = self.0.get_mut(name)
            && entry.link == link
        {
            entry.heard = now;
        }
    }

    /// Is this connection the one that has the name?
    pub fn has(&self, name: &str, link: LinkId) -> bool {
        self.0.get(name).is_some_and(|entry| entry.link == link)
    }

    /// Whose name this connection has.
    pub fn name_of(&self, link: LinkId) -> Option<Arc<str>> {
        let mut all = self.0.iter();
        all.find(|(_, entry)| entry.link == link)
            .map(|(name, _)| name.clone())
    }

    /// A connection ended. Was it the one that had the name?
    pub fn left(&mut self, name: &str, link: LinkId) -> bool {
        self.has(name, link) && self.0.remove(name).is_some()
    }

    /// When somebody may have been silent for too long.
    pub fn next_wakeup(&self) -> Time {
        let heard = self.0.values().map(|entry| entry.heard + SILENCE_MAX);
        heard.min().unwrap_or(Time::NEVER)
    }

    /// Who has been.
    pub fn overdue(&self, now: Time) -> Vec<(Arc<str>, LinkId)> {
        let silent = self.0.iter().filter(|(_, entry)| silent(entry, now));
        silent
            .map(|(name, entry)| (name.clone(), entry.link))
            .collect()
    }
}

fn silent(entry: &Entry, now: Time) -> bool {
    now.since(entry.heard) >= SILENCE_MAX
}
