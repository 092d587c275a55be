//! The buffers and parsed heads of one request. They belong to whoever serves it (`runner`), so that a connection that
//! waits for its next request holds none.

use evenkeel_core::balance::{Kind, Request};
use evenkeel_core::id::EndpointId;
use evenkeel_core::session::Prefer;
use evenkeel_core::time::Time;

use super::upload::Upload;
use crate::buffer::{Buf, Out};
use crate::http1::{RequestHead, ResponseHead};
use crate::redo::Ticket;
use crate::session::Bound;

/// Storage for a head that is kept for the next: most browsers' heads fit.
const HEAD_KEPT: usize = 4 * 1024;

/// Everything a request needs in memory, reused from request to request.
#[derive(Default)]
pub(crate) struct Exchange {
    /// The request's head as it came, and behind it requests sent ahead of their time (pipelined).
    pub(crate) head_in: Buf,
    pub(crate) request: RequestHead,
    /// Towards the endpoint.
    pub(crate) upload: Upload,
    /// What the endpoint sent and nobody dealt with yet.
    pub(crate) answer_in: Buf,
    pub(crate) response: ResponseHead,
    /// Bytes of interim answers in this try.
    pub(crate) interim: usize,
    /// Towards the client.
    pub(crate) down: Out,
    /// What its pool's policy goes by.
    pub(crate) key: Option<u64>,
    /// What sort of request it is, if that goes by it.
    pub(crate) kind: Kind,
    /// Its session, if it came with one.
    pub(crate) bound: Option<Bound>,
    /// What it is kept under, where it is kept here.
    pub(crate) token: Option<u64>,
    /// Where that belongs.
    pub(crate) prefer: Option<Prefer>,
    /// Endpoints this request was sent to.
    pub(crate) tried: Vec<EndpointId>,
    /// It is written down, and will be sent again if nobody answers.
    pub(crate) ticket: Option<Box<Ticket>>,
}

impl Exchange {
    /// Ready for another request of whoever comes; memory that only an unusual one needed is given back.
    pub(crate) fn recycle(&mut self) {
        self.head_in.trim(HEAD_KEPT);
        self.request.reset();
        self.upload.recycle();
        self.answer_in.rest();
        self.response.reset();
        self.down.rest();
        self.tried.clear();
        self.ticket = None;
    }

    /// Before a request whose head of `len` bytes was just read: what follows is body if there is one.
    pub(crate) fn begin(&mut self, len: usize, has_body: bool) {
        self.tried.clear();
        if has_body {
            self.upload.raw.push(&self.head_in.bytes()[len..]);
            self.head_in.truncate(len);
        }
    }

    /// A further try: not where it was tried before.
    pub(crate) fn again(&self, now: Time) -> Request<'_> {
        let request = Request::at(now).keyed(self.key).preferring(self.prefer);
        request.of_kind(self.kind).without(&self.tried)
    }

    /// After a request: what is left over begins the next one.
    pub(crate) fn end(&mut self, len: usize) {
        self.head_in.consume(len);
        self.answer_in.rest();
        self.down.rest();
        if !self.upload.raw.is_empty() {
            self.head_in.push(self.upload.raw.bytes());
            self.upload.raw.rest();
        }
    }
}
