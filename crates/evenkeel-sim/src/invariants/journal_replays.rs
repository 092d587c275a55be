//! What was recorded is decided again: the same commands, byte for byte, and the same engine at the end.

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct JournalReplays {
    commands: u64,
}

impl Invariant for JournalReplays {
    fn name(&self) -> &'static str {
        "a journal replays to the same commands"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Replayed { same: Ok(commands) } => self.commands += commands,
            Note::Replayed { same: Err(wrong) } => return Err(wrong.clone()),
            Note::End { .. } if self.commands == 0 => {
                return Err("nothing was ever replayed".into());
            }
            _ => {}
        }
        Ok(())
    }
}
