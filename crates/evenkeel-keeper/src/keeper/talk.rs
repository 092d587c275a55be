//! The conversation with the child: what it asks is checked and done, what happens is told.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::{Keeper, Phase};
use crate::balancer::Heard;
use crate::wire::{Death, FromKeeper, Start, ToKeeper};

/// Exits kept for a child to come: more than services may run, so each may end at least once while none listens.
const EXITS_KEPT: usize = 2048;
/// Descriptors held for the child: it needs one or two.
const HELD_MAX: usize = 16;

impl Keeper {
    /// Hears what the child says, up to a number of messages.
    pub(super) fn listen(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(child) = self.child.as_mut().filter(|child| child.may_speak()) else {
                return;
            };
            let wrong = match child.hear(&mut self.buffer) {
                Heard::Nothing => return,
                // An ordinary end looks like this first; a process that lives on without its link is judged by its silence.
                Heard::Closed => return child.closed = true,
                Heard::NotExecuted(why) => {
                    return self
                        .log
                        .say(&format!("the balancer cannot be started: {why}"));
                }
                Heard::Message(message, descriptors) => match self.obey(message, descriptors) {
                    Ok(()) => continue,
                    Err(wrong) => wrong.to_owned(),
                },
                Heard::Garbage(why) => why,
            };
            let Some(child) = self.child.as_mut() else {
                return;
            };
            self.log.warn(&format!(
                "{} (pid {}) is not to be believed any more: {wrong}: killing it",
                self.settings.called,
                child.number()
            ));
            child.kill(&format!("was not to be believed any more: {wrong}"));
        }
    }

    /// Does what the child asks. An error means that it asks what no sane child would.
    fn obey(
        &mut self,
        message: ToKeeper,
        mut descriptors: Vec<OwnedFd>,
    ) -> Result<(), &'static str> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let sent = usize::from(matches!(message, ToKeeper::Hold { .. }));
        if descriptors.len() != sent {
            return Err(
                "it sent descriptors with a message that carries none, or none with one that does",
            );
        }
        if child.greeted == matches!(message, ToKeeper::Hello { .. }) {
            return Err("it greeted twice, or spoke before it greeted");
        }
        match message {
            ToKeeper::Hello { pid } if pid != child.number() => {
                return Err("it greeted with another's pid");
            }
            ToKeeper::Hello { .. } => self.greet(),
            ToKeeper::Restrict => self.restricted = true,
            ToKeeper::Open {
                key,
                address,
                count,
                mode,
            } => {
                let (message, sockets) = match self.sockets.open(&key, &address, count, mode) {
                    Ok(kept) => (kept.as_opened(&key), kept.sockets.clone()),
                    Err(why) => (FromKeeper::OpenFailed { key, address, why }, Vec::new()),
                };
                self.say(&message, &sockets);
            }
            ToKeeper::Close { key } => self.sockets.close(&key),
            ToKeeper::Hold { name } => {
                if !self.held.contains_key(&name) && self.held.len() >= HELD_MAX {
                    return Err("it wants more descriptors held than there is a use for");
                }
                self.held.extend(
                    descriptors
                        .pop()
                        .map(|descriptor| (name, Rc::new(descriptor))),
                );
            }
            ToKeeper::Start(start) => self.start_service(start),
            ToKeeper::Signal {
                name,
                signal,
                epoch,
            } => {
                if let Err(why) = self.services.signal(&name, signal, epoch) {
                    self.tell(FromKeeper::SignalRefused { name, epoch, why });
                }
            }
            ToKeeper::LogFormat(format) => self.log.set_format(format),
            ToKeeper::Ready => {
                child.judge.on_ready(self.now);
                self.ever_ready = true;
            }
            ToKeeper::Alive => child.judge.on_alive(self.now),
            ToKeeper::Bye => child.leaving = true,
        }
        Ok(())
    }

    fn start_service(&mut self, start: Start) {
        let (name, epoch) = (start.name.clone(), start.epoch);
        if let Err(why) =
            self.services
                .start(start, self.restricted, &self.settings.trampoline, self.now)
        {
            self.tell(FromKeeper::StartFailed { name, epoch, why });
        }
    }

    /// Hands over everything kept, and what was not heard by anybody.
    fn greet(&mut self) {
        if let Some(child) = &mut self.child {
            child.greeted = true;
        }
        let sockets: Vec<_> = self
            .sockets
            .iter()
            .map(|(key, kept)| (kept.as_opened(key), kept.sockets.clone()))
            .collect();
        for (message, sockets) in sockets {
            self.say(&message, &sockets);
        }
        let held: Vec<_> = self
            .held
            .iter()
            .map(|(name, held)| (name.clone(), held.clone()))
            .collect();
        for (name, held) in held {
            self.say(&FromKeeper::Held { name }, &[held]);
        }
        let untold = std::mem::take(&mut self.untold);
        self.tell_all(untold);
        self.tell_all(self.services.to_adopt(self.now));
        let exits_lost = std::mem::take(&mut self.exits_lost);
        let died = self.last_death.as_ref().map(|(at, why)| Death {
            why: why.clone(),
            ago_ns: u64::try_from(self.now.saturating_sub(*at).as_nanos()).unwrap_or(u64::MAX),
        });
        let (keeper_pid, replaced, restricted) = (
            std::process::id(),
            self.children_started - 1,
            self.restricted,
        );
        self.tell(FromKeeper::AdoptionDone {
            keeper_pid,
            replaced,
            restricted,
            exits_lost,
            died,
        });
        self.pass_on_wishes();
    }

    /// Tells a listening child what somebody asked for before it listened.
    pub(super) fn pass_on_wishes(&mut self) {
        if self.child.as_ref().is_none_or(|child| !child.greeted) {
            return;
        }
        if std::mem::take(&mut self.reload_wanted) {
            self.tell(FromKeeper::Reload);
        }
        if matches!(self.phase, Phase::Draining) {
            self.tell(FromKeeper::Shutdown);
        }
    }

    pub(super) fn tell_all(&mut self, messages: impl IntoIterator<Item = FromKeeper>) {
        for message in messages {
            self.tell(message);
        }
    }

    /// Says something to the child. Exits wait for the next one if nobody listens; all else is asked for again by whoever needs it.
    pub(super) fn tell(&mut self, message: FromKeeper) {
        let listens = self
            .child
            .as_ref()
            .is_some_and(|child| child.greeted && !child.doomed);
        if listens {
            self.say(&message, &[]);
        } else if matches!(message, FromKeeper::Exited { .. }) {
            if self.untold.len() >= EXITS_KEPT {
                self.untold.pop_front();
                self.exits_lost += 1;
            }
            self.untold.push_back(message);
        }
    }

    fn say(&mut self, message: &FromKeeper, descriptors: &[Rc<OwnedFd>]) {
        let Some(child) = self.child.as_mut().filter(|child| !child.doomed) else {
            return;
        };
        if !child.say(message, descriptors) {
            self.log.warn(&format!(
                "{} (pid {}) does not read what it is told: killing it",
                self.settings.called,
                child.number()
            ));
            child.kill("did not read what it was told");
        }
    }
}
