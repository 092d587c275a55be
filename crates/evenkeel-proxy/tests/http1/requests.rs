//! Requests that must be refused, with the status each gets, and requests that must be accepted.

use evenkeel_proxy::http1::{
    Forward, Framing, Limits, Method, Progress, Refusal, RequestHead, Version, write_request_head,
};

use crate::{LIMITS, judge};

/// A message and the section it is about.
pub(crate) struct Case {
    pub(crate) section: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) status: u16,
}

fn raw(section: &'static str, status: u16, bytes: impl AsRef<[u8]>) -> Case {
    Case {
        section,
        bytes: bytes.as_ref().to_vec(),
        status,
    }
}

/// A GET with this target.
fn target(section: &'static str, status: u16, target: &str) -> Case {
    raw(
        section,
        status,
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
}

/// A GET with this as its Host.
fn host(section: &'static str, status: u16, host: &str) -> Case {
    raw(
        section,
        status,
        format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n"),
    )
}

/// A POST with these further lines.
fn lines(section: &'static str, status: u16, lines: impl AsRef<[u8]>) -> Case {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\n";
    raw(
        section,
        status,
        [head, lines.as_ref(), b"\r\n\r\n"].concat(),
    )
}

#[rustfmt::skip]
fn refused() -> Vec<Case> {
    let mut all = vec![
        // Line ends and empty lines.
        raw("9112 2.2 lone LF", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        raw("9112 2.2 lone LF", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        raw("9112 2.2 lone LF", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        raw("9112 2.2 lone LF", 400, "GET / HTTP/1.1\n\n"),
        raw("9112 2.2 lone LF first", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.2 lone CR", 400, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        raw("9112 2.2 lone CR", 400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        raw("9112 2.2 lone CR", 400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        raw("9112 2.2 lone CR first", 400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.2 empty lines", 400, "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.2 leading space", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.2 space before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        raw("9112 2.2 tab before the first field", 400, "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
        // The request line.
        raw("9112 3 HTTP/0.9", 400, "GET /\r\n\r\n"),
        raw("9112 3 no target", 400, "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 empty target", 400, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 two spaces", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 two spaces", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 tab", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 tab", 400, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3 trailing space", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        raw("9112 3 four parts", 400, "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
        raw("9112 3 space in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.1 method", 400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.1 method", 400, "GET: / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.1 method", 400, "(GET) / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.1 method", 400, b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.1 method", 400, "G\u{c9}T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("not HTTP: TLS", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        raw("not HTTP", 400, b"\x00"),
        raw("not HTTP", 400, "{\"a\":1}\r\n\r\n"),
        raw("PROXY protocol unasked", 400, "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Versions.
        raw("9112 2.3 version", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
        raw("9113 3.4 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/2\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/1.1x\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
        raw("9112 2.3 version", 400, "GET / HTTP/\u{661}.1\r\nHost: a\r\n\r\n"),
        // Forms of the target.
        target("9112 3.2 form", 400, "a"),
        target("9112 3.2 form", 400, "a/b"),
        target("9112 3.2 form", 400, "?a"),
        target("9112 3.2 form", 400, "a:80"),
        target("9112 3.2.4 asterisk", 400, "*"),
        target("9112 3.2.4 asterisk", 400, "*/a"),
        raw("9112 3.2.4 asterisk", 400, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("9112 3.2.3 CONNECT", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        raw("9112 3.2.3 CONNECT", 501, "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        target("9112 3.2.2 scheme", 400, "https://a/"),
        target("9112 3.2.2 scheme", 400, "ftp://a/"),
        target("9112 3.2.2 scheme", 400, "file:///etc/passwd"),
        target("9112 3.2.2 no authority", 400, "http:///a"),
        target("9112 3.2.2 no authority", 400, "http://"),
        target("9112 3.2.2 no authority", 400, "http:/a"),
        target("9112 3.2.2 user info", 400, "http://u@a/"),
        target("9112 3.2.2 user info", 400, "http://u:p@a/"),
        target("9112 3.2.2 user info", 400, "http://b:80@a/"),
        target("9112 3.2.2 port", 400, "http://a:x/"),
        target("9112 3.2.2 backslash", 400, "http://a\\b/"),
        target("9112 3.2.2 bad path", 400, "http://a/../b"),
        target("9112 3.2.2 fragment", 400, "http://a#b"),
        raw("9112 3.2.2 bad Host overruled", 400, "GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n"),
        raw("9112 3.2.2 no Host", 400, "GET http://a/ HTTP/1.1\r\n\r\n"),
        // Paths.
        target("3986 3.5 fragment", 400, "/a#b"),
        target("3986 3.5 fragment", 400, "/a?b#c"),
        target("3986 5.2.4 above the root", 400, "/.."),
        target("3986 5.2.4 above the root", 400, "/../a"),
        target("3986 5.2.4 above the root", 400, "/a/../../b"),
        target("3986 5.2.4 above the root", 400, "/%2e%2e/a"),
        target("3986 5.2.4 above the root", 400, "/.%2E/a"),
        target("3986 5.2.4 above the root", 400, "/a/%2e%2e/%2e."),
        target("3986 2.1 percent", 400, "/%"),
        target("3986 2.1 percent", 400, "/%a"),
        target("3986 2.1 percent", 400, "/%zz"),
        target("3986 2.1 percent", 400, "/%4"),
        target("3986 2.1 percent", 400, "/a%2"),
        target("3986 2.1 percent", 400, "/%%41"),
        target("3986 2.1 percent", 400, "/%u0041"),
        target("3986 7.3 NUL", 400, "/%00"),
        target("3986 7.3 NUL", 400, "/a%00.html"),
        target("3986 2 backslash", 400, "/a\\..\\b"),
        target("3986 2 quote", 400, "/\"a\""),
        target("3986 2 angle", 400, "/<script>"),
        target("3986 2 not ASCII", 400, "/caf\u{e9}"),
        target("3986 2 not ASCII", 400, "/a?q=\u{e9}"),
        target("3986 2 DEL", 400, "/a\u{7f}"),
        raw("3986 2 NUL", 400, b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("3986 2 control", 400, b"GET /a?\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
        raw("3986 2 latin-1", 400, b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Host.
        raw("9112 3.2 no Host", 400, "GET / HTTP/1.1\r\n\r\n"),
        raw("9112 3.2 no Host", 400, "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"),
        raw("9112 3.2 two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        raw("9112 3.2 two equal Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
        raw("9112 3.2 two Hosts", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        raw("9112 3.2 bad Host", 400, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
        // Field lines.
        lines("9112 5.1 space before the colon", 400, "X : 1"),
        lines("9112 5.1 tab before the colon", 400, "X\t: 1"),
        lines("9112 5.1 space in a name", 400, "X Y: 1"),
        lines("9112 5.1 length with a space", 400, "Content-Length : 5"),
        lines("9112 5.1 coding with a space", 400, "Transfer-Encoding : chunked"),
        lines("9112 5 no colon", 400, "X"),
        lines("9110 5.1 empty name", 400, ": 1"),
        lines("9110 5.1 name", 400, "X@Y: 1"),
        lines("9110 5.1 name", 400, "(X): 1"),
        lines("9110 5.1 name", 400, "X\"Y: 1"),
        lines("9110 5.1 name", 400, "X/Y: 1"),
        lines("9110 5.1 name", 400, "Caf\u{e9}: 1"),
        lines("9110 5.1 name", 400, b"X\x00: 1"),
        lines("9110 5.1 name", 400, b"X\x7f: 1"),
        lines("9112 5.2 folding", 400, "X: 1\r\n 2"),
        lines("9112 5.2 folding", 400, "X: 1\r\n\t2"),
        lines("9112 5.2 folding a length", 400, "Content-Length:\r\n 5"),
        lines("9112 5.2 folding a coding", 400, "Transfer-Encoding:\r\n chunked"),
        lines("9112 5.2 blank line that folds", 400, "X: 1\r\n "),
        lines("9110 5.5 NUL", 400, b"X: a\x00b"),
        lines("9110 5.5 control", 400, b"X: a\x01b"),
        lines("9110 5.5 vertical tab", 400, b"X: a\x0bb"),
        lines("9110 5.5 DEL", 400, b"X: a\x7fb"),
        lines("9110 5.5 escape", 400, b"X: \x1b[31m"),
        lines("9110 5.5 lone CR", 400, b"X: a\rY: b"),
        lines("9110 5.5 lone LF", 400, b"X: a\nY: b"),
        // Lengths.
        lines("9112 6.1 both", 400, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        lines("9112 6.1 both", 400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        lines("9112 6.1 both", 400, "Content-Length: 0\r\ntransfer-encoding: chunked"),
        lines("9112 6.3 two lengths", 400, "Content-Length: 5\r\nContent-Length: 6"),
        lines("9112 6.3 two equal lengths", 400, "Content-Length: 5\r\nContent-Length: 5"),
        lines("9112 6.3 list", 400, "Content-Length: 5, 5"),
        lines("9112 6.3 list", 400, "Content-Length: 5,6"),
        lines("9110 8.6 length", 400, "Content-Length:"),
        lines("9110 8.6 length", 400, "Content-Length: -1"),
        lines("9110 8.6 length", 400, "Content-Length: +5"),
        lines("9110 8.6 length", 400, "Content-Length: 0x5"),
        lines("9110 8.6 length", 400, "Content-Length: 5.0"),
        lines("9110 8.6 length", 400, "Content-Length: 5 5"),
        lines("9110 8.6 length", 400, "Content-Length: five"),
        lines("9110 8.6 length", 400, "Content-Length: \"5\""),
        lines("9110 8.6 length", 400, "Content-Length: \u{ff15}"),
        lines("9110 8.6 overflow", 400, "Content-Length: 9223372036854775808"),
        lines("9110 8.6 overflow", 400, "Content-Length: 18446744073709551621"),
        lines("9110 8.6 overflow", 400, "Content-Length: 99999999999999999999999999"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: gzip"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: identity"),
        lines("9112 6.1 unknown coding", 501, "Transfer-Encoding: gzip, chunked"),
        lines("9112 6.1 unknown coding", 501, "Transfer-Encoding: gzip;q=1\t,br, Chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: identity, chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: g zip, chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: chunked, gzip, chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: chunked, gzip"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: chunked, chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: chunked,"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: , chunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: xchunked"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: chunked;q=1"),
        lines("9112 6.1 coding", 400, "Transfer-Encoding: \"chunked\""),
        lines("9112 6.1 coding", 400, "Transfer-Encoding:"),
        lines("9112 6.1 coding", 400, b"Transfer-Encoding: \x0bchunked"),
        lines("9112 6.1 coding", 400, b"Transfer-Encoding: chunked\x00"),
        lines("9112 6.1 two codings", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        lines("9112 6.1 two codings", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        raw("9112 6.1 HTTP/1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        raw("9112 6.1 bad length of a GET", 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
        // Connection and Expect.
        lines("9110 7.6.1 Connection", 400, "Connection: host"),
        lines("9110 7.6.1 Connection", 400, "Connection: close, Content-Length\r\nContent-Length: 5"),
        lines("9110 7.6.1 Connection", 400, "Connection: transfer-encoding"),
        lines("9110 7.6.1 Connection", 400, "Connection: a b"),
        lines("9110 7.6.1 Connection", 400, "Connection: \"close\""),
        lines("9110 7.6.1 too many options", 400, format!("Connection: {}", "a,".repeat(33))),
        lines("9110 10.1.1 Expect", 417, "Expect: 200-ok"),
        lines("9110 10.1.1 Expect", 417, "Expect: 100-continue, x"),
        lines("9110 5.3 single", 400, "Content-Type: a/b\r\nContent-Type: a/b"),
        lines("9110 5.3 single", 400, "Authorization: a\r\nauthorization: b"),
        raw("9110 5.3 single", 400, "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\nMax-Forwards: 0\r\n\r\n"),
        raw("9110 7.6.2 Max-Forwards", 400, "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n"),
        raw("9110 7.6.2 Max-Forwards", 400, "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards:\r\n\r\n"),
        raw("9110 9.3.8 TRACE", 400, "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"),
        raw("9110 9.3.8 TRACE", 400, "TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
        // Sizes.
        lines("6585 5 too many fields", 431, vec!["X: 1"; 128].join("\r\n")),
        lines("6585 5 too large", 431, format!("X: {}", "a".repeat(32 * 1024))),
        target("9112 3 too long", 414, &format!("/{}", "a".repeat(32 * 1024))),
        raw("6585 5 too large without an end", 431, vec![b'a'; 32 * 1024]),
    ];
    for bad in [
        "", " ", " ,", " a,b", " a b", " a/b", " a?b", " a#b", " u@a", " u:p@a", " a::", " a:0", " a:65536", " a:80:80", " a:8a",
        " a: 80", " :80", " [::1", " [::1]80", " ::1", " [:::1]", " a%20b", " a%", " \u{e9}", " .", " a..b", " .a", " \"a\"",
        " http://a", " *", " a;b", " a\\b", " [::1%25lo]", " <a>", " a\tb",
    ] {
        all.push(host("9112 3.2 Host", 400, bad));
    }
    all
}

/// What must hold of an accepted request.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    method: Method,
    path: &'static str,
    query: Option<&'static str>,
    host: &'static str,
    framing: Framing,
    persistent: bool,
}

const PLAIN: Wanted = Wanted {
    method: Method::Get,
    path: "/",
    query: None,
    host: "a",
    framing: Framing::None,
    persistent: true,
};

#[rustfmt::skip]
fn accepted() -> Vec<(&'static str, Vec<u8>, Wanted)> {
    let get = |rest: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{rest}\r\n").into_bytes();
    let path = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    let host = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}\r\n").into_bytes();
    let p = |path| Wanted { path, ..PLAIN };
    let h = |host| Wanted { host, ..PLAIN };
    let body = |framing| Wanted { method: Method::Post, framing, ..PLAIN };
    let closing = Wanted { persistent: false, ..PLAIN };
    vec![
        ("9112 3 plain", get(""), PLAIN),
        ("9112 2.2 one empty line first", [b"\r\n".to_vec(), get("")].concat(), PLAIN),
        ("9112 2.2 two empty lines first", [b"\r\n\r\n".to_vec(), get("")].concat(), PLAIN),
        ("9112 5.1 no space behind the colon", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n".to_vec(), PLAIN),
        ("9112 5.1 blanks around a value", b"GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n".to_vec(), PLAIN),
        ("9110 5.1 names in any case", b"GET / HTTP/1.1\r\nhOsT: a\r\n\r\n".to_vec(), PLAIN),
        ("9110 5.1 every byte of a token", get("!#$%&'*+-.^_`|~09azAZ: 1\r\n"), PLAIN),
        ("9110 5.5 opaque bytes", [b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\x80\xe9\r\n\r\n".to_vec()].concat(), PLAIN),
        ("9110 5.5 tab in a value", get("X: a\tb\r\n"), PLAIN),
        ("9110 5.5 empty value", get("X:\r\n"), PLAIN),
        ("9110 5.3 repeated fields", get("X: 1\r\nX: 2\r\n"), PLAIN),
        ("9110 9.1 HEAD", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Wanted { method: Method::Head, ..PLAIN }),
        ("9110 9.1 unknown method", b"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Wanted { method: Method::Other, ..PLAIN }),
        ("9110 9.1 methods are case-sensitive", b"get / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Wanted { method: Method::Other, ..PLAIN }),
        ("9110 9.1 odd method", b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), Wanted { method: Method::Other, ..PLAIN }),
        ("9112 3.2.1 query", path("/a?b=c&d"), Wanted { path: "/a", query: Some("b=c&d"), ..PLAIN }),
        ("9112 3.2.1 empty query", path("/a?"), Wanted { path: "/a", query: Some(""), ..PLAIN }),
        ("3986 3.4 raw bytes in a query", path("/?a=[1]{2}|\"<>\\^`'&b=%zz?/"), Wanted { query: Some("a=[1]{2}|\"<>\\^`'&b=%zz?/"), ..PLAIN }),
        ("3986 6.2.2 unreserved", path("/%61/%7Eb"), p("/a/~b")),
        ("3986 6.2.2 reserved stays", path("/a%2fb%2Fc%3f"), p("/a%2fb%2Fc%3f")),
        ("3986 5.2.4 dots", path("/a/./b/../c"), p("/a/c")),
        ("3986 5.2.4 encoded dots", path("/a/%2e%2E/b"), p("/b")),
        ("3986 5.2.4 dots with a query", path("/a/..?x=/../.."), Wanted { query: Some("x=/../.."), ..PLAIN }),
        ("3986 3.3 empty segments", path("//a//"), p("//a//")),
        ("3986 3.3 parameters", path("/a;b=c,d/e@f:g"), p("/a;b=c,d/e@f:g")),
        ("as browsers send it", path("/a|b[1]{x}^"), p("/a|b[1]{x}^")),
        ("9112 3.2.2 absolute", b"GET http://B.example:8080/x?y HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Wanted { path: "/x", query: Some("y"), host: "b.example", ..PLAIN }),
        ("9112 3.2.2 absolute without a path", b"GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), h("b")),
        ("9112 3.2.2 absolute with a query only", b"GET http://b?c HTTP/1.1\r\nHost: b\r\n\r\n".to_vec(),
            Wanted { host: "b", query: Some("c"), ..PLAIN }),
        ("9112 3.2.4 asterisk", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Wanted { method: Method::Options, path: "*", ..PLAIN }),
        ("9112 3.2.4 absolute OPTIONS", b"OPTIONS http://b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n".to_vec(),
            Wanted { method: Method::Options, path: "*", host: "b", ..PLAIN }),
        ("9110 4.2.3 host case", host("EXAMPLE.com"), h("example.com")),
        ("9110 7.2 host and port", host("example.com:8080"), h("example.com")),
        ("9110 7.2 IPv4", host("127.0.0.1:80"), h("127.0.0.1")),
        ("9110 7.2 IPv6", host("[2001:DB8::1]:80"), h("[2001:db8::1]")),
        ("dot of the root", host("example.com."), h("example.com")),
        ("underscore", host("my_host"), h("my_host")),
        ("9112 6.3 length", post("Content-Length: 5\r\n"), body(Framing::Length(5))),
        ("9112 6.3 length 0", post("Content-Length: 0\r\n"), body(Framing::Length(0))),
        ("9110 8.6 leading zeros", post("Content-Length: 0005\r\n"), body(Framing::Length(5))),
        ("9110 8.6 largest length", post("Content-Length: 9223372036854775807\r\n"), body(Framing::Length(i64::MAX as u64))),
        ("9112 6.3 chunked", post("Transfer-Encoding: chunked\r\n"), body(Framing::Chunked)),
        ("9112 6.1 codings in any case", post("Transfer-Encoding: CHUNKED \r\n"), body(Framing::Chunked)),
        ("9112 6.3 no body", post(""), body(Framing::None)),
        ("9110 9.3.1 GET with a body", get("Content-Length: 3\r\n"), Wanted { framing: Framing::Length(3), ..PLAIN }),
        ("9112 2.3 a higher minor version", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_vec(), PLAIN),
        ("9110 10.1.1 empty Expect", post("Expect:\r\n"), body(Framing::None)),
        ("9110 10.1.1 Expect twice", post("Expect: 100-continue\r\nExpect: 100-continue, 100-CONTINUE\r\nContent-Length: 5\r\n"),
            body(Framing::Length(5))),
        ("3986 3.2.3 empty port", host("a:"), PLAIN),
        ("3986 3.2.3 zeros of a port", host("a:0080"), PLAIN),
        ("9112 3.2.2 empty port", b"GET http://B:/ HTTP/1.1\r\nHost: a:1\r\n\r\n".to_vec(), h("b")),
        ("9110 7.6.2 Max-Forwards", b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 7\r\n\r\n".to_vec(),
            Wanted { method: Method::Options, path: "*", ..PLAIN }),
        ("9110 7.6.2 Max-Forwards of others", get("Max-Forwards: x\r\n"), PLAIN),
        ("9112 9.6 close", get("Connection: close\r\n"), closing),
        ("9112 9.3 close wins", get("Connection: keep-alive, Close\r\n"), closing),
        ("9110 5.6.1 empty elements", get("Connection: ,, close,\r\n"), closing),
        ("9112 9.3 HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n".to_vec(), closing),
        ("9112 9.3 HTTP/1.0 keep-alive", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n".to_vec(), PLAIN),
        ("9112 3.2 HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n".to_vec(), Wanted { host: "", persistent: false, ..PLAIN }),
        ("9110 10.1.1 Expect", post("Expect: 100-Continue\r\nContent-Length: 5\r\n"), body(Framing::Length(5))),
        ("as many fields as allowed", get(&"X: 1\r\n".repeat(127)), PLAIN),
    ]
}

fn parse(bytes: &[u8]) -> (RequestHead, Result<Progress, Refusal>) {
    let mut head = RequestHead::default();
    let result = head.parse(bytes, &LIMITS);
    (head, result)
}

#[test]
fn what_is_malformed_or_ambiguous_is_refused() {
    let cases = refused();
    assert!(cases.len() >= 120, "{}", cases.len());
    for case in &cases {
        let text = String::from_utf8_lossy(&case.bytes);
        match parse(&case.bytes).1 {
            Err(refusal) => assert_eq!(
                refusal.status, case.status,
                "{}: {text:?}: {refusal:?}",
                case.section
            ),
            Ok(progress) => panic!("{}: accepted ({progress:?}): {text:?}", case.section),
        }
    }
}

#[test]
fn what_is_right_is_accepted_and_understood() {
    let cases = accepted();
    assert!(cases.len() >= 40, "{}", cases.len());
    for (section, bytes, wanted) in &cases {
        let text = String::from_utf8_lossy(bytes);
        let (head, result) = parse(bytes);
        assert_eq!(
            result,
            Ok(Progress::Complete { len: bytes.len() }),
            "{section}: {text:?}"
        );
        assert_eq!(head.len(), bytes.len());
        let seen = (
            head.method(),
            head.path(bytes),
            head.query(bytes),
            head.host(),
            head.framing(),
            head.persistent(),
        );
        let Wanted {
            method,
            path,
            query,
            host,
            framing,
            persistent,
        } = *wanted;
        assert_eq!(
            seen,
            (method, path, query, host, framing, persistent),
            "{section}: {text:?}"
        );
    }
}

#[test]
fn every_split_gives_the_same_verdict() {
    let all = refused().into_iter().map(|case| case.bytes);
    let small = |bytes: &Vec<u8>| bytes.len() < 2000;
    for bytes in all
        .chain(accepted().into_iter().map(|case| case.1))
        .filter(small)
    {
        let (whole_head, whole) = parse(&bytes);
        for split in 0..bytes.len() {
            let mut head = RequestHead::default();
            let mut result = head.parse(&bytes[..split], &LIMITS);
            if result == Ok(Progress::Partial) {
                result = head.parse(&bytes, &LIMITS);
            }
            assert_eq!(
                result,
                whole,
                "split at {split}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
            if whole.is_ok() {
                assert_eq!(format!("{head:?}"), format!("{whole_head:?}"));
            }
        }
        let mut head = RequestHead::default();
        let verdict = (0..=bytes.len())
            .map(|end| head.parse(&bytes[..end], &LIMITS))
            .find(|result| *result != Ok(Progress::Partial));
        assert_eq!(
            verdict,
            Some(whole),
            "byte by byte: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn a_reused_head_remembers_nothing() {
    let mut head = RequestHead::default();
    let all: Vec<Vec<u8>> = refused()
        .into_iter()
        .map(|case| case.bytes)
        .chain(accepted().into_iter().map(|case| case.1))
        .collect();
    for (at, bytes) in all.iter().rev().chain(&all).enumerate() {
        let (fresh, wanted) = parse(bytes);
        assert_eq!(head.parse(bytes, &LIMITS), wanted);
        if wanted.is_ok() {
            assert_eq!(rewritten(&head, bytes), rewritten(&fresh, bytes), "{at}");
        } else if at % 2 == 0 {
            // A head that was given up half-read is forgotten as well.
            assert_eq!(
                head.parse(
                    b"GET /half HTTP/1.1\r\nConnection: close\r\nHost: x",
                    &LIMITS
                ),
                Ok(Progress::Partial)
            );
            head.reset();
        }
    }
}

fn rewritten(head: &RequestHead, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let forward = Forward {
        client_ip: "192.0.2.7",
        proto: "http",
        request_id: 7,
        span_id: 9,
        fallback_host: "127.0.0.1:9001",
        ..Forward::default()
    };
    write_request_head(&mut out, head, bytes, &forward);
    out
}

#[test]
fn every_accepted_request_is_rewritten_so_that_a_strict_server_reads_the_same() {
    for (section, bytes, wanted) in &accepted() {
        let (head, _) = parse(bytes);
        let out = rewritten(&head, bytes);
        let judged = judge::request(&out);
        let target = match wanted.query {
            Some(query) => format!("{}?{query}", wanted.path),
            None => wanted.path.to_owned(),
        };
        assert_eq!(judged.target, target, "{section}");
        assert_eq!(judged.method, head.method_str(bytes));
        let length = judged.one("content-length").map(|l| l.parse().unwrap());
        let framing = match length {
            Some(length) => Framing::Length(length),
            None if judged.one("transfer-encoding").is_some() => Framing::Chunked,
            None => Framing::None,
        };
        assert_eq!(framing, wanted.framing, "{section}");
        // The engine reads its own writing, and writes it again the same but for the forwarded fields, which it does not believe.
        let mut again = RequestHead::default();
        let result = again.parse(
            &out,
            &Limits {
                max_fields: 160,
                ..LIMITS
            },
        );
        assert_eq!(
            result,
            Ok(Progress::Complete { len: out.len() }),
            "{section}"
        );
        assert_eq!(rewritten(&again, &out).len(), out.len(), "{section}");
        // A parser used all over the world has no objection either.
        let mut fields = [httparse::EMPTY_HEADER; 160];
        let status = httparse::Request::new(&mut fields).parse(&out);
        assert_eq!(
            status,
            Ok(httparse::Status::Complete(out.len())),
            "{section}"
        );
    }
}

#[test]
fn the_limits_of_a_head_are_exact() {
    let head = |n: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(n)).into_bytes()
    };
    let empty = head(0).len();
    let limits = Limits {
        max_head: 256,
        max_fields: 2,
    };
    let parse = |bytes: &[u8]| RequestHead::default().parse(bytes, &limits);
    assert_eq!(
        parse(&head(256 - empty)),
        Ok(Progress::Complete { len: 256 })
    );
    assert_eq!(parse(&head(257 - empty)).map_err(|r| r.status), Err(431));
    let with_body = [head(256 - empty), vec![b'x'; 5000]].concat();
    assert_eq!(parse(&with_body), Ok(Progress::Complete { len: 256 }));
    let three = b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n";
    assert_eq!(parse(three).map_err(|r| r.status), Err(431));
}

#[test]
fn pipelined_requests_are_cut_where_they_end() {
    let two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let mut head = RequestHead::default();
    let Ok(Progress::Complete { len }) = head.parse(two, &LIMITS) else {
        panic!("first");
    };
    assert_eq!(head.path(two), "/1");
    let rest = &two[len..];
    assert_eq!(
        head.parse(rest, &LIMITS),
        Ok(Progress::Complete { len: rest.len() })
    );
    assert_eq!((head.path(rest), head.version()), ("/2", Version::Http10));
}

#[test]
fn an_upgrade_is_seen_only_where_it_is_meant_and_harmless() {
    let upgrade = |head: &str| {
        let bytes = head.as_bytes();
        let (head, result) = parse(bytes);
        result.unwrap();
        head.upgrade(bytes)
            .map(|p| String::from_utf8_lossy(p).into_owned())
    };
    let get = |rest: &str| upgrade(&format!("GET / HTTP/1.1\r\nHost: a\r\n{rest}\r\n"));
    assert_eq!(
        get("Connection: Upgrade\r\nUpgrade: websocket\r\n").as_deref(),
        Some("websocket")
    );
    assert_eq!(
        get("Connection: keep-alive, upgrade\r\nUpgrade: SPDY/3.1\r\n").as_deref(),
        Some("SPDY/3.1")
    );
    assert_eq!(get("Upgrade: websocket\r\n"), None);
    assert_eq!(get("Connection: upgrade\r\n"), None);
    assert_eq!(get("Connection: upgrade\r\nUpgrade:\r\n"), None);
    assert_eq!(
        get("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"),
        None
    );
    assert_eq!(
        get("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n"),
        None
    );
    assert_eq!(get("Connection: upgrade\r\nUpgrade: web socket\r\n"), None);
    assert_eq!(get("Connection: upgrade\r\nUpgrade: TLS/1.0\r\n"), None);
    assert_eq!(get("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n"), None);
    assert_eq!(
        get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n"),
        None
    );
    assert_eq!(
        get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"),
        None
    );
    assert_eq!(
        upgrade("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        None
    );
}

#[test]
fn a_continue_is_expected_only_before_a_body_of_http_1_1() {
    let expects = |head: &str| {
        let (head, result) = parse(head.as_bytes());
        result.unwrap();
        head.expect_continue()
    };
    let post = |version, rest| {
        expects(&format!(
            "POST / HTTP/{version}\r\nHost: a\r\nExpect: 100-continue\r\n{rest}\r\n"
        ))
    };
    assert!(post("1.1", "Content-Length: 5\r\n"));
    assert!(post("1.1", "Transfer-Encoding: chunked\r\n"));
    assert!(!post("1.1", ""));
    assert!(!post("1.1", "Content-Length: 0\r\n"));
    assert!(!post("1.0", "Content-Length: 5\r\n"));
}
