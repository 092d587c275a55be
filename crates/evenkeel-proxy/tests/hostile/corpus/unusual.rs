//! What is right and still refused by somebody: methods, targets and hosts that must arrive.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    let method = |method: &str| format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
    all.extend([
        good("9112 2.2 one empty line before", "GET /", join(&[b"\r\n", &get("")])),
        good("9112 2.2 two empty lines before", "GET /", join(&[b"\r\n\r\n", &get("")])),
        good("9112 2.3 HTTP/1.2 is read as HTTP/1.1", "GET /", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        good("9112 2.3 HTTP/1.9 is read as HTTP/1.1", "GET /", "GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
        good("9112 3 Host last", "GET /", "GET / HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n"),
        good("9110 9.1 lower case", "get /", method("get")),
        good("9110 9.1 mixed case", "Get /", method("Get")),
        good("9110 9.1 unknown", "PURGE /", method("PURGE")),
        good("9110 9.1 WebDAV", "VERSION-CONTROL /", method("VERSION-CONTROL")),
        good("9110 9.1 one letter", "M /", method("M")),
        good("9110 9.1 every byte of a token", "!#$%&'*+-.^_`|~09azAZ /", method("!#$%&'*+-.^_`|~09azAZ")),
        good("9110 9.1 a long one", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /", method(&"A".repeat(64))),
        good("9110 9.3.2 HEAD", "HEAD /", method("HEAD")),
        good("9110 9.3.8 TRACE", "TRACE /", method("TRACE")),
        good("9110 9.3.7 OPTIONS", "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("9112 3.2.4 OPTIONS of a host", "OPTIONS *", "OPTIONS http://b.example:8001 HTTP/1.1\r\nHost: b.example:8001\r\n\r\n").has("host", "b.example:8001"),
        good("9112 3.2.4 OPTIONS of a path", "OPTIONS /", "OPTIONS http://b/ HTTP/1.1\r\nHost: b\r\n\r\n"),
        // Targets.
        good("9112 3.2.1 query", "GET /a?b=c&d=e", of("/a?b=c&d=e")),
        good("9112 3.2.1 empty query", "GET /?", of("/?")),
        good("9112 3.2.1 two question marks", "GET /a?b?c", of("/a?b?c")),
        good("9112 3.2.1 slashes in a query", "GET /a?b=/../c//", of("/a?b=/../c//")),
        good("3986 3.4 URI in a query", "GET /a?b=http://c/d?e", of("/a?b=http://c/d?e")),
        good("3986 3.4 encoded in a query", "GET /a?b=%00%0d%0a%ff%zz%", of("/a?b=%00%0d%0a%ff%zz%")),
        good("as browsers send queries", "GET /a?b[]={c}|\"<>\\^`'", of("/a?b[]={c}|\"<>\\^`'")),
        good("as browsers send paths", "GET /a|b[1]{x}^", of("/a|b[1]{x}^")),
        good("3986 3.3 all that may stand in a path", "GET /-._~!$&'()*+,;=:@/a", of("/-._~!$&'()*+,;=:@/a")),
        good("3986 3.3 parameters", "GET /a;b=c;d/e", of("/a;b=c;d/e")),
        good("3986 3.3 dots with a parameter", "GET /a/..;/b", of("/a/..;/b")),
        good("3986 3.3 empty segments", "GET //a//b//", of("//a//b//")),
        good("3986 3.3 three dots", "GET /...", of("/...")),
        good("3986 3.3 hidden file", "GET /.well-known/a", of("/.well-known/a")),
        good("3986 6.2.2.2 unreserved is decoded", "GET /a/~b-_.", of("/%61/%7Eb%2D%5f%2E")),
        good("3986 6.2.2.2 reserved is not", "GET /a%2fb%3f%23%2B%20", of("/a%2fb%3f%23%2B%20")),
        good("3986 2.5 UTF-8", "GET /caf%C3%A9", of("/caf%C3%A9")),
        good("3986 2.5 no UTF-8", "GET /%ff%c0%ae", of("/%ff%c0%ae")),
        good("3986 2.1 encoded line ends", "GET /a%0d%0ab", of("/a%0d%0ab")),
        good("3986 2.4 encoded twice", "GET /%252e%252e/a", of("/%252e%252e/a")),
        good("3986 5.2.4 dot segments", "GET /a/c", of("/a/./b/../c")),
        good("3986 5.2.4 dot segments at the end", "GET /a/", of("/a/b/..")),
        good("3986 5.2.4 dot segments, encoded", "GET /b", of("/a/%2e%2E/b")),
        good("3986 5.2.4 to the root", "GET /", of("/a/b/../../")),
        good("9112 3 8000 bytes", "", of(format!("/{}", "a".repeat(8000)))),
        good("9112 3 a long query", "", of(format!("/?{}", "a".repeat(20_000)))),
        // The absolute form.
        good("9112 3.2.2 absolute", "GET /x?y", "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n").has("host", "a"),
        good("9112 3.2.2 the target counts", "GET /x", "GET http://B.example:8080/x HTTP/1.1\r\nHost: a\r\n\r\n")
            .has("host", "B.example:8080").has("x-forwarded-host", "B.example:8080"),
        good("9112 3.2.2 without a path", "GET /", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("9112 3.2.2 without a path but a query", "GET /?x", "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("9110 4.2.3 scheme in capitals", "GET /", "GET HTTP://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("9112 3.2.2 IPv6", "GET /", "GET http://[::1]:80/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").has("host", "[::1]:80"),
        good("9112 3.2.2 of HTTP/1.0", "GET /", "GET http://b/ HTTP/1.0\r\n\r\n").has("host", "b").closes(),
        good("9112 3.2.2 with dot segments", "GET /c", "GET http://a/b/../c HTTP/1.1\r\nHost: a\r\n\r\n"),
        good("9110 4.2.3 empty port", "GET /", "GET http://a:/ HTTP/1.1\r\nHost: a\r\n\r\n").has("host", "a"),
        // Hosts.
        good("9110 7.2 no blank", "GET /", host("a")).has("host", "a"),
        good("9110 7.2 blanks around", "GET /", host(" \ta\t ")).has("host", "a"),
        good("9110 7.2 port", "GET /", host(" a:8080")).has("host", "a:8080"),
        good("9110 7.2 highest port", "GET /", host(" a:65535")).has("host", "a:65535"),
        good("3986 3.2.3 empty port", "GET /", host(" a:")).has("host", "a"),
        good("3986 3.2.3 zeros of a port", "GET /", host(" a:0080")).has("host", "a:80"),
        good("3986 3.2.2 IPv4", "GET /", host(" 127.0.0.1:1")).has("host", "127.0.0.1:1"),
        good("3986 3.2.2 IPv6", "GET /", host(" [2001:DB8::1]:443")).has("host", "[2001:DB8::1]:443"),
        good("3986 3.2.2 IPv6 of an IPv4", "GET /", host(" [::ffff:1.2.3.4]")).has("host", "[::ffff:1.2.3.4]"),
        good("3986 3.2.2 a name like an address", "GET /", host(" 1.2.3.256")).has("host", "1.2.3.256"),
        good("3986 3.2.2 underscore", "GET /", host(" my_host.example")).has("host", "my_host.example"),
        good("3986 3.2.2 dot of the root", "GET /", host(" example.com.")).has("host", "example.com."),
        good("3986 3.2.2 capitals", "GET /", host(" EXAMPLE.com")).has("host", "EXAMPLE.com"),
        good("5891 international", "GET /", host(" xn--bcher-kva.example")).has("host", "xn--bcher-kva.example"),
        good("3986 3.2.2 one label", "GET /", host(" localhost")).has("host", "localhost"),
        good("3986 3.2.2 hyphens", "GET /", host(" -a-.b")).has("host", "-a-.b"),
        good("9112 3.2 HTTP/1.0 without Host", "GET /", "GET / HTTP/1.0\r\n\r\n").closes(),
        // As clients send it.
        good("a browser", "GET /a", "GET /a HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"124\"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept: text/html,*/*;q=0.8\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=\"d\"\r\nIf-None-Match: W/\"x\"\r\nRange: bytes=0-1\r\n\r\n")
            .has("cookie", "a=b; c=\"d\"").has("if-none-match", "W/\"x\"").has("range", "bytes=0-1"),
        good("a preflight", "OPTIONS /", "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: PUT\r\n\r\n").has("origin", "http://b"),
        good("a form", "POST /", post("Content-Type: multipart/form-data; boundary=\"a b\"\r\nContent-Length: 3\r\n", "abc"))
            .has("content-type", "multipart/form-data; boundary=\"a b\"").body(b"abc"),
    ]);
}
