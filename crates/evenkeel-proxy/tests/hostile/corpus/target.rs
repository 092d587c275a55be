//! RFC 9112 section 3.2 and RFC 3986: the four forms of a target, and what stands in it.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    for b in controls().chain([b' ']) {
        all.push(bad("3986 2 control byte in the path", of(join(&[b"/a", &[b], b"b"]))));
        all.push(bad("3986 2 control byte in the query", of(join(&[b"/a?b", &[b], b"c"]))));
        all.push(bad("3986 2 control byte in the authority", of(join(&[b"http://a", &[b], b"b/"]))));
    }
    for b in [0x80, 0xa0, 0xc3, 0xe9, 0xff] {
        all.push(bad("3986 2 not ASCII in the path", of(join(&[b"/caf", &[b]]))));
        all.push(bad("3986 2 not ASCII in the query", of(join(&[b"/?q=", &[b]]))));
    }
    all.extend([
        // Forms.
        bad("9112 3.2 relative", of("a")),
        bad("9112 3.2 relative", of("a/b")),
        bad("9112 3.2 relative", of("./a")),
        bad("9112 3.2 relative", of("../a")),
        bad("9112 3.2 only a query", of("?a=b")),
        bad("9112 3.2 only a fragment", of("#a")),
        bad("9112 3.2.1 fragment", of("/a#b")),
        bad("9112 3.2.1 empty fragment", of("/a#")),
        bad("9112 3.2.1 fragment behind a query", of("/a?b#c")),
        bad("9112 3.2.3 authority without CONNECT", of("a:80")),
        bad("9112 3.2.3 authority without CONNECT", of("a")),
        // A path whose first segment is empty, and no authority.
        good("9112 3.2.1 two slashes", "GET //a", of("//a")),
        bad("9112 3.2.4 asterisk without OPTIONS", of("*")),
        bad("9112 3.2.4 asterisk without OPTIONS", "POST * HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3.2.4 more than an asterisk", "OPTIONS */a HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3.2.4 more than an asterisk", "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("9112 3.2.4 more than an asterisk", "OPTIONS *?a HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused(501, "9112 3.2.3 CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        refused(501, "9112 3.2.3 CONNECT of a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused(501, "9112 3.2.3 CONNECT of a URI", "CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused(501, "9112 3.2.3 CONNECT with a body", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc"),
        // The absolute form.
        bad("9110 7.4 another scheme", of("https://a/")),
        bad("9110 7.4 another scheme", of("ftp://a/")),
        bad("9110 7.4 another scheme", of("ws://a/")),
        bad("9110 7.4 another scheme", of("file:///etc/passwd")),
        bad("9110 7.4 another scheme", of("javascript:alert(1)")),
        bad("9110 7.4 another scheme", of("httpx://a/")),
        bad("9110 7.4 another scheme", of("gopher://a:70/_x")),
        bad("9110 7.4 another scheme", of("HTTPS://a/")),
        bad("3986 3 no scheme", of("://a/")),
        bad("9110 4.2.1 no authority", of("http:///a")),
        bad("9110 4.2.1 no authority", of("http://")),
        bad("9110 4.2.1 no authority", of("http:/a")),
        bad("9110 4.2.1 no authority", of("http:a")),
        bad("9110 4.2.1 no host", of("http://:80/")),
        bad("9110 4.2.1 no host", of("http://?a")),
        bad("9110 4.2.4 user info", of("http://u@a/")),
        bad("9110 4.2.4 user info", of("http://u:p@a/")),
        bad("9110 4.2.4 user info", of("http://@a/")),
        bad("9110 4.2.4 user info that looks like a host", of("http://b:80@a/")),
        bad("3986 3.2.3 port", of("http://a:x/")),
        bad("3986 3.2.3 port", of("http://a:-1/")),
        bad("3986 3.2.3 port", of("http://a:65536/")),
        bad("3986 3.2.3 port", of("http://a:99999999999999999999/")),
        bad("3986 3.2.3 two ports", of("http://a:80:80/")),
        bad("3986 3.2.2 backslash", of("http://a\\b/")),
        bad("3986 3.2.2 backslash", of("http:\\\\a\\")),
        bad("3986 3.2.2 unclosed bracket", of("http://[::1/")),
        bad("3986 3.2.2 zone", of("http://[fe80::1%25eth0]/")),
        bad("3986 3.2.2 comma", of("http://a,b/")),
        bad("3986 3.5 fragment", of("http://a/#b")),
        bad("3986 3.5 fragment", of("http://a#b")),
        bad("9112 3.2.2 two URIs", of("http://a/http://b/ http://c/")),
        bad("9112 3.2.2 bad path", of("http://a/../b")),
        bad("9112 3.2 absolute without Host", "GET http://a/ HTTP/1.1\r\n\r\n"),
        bad("9112 3.2 absolute with a bad Host", "GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n"),
        bad("9112 3.2 absolute with two Hosts", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        bad("9112 3.2 absolute with an empty Host", "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"),
        // Paths.
        bad("3986 5.2.4 above the root", of("/..")),
        bad("3986 5.2.4 above the root", of("/../a")),
        bad("3986 5.2.4 above the root", of("/../../../../etc/passwd")),
        bad("3986 5.2.4 above the root", of("/a/../../b")),
        bad("3986 5.2.4 above the root", of("/a/../..")),
        bad("3986 5.2.4 above the root", of("/./../a")),
        bad("3986 6.2.2 above the root, encoded", of("/%2e%2e/a")),
        bad("3986 6.2.2 above the root, encoded", of("/.%2E/a")),
        bad("3986 6.2.2 above the root, encoded", of("/%2e./a")),
        bad("3986 6.2.2 above the root, encoded", of("/a/%2E%2E/%2e%2e/b")),
        bad("3986 7.3 dots before an encoded slash", of("/a/..%2fb")),
        bad("3986 7.3 dots before an encoded slash", of("/a/%2e%2e%2fb")),
        bad("3986 7.3 dots before an encoded slash", of("/a/..%2F..%2Fetc/passwd")),
        bad("3986 7.3 dots behind an encoded slash", of("/a%2f..")),
        bad("3986 7.3 dots behind an encoded slash", of("/a%2f../b")),
        bad("3986 7.3 dots between encoded backslashes", of("/a%5c..%5cb")),
        bad("3986 2.1 percent alone", of("/%")),
        bad("3986 2.1 one digit", of("/%a")),
        bad("3986 2.1 one digit at the end", of("/a%4")),
        bad("3986 2.1 no digits", of("/%zz")),
        bad("3986 2.1 no digits", of("/%4z")),
        bad("3986 2.1 sign", of("/%+1")),
        bad("3986 2.1 two percents", of("/%%41")),
        bad("3986 2.1 wide", of("/%u0041")),
        bad("3986 2.1 cut by the query", of("/%4?1")),
        bad("3986 7.3 NUL", of("/%00")),
        bad("3986 7.3 NUL", of("/a.php%00.png")),
        bad("3986 2 backslash", of("/a\\b")),
        bad("3986 2 backslash", of("/..\\a")),
        bad("3986 2 backslash", of("\\a")),
        bad("3986 2 quotes", of("/\"a\"")),
        bad("3986 2 angle brackets", of("/<script>")),
        bad("3986 2 back-tick", of("/`a`")),
        bad("3986 2 empty form", "OPTIONS  HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}
