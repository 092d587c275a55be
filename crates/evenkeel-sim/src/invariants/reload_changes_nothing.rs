//! A reload that changes nothing changes nothing: not one command comes of it.

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct ReloadChangesNothing;

impl Invariant for ReloadChangesNothing {
    fn name(&self) -> &'static str {
        "a reload that changes nothing changes nothing"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Reloaded {
                same: true,
                commands,
            } if *commands > 0 => Err(format!("{commands} commands came of it")),
            _ => Ok(()),
        }
    }
}
