//! Which endpoint the next try goes to.

mod picker;

pub use picker::{Choice, Picker};
