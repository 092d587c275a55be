//! evenkeel-keeper
