//! Prevention: resources are scheduled before there is a fault. Whatever runs hot gets less, gradually and within bounds, and has
//! it back when it cools.
//!
//! | file | idea |
//! | --- | --- |
//! | `relief` | less than its weight for one endpoint, with the reasons of all who want it so |

pub mod relief;

pub use relief::{Relief, Reliever};
