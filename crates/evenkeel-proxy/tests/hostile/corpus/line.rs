//! RFC 9112 sections 2 and 3: line ends, what stands before a request, the request line, versions.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    for b in controls() {
        all.push(bad("9110 9.1 control byte in the method", join(&[b"G", &[b], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"])));
        all.push(bad("9112 3 control byte for a space", join(&[b"GET", &[b], b"/ HTTP/1.1\r\nHost: a\r\n\r\n"])));
        if b != b'\n' {
            all.push(bad("9112 2.3 control byte in the version", join(&[b"GET / HTTP/1.1", &[b], b"\r\nHost: a\r\n\r\n"])));
        }
        if b != b'\r' && b != b'\n' {
            all.push(bad("9112 2.2 control byte before the method", join(&[&[b], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])));
        }
    }
    for b in *b"\"(),/:;<=>?@[\\]{}" {
        all.push(bad("9110 5.6.2 delimiter in the method", join(&[b"GE", &[b], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"])));
    }
    for b in [0x80, 0xa0, 0xc3, 0xff] {
        all.push(bad("9110 9.1 not ASCII in the method", join(&[b"G", &[b], b"T / HTTP/1.1\r\nHost: a\r\n\r\n"])));
        all.push(bad("9112 2.3 not ASCII in the version", join(&[b"GET / HTTP/1.", &[b], b"\r\nHost: a\r\n\r\n"])));
    }
    all.extend([
        // Line ends.
        bad("9112 2.2 lone LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        bad("9112 2.2 lone LF behind a field", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        bad("9112 2.2 lone LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        bad("9112 2.2 lone LF everywhere", "GET / HTTP/1.1\nHost: a\n\n"),
        bad("9112 2.2 lone LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 lone LF hides a request", "GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 lone CR behind the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        bad("9112 2.2 lone CR everywhere", "GET / HTTP/1.1\rHost: a\r\r"),
        bad("9112 2.2 two CR", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 two CR behind a field", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        bad("9112 2.2 two CR at the end", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
        bad("9112 2.2 lone CR before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 LF CR", "GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
        bad("9112 2.2 three empty lines before", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 space before", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 line of a space before", " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.2 space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        bad("9112 2.2 tab before the first field", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
        bad("9112 2.2 line of spaces before the first field", "GET / HTTP/1.1\r\n  \r\nHost: a\r\n\r\n"),
        bad("9112 2.2 byte order mark", "\u{feff}GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // The request line.
        bad("9112 3 HTTP/0.9", "GET /\r\n"),
        bad("9112 3 HTTP/0.9 with fields", "GET /\r\nHost: a\r\n\r\n"),
        bad("9112 3 only a method", "GET\r\nHost: a\r\n\r\n"),
        bad("9112 3 no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 no method", " / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 two spaces", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 tab", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 no-break space", "GET\u{a0}/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        bad("9112 3 four parts", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 version first", "HTTP/1.1 GET /\r\nHost: a\r\n\r\n"),
        bad("9112 3 an answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        bad("9112 3 another protocol: TLS", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
        bad("9112 3 another protocol: SOCKS", b"\x05\x01\x00"),
        bad("9112 3 another protocol: RTSP", "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
        bad("9112 3 another protocol: SIP", "INVITE sip:a@b SIP/2.0\r\nHost: a\r\n\r\n"),
        bad("9112 3 another protocol: PROXY", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3 JSON", "{\"a\": 1}\r\n\r\n"),
        // Versions.
        refused(505, "9112 2.3 HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        refused(505, "9112 2.3 HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
        refused(505, "9112 2.3 HTTP/0.1", "GET / HTTP/0.1\r\nHost: a\r\n\r\n"),
        refused(505, "9112 2.3 HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
        refused(505, "9112 2.3 HTTP/9.9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
        refused(505, "9113 3.4 preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        bad("9112 2.3 lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 mixed case", "GET / Http/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no minor", "GET / HTTP/1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no minor", "GET / HTTP/1.\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no major", "GET / HTTP/.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no number", "GET / HTTP/\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no slash", "GET / HTTP1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 no point", "GET / HTTP/11\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 two digits", "GET / HTTP/1.01\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 two digits", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 three parts", "GET / HTTP/1.1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 sign", "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 letters", "GET / HTTP/1.x\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 space within", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 another name", "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 2.3 another name", "GET / XHTTP/1.1\r\nHost: a\r\n\r\n"),
        // Sizes.
        refused(414, "9112 3 target too long", of(format!("/{}", "a".repeat(40_000)))),
        refused(414, "9112 3 query too long", of(format!("/?{}", "a".repeat(40_000)))),
        refused(431, "9112 3 method too long", "M".repeat(40_000)),
        refused(431, "6585 5 value too long", get(format!("X: {}\r\n", "a".repeat(40_000)))),
        refused(431, "6585 5 name too long", get(format!("{}: x\r\n", "a".repeat(40_000)))),
        refused(431, "6585 5 too many fields", get("X: y\r\n".repeat(128))),
        refused(431, "6585 5 endless head", get("X: y\r\n".repeat(10_000))),
        // Cut short.
        bad("9112 8 cut in the method", "GE").cut(),
        bad("9112 8 cut in the target", "GET /a").cut(),
        bad("9112 8 cut in the version", "GET / HTTP/1").cut(),
        bad("9112 8 cut behind the request line", "GET / HTTP/1.1\r\n").cut(),
        bad("9112 8 cut in a field", "GET / HTTP/1.1\r\nHost: a").cut(),
        bad("9112 8 cut before the empty line", "GET / HTTP/1.1\r\nHost: a\r\n").cut(),
        bad("9112 8 cut in the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r").cut(),
    ]);
}
