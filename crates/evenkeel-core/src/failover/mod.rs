//! Who takes over, and how one comes back.
