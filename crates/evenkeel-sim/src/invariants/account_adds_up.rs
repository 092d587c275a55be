//! Up, down, planned and unknown are all of the time there was, of each pool and each endpoint, over reloads and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::account::{AccountEvent, Figures, Kept, Kind, PoolAccount, Seen};
use evenkeel_core::table::PoolTable;

use super::Invariant;
use crate::scene::{Note, Scene};

#[derive(Debug, Default)]
pub(super) struct AccountAddsUp {
    accounts: BTreeMap<Arc<str>, PoolAccount>,
    kept: BTreeMap<Arc<str>, Kept>,
    beats: u64,
}

impl Invariant for AccountAddsUp {
    fn name(&self) -> &'static str {
        "the account adds up to the time there was"
    }

    fn see(&mut self, note: &Note<'_>, scene: &Scene) -> Result<(), String> {
        match note {
            Note::Published(table) => self.published(table, scene),
            Note::Changed(change) => {
                if let Some(account) = self.accounts.get_mut(&change.pool) {
                    let event = AccountEvent::Changed {
                        endpoint: &change.name,
                        to: change.to,
                        by: change.decided_by,
                    };
                    account.on(event, scene.now);
                }
            }
            Note::Restarted => {
                for (name, mut account) in std::mem::take(&mut self.accounts) {
                    self.kept.insert(name, account.keep(scene.now));
                }
            }
            Note::Beat => {
                self.beats += 1;
                if self.beats.is_multiple_of(50) {
                    return self.add_up(scene);
                }
            }
            Note::End { .. } => return self.add_up(scene),
            _ => {}
        }
        Ok(())
    }
}

impl AccountAddsUp {
    /// A table with other endpoints is what a configuration brings.
    fn published(&mut self, table: &PoolTable, scene: &Scene) {
        let Some(spec) = scene.pools.get(&table.name) else {
            return;
        };
        let account = self.accounts.entry(table.name.clone()).or_insert_with(|| {
            let mut new = PoolAccount::new(table.name.clone(), spec.objective, scene.now);
            if let Some(kept) = self.kept.get(&table.name) {
                new.remember(kept);
            }
            new
        });
        let names = |table: &PoolTable| -> Vec<_> {
            table.endpoints.iter().map(|row| row.name.clone()).collect()
        };
        let before = scene.tables.get(&table.name);
        if before.is_some_and(|before| names(before) == names(table)) {
            return;
        }
        let rows = table.endpoints.iter();
        let endpoints: Vec<_> = rows
            .map(|row| Seen {
                name: row.name.clone(),
                state: Some(row.state),
                weight: row.weight,
            })
            .collect();
        let configured = AccountEvent::Configured {
            objective: spec.objective,
            endpoints: &endpoints,
        };
        account.on(configured, scene.now);
    }

    fn add_up(&mut self, scene: &Scene) -> Result<(), String> {
        for (name, account) in &mut self.accounts {
            account.on(AccountEvent::Tick, scene.now);
            let whole = scene.now.wall.0.saturating_sub(account.began().0);
            let report = account.report(scene.now);
            whole_of(name, &report.figures, whole)?;
            for endpoint in &report.endpoints {
                let sum = total(&endpoint.figures);
                if sum > Duration::from_millis(whole + 1) {
                    return Err(format!("{name}/{}: {sum:?} of {whole} ms", endpoint.name));
                }
            }
        }
        Ok(())
    }
}

fn whole_of(name: &str, figures: &Figures, whole_ms: u64) -> Result<(), String> {
    let sum = total(figures);
    let off = sum.abs_diff(Duration::from_millis(whole_ms));
    match off <= Duration::from_millis(1) {
        true => Ok(()),
        false => Err(format!("{name}: {sum:?} of {whole_ms} ms: {figures:?}")),
    }
}

fn total(figures: &Figures) -> Duration {
    let kinds = [Kind::Up, Kind::Down, Kind::Planned, Kind::Unknown];
    let seconds: f64 = kinds.iter().map(|kind| figures.sum.seconds(*kind)).sum();
    Duration::from_secs_f64(seconds)
}
