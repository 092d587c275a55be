//! RFC 9110 section 8.6 and RFC 9112 sections 6 and 8: where a body ends.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    let te = |value: &str| post(format!("Transfer-Encoding: {value}\r\n"), "3\r\nabc\r\n0\r\n\r\n");
    let cl = |value: &str| post(format!("Content-Length: {value}\r\n"), "abcde");
    for value in [
        "", "-1", "-0", "+5", "0x5", "5.0", "5,", ",5", "5,5", "5, 5", "5,6", "5 5", "5;5", "5e0", "5_0", "five", "\"5\"", "'5'", "5h", "5\u{660}", "\u{665}",
        "\u{ff15}", "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551621", "4294967296000000000000",
        "99999999999999999999999999999999999999", "0 5", "5\t5", "NaN", "inf", "chunked",
    ] {
        all.push(bad("9110 8.6 Content-Length", cl(value)));
    }
    for value in [
        "", "identity", "gzip", "xchunked", "chunkedx", "x chunked", "chunked x", "chunked, identity", "identity, chunked", "chunked, chunked", "chunked, gzip",
        "chunked,", ",chunked", "chunked;", "chunked;q=1", "chunked; foo=\"bar\"", "\"chunked\"", "'chunked'", "(chunked)", "ch\tunked", "chun ked", "chunke",
        "[chunked]", "chunked\u{e9}", "\u{e9}chunked", "chunked, , chunked", "x=chunked", "chunked/1", "cow", "compress", "gzip chunked", "gzip;chunked",
        "trailers", "5",
    ] {
        all.push(bad("9112 6.1 Transfer-Encoding", te(value)));
    }
    for b in [0x00, 0x0b, 0x0c, 0x08, 0x1f, 0x7f] {
        all.push(bad("9112 6.1 control byte before chunked", post(join(&[b"Transfer-Encoding: ", &[b], b"chunked\r\n"]), "0\r\n\r\n")));
        all.push(bad("9112 6.1 control byte behind chunked", post(join(&[b"Transfer-Encoding: chunked", &[b], b"\r\n"]), "0\r\n\r\n")));
        all.push(bad("9110 8.6 control byte behind a length", post(join(&[b"Content-Length: 5", &[b], b"\r\n"]), "abcde")));
    }
    let both = "3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    all.extend([
        refused(501, "9112 6.1 a coding that is not known", te("gzip, chunked")),
        refused(501, "9112 6.1 codings that are not known", te("deflate,gzip;q=1 ,CHUNKED")),
        bad("9112 6.1 both", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", both)),
        bad("9112 6.1 both", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", both)),
        bad("9112 6.1 both, far apart", post("Transfer-Encoding: chunked\r\nX: y\r\nY: z\r\nContent-Length: 0\r\n", both)),
        bad("9112 6.1 both, the coding unknown", post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", both)),
        bad("9112 6.1 both, the length bad", post("Transfer-Encoding: chunked\r\nContent-Length: x\r\n", both)),
        bad("9112 6.1 both of HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nabcde"),
        bad("9112 6.1 of HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        bad("9112 6.1 of HTTP/1.0 that keeps alive", "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        bad("9112 6.1 two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", both)),
        bad("9112 6.1 two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", both)),
        bad("9112 6.1 two codings", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", both)),
        bad("9112 6.1 two codings", post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", both)),
        bad("9112 6.1 two codings, one empty", post("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", both)),
        bad("9112 6.3 two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "abcdef")),
        bad("9112 6.3 two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "abcde")),
        bad("9112 6.3 two lengths, one zero", post("Content-Length: 0\r\nContent-Length: 40\r\n", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n     ")),
        bad("9112 6.3 two lengths in two cases", post("content-length: 5\r\nCONTENT-LENGTH: 3\r\n", "abcde")),
        bad("9112 6.3 a bad length of a GET", get("Content-Length: x\r\n")),
        bad("9110 9.3.8 TRACE with a length", "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
        bad("9110 9.3.8 TRACE with chunks", "TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        bad("9112 8 a body cut short", post("Content-Length: 5\r\n", "abc")).cut(),
        bad("9112 8 a body that does not begin", post("Content-Length: 5\r\n", "")).cut(),
        bad("9112 8 a large body cut short", post("Content-Length: 9223372036854775807\r\n", "abc")).cut(),
        // Right.
        good("9112 6.3 length", "POST /", cl("5")).has("content-length", "5").body(b"abcde"),
        good("9110 8.6 leading zeros", "POST /", cl("005")).has("content-length", "5").body(b"abcde"),
        good("9110 8.6 many leading zeros", "POST /", cl("00000000000000000000000000000000005")).has("content-length", "5").body(b"abcde"),
        good("9112 5.1 blanks around a length", "POST /", cl("\t5 ")).has("content-length", "5").body(b"abcde"),
        good("9112 6.1 any case", "POST /", te("CHUNKed")).has("transfer-encoding", "chunked").body(b"abc"),
        good("9112 6.1 blanks around", "POST /", te(" \tchunked\t ")).has("transfer-encoding", "chunked").body(b"abc"),
        good("9112 6.3 no body", "POST /", post("", "")).gone("content-length").gone("transfer-encoding"),
        good("9112 6.3 zero", "POST /", post("Content-Length: 0\r\n", "")).has("content-length", "0"),
        good("9112 6.3 zeros", "POST /", post("Content-Length: 000\r\n", "")).has("content-length", "0"),
        good("9110 9.3.1 GET with a body", "GET /", join(&[&get("Content-Length: 3\r\n"), b"abc"])).body(b"abc"),
        good("9110 9.3.1 GET with chunks", "GET /", join(&[&get("Transfer-Encoding: chunked\r\n"), b"3\r\nabc\r\n0\r\n\r\n"])).body(b"abc"),
        good("9110 9.3.1 GET with none", "GET /", get("Content-Length: 0\r\n")),
        good("9110 9.3.5 DELETE with a body", "DELETE /", "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body(b"abc"),
        good("9110 9.3.7 OPTIONS with a body", "OPTIONS /", "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body(b"abc"),
        good("9110 9.3.2 HEAD with a body", "HEAD /", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body(b"abc"),
        good("9112 6.3 length of HTTP/1.0", "POST /", "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body(b"abc").closes(),
        good("9112 6.3 a request as a body", "POST /", post("Content-Length: 36\r\n", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n "))
            .body(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n "),
        good("9112 6.3 any bytes as a body", "POST /", post("Content-Length: 8\r\n", b"\0\r\n\r\n\xff\x7f\n")).body(b"\0\r\n\r\n\xff\x7f\n"),
    ]);
}
