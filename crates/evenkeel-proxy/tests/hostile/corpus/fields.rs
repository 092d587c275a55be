//! RFC 9110 section 5 and RFC 9112 section 5: field lines.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    for b in controls() {
        all.push(bad("9110 5.1 control byte in a name", get(join(&[b"X", &[b], b"Y: z\r\n"]))));
        if b != b'\t' {
            all.push(bad("9110 5.5 control byte in a value", get(join(&[b"X: y", &[b], b"z\r\n"]))));
        }
        if b != b'\t' && b != b'\n' {
            all.push(bad("9110 5.5 control byte at the end of a value", get(join(&[b"X: y", &[b], b"\r\n"]))));
        }
        if b != b'\t' {
            all.push(bad("9110 5.5 control byte before a value", get(join(&[b"X:", &[b], b"y\r\n"]))));
        }
        all.push(bad("9112 5.1 control byte before the colon", get(join(&[b"X", &[b], b": y\r\n"]))));
        if b != b'\r' && b != b'\n' {
            all.push(bad("9112 5.1 control byte before a name", get(join(&[&[b], b"X: y\r\n"]))));
        }
    }
    for b in *b" \"(),/;<=>?@[\\]{}" {
        all.push(bad("9110 5.6.2 delimiter in a name", get(join(&[b"X", &[b], b"Y: z\r\n"]))));
    }
    for b in [0x80, 0xa0, 0xc3, 0xff] {
        all.push(bad("9110 5.1 not ASCII in a name", get(join(&[b"X", &[b], b": y\r\n"]))));
    }
    all.extend([
        bad("9112 5.1 space before the colon", get("X : y\r\n")),
        bad("9112 5.1 spaces before the colon", get("X  \t : y\r\n")),
        bad("9112 5.1 a length with a space", post("Content-Length : 3\r\n", "abc")),
        bad("9112 5.1 a length with a tab", post("Content-Length\t: 3\r\n", "abc")),
        bad("9112 5.1 a coding with a space", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")),
        bad("9112 5 no colon", get("X\r\n")),
        bad("9112 5 no colon", get("X y\r\n")),
        bad("9112 5 no colon in the first", "GET / HTTP/1.1\r\nX\r\nHost: a\r\n\r\n"),
        bad("9112 5 a request line among the fields", "GET / HTTP/1.1\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9110 5.1 empty name", get(": y\r\n")),
        bad("9110 5.1 empty name", get(":\r\n")),
        bad("9110 5.1 only a space for a name", get(" : y\r\n")),
        bad("9112 5.2 folded", get("X: y\r\n z\r\n")),
        bad("9112 5.2 folded with a tab", get("X: y\r\n\tz\r\n")),
        bad("9112 5.2 folded twice", get("X: y\r\n z\r\n z\r\n")),
        bad("9112 5.2 folded without a value", get("X:\r\n y\r\n")),
        bad("9112 5.2 folded into nothing", get("X: y\r\n \r\n")),
        bad("9112 5.2 folded behind a lone LF", get("X: y\n z\r\n")),
        bad("9112 5.2 a length folded", post("Content-Length:\r\n 3\r\n", "abc")),
        bad("9112 5.2 a coding folded", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        bad("9112 5.2 a coding folded", post("Transfer-Encoding: chun\r\n ked\r\n", "0\r\n\r\n")),
        bad("9112 5.2 a hidden field", get("X: y\r\n Content-Length: 3\r\n")),
        bad("9110 5.5 a field hidden behind a CR", get("X: y\rContent-Length: 3\r\n")),
        bad("9110 5.5 a field hidden behind a LF", get("X: y\nContent-Length: 3\r\n")),
        bad("9110 5.5 a field hidden behind a NUL", get("X: y\0Content-Length: 3\r\n")),
        bad("9110 5.5 an escape for terminals", get("User-Agent: \u{1b}[2J\r\n")),
        bad("9110 5.3 two of one", get("Authorization: Basic YTpi\r\nAuthorization: Basic Yjph\r\n")),
        bad("9110 5.3 two of one", post("Content-Length: 2\r\nContent-Type: text/plain\r\nContent-Type: application/json\r\n", "{}")),
        bad("9110 5.3 two of one", post("Content-Length: 2\r\nContent-Type: text/plain\r\ncontent-type: text/plain\r\n", "{}")),
        // Right, if unusual.
        good("9110 5.1 every byte of a token", "GET /", get("!#$%&'*+-.^_`|~09azAZ: y\r\n")).has("!#$%&'*+-.^_`|~09azaz", "y"),
        good("9110 5.1 point and underscore", "GET /", get("X.Y_Z: y\r\n")).has("x.y_z", "y"),
        good("9110 5.1 a digit first", "GET /", get("1X: y\r\n")).has("1x", "y"),
        good("9110 5.1 one byte", "GET /", get("x: y\r\n")).has("x", "y"),
        good("9110 5.5 empty value", "GET /", get("X:\r\n")).has("x", ""),
        good("9110 5.5 only blanks", "GET /", get("X: \t \r\n")).has("x", ""),
        good("9110 5.5 blanks around", "GET /", get("X:\t y \t\r\n")).has("x", "y"),
        good("9112 5.1 no blank", "GET /", get("X:y\r\n")).has("x", "y"),
        good("9110 5.5 blanks within", "GET /", get("X: y  \t z\r\n")).has("x", "y  \t z"),
        good("9110 5.5 UTF-8", "GET /", get("X: gr\u{fc}\u{df}e \u{1f600}\r\n")).has("x", "gr\u{fc}\u{df}e \u{1f600}"),
        good("9110 5.5 Latin-1", "GET /", get(b"X: \xe9\xff\x80\r\n")).has("x", "\u{fffd}\u{fffd}\u{fffd}"),
        good("9110 5.5 all visible bytes", "GET /", get("X: !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\r\n")).has("x", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        good("9110 5.5 colons", "GET /", get("X: y:z: :\r\n")).has("x", "y:z: :"),
        good("9110 5.5 only a colon", "GET /", get("X::\r\n")).has("x", ":"),
        good("9110 5.3 repeated", "GET /", get("Accept: a\r\nAccept: b\r\n")),
        good("9110 5.3 repeated cookies", "GET /", get("Cookie: a=b\r\nCookie: c=d\r\n")),
        good("9110 5.6.1 empty elements", "GET /", get("Accept: ,a,,b,\r\n")).has("accept", ",a,,b,"),
        good("9110 5.6.4 quoted", "GET /", get("X: \"a\\\"b, c\"\r\n")).has("x", "\"a\\\"b, c\""),
        good("9110 5.6.5 comment", "GET /", get("User-Agent: a/1 (b; (c))\r\n")).has("user-agent", "a/1 (b; (c))"),
        good("9110 5.4 a long value", "GET /", get(format!("X: {}\r\n", "a".repeat(20_000)))),
        good("9110 5.4 many fields", "GET /", get("X: y\r\n".repeat(126))),
        // Look-alikes go no further: CGI would make the real field of them.
        good("9110 5.1 look-alike of a length", "GET /", get("Content_Length: 5\r\n")).gone("content_length"),
        good("9110 5.1 look-alike of a coding", "GET /", get("Transfer_Encoding: chunked\r\n")).gone("transfer_encoding"),
        good("9110 5.1 look-alike of an address", "GET /", get("X_Forwarded_For: 1.1.1.1\r\n")).gone("x_forwarded_for"),
        good("httpoxy", "GET /", get("Proxy: http://b/\r\n")).gone("proxy"),
    ]);
}
