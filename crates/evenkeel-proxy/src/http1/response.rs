//! The head of an endpoint's answer.

use super::fields::{Field, Known};
use super::{Framing, Limits, Progress, Version};

/// What was asked, as far as it decides how the answer is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The request was a HEAD: the answer has no body.
    pub head: bool,
    /// The request wanted an upgrade: a 101 is an answer to it. Without it a 101 is garbage.
    pub upgrade: bool,
}

/// The endpoint's answer is not HTTP as it should be: the connection is useless, nothing of it was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// What was wrong.
    pub reason: &'static str,
}

/// The head of an answer; like [`RequestHead`](super::RequestHead), reused.
#[derive(Debug, Default)]
pub struct ResponseHead {
    fields: Vec<Field>,
}

impl ResponseHead {
    /// Parses on from where the last call stopped; see [`RequestHead::parse`](super::RequestHead::parse).
    pub fn parse(
        &mut self,
        _buf: &[u8],
        _limits: &Limits,
        _asked: Asked,
    ) -> Result<Progress, Garbage> {
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
    /// 100–999 (three digits; 600 and above are passed on).
    pub fn status(&self) -> u16 {
        0
    }
    /// A 1xx other than 101: forwarded (to HTTP/1.1 clients), then the real answer's head follows.
    pub fn interim(&self) -> bool {
        false
    }
    /// Version of the endpoint's message.
    pub fn version(&self) -> Version {
        Version::Http11
    }
    /// How its body is delimited; `Tunnel` for a 101.
    pub fn framing(&self) -> Framing {
        Framing::None
    }
    /// May the connection to the endpoint be used again once the body is read?
    pub fn persistent(&self) -> bool {
        true
    }
    /// All field lines in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }
    /// Value of the first field line of this name.
    pub fn known<'a>(&self, _buf: &'a [u8], _name: Known) -> Option<&'a [u8]> {
        None
    }
    /// Values of all field lines of this name (any case).
    pub fn values<'a>(&'a self, buf: &'a [u8], _name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().map(|f| f.value.of(buf))
    }
}
