//! Answers evenkeel makes itself: errors with `Proxy-Status` (RFC 9209) and a short body, redirects, fixed answers.

use super::Version;

/// An error answer.
#[derive(Clone, Copy, Debug)]
pub struct OwnAnswer<'a> {
    /// 400–599.
    pub status: u16,
    /// RFC 9209's error type: `connection_refused`, `http_request_error`, …
    pub error: &'a str,
    /// One line for a person.
    pub detail: &'a str,
    /// The request's `Accept`: JSON where it asks for it.
    pub accept: Option<&'a [u8]>,
    /// The request was a HEAD.
    pub head_only: bool,
    /// Close after it.
    pub close: bool,
    /// The client's version.
    pub client: Version,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
    /// `Date`, from [`http_date`].
    pub date: Option<&'a [u8]>,
}

/// Appends an error answer, head and body.
pub fn write_own_answer(_out: &mut Vec<u8>, _answer: &OwnAnswer<'_>) {}

/// A route's `redirect` or `respond`.
#[derive(Clone, Copy, Debug)]
pub struct Canned<'a> {
    /// 200–599.
    pub status: u16,
    /// `Location`.
    pub location: Option<&'a str>,
    /// `Content-Type` of the body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The request was a HEAD.
    pub head_only: bool,
    /// Close after it.
    pub close: bool,
    /// The client's version.
    pub client: Version,
    /// `Date`, from [`http_date`].
    pub date: Option<&'a [u8]>,
}

/// Appends a fixed answer, head and body.
pub fn write_canned(_out: &mut Vec<u8>, _answer: &Canned<'_>) {}

/// `Date` in its one form (RFC 9110 section 5.6.7) of seconds since 1970.
pub fn http_date(_unix_s: u64) -> [u8; 29] {
    [b' '; 29]
}
