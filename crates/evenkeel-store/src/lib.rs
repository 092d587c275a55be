//! evenkeel-store
