//! What is counted of sessions, and never taken back; see [`Live`](super::Live) for how many there are.

use crate::counters::Counter;

/// What one worker counted of the sessions of one pool.
#[derive(Debug, Default)]
pub struct SessionWorker {
    /// Sessions that began.
    pub begun: Counter,
    /// Requests that came with a session and were served where it was.
    pub kept: Counter,
    /// Sessions that went to another endpoint because theirs could not serve.
    pub moved: Counter,
    /// Sessions that went back.
    pub returned: Counter,
    /// Cookies of a session's name that this pool did not make: forged, cut short, of another pool, under a key it has no more.
    pub forged: Counter,
    /// Cookies that this pool made, but too long ago.
    pub expired: Counter,
}
