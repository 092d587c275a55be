//! What outsiders were promised: the configuration file, stored records, the admin API.
//!
//! Input is parsed into types that cannot be wrong, not checked and passed on; a file's mistakes are reported all at once.
//! Nothing here knows sockets, threads or the store: text and bytes go in, values or mistakes come out.

pub mod admin;
pub mod agent;
pub mod config;
pub mod mistake;
pub mod records;
pub mod stamp;
pub mod text;

pub use config::Config;
pub use mistake::{Mistake, explain};
pub use stamp::Stamp;
