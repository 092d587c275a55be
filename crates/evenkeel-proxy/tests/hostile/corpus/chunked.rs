//! RFC 9112 section 7: chunks, their extensions, trailers.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    for b in controls() {
        if b != b'\r' {
            all.push(bad("9112 7.1 control byte behind a size", chunks(join(&[b"3", &[b], b"\r\nabc\r\n0\r\n\r\n"]))));
        }
        if b != b'\t' {
            all.push(bad("9112 7.1.1 control byte in an extension", chunks(join(&[b"3;a", &[b], b"b\r\nabc\r\n0\r\n\r\n"]))));
            all.push(bad("9112 7.1.1 control byte in a quoted value", chunks(join(&[b"3;a=\"", &[b], b"\"\r\nabc\r\n0\r\n\r\n"]))));
            all.push(bad("9112 7.1.2 control byte in a trailer", chunks(join(&[b"0\r\nX: y", &[b], b"z\r\n\r\n"]))));
        }
        all.push(bad("9112 7.1.2 control byte in a trailer's name", chunks(join(&[b"0\r\nX", &[b], b"Y: z\r\n\r\n"]))));
    }
    for size in [
        "", " 3", "\t3", "3 ", "3\t", "-3", "+3", "0x3", "0X3", "3h", "3,", "3.0", "3 3", "3_0", "x", "G", "\u{ff13}", "3\u{e9}", "ffffffffffffffff",
        "8000000000000000", "10000000000000003", "fffffffffffffffffffff3", "three", "\"3\"", "(3)", "3\\", "3:", "3=a", "3&a",
    ] {
        all.push(bad("9112 7.1 chunk size", chunks(format!("{size}\r\nabc\r\n0\r\n\r\n"))));
    }
    for extension in [
        ";", "; ", ";;", ";;a", ";=", ";=a", ";a=", ";a= ", ";a b", ";a=b c", ";a =", ";a,b", ";a:b", ";\"a\"", ";a=\"b", ";a=\"b\"c", ";a=\"\\", ";a=b=c",
        ";a ", ";a=b\t", " ;", ";\u{e9}", ";a={b}",
    ] {
        all.push(bad("9112 7.1.1 extension", chunks(format!("3{extension}\r\nabc\r\n0\r\n\r\n"))));
    }
    all.extend([
        bad("9112 7.1 lone LF behind a size", chunks("3\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1 lone CR behind a size", chunks("3\rabc\r\n0\r\n\r\n")),
        bad("9112 7.1 two CR behind a size", chunks("3\r\r\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1 lone LF behind the data", chunks("3\r\nabc\n0\r\n\r\n")),
        bad("9112 7.1 lone CR behind the data", chunks("3\r\nabc\r0\r\n\r\n")),
        bad("9112 7.1 nothing behind the data", chunks("3\r\nabc0\r\n\r\n")),
        bad("9112 7.1 other bytes for the line end", chunks("3\r\nabcXX0\r\n\r\n")),
        bad("9112 7.1 data longer than its size", chunks("3\r\nabcd\r\n0\r\n\r\n")),
        bad("9112 7.1 data shorter than its size", chunks("5\r\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1 empty line before a size", chunks("\r\n3\r\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1 empty line between chunks", chunks("3\r\nabc\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1 lone LF everywhere", chunks("3\nabc\n0\n\n")),
        bad("9112 7.1 lone LF behind the last size", chunks("3\r\nabc\r\n0\n\r\n")),
        bad("9112 7.1 lone LF at the end", chunks("3\r\nabc\r\n0\r\n\n")),
        bad("9112 7.1 bad last size", chunks("3\r\nabc\r\n0x\r\n\r\n")),
        bad("9112 7.1.1 lone LF in an extension", chunks("3;a\nabc\r\n0\r\n\r\n")),
        bad("9112 7.1.1 a request hidden in an extension", chunks("3;a=\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")),
        bad("9112 7.1.1 endless extension", chunks(format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(5000)))),
        bad("9112 7.1.1 endless extension without an end", chunks(format!("3;{}", "a".repeat(50_000)))),
        bad("9112 7.1.1 more extensions than data", chunks(format!("1;{}\r\na\r\n", "a".repeat(900)).repeat(50))),
        bad("9112 7.1 endless zeros", chunks("0".repeat(5000))),
        bad("9112 7.1.2 folded", chunks("0\r\nX: y\r\n z\r\n\r\n")),
        bad("9112 7.1.2 folded first", chunks("0\r\n X: y\r\n\r\n")),
        bad("9112 7.1.2 no colon", chunks("0\r\nX\r\n\r\n")),
        bad("9112 7.1.2 empty name", chunks("0\r\n: y\r\n\r\n")),
        bad("9112 7.1.2 space before the colon", chunks("0\r\nX : y\r\n\r\n")),
        bad("9112 7.1.2 lone LF", chunks("0\r\nX: y\n\r\n")),
        bad("9112 7.1.2 lone CR", chunks("0\r\nX: y\r\r\n\r\n")),
        bad("9112 7.1.2 a request for trailers", chunks("0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")),
        bad("9112 7.1.2 not ASCII in a name", chunks("0\r\nX\u{e9}: y\r\n\r\n")),
        bad("9112 7.1.2 too many", chunks(format!("0\r\n{}\r\n", "X: y\r\n".repeat(100)))),
        bad("9112 7.1.2 too large", chunks(format!("0\r\nX: {}\r\n\r\n", "y".repeat(20_000)))),
        bad("9112 8 cut in a size", chunks("3")).cut(),
        bad("9112 8 cut before a size", chunks("")).cut(),
        bad("9112 8 cut in the data", chunks("3\r\nab")).cut(),
        bad("9112 8 cut behind the data", chunks("3\r\nabc")).cut(),
        bad("9112 8 cut between chunks", chunks("3\r\nabc\r\n")).cut(),
        bad("9112 8 cut behind the last size", chunks("3\r\nabc\r\n0\r\n")).cut(),
        bad("9112 8 cut in a trailer", chunks("3\r\nabc\r\n0\r\nX: y")).cut(),
        bad("9112 8 cut before the end", chunks("3\r\nabc\r\n0\r\nX: y\r\n")).cut(),
        bad("9112 8 cut in the end", chunks("3\r\nabc\r\n0\r\n\r")).cut(),
        bad("9112 8 a huge chunk cut short", chunks("7fffffffffffff\r\nabc")).cut(),
        // Right.
        good("9112 7.1 plain", "POST /", chunks("3\r\nabc\r\n0\r\n\r\n")).has("transfer-encoding", "chunked").body(b"abc"),
        good("9112 7.1 nothing", "POST /", chunks("0\r\n\r\n")).has("transfer-encoding", "chunked"),
        good("9112 7.1 several", "POST /", chunks("1\r\na\r\n2\r\nbc\r\n00\r\n\r\n")).body(b"abc"),
        good("9112 7.1 any case", "POST /", chunks("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n")).body(b"01234567890123456789a"),
        good("9112 7.1 leading zeros", "POST /", chunks("0000000000000000000000003\r\nabc\r\n0000000000000000000\r\n\r\n")).body(b"abc"),
        good("9112 7.1 line ends as data", "POST /", chunks("8\r\n\r\n0\r\n\r\n\n\r\n0\r\n\r\n")).body(b"\r\n0\r\n\r\n\n"),
        good("9112 7.1.1 name", "POST /", chunks("3;a\r\nabc\r\n0;b\r\n\r\n")).body(b"abc"),
        good("9112 7.1.1 value", "POST /", chunks("3;a=b;c=d\r\nabc\r\n0\r\n\r\n")).body(b"abc"),
        good("9112 7.1.1 quoted value", "POST /", chunks("3;a=\"b;c\\\"=\t\u{e9}\"\r\nabc\r\n0\r\n\r\n")).body(b"abc"),
        good("9112 7.1.1 empty quoted value", "POST /", chunks("3;a=\"\"\r\nabc\r\n0\r\n\r\n")).body(b"abc"),
        good("9112 7.1.1 blanks", "POST /", chunks("3 \t; a = b ;c\r\nabc\r\n0\r\n\r\n")).body(b"abc"),
        good("9112 7.1.1 a signature", "POST /", chunks(format!("3;chunk-signature={}\r\nabc\r\n0\r\n\r\n", "a".repeat(64)))).body(b"abc"),
        good("9112 7.1.2 trailers", "POST /", chunks("3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n")).body(b"abc").trailer("x-sum", "1").trailer("y", ""),
        good("9112 7.1.2 trailers announced", "POST /", post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", "0\r\nX-Sum:  1 \r\n\r\n"))
            .has("trailer", "X-Sum").trailer("x-sum", "1"),
        good("9112 7.1.2 a digest", "POST /", chunks("0\r\nContent-Digest: sha-256=:AA==:\r\n\r\n")).trailer("content-digest", "sha-256=:AA==:"),
    ]);
    // Forbidden trailers are dropped, the rest arrives.
    for name in [
        "Content-Length", "Transfer-Encoding", "Host", "Authorization", "Content-Encoding", "Content-Type", "Content-Range", "Connection", "Trailer", "TE", "Upgrade",
        "Cookie", "Set-Cookie", "Expect", "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Max-Forwards",
        "Cache-Control", "Pragma", "Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
        "X-Request-Id", "Content_Length", "transfer-encoding", "HOST", "Via", "Date", "Age", "Expires", "Location", "Retry-After", "Vary", "Warning",
        "WWW-Authenticate", "Proxy-Authenticate", "HTTP2-Settings",
    ] {
        let bytes = chunks(format!("3\r\nabc\r\n0\r\n{name}: 5\r\nX-Kept: 1\r\n\r\n"));
        all.push(good("9110 6.5.1 forbidden trailer", "POST /", bytes).body(b"abc").trailer("x-kept", "1"));
    }
    all.push(good("9110 6.6.2 forbidden trailer announced", "POST /", post("Transfer-Encoding: chunked\r\nTrailer: X, Content-Length\r\n", "0\r\n\r\n")).gone("trailer"));
    all.push(good("9110 6.6.2 trailers without chunks", "POST /", post("Content-Length: 1\r\nTrailer: X\r\n", "a")).gone("trailer").body(b"a"));
    all.push(good("9110 7.6.1 trailer named by Connection", "POST /", post("Connection: X\r\nTransfer-Encoding: chunked\r\n", "0\r\nX: y\r\n\r\n")).gone("x"));
}
