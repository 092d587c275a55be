//! What the engine was told, kept on disk, and the same engine run over it again.
//!
//! ```text
//!  state_dir/journal/0000000041.journal        segments, numbered; the eight newest are kept
//!
//!  segment = magic "evkeel-j", format (u32), then records
//!  record  = length (u32), CRC-32 of the payload (u32), CRC-32 of these two (u32), payload: kind (u8) and data
//!     header    who wrote it and why it begins              once, first
//!     snapshot  the whole engine                            once, second
//!     turn      the time on both clocks, the event, and of the commands that came of it how many and their digest
//!     end       why it ends                                 last; missing where the process was killed
//! ```
//!
//! Numbers are little-endian, data is postcard. The digest runs over all commands since the snapshot, so that equal digests
//! mean equal commands, byte for byte, up to there. Nothing is forced to the disk: what a crash of the machine may lose is
//! seconds of a history, and a record it tore is cut off. Killed processes lose nothing that was written.
//!
//! - [`Encoder`]: events to bytes. [`Recorder`]: the same beside a live engine, written by a thread of its own.
//! - [`Segment`]: bytes to records. [`replay`]: the engine run over them.
//!
//! Deliberately absent: reading what another engine wrote. Its state is laid out differently, and it decides differently;
//! the header says which build can.

mod digest;
mod encode;
mod folder;
mod format;
mod read;
mod recorder;
mod replay;
mod writer;

pub use encode::Encoder;
pub use folder::{FOLDER, KEPT, segments};
pub use format::{Begins, Decided, ENGINE, Ends, FORMAT, Header};
pub use read::{ReadError, Record, Segment, Turn};
pub use recorder::{Recorder, View};
pub use replay::{Difference, Ending, Replayed, replay};

#[cfg(test)]
mod tests;
