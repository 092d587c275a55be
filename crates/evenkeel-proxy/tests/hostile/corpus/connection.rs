//! RFC 9110 sections 7.6, 7.8 and 10.1 and RFC 9112 section 9: what is for one connection only, upgrades, expectations.

use super::*;

#[rustfmt::skip]
pub(super) fn add(all: &mut Vec<Case>) {
    all.extend([
        bad("9110 7.6.1 names Host", get("Connection: host\r\n")),
        bad("9110 7.6.1 names Host", get("Connection: close, HOST\r\n")),
        bad("9110 7.6.1 names a length", post("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc")),
        bad("9110 7.6.1 names a length in a list", post("Connection: keep-alive, content-length\r\nContent-Length: 3\r\n", "abc")),
        bad("9110 7.6.1 names a coding", post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        bad("9110 7.6.1 no token", get("Connection: a b\r\n")),
        bad("9110 7.6.1 no token", get("Connection: \"close\"\r\n")),
        bad("9110 7.6.1 no token", get("Connection: close;a\r\n")),
        bad("9110 7.6.1 no token", get("Connection: cl\u{f6}se\r\n")),
        bad("9110 7.6.1 no token", get("Connection: close: a\r\n")),
        bad("9110 7.6.1 a flood", get(format!("Connection: {}\r\n", "a,".repeat(200)))),
        refused(417, "9110 10.1.1 unknown", post("Expect: 200-ok\r\nContent-Length: 3\r\n", "abc")),
        refused(417, "9110 10.1.1 unknown", get("Expect: x\r\n")),
        refused(417, "9110 10.1.1 unknown in a list", post("Expect: 100-continue, x\r\nContent-Length: 3\r\n", "abc")),
        refused(417, "9110 10.1.1 with a value", post("Expect: 100-continue=1\r\nContent-Length: 3\r\n", "abc")),
        refused(417, "9110 10.1.1 quoted", post("Expect: \"100-continue\"\r\nContent-Length: 3\r\n", "abc")),
        bad("9110 7.6.2 no number", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n"),
        bad("9110 7.6.2 no number", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: -1\r\n\r\n"),
        bad("9110 7.6.2 empty", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards:\r\n\r\n"),
        bad("9110 7.6.2 two", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nMax-Forwards: 5\r\n\r\n"),
        // Fields for one connection only.
        good("9110 7.6.1 close", "GET /", get("Connection: close\r\n")).gone("connection").closes(),
        good("9110 7.6.1 close in any case", "GET /", get("Connection: CLOSE\r\n")).gone("connection").closes(),
        good("9110 7.6.1 close in a list", "GET /", get("Connection: ,, Close ,\r\n")).gone("connection").closes(),
        good("9110 7.6.1 close in the second line", "GET /", get("Connection: a\r\nConnection: close\r\n")).gone("connection").closes(),
        good("9112 9.3 close wins", "GET /", get("Connection: keep-alive, close\r\n")).gone("connection").closes(),
        good("9112 9.3 keep-alive", "GET /", get("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n")).gone("connection").gone("keep-alive"),
        good("9110 7.6.1 empty", "GET /", get("Connection:\r\n")).gone("connection"),
        good("9110 7.6.1 names a field", "GET /", get("Connection: X-Hop\r\nX-Hop: 1\r\nx-hop: 2\r\nX-Kept: 3\r\n"))
            .gone("connection").gone("x-hop").has("x-kept", "3"),
        good("9110 7.6.1 names a field that comes first", "GET /", get("X-Hop: 1\r\nConnection: x-HOP\r\n")).gone("connection").gone("x-hop"),
        good("9110 7.6.1 names fields in two lines", "GET /", get("A: 1\r\nB: 2\r\nConnection: a\r\nConnection: b\r\n")).gone("a").gone("b"),
        good("9110 7.6.1 names what is not there", "GET /", get("Connection: x-hop\r\n")).gone("connection"),
        good("9110 7.6.1 names a cookie", "GET /", get("Connection: cookie\r\nCookie: a=b\r\n")).gone("cookie"),
        good("9110 7.6.1 names credentials", "GET /", get("Connection: authorization\r\nAuthorization: Basic YTpi\r\n")).gone("authorization"),
        good("9110 7.6.1 names a type", "POST /", post("Connection: content-type\r\nContent-Type: a/b\r\nContent-Length: 3\r\n", "abc")).gone("content-type").body(b"abc"),
        good("9110 7.6.1 names a forwarded field", "GET /", get("Connection: x-forwarded-for\r\nX-Forwarded-For: 1.1.1.1\r\n")).has("x-forwarded-for", "127.0.0.1"),
        good("9110 7.6.1 names all forwarded fields", "GET /", get("Connection: close, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id\r\n"))
            .has("x-forwarded-proto", "http").has("x-forwarded-host", "a").closes(),
        good("9110 7.6.1 names an expectation", "POST /", post("Connection: expect\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", "abc")).gone("expect").body(b"abc"),
        good("9110 7.6.1 hop-by-hop without being named", "GET /",
            get("Keep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: websocket\r\nProxy-Authorization: Basic YTpi\r\n"))
            .gone("keep-alive").gone("proxy-connection").gone("te").gone("upgrade").gone("proxy-authorization"),
        good("9110 10.1.4 TE", "GET /", get("Connection: TE\r\nTE: trailers, deflate;q=0.5\r\n")).gone("te").gone("connection"),
        good("9112 C.2.2 Proxy-Connection", "GET /", get("Proxy-Connection: close\r\n")).gone("proxy-connection"),
        good("9112 9.3 HTTP/1.0", "GET /", "GET / HTTP/1.0\r\nHost: a\r\n\r\n").closes(),
        good("9112 9.3 HTTP/1.0 keep-alive", "GET /", "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n").gone("connection"),
        good("9112 9.3 HTTP/1.0 with both", "GET /", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n").closes(),
        // Strangers are not believed.
        good("7239 Forwarded", "GET /", get("Forwarded: for=1.1.1.1;host=b;proto=https\r\n")).gone("forwarded"),
        good("forwarded fields", "GET /", get("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: b\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"))
            .has("x-forwarded-for", "127.0.0.1").has("x-forwarded-host", "a").has("x-forwarded-proto", "http").gone("x-forwarded-port"),
        // Upgrades. The endpoint declines them all.
        good("9110 7.8 websocket", "GET /", get("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"))
            .has("connection", "upgrade").has("upgrade", "websocket").has("sec-websocket-key", "x"),
        good("9110 7.8 a list", "GET /", get("Connection: keep-alive, Upgrade\r\nUpgrade: foo/2,, websocket ,\r\n")).has("upgrade", "foo/2, websocket"),
        good("9110 7.8 not named", "GET /", get("Upgrade: websocket\r\n")).gone("upgrade").gone("connection"),
        good("9110 7.8 named only", "GET /", get("Connection: upgrade\r\n")).gone("upgrade").gone("connection"),
        good("9110 7.8 empty", "GET /", get("Connection: upgrade\r\nUpgrade:\r\n")).gone("upgrade").gone("connection"),
        good("9110 7.8 two lines", "GET /", get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n")).gone("upgrade").gone("connection"),
        good("9110 7.8 no protocol", "GET /", get("Connection: upgrade\r\nUpgrade: web socket\r\n")).gone("upgrade").gone("connection"),
        good("9110 7.8 of HTTP/1.0", "GET /", "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").gone("upgrade").closes(),
        good("9110 7.8 with a body", "POST /", post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc")).gone("upgrade").body(b"abc"),
        good("7540 3.2 h2c", "GET /", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"))
            .gone("upgrade").gone("connection").gone("http2-settings"),
        good("7540 3.2 h2c without settings", "GET /", get("Connection: Upgrade\r\nUpgrade: H2C\r\n")).gone("upgrade").gone("connection"),
        good("7540 3.2 h2c beside another", "GET /", get("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n")).gone("upgrade").gone("connection"),
        good("7540 3.2 h2c not named", "GET /", get("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")).gone("upgrade").gone("http2-settings"),
        good("2817 TLS", "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n").gone("upgrade").gone("connection"),
        good("9110 7.8 another HTTP", "GET /", get("Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n")).gone("upgrade").gone("connection"),
        // Expectations.
        good("9110 10.1.1 before a body", "POST /", post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc")).has("expect", "100-continue").body(b"abc"),
        good("9110 10.1.1 in any case", "POST /", post("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")).has("expect", "100-continue"),
        good("9110 10.1.1 twice", "POST /", post("Expect: 100-continue, 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", "abc"))
            .has("expect", "100-continue").body(b"abc"),
        good("9110 10.1.1 without a body", "GET /", get("Expect: 100-continue\r\n")).gone("expect"),
        good("9110 10.1.1 of HTTP/1.0", "POST /", "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc").gone("expect").body(b"abc").closes(),
        good("9110 10.1.1 empty", "GET /", get("Expect:\r\n")).gone("expect"),
        // Hops.
        good("9110 7.6.2 OPTIONS", "OPTIONS /", "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\n\r\n").has("max-forwards", "9"),
        good("9110 7.6.2 TRACE", "TRACE /", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 01\r\n\r\n").has("max-forwards", "0"),
        good("9110 7.6.2 other methods", "GET /", get("Max-Forwards: 0\r\n")).has("max-forwards", "0"),
        own(200, "9110 7.6.2 OPTIONS ends here", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
        own(501, "9110 7.6.2 TRACE ends here", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
    ]);
}

fn own(status: u16, section: &'static str, bytes: &str) -> Case {
    Case {
        wanted: Wanted::Own(status),
        ..good(section, "", bytes)
    }
}
