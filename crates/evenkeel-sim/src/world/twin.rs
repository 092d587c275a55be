//! A second engine, made from a snapshot at a random moment: told the same events from there on, it must want the same, byte
//! for byte. A field that a snapshot forgets shows itself here.

use evenkeel_core::engine::{Command, Engine, Event};
use evenkeel_core::rng::Rng;
use evenkeel_core::time::Now;

use super::World;
use crate::Broken;

/// So many events on average until the next snapshot …
const EVERY: u64 = 1500;
/// … whose engine then lives for so many.
const LIVES: u64 = 600;

#[derive(Debug)]
pub(super) struct Twin {
    rng: Rng,
    engine: Option<Engine>,
    left: u64,
}

impl Twin {
    pub(super) fn new(rng: Rng) -> Twin {
        Twin {
            rng,
            engine: None,
            left: 0,
        }
    }

    /// The original is about to be told this.
    pub(super) fn handle(&mut self, original: &Engine, event: &Event, now: Now) {
        if self.engine.is_none() && self.rng.chance(1, EVERY) {
            self.engine = Some(copy(original));
            self.left = LIVES;
        }
        if self.left == 0 {
            self.engine = None;
        }
        self.left = self.left.saturating_sub(1);
        if let Some(engine) = &mut self.engine {
            engine.handle(event.clone(), now);
        }
    }

    /// The original is no more.
    pub(super) fn end(&mut self) {
        self.engine = None;
    }
}

impl World {
    /// The original wants this.
    pub(super) fn twinned(&mut self, command: &Command) {
        let Some(twin) = &mut self.twin.engine else {
            return;
        };
        let same = twin.poll();
        if same.as_ref().map(bytes) == Some(bytes(command)) || self.broken.is_some() {
            return;
        }
        self.broken = Some(Broken {
            seed: self.story.seed,
            invariant: "an engine from a snapshot wants the same",
            at: self.scene.now.at,
            what: format!("{command:?}, and from the snapshot {same:?}"),
        });
    }
}

fn copy(engine: &Engine) -> Engine {
    let snapshot = postcard::to_stdvec(engine).expect("a snapshot is made of plain data");
    let mut from = postcard::Deserializer::from_bytes(&snapshot);
    Engine::restore(&mut from).expect("a snapshot can be read back")
}

fn bytes(command: &Command) -> Vec<u8> {
    postcard::to_stdvec(command).expect("a command is made of plain data")
}
