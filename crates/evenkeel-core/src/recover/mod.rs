//! Recovery: what can be done about a fault, when copies of data are made.

pub mod actions;
pub mod points;
