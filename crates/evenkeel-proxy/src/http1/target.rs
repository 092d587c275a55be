//! Request target and authority.
