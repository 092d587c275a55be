//! Ejection never takes too many: at most max_ejection of the pool (but one), and min_healthy stay up.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_core::engine::DecidedBy;
use evenkeel_core::id::EndpointId;
use evenkeel_core::table::{EndpointRow, PoolTable, State};

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct LeastShareEjected {
    /// Ejected, as stored.
    out: BTreeSet<String>,
    just: Option<(Arc<str>, EndpointId)>,
}

impl Invariant for LeastShareEjected {
    fn name(&self) -> &'static str {
        "ejection leaves min_healthy and takes no more than its share"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Restarted => self.just = None,
            Note::Changed(change) => {
                // A word of an operator taken back may show an ejection that had happened before.
                let ejected = change.decided_by == DecidedBy::Outlier && change.to == State::Down;
                if ejected && matches!(change.from, State::Up | State::Trial) {
                    self.just = Some((change.pool.clone(), change.endpoint));
                }
            }
            Note::Stored(record) => {
                let key = record.key();
                match record.ejected_until {
                    Some(_) => self.out.insert(key),
                    None => self.out.remove(&key),
                };
            }
            Note::Published(table) => {
                self.forget_gone(table);
                let Some((_, endpoint)) = self.just.take_if(|(pool, _)| *pool == table.name) else {
                    return Ok(());
                };
                let settings = &scene.pools[&table.name].outlier;
                let rows = || table.endpoints.iter();
                let up = |row: &&EndpointRow| row.state == State::Up && row.weight > 0;
                let left = rows().filter(up).count();
                if left < settings.min_healthy as usize {
                    return Err(format!(
                        "{left} are left in {} after {endpoint} went: {}",
                        table.name,
                        rows()
                            .map(|r| format!("{} {} {:?} ", r.name, r.weight, r.state))
                            .collect::<String>()
                    ));
                }
                // Whoever is out by its own or an operator's word is so whatever traffic says.
                let down = rows().filter(|row| matches!(row.state, State::Down | State::Trial));
                let out = down
                    .filter(|row| self.out.contains(&format!("{}/{}", table.name, row.name)))
                    .count() as u64;
                let allowed = settings.max_ejection.of(rows().len() as u64).max(1);
                if out > allowed {
                    return Err(format!("{out} are out in {}, {allowed} may be", table.name));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl LeastShareEjected {
    /// Whoever leaves the configuration comes back as a stranger.
    fn forget_gone(&mut self, table: &PoolTable) {
        let prefix = format!("{}/", table.name);
        self.out.retain(|key| {
            let name = key.strip_prefix(&prefix);
            name.is_none_or(|name| table.endpoints.iter().any(|row| *row.name == *name))
        });
    }
}
