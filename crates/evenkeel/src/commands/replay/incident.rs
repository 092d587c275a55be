//! `--incident N`: what of a journal belongs to one incident.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use evenkeel_core::engine::{Command, Engine};
use evenkeel_core::incident::{News, Record};
use evenkeel_core::time::WallTime;
use evenkeel_journal::{Segment, replay};
use evenkeel_schema::Stamp;

/// What is shown before the first sign: a probe's answer, an exit.
const BEFORE_MS: u64 = 1000;

/// An incident and whom it concerns.
pub(super) struct Interest {
    record: Record,
    /// Its subjects and the services behind them, as they are called.
    names: BTreeSet<String>,
}

impl Interest {
    /// "incident 3: app/a1, process_dead (97 %), 18:20:01 to 18:20:07".
    pub(super) fn headline(&self) -> String {
        let record = &self.record;
        let subjects: Vec<_> = record.subjects.iter().map(|s| s.key.as_str()).collect();
        let until = match record.closed {
            Some(closed) => format!("to {}", Stamp(closed)),
            None => "and not over where the journal ends".into(),
        };
        let probability = record.causes.first().map_or(0.0, |c| c.probability);
        format!(
            "incident {}: {}, {} ({:.0} %), {} {until}",
            record.id,
            subjects.join(" "),
            record.cause().name(),
            probability * 100.0,
            Stamp(record.first_sign)
        )
    }

    /// Does this decision, taken then, belong to it?
    pub(super) fn concerns(&self, command: &Command, at: WallTime) -> bool {
        if let Command::IncidentChanged(change) = command {
            let into = change.news.contains(&News::Merged(self.record.id));
            return change.record.id == self.record.id || into;
        }
        let from = self.record.first_sign.0.saturating_sub(BEFORE_MS);
        let within = at.0 >= from && self.record.closed.is_none_or(|closed| at.0 <= closed.0);
        let named = |name: String| self.names.contains(&name);
        within
            && match command {
                Command::Changed(t) => named(format!("{}/{}", t.pool, t.name)),
                Command::Said(r) => named(format!("{}/{}", r.pool, r.name)),
                Command::ServiceChanged(t) => named(t.name.to_string()),
                _ => false,
            }
    }
}

/// Looks for the incident in these files, the newest word on it.
pub(super) fn find(files: &[PathBuf], id: u64) -> Result<Interest, String> {
    let mut found = None;
    let mut known = BTreeSet::new();
    for file in files {
        // What cannot be read is told of when it is its turn.
        let _ = look(file, id, &mut found, &mut known);
    }
    let (first, last) = (known.first(), known.last());
    found.ok_or_else(|| match (first, last) {
        (Some(first), Some(last)) => format!(
            "the journal knows no incident {id}; it has {} of them, {first} to {last}",
            known.len()
        ),
        _ => format!("the journal knows no incident {id}, nor any other"),
    })
}

fn look(
    file: &Path,
    id: u64,
    found: &mut Option<Interest>,
    known: &mut BTreeSet<u64>,
) -> Option<()> {
    let bytes = super::bytes(file).ok()?;
    let mut segment = Segment::open(&bytes).ok()?;
    let mut newest = None;
    let replayed = replay(&mut segment, |_, commands, engine| {
        let of_it = |c: &Command| matches!(c, Command::IncidentChanged(c) if c.record.id == id);
        if commands.iter().any(of_it) {
            newest = interest(engine, id).or(newest.take());
        }
    });
    if let Ok(replayed) = &replayed {
        known.extend(replayed.engine.incidents().iter().map(|record| record.id));
        newest = interest(&replayed.engine, id).or(newest);
    }
    *found = newest.or(found.take());
    Some(())
}

fn interest(engine: &Engine, id: u64) -> Option<Interest> {
    let record = engine.incident(id)?;
    let mut names: BTreeSet<String> = record.subjects.iter().map(|s| s.key.clone()).collect();
    for pool in engine.pools() {
        for endpoint in &pool.endpoints {
            if let (true, Some(service)) = (
                names.contains(&format!("{}/{}", endpoint.pool_name, endpoint.name)),
                endpoint.service_name,
            ) {
                names.insert(service.to_string());
            }
        }
    }
    Some(Interest { record, names })
}
