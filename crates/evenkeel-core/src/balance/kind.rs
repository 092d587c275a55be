//! What sort of request it is, as far as that says how long an answer takes: which route, to read or to write, how large.
//!
//! Only a handful of each, so that there is something to be learned of every sort: a hundred routes with three methods and
//! five sizes each are more than anybody sees often.

use super::hash;

/// A sort of requests. The default is one of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The route, by a number that it keeps over reloads; 0 = none.
    pub route: u32,
    /// What it does.
    pub method: Method,
    /// How large its body is.
    pub size: Size,
}

impl Kind {
    /// The number of a route, from its host and path as written: the same after a reload, wherever it stands.
    pub fn route_number(words: &str) -> u32 {
        (hash::key(words.as_bytes()) as u32).max(1)
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Nobody knows.
    #[default]
    Unknown,
    /// `GET`, `HEAD` and other safe ones (RFC 9110 section 9.2.1).
    Read,
    /// `POST`, `PUT`, `PATCH` and what else there is.
    Write,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// In the API.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Unknown => "any",
            Method::Read => "read",
            Method::Write => "write",
            Method::Delete => "delete",
        }
    }
}

/// How large a body is: sixteen times from one step to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// There is none.
    #[default]
    Empty,
    /// Up to 4 KiB: a form.
    Small,
    /// Up to 64 KiB.
    Medium,
    /// Up to 1 MiB: a picture.
    Large,
    /// More than that.
    Huge,
    /// Nobody knows before its end.
    Unknown,
}

impl Size {
    /// Of a body of so many bytes.
    pub const fn of(bytes: u64) -> Size {
        match bytes {
            0 => Size::Empty,
            1..=0x1000 => Size::Small,
            0x1001..=0x1_0000 => Size::Medium,
            0x1_0001..=0x10_0000 => Size::Large,
            _ => Size::Huge,
        }
    }

    /// In the API.
    pub const fn name(self) -> &'static str {
        match self {
            Size::Empty => "none",
            Size::Small => "up to 4KiB",
            Size::Medium => "up to 64KiB",
            Size::Large => "up to 1MiB",
            Size::Huge => "over 1MiB",
            Size::Unknown => "unknown",
        }
    }
}
