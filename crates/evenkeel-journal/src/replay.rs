//! The engine run over a segment: from its snapshot, over its events, to the same commands.

use std::panic::{AssertUnwindSafe, catch_unwind};

use evenkeel_core::engine::{Command, Engine};

use crate::digest::Digest;
use crate::format::{Decided, Ends};
use crate::read::{ReadError, Record, Segment, Turn};

/// Where a replay wanted something else than was recorded.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Of which event, counted from 1.
    pub turn: u64,
    /// It, and what was recorded.
    pub recorded: Turn,
    /// What came of it now.
    pub replayed: Option<Decided>,
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Ordered(Ends),
    /// With a whole record: whoever wrote it was killed, or writes still.
    Open,
    /// Within a record; so many bytes of it are cut off.
    Torn(usize),
}

/// What a replay came to.
#[derive(Debug)]
pub struct Replayed {
    /// The engine at the end.
    pub engine: Engine,
    /// Events.
    pub turns: u64,
    /// Commands that came of them.
    pub commands: u64,
    /// The first difference; the replay ends there.
    pub difference: Option<Difference>,
    /// How the segment ended.
    pub ending: Ending,
}

/// Runs the engine over what is left of the segment, and shows each event, what was decided, and the engine after it.
///
/// # Errors
/// The segment is damaged; what came before the damage has been shown.
pub fn replay(
    segment: &mut Segment<'_>,
    mut show: impl FnMut(&Turn, &[Command], &Engine),
) -> Result<Replayed, ReadError> {
    let mut replayed = Replayed {
        engine: guarded(segment, |segment| segment.engine())??,
        turns: 0,
        commands: 0,
        difference: None,
        ending: Ending::Open,
    };
    // What was decided before the snapshot and not carried out yet belongs to the segment before.
    while replayed.engine.poll().is_some() {}
    let mut digest = Digest::new();
    let mut commands = Vec::new();
    while let Some(record) = segment.next_record()? {
        let turn = match record {
            Record::Turn(turn) => turn,
            Record::End(ends) => {
                replayed.ending = Ending::Ordered(ends);
                return Ok(replayed);
            }
        };
        let engine = &mut replayed.engine;
        guarded(segment, |_| engine.handle(turn.event.clone(), turn.now))?;
        commands.clear();
        commands.extend(std::iter::from_fn(|| engine.poll()));
        let mut whole = true;
        for command in &commands {
            whole &= digest.add(command).is_ok();
        }
        replayed.turns += 1;
        replayed.commands += commands.len() as u64;
        show(&turn, &commands, &replayed.engine);
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        let now = (count > 0).then_some(Decided {
            count,
            digest: digest.value(),
        });
        if now != turn.decided || !whole {
            replayed.difference = Some(Difference {
                turn: replayed.turns,
                recorded: *turn,
                replayed: now,
            });
            return Ok(replayed);
        }
    }
    if segment.rest() > 0 {
        replayed.ending = Ending::Torn(segment.rest());
    }
    Ok(replayed)
}

/// A state that no engine was ever in can make it panic; of a file that is no more than damage.
fn guarded<T>(segment: &Segment<'_>, work: impl FnOnce(&Segment<'_>) -> T) -> Result<T, ReadError> {
    let what = "what it says cannot have happened";
    catch_unwind(AssertUnwindSafe(|| work(segment))).map_err(|_| ReadError::Damaged {
        at: segment.position(),
        what,
    })
}
