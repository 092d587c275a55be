//! The line in front of a chunk, byte by byte: its size, and extensions that must be well-formed and go no further (RFC 9112
//! section 7.1). Nobody uses them, and servers that disagree about where one ends disagree about where the body does.
//!
//! ```text
//! chunk-size [ *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) ] CR LF
//! ```

use super::scan::{TOKEN, is_text};

/// Bytes of one line that are no significant digit: what is longer is an attack on whoever has to read it (CVE-2023-39326).
const LINE_MAX: u16 = 1024;
/// Significant digits: the size stays below the end of a signed 64-bit number, so that no server behind overflows.
const DIGITS_MAX: u8 = 15;

/// Where in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first digit.
    Start,
    /// Among the digits.
    Digits,
    /// Blanks behind the digits or an extension: another one must follow.
    Blank,
    /// Behind a `;`.
    Semicolon,
    Name,
    /// Blanks behind a name.
    NameEnd,
    /// Behind a `=`.
    Equals,
    Value,
    Quoted,
    /// Behind a backslash.
    Escape,
    QuotedEnd,
    /// Behind the CR.
    Cr,
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The line goes on.
    More(SizeLine),
    /// It has ended: so much payload follows.
    End { size: u64, overhead: u16 },
}

/// A line half-read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeLine {
    at: At,
    size: u64,
    digits: u8,
    /// Bytes that are no significant digit.
    overhead: u16,
}

impl SizeLine {
    pub(super) const START: SizeLine = SizeLine {
        at: At::Start,
        size: 0,
        digits: 0,
        overhead: 0,
    };

    /// The next byte.
    pub(super) fn read(mut self, b: u8) -> Result<Read, &'static str> {
        if let (At::Start | At::Digits, Some(digit)) = (self.at, (b as char).to_digit(16)) {
            return self.digit(digit);
        }
        self.at = match (self.at, b) {
            (At::Start, _) => return Err("chunk without a size"),
            (At::Cr, b'\n') => {
                return Ok(Read::End {
                    size: self.size,
                    overhead: self.overhead,
                });
            }
            (At::Cr, _) => return Err("chunk size line ends without LF"),
            (At::Digits | At::Name | At::Value | At::QuotedEnd, b'\r') => At::Cr,
            _ => self.extension(b)?,
        };
        self.spend()
    }

    fn digit(mut self, digit: u32) -> Result<Read, &'static str> {
        self.at = At::Digits;
        if self.digits == 0 && digit == 0 {
            return self.spend();
        }
        if self.digits == DIGITS_MAX {
            return Err("chunk size is too large");
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        Ok(Read::More(self))
    }

    fn spend(mut self) -> Result<Read, &'static str> {
        self.overhead += 1;
        if self.overhead > LINE_MAX {
            return Err("chunk size line is too long");
        }
        Ok(Read::More(self))
    }

    fn extension(self, b: u8) -> Result<At, &'static str> {
        let token = TOKEN[b as usize];
        let blank = matches!(b, b' ' | b'\t');
        Ok(match self.at {
            At::Digits | At::Blank | At::Name | At::NameEnd | At::Value | At::QuotedEnd
                if b == b';' =>
            {
                At::Semicolon
            }
            At::Name | At::NameEnd if b == b'=' => At::Equals,
            At::Digits | At::Blank | At::Value | At::QuotedEnd if blank => At::Blank,
            At::Name | At::NameEnd if blank => At::NameEnd,
            At::Semicolon | At::Equals if blank => self.at,
            At::Semicolon | At::Name if token => At::Name,
            At::Equals | At::Value if token => At::Value,
            At::Equals if b == b'"' => At::Quoted,
            At::Quoted if b == b'"' => At::QuotedEnd,
            At::Quoted if b == b'\\' => At::Escape,
            At::Quoted | At::Escape if is_text(&[b]) => At::Quoted,
            At::Digits => return Err("bad chunk size"),
            _ => return Err("bad chunk extension"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, &'static str> {
        let mut line = SizeLine::START;
        for (at, b) in text.bytes().enumerate() {
            match line.read(b)? {
                Read::More(more) => line = more,
                Read::End { size, .. } => {
                    assert_eq!(at + 1, text.len(), "{text:?}");
                    return Ok(size);
                }
            }
        }
        Err("unfinished")
    }

    #[test]
    fn a_size_line_is_digits_and_well_formed_extensions() {
        for (text, size) in [
            ("0", 0),
            ("a", 10),
            ("00000000000000000000000000000F", 15),
            ("7fffffffffffffF", 0x07ff_ffff_ffff_ffff),
            ("5;a", 5),
            ("5;a=b", 5),
            ("5 ; a = b\t;c", 5),
            ("5;a=\"b;c\\\"d\u{e9}\"", 5),
            ("5;a=\"\" ;b", 5),
            ("5;a;b;c=1", 5),
        ] {
            assert_eq!(read(&format!("{text}\r\n")), Ok(size), "{text}");
        }
        for text in [
            "",
            ";a",
            "-1",
            "+1",
            "0x5",
            "5_0",
            " 5",
            "5 ",
            "5\t",
            "5,5",
            "1000000000000000",
            "5;",
            "5; ",
            "5;;a",
            "5;=a",
            "5;a=",
            "5;a=;b",
            "5;a ",
            "5;a=b ",
            "5;a b",
            "5;a=b c",
            "5;\"a\"",
            "5;a=\"b",
            "5;a=\"b\"c",
            "5;a=\"b\\",
            "5;a=\"\u{7f}\"",
            "5;a\u{0}",
            "5;a=b\nX: y",
            "5;a=\"\r\n\"",
            "5\r",
        ] {
            assert!(read(&format!("{text}\r\n")).is_err(), "{text:?}");
        }
        assert!(read(&format!("{}5\r\n", "0".repeat(1000))).is_ok());
        assert!(read(&format!("{}5\r\n", "0".repeat(1100))).is_err());
        assert!(read(&format!("5;{}\r\n", "a".repeat(1100))).is_err());
        assert!(read("5\n").is_err());
    }
}
