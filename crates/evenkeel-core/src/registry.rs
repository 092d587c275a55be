//! What every list of parts has in common: a part says its name, itself in one sentence, and its settings with their
//! defaults and reasons. Configuration keys, `check` errors and the reference pages are made from these lists, so that a
//! new part is one file and one line in its list.

/// A part's name, as it stands in its list.
pub type Name = &'static str;

/// One setting of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The configuration's key.
    pub key: &'static str,
    /// The default, as it would be written there.
    pub default: &'static str,
    /// Why this default.
    pub why: &'static str,
}

/// What a part says of itself; the lists add a constructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The word in the configuration.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its settings; most have none.
    pub settings: &'static [Setting],
}
