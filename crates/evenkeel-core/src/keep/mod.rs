//! How the engine's state becomes data and comes back: what serde's derives cannot know by themselves.
//!
//! All of the state is plain and derives it. Here is the rest: parts that stand behind a trait object, counters that the data
//! plane writes and that are no state of the engine's, and long arrays that are mostly zeros. No format is chosen here;
//! whoever keeps a snapshot takes one that gives back every `f64` bit for bit.

pub(crate) mod part;
pub(crate) mod parts;
pub(crate) mod shared;
pub(crate) mod sparse;

pub(crate) use part::{Parts, Revive, revive};

#[cfg(test)]
mod tests;
