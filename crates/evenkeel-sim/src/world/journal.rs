//! The balancer's journal, kept as a real one keeps it and replayed: a segment begins at random moments with a snapshot, and
//! when it ends the same engine runs over it. It must want the same, byte for byte, and end as the same engine. A field that a
//! snapshot forgets, or a decision that came from anything but the events, shows itself here.

use evenkeel_core::engine::{Engine, Event};
use evenkeel_core::rng::Rng;
use evenkeel_core::time::Now;
use evenkeel_journal::{Begins, ENGINE, Encoder, Ends, Header, Segment, replay};

use super::World;
use crate::scene::Note;

/// So many events a segment has on average.
const EVENTS: u64 = 4000;

#[derive(Debug)]
pub(super) struct Journal {
    rng: Rng,
    encoder: Encoder,
    open: bool,
    /// What could not be written.
    wrong: Option<String>,
}

impl Journal {
    pub(super) fn new(rng: Rng) -> Journal {
        Journal {
            rng,
            encoder: Encoder::new(),
            open: false,
            wrong: None,
        }
    }

    /// Is it time for another segment?
    fn turns(&mut self) -> bool {
        self.rng.chance(1, EVENTS)
    }
}

impl World {
    /// Hands the event to the engine, and to the journal.
    pub(super) fn handle(&mut self, event: Event) {
        if self.journal.turns() {
            self.replay(Ends::Full);
        }
        let now = self.scene.now;
        if !self.journal.open {
            self.journal.open = true;
            let header = header(self.story.seed, now);
            let begun = self.journal.encoder.begin(&self.engine, &header);
            self.journal.wrong = begun.err();
        }
        let noted = self.journal.encoder.handle(&mut self.engine, event, now);
        self.journal.wrong = noted.err().or(self.journal.wrong.take());
    }

    /// The segment ends, with the story, its balancer, or just so.
    pub(super) fn replay(&mut self, ends: Ends) {
        if !std::mem::take(&mut self.journal.open) {
            return;
        }
        self.journal.encoder.end(ends);
        let bytes = self.journal.encoder.take();
        self.summary.journalled += bytes.len() as u64;
        let same = match self.journal.wrong.take() {
            None => again(&bytes, &self.engine),
            Some(wrong) => Err(wrong),
        };
        self.note(&Note::Replayed { same: &same });
    }
}

fn again(bytes: &[u8], engine: &Engine) -> Result<u64, String> {
    let mut segment = Segment::open(bytes).map_err(|error| error.to_string())?;
    let mut last = Vec::new();
    let replayed = replay(&mut segment, |_, commands, _| {
        if !commands.is_empty() {
            last = commands.to_vec();
        }
    });
    let replayed = replayed.map_err(|error| error.to_string())?;
    if let Some(difference) = replayed.difference {
        return Err(format!("{difference:?}, where now came {last:?}"));
    }
    let state = |engine: &Engine| postcard::to_stdvec(engine).unwrap_or_default();
    match state(&replayed.engine) == state(engine) {
        true => Ok(replayed.commands),
        false => Err("the commands are the same, but the engine after them is not".into()),
    }
}

fn header(seed: u64, now: Now) -> Header {
    Header {
        build: env!("CARGO_PKG_VERSION").into(),
        engine: ENGINE.into(),
        pid: 0,
        seed,
        now,
        begins: Begins::Full,
    }
}
