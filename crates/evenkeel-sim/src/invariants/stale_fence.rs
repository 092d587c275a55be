//! A stale fence never acts: an answer to a probe that was given up, or that was answered before, changes nothing.

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct StaleFence;

impl Invariant for StaleFence {
    fn name(&self) -> &'static str {
        "a stale fence never acts"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::ProbeAnswered {
                key,
                valid: false,
                commands,
                ..
            } if *commands > 0 => Err(format!(
                "a late answer of {}/{} gave {commands} commands",
                key.0, key.1
            )),
            _ => Ok(()),
        }
    }
}
