//! The fault loop, simulated: the real engine, the real pickers and the real retry budget over a clock, a network and a
//! fleet that are only data.
//!
//! A seed makes a whole story: pools and their settings, a minute of faults, operators, reloads and deaths of the balancer,
//! then peace. Everything that happens is shown to every [`Invariant`]; the first that is broken ends the story with the
//! seed that tells it again. Deliberately absent: queueing of full endpoints and the bytes of any protocol; the
//! proxy has its own tests for those.
//!
//! Services ail (a leak, a full disk, a bad release, …), which facts and traffic show and which the right action cures; orders are
//! carried out, refused, late or lost. Everything the engine is told is journalled and replayed.
//!
//! - [`story`]: what a seed makes.
//! - [`world`]: who carries the engine's commands out, and how long that takes.
//! - [`invariants`]: what must hold at every moment, one file each.
//! - [`detectors`]: how good the detectors are, in figures.
//! - [`dispatch`]: how good the policies are, in figures: `evenkeel simulate`. Here there is queueing, and no engine.

pub mod detectors;
pub mod dispatch;
pub mod invariants;
pub mod scene;
pub mod story;
pub mod traffic;
pub mod world;

pub use invariants::Invariant;

use evenkeel_core::time::Time;

/// An invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Tells the story again.
    pub seed: u64,
    /// Which.
    pub invariant: &'static str,
    /// When, on the story's clock.
    pub at: Time,
    /// What was seen.
    pub what: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.at.as_nanos() / 1_000_000;
        write!(
            f,
            "{} does not hold after {ms} ms: {} (again with EVENKEEL_SEED={})",
            self.invariant, self.what, self.seed
        )
    }
}

/// What a story came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Requests made.
    pub requests: u64,
    /// Tries made for them.
    pub tries: u64,
    /// Requests that failed in the end.
    pub failed: u64,
    /// Tables published.
    pub tables: u64,
    /// Changes of an endpoint's state.
    pub changes: u64,
    /// Ejections by real traffic.
    pub ejections: u64,
    /// Suspicions that began.
    pub suspicions: u64,
    /// Changes of the address in use.
    pub switches: u64,
    /// What was said beside changes of state.
    pub remarks: u64,
    /// Answers that came under a stale fence.
    pub stale: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Deaths of the balancer.
    pub restarts: u64,
    /// Things that the recovery began.
    pub actions: u64,
    /// Orders to hosts, data plane and control.
    pub orders: u64,
    /// Ailments that an order cured.
    pub cured: u64,
    /// Deaths of agents.
    pub agent_deaths: u64,
    /// Connections of agents that were taken.
    pub lines: u64,
    /// Calls by a name that another has, refused.
    pub strangers: u64,
    /// Orders that agents carried out.
    pub agent_orders: u64,
    /// Orders that they refused as stale.
    pub stale_orders: u64,
    /// Bytes of journal that were replayed.
    pub journalled: u64,
    /// How long it took to heal once all faults were gone, in milliseconds.
    pub healed_after_ms: u64,
}

/// Tells the story of this seed to its end.
pub fn run(seed: u64) -> Result<Summary, Broken> {
    world::World::new(story::Story::new(seed)).run()
}

/// The story of this seed with five pools.
pub fn run_wide(seed: u64) -> Result<Summary, Broken> {
    world::World::new(story::Story::wide(seed)).run()
}

/// The story of this seed in which there is no fault at all, only noise.
pub fn run_calm(seed: u64) -> Result<Summary, Broken> {
    world::World::new(story::Story::calm(seed)).run()
}
