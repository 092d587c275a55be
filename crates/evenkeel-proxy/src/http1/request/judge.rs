//! What only the whole head of a request can tell: whether its fields fit together, who is asked, where its body ends, and what
//! becomes of the connection.

use super::super::fields::{Field, Known};
use super::super::scan::{Span, list};
use super::super::target::{self, parse_authority};
use super::super::{Framing, Method, Refusal, Version, upgrade};
use super::{RequestHead, bad};

/// Fields that a request has once at most and that decide who is asked, by whom, or for what. A second line is not combined
/// with the first by any two servers alike (RFC 9110 section 5.3).
const SINGLE: [Known; 4] = [
    Known::Host,
    Known::Authorization,
    Known::ContentType,
    Known::MaxForwards,
];

impl RequestHead {
    pub(super) fn judge(&mut self, buf: &[u8]) -> Result<(), Refusal> {
        if !self.lines.are_text(buf) {
            return Err(bad("control byte in the head"));
        }
        self.fields.read_options(buf).map_err(bad)?;
        self.judge_framing()?;
        if self.fields.has_two_of(&SINGLE) {
            return Err(bad(
                "two lines of a field that may come once: Host, Authorization, Content-Type or Max-Forwards",
            ));
        }
        let options = self.fields.options;
        self.persistent = !options.close && (self.version == Version::Http11 || options.keep_alive);
        self.expect_continue = false;
        for at in 0..self.fields.lines.len() {
            let Field {
                known, value, hop, ..
            } = self.fields.lines[at];
            match known {
                Known::Host => self.read_authority(buf, value)?,
                Known::Upgrade => self.upgrade_at = Some(value),
                Known::Expect => self.judge_expect(value.of(buf), hop)?,
                Known::MaxForwards => self.read_max_forwards(value.of(buf))?,
                _ => {}
            }
        }
        if self.version == Version::Http11 && !self.fields.has(Known::Host) {
            return Err(bad("no Host"));
        }
        if let Some(target) = self.absolute_at {
            // `Host` had to be right, but it is the target that counts (RFC 9112 section 3.2.2).
            self.read_authority(buf, target)?;
        }
        if !self.may_upgrade(buf) {
            self.upgrade_at = None;
        }
        Ok(())
    }

    fn judge_framing(&mut self) -> Result<(), Refusal> {
        let lengths = self.fields.lengths;
        if lengths.chunked && self.version == Version::Http10 {
            return Err(bad("Transfer-Encoding in an HTTP/1.0 request"));
        }
        self.framing = match lengths.length {
            _ if lengths.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        };
        if self.method == Method::Trace && self.has_body() {
            return Err(bad("TRACE with a body"));
        }
        Ok(())
    }

    /// Checks who is asked; kept as sent where that is the normal form.
    fn read_authority(&mut self, buf: &[u8], at: Span) -> Result<(), Refusal> {
        let port = parse_authority(at.of(buf), &mut self.host).map_err(bad)?;
        self.authority_at = port.as_sent.then_some(at);
        self.authority.clear();
        if !port.as_sent {
            target::write_authority(at.of(buf), &port, &mut self.authority);
        }
        Ok(())
    }

    /// A list whose every member has to be known (RFC 9110 section 10.1.1).
    fn judge_expect(&mut self, value: &[u8], hop: bool) -> Result<(), Refusal> {
        if !list(value).all(|e| e.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal {
                status: 417,
                reason: "no expectation but 100-continue is known",
            });
        }
        self.expect_continue |= !hop
            && list(value).next().is_some()
            && self.version == Version::Http11
            && self.has_body();
        Ok(())
    }

    /// Counts for OPTIONS and TRACE only (RFC 9110 section 7.6.2); elsewhere it is a field like any other.
    fn read_max_forwards(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !matches!(self.method, Method::Options | Method::Trace) {
            return Ok(());
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(bad("Max-Forwards is not a number"));
        }
        let many = value.iter().fold(0u32, |n, &b| {
            n.saturating_mul(10).saturating_add(u32::from(b - b'0'))
        });
        self.max_forwards = Some(many);
        Ok(())
    }

    fn has_body(&self) -> bool {
        !matches!(self.framing, Framing::None | Framing::Length(0))
    }

    fn may_upgrade(&self, buf: &[u8]) -> bool {
        self.upgrade_at.is_some_and(|value| {
            self.fields.options.upgrade
                && self.version == Version::Http11
                && !self.has_body()
                && !self.fields.has_two_of(&[Known::Upgrade])
                && upgrade::may_be_offered(value.of(buf))
        })
    }
}
