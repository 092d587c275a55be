//! evenkeel-probe
