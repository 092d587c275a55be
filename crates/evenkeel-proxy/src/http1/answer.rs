//! Answers evenkeel makes itself: errors with `Proxy-Status` (RFC 9209) and a short body, redirects, fixed answers.

use super::Version;
use super::scan::{is_text, list};

/// An error answer.
#[derive(Clone, Copy, Debug, Default)]
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
    /// The request will be sent again, under this key.
    pub redo: Option<&'a str>,
}

/// Appends an error answer, head and body.
pub fn write_own_answer(out: &mut Vec<u8>, answer: &OwnAnswer<'_>) {
    let phrase = reason_phrase(answer.status);
    let mut code = itoa::Buffer::new();
    let code = code.format(answer.status);
    let json = wants_json(answer.accept);
    // Short, and off the path that has to be fast.
    let body = if json {
        format!(
            "{{\"status\":{code},\"title\":{},\"error\":{},\"detail\":{}}}\n",
            json_string(phrase),
            json_string(answer.error),
            json_string(answer.detail)
        )
    } else {
        format!("{code} {phrase}: {}\n", answer.detail)
    };
    begin(out, answer.status, answer.date);
    out.extend_from_slice(b"Proxy-Status: evenkeel; error=");
    out.extend_from_slice(answer.error.as_bytes());
    write_details(out, answer.detail);
    out.extend_from_slice(b"\r\n");
    if let Some(seconds) = answer.retry_after {
        field(out, "Retry-After", itoa::Buffer::new().format(seconds));
    }
    if let Some(key) = answer.redo {
        field(out, "Evenkeel-Redo", key);
    }
    let kind = if json {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    field(out, "Content-Type", kind);
    // What is wrong now may be right in a second.
    field(out, "Cache-Control", "no-store");
    end(
        out,
        body.as_bytes(),
        answer.head_only,
        answer.close,
        answer.client,
    );
}

/// A route's `redirect` or `respond`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Canned<'a> {
    /// 200–599.
    pub status: u16,
    /// `Location`.
    pub location: Option<&'a str>,
    /// `Content-Type` of the body.
    pub content_type: &'a str,
    /// The body; not sent with 204 and 304.
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
pub fn write_canned(out: &mut Vec<u8>, answer: &Canned<'_>) {
    begin(out, answer.status, answer.date);
    field(out, "Proxy-Status", "evenkeel");
    if let Some(location) = answer.location.filter(|l| is_text(l.as_bytes())) {
        field(out, "Location", location);
    }
    if matches!(answer.status, 204 | 304) {
        write_connection(out, answer.close, answer.client);
        out.extend_from_slice(b"\r\n");
        return;
    }
    if !answer.content_type.is_empty() && is_text(answer.content_type.as_bytes()) {
        field(out, "Content-Type", answer.content_type);
    }
    end(
        out,
        answer.body,
        answer.head_only,
        answer.close,
        answer.client,
    );
}

fn begin(out: &mut Vec<u8>, status: u16, date: Option<&[u8]>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(date) = date {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
    }
}

fn end(out: &mut Vec<u8>, body: &[u8], head_only: bool, close: bool, client: Version) {
    field(
        out,
        "Content-Length",
        itoa::Buffer::new().format(body.len()),
    );
    write_connection(out, close, client);
    out.extend_from_slice(b"\r\n");
    if !head_only {
        out.extend_from_slice(body);
    }
}

fn write_connection(out: &mut Vec<u8>, close: bool, client: Version) {
    if close {
        field(out, "Connection", "close");
    } else if client == Version::Http10 {
        field(out, "Connection", "keep-alive");
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `details` is a structured field string (RFC 8941): visible ASCII, with quotes and backslashes escaped.
fn write_details(out: &mut Vec<u8>, detail: &str) {
    if detail.is_empty() {
        return;
    }
    out.extend_from_slice(b"; details=\"");
    for b in detail.bytes() {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            b' '..=b'~' => out.push(b),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

/// Does `Accept` name JSON, and no HTML or plain text before it?
fn wants_json(accept: Option<&[u8]>) -> bool {
    for range in list(accept.unwrap_or_default()) {
        let kind = range.split(|&b| b == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/json") || ends_with_json(kind) {
            return true;
        }
        if kind.len() >= 5 && kind[..5].eq_ignore_ascii_case(b"text/") {
            return false;
        }
    }
    false
}

fn ends_with_json(kind: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    kind.len() > SUFFIX.len() && kind[kind.len() - SUFFIX.len()..].eq_ignore_ascii_case(SUFFIX)
}

fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The phrase of a status (RFC 9110 section 15, RFC 6585); empty for others, as it may be.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// `Date` in its one form (RFC 9110 section 5.6.7) of seconds since 1970: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Days to a calendar date after Howard Hinnant's `civil_from_days`: count in eras of 400 years that begin on 1 March, so
/// that the leap day is the last of its year. Years past 9999 show their last four digits.
pub fn http_date(unix_s: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let since_era = days + 719_468;
    let (era, day_of_era) = (since_era / 146_097, since_era % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12; // 0 = January
    let year = era * 400 + year_of_era + u64::from(month < 2);

    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    date[8..11].copy_from_slice(MONTHS[month as usize]);
    for (at, number) in [
        (5, day),
        (12, year / 100 % 100),
        (14, year % 100),
        (17, second / 3600),
        (20, second / 60 % 60),
        (23, second % 60),
    ] {
        date[at] = b'0' + (number / 10) as u8;
        date[at + 1] = b'0' + (number % 10) as u8;
    }
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_form_of_the_rfc() {
        for (s, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&http_date(s)).unwrap(), date);
        }
    }

    #[test]
    fn an_error_answer_names_its_error_and_delimits_its_body() {
        let mut out = Vec::new();
        write_own_answer(
            &mut out,
            &OwnAnswer {
                status: 503,
                error: "connection_refused",
                detail: "no \"usable\" endpoint",
                retry_after: Some(2),
                close: true,
                ..OwnAnswer::default()
            },
        );
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "{head}"
        );
        assert!(head.contains(
            "\r\nProxy-Status: evenkeel; error=connection_refused; details=\"no \\\"usable\\\" endpoint\"\r\n"
        ));
        assert!(head.contains("\r\nRetry-After: 2\r\n"));
        assert!(head.contains("\r\nConnection: close"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert_eq!(body, "503 Service Unavailable: no \"usable\" endpoint\n");
    }

    #[test]
    fn json_is_given_to_those_who_ask_for_it_first() {
        for (accept, json) in [
            ("application/json", true),
            ("application/problem+json, */*", true),
            ("APPLICATION/JSON;q=0.9", true),
            ("*/*", false),
            ("text/html,application/json", false),
            ("", false),
        ] {
            assert_eq!(wants_json(Some(accept.as_bytes())), json, "{accept}");
        }
        assert!(!wants_json(None));
        assert_eq!(json_string("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\u000a\\u0001é\"");
    }

    #[test]
    fn an_answer_to_head_has_the_length_and_no_body() {
        let mut out = Vec::new();
        write_canned(
            &mut out,
            &Canned {
                status: 200,
                content_type: "text/plain",
                body: b"hello",
                head_only: true,
                ..Canned::default()
            },
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("Content-Length: 5\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_redirect_cannot_smuggle_a_line() {
        let mut out = Vec::new();
        write_canned(
            &mut out,
            &Canned {
                status: 308,
                location: Some("https://a/\r\nX: 1"),
                ..Canned::default()
            },
        );
        assert!(!String::from_utf8(out).unwrap().contains("X: 1"));
    }
}
