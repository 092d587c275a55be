//! A request as a pick sees it.

use crate::id::EndpointId;
use crate::session::Prefer;
use crate::time::Time;

use super::Kind;

/// What one pick is for. Begin with [`Request::at`] and add what is known.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Now.
    pub now: Time,
    /// Where this request failed before.
    pub tried: &'a [EndpointId],
    /// The hash of what the pool's policy goes by (see [`key`](super::hash::key)); `None` where the request has no such thing.
    pub key: Option<u64>,
    /// Where its session belongs: taken if that one may serve; where that is merely full, it is waited for.
    pub prefer: Option<Prefer>,
    /// It may be sent only once: rather to somebody whose last try did not just fail.
    pub once: bool,
    /// What sort of request it is, if the pool's policy goes by that (see [`goes_by_kind`](super::goes_by_kind)).
    pub kind: Kind,
}

impl<'a> Request<'a> {
    /// A first try, of which nothing else is known.
    pub fn at(now: Time) -> Request<'a> {
        Request {
            now,
            tried: &[],
            key: None,
            prefer: None,
            once: false,
            kind: Kind::default(),
        }
    }

    /// A further try: not at these, if there is anybody else.
    pub fn without(self, tried: &'a [EndpointId]) -> Request<'a> {
        Request { tried, ..self }
    }

    /// With this key.
    pub fn keyed(self, key: Option<u64>) -> Request<'a> {
        Request { key, ..self }
    }

    /// Of a session that belongs there.
    pub fn preferring(self, prefer: Option<Prefer>) -> Request<'a> {
        Request { prefer, ..self }
    }

    /// Of this sort.
    pub fn of_kind(self, kind: Kind) -> Request<'a> {
        Request { kind, ..self }
    }

    /// It may be sent only once.
    pub fn once(self) -> Request<'a> {
        Request { once: true, ..self }
    }
}
