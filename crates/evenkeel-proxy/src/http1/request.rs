//! The head of a request.

use super::fields::{Field, Known};
use super::{Framing, Limits, Progress, Refusal, Version};

/// A request's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Patch,
    /// Some other token; forwarded as it is.
    Other,
}

impl Method {
    /// May it be done twice (RFC 9110 section 9.2.2)? An unknown method may not.
    pub const fn idempotent(self) -> bool {
        !matches!(self, Method::Post | Method::Patch | Method::Other)
    }
}

/// The head of a request: offsets into the caller's buffer. One per connection, reused for every request on it.
///
/// All accessors take the buffer the head was parsed from (the same bytes at the same offsets).
#[derive(Debug, Default)]
pub struct RequestHead {
    fields: Vec<Field>,
}

impl RequestHead {
    /// Parses on from where the last call stopped. `buf` begins at the request's first byte and holds at least what the
    /// last call saw. After `Complete` or a refusal the next call begins anew by itself; call [`reset`](Self::reset)
    /// when a half-read head is given up.
    pub fn parse(&mut self, _buf: &[u8], _limits: &Limits) -> Result<Progress, Refusal> {
        Ok(Progress::Partial)
    }

    /// Forgets a half-read head.
    pub fn reset(&mut self) {}

    /// Bytes of the head.
    pub fn len(&self) -> usize {
        0
    }
    /// False once a head is complete.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Which method.
    pub fn method(&self) -> Method {
        Method::Get
    }
    /// The method as sent, case-sensitive.
    pub fn method_str<'a>(&self, _buf: &'a [u8]) -> &'a str {
        ""
    }
    /// The path in its normal form, without the query: what routing looks at and what is forwarded. `*` for `OPTIONS *`.
    pub fn path<'a>(&'a self, _buf: &'a [u8]) -> &'a str {
        ""
    }
    /// What follows the `?`, as sent.
    pub fn query<'a>(&self, _buf: &'a [u8]) -> Option<&'a str> {
        None
    }
    /// The request target as sent, for the log.
    pub fn target<'a>(&self, _buf: &'a [u8]) -> &'a str {
        ""
    }
    /// The host in lower case, without port, IPv6 in brackets: what routing looks at. Empty if an HTTP/1.0 client gave none.
    pub fn host(&self) -> &str {
        ""
    }
    /// Host and port as sent (from the target if it is in absolute form).
    pub fn authority<'a>(&self, _buf: &'a [u8]) -> &'a str {
        ""
    }
    /// Version of the client's message.
    pub fn version(&self) -> Version {
        Version::Http11
    }
    /// `None`, `Length` or `Chunked`.
    pub fn framing(&self) -> Framing {
        Framing::None
    }
    /// Does the client want to send further requests on this connection?
    pub fn persistent(&self) -> bool {
        true
    }
    /// The protocol the client wants to switch to (`websocket`): `Upgrade` named by `Connection`, HTTP/1.1, GET without
    /// body, not `h2c`. Else the field is dropped.
    pub fn upgrade<'a>(&self, _buf: &'a [u8]) -> Option<&'a [u8]> {
        None
    }
    /// Does the client wait for a 100 before it sends its body? False for HTTP/1.0 and without body.
    pub fn expect_continue(&self) -> bool {
        false
    }
    /// All field lines in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }
    /// Value of the first field line of this name.
    pub fn known<'a>(&self, _buf: &'a [u8], _name: Known) -> Option<&'a [u8]> {
        None
    }
    /// Values of all field lines of this name (any case), each line by itself.
    pub fn values<'a>(&'a self, buf: &'a [u8], _name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().map(|f| f.value.of(buf))
    }
}
