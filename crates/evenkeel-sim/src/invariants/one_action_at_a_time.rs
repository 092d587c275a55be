//! In a pool one thing is tried at a time, over restarts of control too: what an earlier process left open is over for the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::recover::End;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct OneActionAtATime {
    open: BTreeMap<Arc<str>, usize>,
}

impl Invariant for OneActionAtATime {
    fn name(&self) -> &'static str {
        "one action at a time in a pool"
    }

    fn see(&mut self, note: &Note<'_>, _: &Scene) -> Result<(), String> {
        match note {
            Note::Recovery(record) => {
                let open = record.tried.iter().filter(|tried| tried.end == End::Open);
                let names: Vec<_> = open.map(|t| (t.action.name(), &t.subject)).collect();
                self.open.insert(record.pool.clone(), names.len());
                match names.len() {
                    0 | 1 => Ok(()),
                    _ => Err(format!("{}: {names:?}", record.pool)),
                }
            }
            Note::Acting(order) if self.open.get(&order.pool) != Some(&1) => {
                let action = order.action.name();
                Err(format!(
                    "{action} of {} was not written down first",
                    order.subject
                ))
            }
            _ => Ok(()),
        }
    }
}
