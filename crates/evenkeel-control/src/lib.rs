//! evenkeel-control
