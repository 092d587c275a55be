//! What a pool does before there is a fault.

use serde::{Deserialize, Serialize};

/// `[pool.NAME.prevention]`, `mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreventionMode {
    /// Weight moves off who runs hot, and admission tightens where all do. The default: at most a third of a pool moves, by
    /// a tenth at a time, and it comes back by itself; a wrong move costs less than the fault it was made for.
    #[default]
    Act,
    /// Heat and warnings are shown, nothing moves.
    Advise,
    /// Nothing is watched.
    Off,
}

/// `[pool.NAME.prevention]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreventionSettings {
    /// What is done.
    pub mode: PreventionMode,
}
