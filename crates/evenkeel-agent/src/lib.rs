//! evenkeel-agent
