//! Where a body ends, decided from its head (RFC 9112 section 6).
//!
//! Stricter than the RFC where it lets a recipient guess: two length fields of any kind, lists of equal lengths, any
//! transfer coding but `chunked` alone, and both kinds together are refused. Each of these has been read differently by two
//! servers in a row.

use super::scan::{token_len, trim};

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No body at all: requests without length, answers to HEAD, 1xx, 204, 304.
    #[default]
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
    /// Until the sender closes (answers only).
    UntilClose,
    /// No longer HTTP: bytes both ways after a 101.
    Tunnel,
}

/// Why the length fields of a head can't be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LengthError(pub(crate) &'static str);

/// The length fields seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub(crate) chunked: bool,
}

/// Largest length: many servers keep it in a signed 64-bit number.
const LENGTH_MAX: u64 = i64::MAX as u64;

impl Lengths {
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), LengthError> {
        if self.length.is_some() {
            return Err(LengthError("more than one Content-Length"));
        }
        if self.chunked {
            return Err(BOTH);
        }
        self.length = Some(parse_length(value)?);
        Ok(())
    }

    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), LengthError> {
        if self.chunked {
            return Err(LengthError("more than one Transfer-Encoding"));
        }
        if self.length.is_some() {
            return Err(BOTH);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(LengthError(wrong_coding(value)));
        }
        self.chunked = true;
        Ok(())
    }
}

/// Codings in front of `chunked`: understood, but not known here. RFC 9112 section 6.1 has a status of its own for that (501).
pub(crate) const UNKNOWN_CODING: &str = "transfer coding that is not known here";

fn wrong_coding(value: &[u8]) -> &'static str {
    const WRONG: &str = "Transfer-Encoding does not end with chunked, once";
    let is_token = |coding: &[u8]| {
        let name = coding.split(|&b| b == b';').next().unwrap_or_default();
        let name = trim(name);
        !name.is_empty() && token_len(name) == name.len()
    };
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = value.rsplit(|&b| b == b',').map(trim);
    let last = codings.next().is_some_and(is_chunked);
    if last
        && codings.all(|c| is_token(c) && !is_chunked(c) && !c.eq_ignore_ascii_case(b"identity"))
    {
        UNKNOWN_CODING
    } else {
        WRONG
    }
}

const BOTH: LengthError = LengthError("Content-Length and Transfer-Encoding together");

fn parse_length(value: &[u8]) -> Result<u64, LengthError> {
    let mut length = 0u64;
    for &b in value {
        if !b.is_ascii_digit() {
            return Err(LengthError("Content-Length is not a number"));
        }
        length = length
            .checked_mul(10)
            .and_then(|l| l.checked_add(u64::from(b - b'0')))
            .filter(|&l| l <= LENGTH_MAX)
            .ok_or(LengthError("Content-Length is too large"))?;
    }
    if value.is_empty() {
        return Err(LengthError("Content-Length is empty"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_and_fits_a_signed_number() {
        for (text, length) in [
            ("0", 0),
            ("00005", 5),
            ("1234567890", 1_234_567_890),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(parse_length(text.as_bytes()), Ok(length));
        }
        for text in [
            "",
            "-1",
            "+1",
            "1 ",
            "1,1",
            "0x10",
            "1e3",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999",
            "\u{661}",
        ] {
            assert!(parse_length(text.as_bytes()).is_err(), "{text}");
        }
    }
}
