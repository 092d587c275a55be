//! The scenarios that come with evenkeel. A new one is a file in `scenarios/` and a line in [`SHIPPED`].

use super::Scenario;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// What it is called.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($name:literal) => {
        Shipped {
            name: $name,
            text: include_str!(concat!("scenarios/", $name, ".toml")),
        }
    };
}

/// All of them.
pub const SHIPPED: &[Shipped] = &[
    shipped!("theory-random"),
    shipped!("theory-one-queue"),
    shipped!("theory-two-choices"),
    shipped!("theory-two-choices-full"),
    shipped!("theory-three-choices"),
    shipped!("theory-round-robin"),
    shipped!("theory-sharing-constant"),
    shipped!("theory-sharing-bimodal"),
    shipped!("theory-sharing-pareto"),
    shipped!("theory-square-root"),
    shipped!("fast-failing"),
    shipped!("gray-failure"),
    shipped!("rolling-restart"),
    shipped!("slow-uploads"),
    shipped!("cold-cache"),
    shipped!("metastable"),
    shipped!("metastable-protected"),
    shipped!("zones"),
    shipped!("prequal-load-ramp"),
    shipped!("prequal-rules"),
    shipped!("prequal-two-speeds"),
    shipped!("prequal-two-speeds-tight"),
    shipped!("ten-thousand"),
];

/// The one of this name.
pub fn shipped(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}

impl Shipped {
    /// Reads it.
    pub fn scenario(&self) -> Result<Scenario, String> {
        Scenario::parse(self.text)
    }
}
