//! A name is one agent's: of two that call by it the second is refused while the first is heard, and whoever is heard no more makes
//! room, for itself at once and for others after a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::remote::{LinkId, SILENCE_MAX, Verdict};
use evenkeel_core::time::Time;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct OneAgentAName {
    /// Connection, life, when it was heard.
    holders: BTreeMap<Arc<str>, (LinkId, u64, Time)>,
}

impl Invariant for OneAgentAName {
    fn name(&self) -> &'static str {
        "a name is one agent's"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        let now = scene.now.at;
        match note {
            Note::Restarted => self.holders.clear(),
            Note::Heard { host, link } => match self.holders.get_mut(*host) {
                Some((of, _, heard)) if of == link => *heard = now,
                known => return Err(format!("{host} is heard over {link:?}, not {known:?}")),
            },
            Note::Left { host, link, .. }
                if self.holders.get(*host).is_some_and(|(of, ..)| of == link) =>
            {
                self.holders.remove(*host);
            }
            Note::Hello {
                host,
                link,
                instance,
                verdict,
            } => {
                let other = self.holders.get(*host).is_some_and(|(_, of, heard)| {
                    of != instance && now.since(*heard) < SILENCE_MAX
                });
                let refused = matches!(verdict, Verdict::Refused(_));
                if other != refused {
                    return Err(format!("{host} over {link:?} was told {verdict:?}"));
                }
                if !refused {
                    self.holders
                        .insert((*host).clone(), (*link, *instance, now));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
