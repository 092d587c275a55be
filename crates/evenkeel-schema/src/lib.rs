//! What outsiders were promised: the configuration file, stored records, the admin API.
//!
//! Input is parsed into types that cannot be wrong, not checked and passed on; a file's mistakes are reported all at once.

pub mod config;
