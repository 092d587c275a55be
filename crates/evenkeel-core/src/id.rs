//! Identities. An id is given once, is never used again for something else, and stays over reloads.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A pool, by its name in the configuration.
    PoolId(u32)
);
id!(
    /// An endpoint, by its pool's and its own name. One whose address changes is the same endpoint with nothing known.
    EndpointId(u32)
);
id!(
    /// By which address an endpoint is reached: grows whenever another one comes into use, so that what was seen on the one
    /// before can be told from what is seen now.
    PathId(u32)
);
id!(
    /// A supervised service, by its name.
    ServiceId(u32)
);
id!(
    /// The fence: which configuration and which balancer a decision was taken under. It only grows; a shell refuses a
    /// command whose epoch is behind the newest it has seen for the same subject.
    Epoch(u64)
);
