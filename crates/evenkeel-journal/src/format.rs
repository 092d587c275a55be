//! The segment's parts that are the same for all versions, and its numbers.

use evenkeel_core::time::Now;
use serde::{Deserialize, Serialize};

/// So begins every segment.
pub(crate) const MAGIC: &[u8; 8] = b"evkeel-j";
/// How segments are laid out: grows when that changes.
pub const FORMAT: u32 = 2;
/// The engine of this build: a hash of its sources.
pub const ENGINE: &str = env!("EVENKEEL_ENGINE");
/// What stands before a payload: its length, its checksum, and the checksum of these two, so that a changed length is not taken
/// for a record that the file ends within.
pub(crate) const FRAME: usize = 12;
/// Where the third of them is.
pub(crate) const FRAME_SUM: usize = 8;

/// Kinds of records.
pub(crate) const HEADER: u8 = 1;
pub(crate) const SNAPSHOT: u8 = 2;
pub(crate) const TURN: u8 = 3;
pub(crate) const END: u8 = 4;

/// Why a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Begins {
    /// The balancer did.
    Start,
    /// The one before was full; nothing is missing between the two.
    Full,
    /// So many events before it were not kept: the disk was slower than they came, or would not take them.
    Gap(u64),
}

/// Why a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ends {
    /// The next one goes on.
    Full,
    /// The balancer shut down in order.
    Shutdown,
}

/// Who wrote a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of evenkeel.
    pub build: String,
    /// Its [`ENGINE`].
    pub engine: String,
    /// The balancer's process.
    pub pid: u32,
    /// What the engine's random choices come from.
    pub seed: u64,
    /// When it begins.
    pub now: Now,
    /// Why.
    pub begins: Begins,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Commands.
    pub count: u32,
    /// Of all commands since the snapshot, these included.
    pub digest: u64,
}
