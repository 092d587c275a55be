//! One line of the access log.

use std::io::Write as _;
use std::time::Duration;

use super::AccessFormat;
use crate::http1::Version;

/// What is known of a request that is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record<'a> {
    /// Address; empty on a unix socket.
    pub(crate) client: &'a str,
    pub(crate) listener: &'a str,
    /// Empty if the head was refused.
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) version: Version,
    /// 0 = none was sent.
    pub(crate) status: u16,
    /// Sent to the client, head included.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) tries: u32,
    pub(crate) request_id: u128,
    /// The id a trusted proxy gave.
    pub(crate) given_id: Option<&'a [u8]>,
}

impl Record<'_> {
    /// Appends the line. `at`: seconds since 1970 and milliseconds, when the request was over.
    pub(super) fn write(&self, out: &mut Vec<u8>, format: AccessFormat, at: (u64, u32)) {
        // Writing to a vector cannot fail.
        let _ = match format {
            AccessFormat::Json => self.json(out, at),
            AccessFormat::Common => self.common(out, at),
        };
        out.push(b'\n');
    }

    fn json(&self, out: &mut Vec<u8>, at: (u64, u32)) -> std::io::Result<()> {
        let (date, time) = calendar(at.0);
        write!(
            out,
            "{{\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
            date.0, date.1, date.2, time.0, time.1, time.2, at.1
        )?;
        text(out, "listener", self.listener.as_bytes());
        text(out, "client", self.client.as_bytes());
        text(out, "method", self.method.as_bytes());
        text(out, "host", self.host.as_bytes());
        text(out, "target", self.target.as_bytes());
        write!(
            out,
            ",\"status\":{},\"bytes\":{},\"duration_ms\":{}.{:03}",
            self.status,
            self.bytes,
            self.took.as_millis(),
            self.took.subsec_micros() % 1000
        )?;
        if let Some(endpoint) = self.endpoint {
            text(out, "endpoint", endpoint.as_bytes());
        }
        write!(out, ",\"tries\":{}", self.tries)?;
        match self.given_id {
            Some(id) => text(out, "request_id", id),
            None => write!(out, ",\"request_id\":\"{:032x}\"", self.request_id)?,
        }
        out.push(b'}');
        Ok(())
    }

    fn common(&self, out: &mut Vec<u8>, at: (u64, u32)) -> std::io::Result<()> {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (date, time) = calendar(at.0);
        let client = if self.client.is_empty() {
            "-"
        } else {
            self.client
        };
        write!(
            out,
            "{client} - - [{:02}/{}/{}:{:02}:{:02}:{:02} +0000] \"",
            date.2,
            MONTHS[date.1 as usize - 1],
            date.0,
            time.0,
            time.1,
            time.2
        )?;
        escape(out, self.method.as_bytes());
        out.push(b' ');
        escape(out, self.target.as_bytes());
        let version = match self.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        };
        write!(out, " {version}\" {} {} ", self.status, self.bytes)?;
        match self.given_id {
            Some(id) => escape(out, id),
            None => write!(out, "{:032x}", self.request_id)?,
        }
        write!(
            out,
            " {} {} {}",
            self.took.as_millis(),
            self.endpoint.unwrap_or("-"),
            self.tries
        )
    }
}

fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    escape(out, value);
    out.push(b'"');
}

/// What came from outside stays on its line and inside its quotes, whatever it is.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
}

/// Year, month, day and hour, minute, second in UTC (Howard Hinnant's days_from_civil, inverted).
fn calendar(unix_s: u64) -> ((u64, u64, u64), (u64, u64, u64)) {
    let z = unix_s / 86_400 + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let of_day = unix_s % 86_400;
    (
        (year, month, doy - (153 * mp + 2) / 5 + 1),
        (of_day / 3600, of_day / 60 % 60, of_day % 60),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            client: "192.0.2.1",
            listener: "web",
            method: "GET",
            target: "/a?b=\"\\\n",
            host: "example.com",
            status: 200,
            bytes: 17,
            took: Duration::from_micros(12_034),
            endpoint: Some("a1"),
            tries: 2,
            request_id: 0xabc,
            ..Record::default()
        }
    }

    #[test]
    fn a_line_holds_everything_and_nothing_breaks_out_of_it() {
        let mut out = Vec::new();
        record().write(&mut out, AccessFormat::Json, (1_772_323_199, 7));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"time\":\"2026-02-28T23:59:59.007Z\",\"listener\":\"web\",\"client\":\"192.0.2.1\",\"method\":\"GET\",\
             \"host\":\"example.com\",\"target\":\"/a?b=\\\"\\\\\\u000a\",\"status\":200,\"bytes\":17,\
             \"duration_ms\":12.034,\"endpoint\":\"a1\",\"tries\":2,\
             \"request_id\":\"00000000000000000000000000000abc\"}\n"
        );
    }

    #[test]
    fn the_common_format_begins_as_everybody_expects() {
        let mut out = Vec::new();
        record().write(&mut out, AccessFormat::Common, (951_782_400, 0));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "192.0.2.1 - - [29/Feb/2000:00:00:00 +0000] \"GET /a?b=\\\"\\\\\\u000a HTTP/1.1\" 200 17 \
             00000000000000000000000000000abc 12 a1 2\n"
        );
    }
}
