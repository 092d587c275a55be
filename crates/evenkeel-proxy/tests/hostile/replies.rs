//! Answers of an endpoint by section of RFC 9110 and 9112: such that are none, such that break off or break their framing, and unusual
//! ones that are right.

/// What is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    #[default]
    Get,
    Head,
    /// With an offer of websocket.
    Upgrade,
    /// By HTTP/1.0.
    Old,
}

/// An endpoint's answer and what the client must make of it.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) section: &'static str,
    pub(crate) asked: Asked,
    /// Written one after the other.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// How the endpoint goes on.
    pub(crate) then: Then,
    pub(crate) wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Waits for the next request.
    Waits,
    Closes,
    Resets,
}

#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// An answer of evenkeel's own.
    Own(u16),
    /// It arrives whole.
    Arrives(Arrives),
    /// It begins to arrive, and the client sees that it is cut short; or 502, if that was known in time.
    Cut(u16),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Arrives {
    pub(crate) status: u16,
    pub(crate) body: &'static [u8],
    pub(crate) has: Vec<(&'static str, &'static str)>,
    pub(crate) gone: Vec<&'static str>,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
    /// Interim answers before it.
    pub(crate) interim: Vec<u16>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        let bytes = self.pieces.concat();
        let head = &bytes[..bytes.len().min(300)];
        format!("{}: {:?}", self.section, String::from_utf8_lossy(head))
    }

    fn to(self, asked: Asked) -> Reply {
        Reply { asked, ..self }
    }

    fn then(self, then: Then) -> Reply {
        Reply { then, ..self }
    }

    /// Something more, a little later.
    fn later(mut self, bytes: &[u8]) -> Reply {
        self.pieces.push(bytes.to_vec());
        self
    }

    fn arrives(mut self, change: impl FnOnce(&mut Arrives)) -> Reply {
        let Wanted::Arrives(arrives) = &mut self.wanted else {
            panic!("{} is not to arrive", self.section);
        };
        change(arrives);
        self
    }

    fn has(self, name: &'static str, value: &'static str) -> Reply {
        self.arrives(|a| a.has.push((name, value)))
    }

    fn gone(self, name: &'static str) -> Reply {
        self.arrives(|a| a.gone.push(name))
    }

    fn trailer(self, name: &'static str, value: &'static str) -> Reply {
        self.arrives(|a| a.trailers.push((name, value)))
    }

    fn interim(self, status: u16) -> Reply {
        self.arrives(|a| a.interim.push(status))
    }
}

fn reply(section: &'static str, bytes: impl AsRef<[u8]>, wanted: Wanted) -> Reply {
    Reply {
        section,
        asked: Asked::Get,
        pieces: vec![bytes.as_ref().to_vec()],
        then: Then::Waits,
        wanted,
    }
}

fn garbage(section: &'static str, bytes: impl AsRef<[u8]>) -> Reply {
    reply(section, bytes, Wanted::Own(502))
}

fn cut(section: &'static str, bytes: impl AsRef<[u8]>) -> Reply {
    reply(section, bytes, Wanted::Cut(200)).then(Then::Closes)
}

fn good(section: &'static str, status: u16, body: &'static [u8], bytes: impl AsRef<[u8]>) -> Reply {
    let arrives = Arrives {
        status,
        body,
        ..Arrives::default()
    };
    reply(section, bytes, Wanted::Arrives(arrives))
}

/// A 200 with these further lines and `ok` behind its head.
fn ok(lines: impl AsRef<[u8]>) -> Vec<u8> {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    [head, lines.as_ref(), b"\r\nok"].concat()
}

/// A 200 with these lines only.
fn bare(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [
        b"HTTP/1.1 200 OK\r\n",
        lines.as_ref(),
        b"\r\n",
        body.as_ref(),
    ]
    .concat()
}

fn chunks(body: impl AsRef<[u8]>) -> Vec<u8> {
    bare("Transfer-Encoding: chunked\r\n", body)
}

fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nContent-Length: 2\r\n\r\nok"].concat()
}

/// What would poison whoever asks next.
const POISON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// All of them.
pub(crate) fn replies() -> Vec<Reply> {
    let mut all = Vec::new();
    heads(&mut all);
    framing(&mut all);
    bodies(&mut all);
    right(&mut all);
    all
}

#[rustfmt::skip]
fn heads(all: &mut Vec<Reply>) {
    for b in (0..0x20).chain([0x7f]) {
        if b != b'\t' {
            all.push(garbage("9112 4 control byte in the reason", line([b"HTTP/1.1 200 O", &[b][..], b"K"].concat())));
            all.push(garbage("9110 5.5 control byte in a value", ok([b"X: y", &[b][..], b"z\r\n"].concat())));
        }
        all.push(garbage("9110 5.1 control byte in a name", ok([b"X", &[b][..], b"Y: z\r\n"].concat())));
        all.push(garbage("9112 4 control byte for a space", line([b"HTTP/1.1", &[b][..], b"200 OK"].concat())));
        all.push(garbage("9112 4 control byte before", [&[b][..], &ok("")].concat()).then(Then::Closes));
    }
    for text in [
        "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/3 200 OK", "HTTP/1 200 OK", "HTTP/1. 200 OK", "HTTP/1.10 200 OK", "HTTP/11 200 OK", "http/1.1 200 OK",
        "HTTPS/1.1 200 OK", "HTTP/1.1200 OK", "ICY 200 OK", "HTTP/x.y 200 OK", "HTTP/1,1 200 OK", " HTTP/1.1 200 OK", "XHTTP/1.1 200 OK", "200 OK",
        "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 OK", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 0x0 OK",
        "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1 200\tOK", "HTTP/1.1 000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 999 OK", "HTTP/1.1 1 OK",
        "HTTP/1.1 \u{662}00 OK", "HTTP/1.1 200,200 OK", "HTTP/1.1 2 0 0 OK",
    ] {
        all.push(garbage("9112 4 status line", line(text)).then(Then::Closes));
    }
    all.extend([
        garbage("9112 4 nothing", "").then(Then::Closes),
        garbage("9112 4 HTTP/0.9", "<html>hello</html>").then(Then::Closes),
        garbage("9112 4 garbage before", [b"junk\r\n".to_vec(), ok("")].concat()),
        garbage("9112 4 empty line before", [b"\r\n".to_vec(), ok("")].concat()),
        garbage("9112 4 a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        garbage("another protocol: SSH", "SSH-2.0-OpenSSH_9.2\r\n"),
        garbage("another protocol: redis", "-ERR unknown command\r\n"),
        garbage("another protocol: TLS", b"\x15\x03\x01\x00\x02\x02\x46"),
        garbage("another protocol: HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"),
        garbage("9112 2.2 lone LF behind the status line", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
        garbage("9112 2.2 lone LF behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok"),
        garbage("9112 2.2 lone LF for the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok"),
        garbage("9112 2.2 lone CR behind a field", ok("X: y\r\r\n")),
        garbage("9112 5.2 folded", ok("X: y\r\n z\r\n")),
        garbage("9112 5.2 folded with a tab", ok("X: y\r\n\tz\r\n")),
        garbage("9112 5.2 folded first", "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 2\r\n\r\nok"),
        garbage("9112 5.1 space before the colon", ok("X : y\r\n")),
        garbage("9112 5.1 a length with a space", bare("Content-Length : 2\r\n", "ok")),
        garbage("9112 5 no colon", ok("X\r\n")),
        garbage("9110 5.1 empty name", ok(": y\r\n")),
        garbage("9110 5.1 not ASCII in a name", ok("X\u{e9}: y\r\n")),
        garbage("9110 5.1 delimiter in a name", ok("X(Y): z\r\n")),
        garbage("9110 5.5 splitting by CR", ok("Location: /a\rSet-Cookie: b=c\r\n")),
        garbage("9110 5.5 splitting by LF", ok("Location: /a\nSet-Cookie: b=c\r\n")),
        garbage("9112 8 cut in the status line", "HTTP/1.1 20").then(Then::Closes),
        garbage("9112 8 cut behind the status line", "HTTP/1.1 200 OK\r\n").then(Then::Closes),
        garbage("9112 8 cut in a field", "HTTP/1.1 200 OK\r\nContent-Le").then(Then::Closes),
        garbage("9112 8 cut before the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").then(Then::Closes),
        garbage("9112 8 cut by a reset", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").then(Then::Resets),
        garbage("too large a head", ok(format!("X: {}\r\n", "y".repeat(200_000)))).then(Then::Closes),
        garbage("too many fields", ok("X: y\r\n".repeat(600))).then(Then::Closes),
        garbage("9110 7.6.1 Connection", ok("Connection: a b\r\n")),
        garbage("9110 7.6.1 names a length", ok("Connection: content-length\r\n")),
        garbage("9110 7.6.1 names a coding", chunks("0\r\n\r\n").replace(b"\r\n\r\n0", b"\r\nConnection: transfer-encoding\r\n\r\n0")),
        garbage("9110 15.2.2 101 not asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        garbage("9110 7.8 switches to another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n").to(Asked::Upgrade),
        garbage("9110 7.8 switches to more", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket, x\r\n\r\n").to(Asked::Upgrade),
        garbage("9110 7.8 switches to nothing", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n").to(Asked::Upgrade),
        garbage("9110 7.8 switches without Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").to(Asked::Upgrade),
        garbage("9110 15.2 interim with a length", [&b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello"[..], &ok("")].concat()),
        garbage("9110 15.2 interim with chunks", [&b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..], &ok("")].concat()),
        garbage("9110 15.2 interim and no end", "HTTP/1.1 103 Early Hints\r\n\r\n").then(Then::Closes),
        garbage("9110 15.2 a flood", b"HTTP/1.1 102 Processing\r\n\r\n".repeat(5000)).then(Then::Closes),
        garbage("9110 15.2 a flood for who sees none", b"HTTP/1.1 102 Processing\r\n\r\n".repeat(5000)).then(Then::Closes).to(Asked::Old),
    ]);
}

trait Replace {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = crate::judge::find(&self, from).expect("it is there");
        [&self[..at], to, &self[at + from.len()..]].concat()
    }
}

#[rustfmt::skip]
fn framing(all: &mut Vec<Reply>) {
    for value in [
        "", "-1", "+2", "0x2", "2.0", "2,", "2, 2", "2,3", "2 2", "two", "2;", "\"2\"", "9223372036854775808", "18446744073709551618",
        "99999999999999999999999999999", "\u{662}",
    ] {
        all.push(garbage("9110 8.6 Content-Length", bare(format!("Content-Length: {value}\r\n"), "ok")).then(Then::Closes));
    }
    for value in [
        "", "identity", "gzip", "gzip, chunked", "chunked, chunked", "chunked, gzip", "xchunked", "chunked,", ",chunked", "chunked;q=1", "\"chunked\"", "chun ked",
        "chunked\u{e9}",
    ] {
        all.push(garbage("9112 6.1 Transfer-Encoding", bare(format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n")).then(Then::Closes));
    }
    all.extend([
        garbage("9112 6.1 both", bare("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n")),
        garbage("9112 6.1 both", bare("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "2\r\nok\r\n0\r\n\r\n")),
        garbage("9112 6.1 two codings", bare("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        garbage("9112 6.1 of HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        garbage("9112 6.3 two lengths", bare("Content-Length: 2\r\nContent-Length: 3\r\n", "ok")),
        garbage("9112 6.3 two equal lengths", bare("Content-Length: 2\r\nContent-Length: 2\r\n", "ok")),
        garbage("9112 6.3 two lengths for a HEAD", bare("Content-Length: 2\r\nContent-Length: 3\r\n", "")).to(Asked::Head),
        cut("9112 8 shorter than its length", bare("Content-Length: 5\r\n", "ok")),
        cut("9112 8 nothing of its length", bare("Content-Length: 5\r\n", "")),
        cut("9112 8 reset within its length", bare("Content-Length: 5\r\n", "ok")).then(Then::Resets),
        cut("9112 8 reset where only closing ends it", bare("", "ok")).then(Then::Resets),
        cut("9112 8 a huge length", bare("Content-Length: 9223372036854775807\r\n", "ok")),
        // Bytes behind an answer belong to nobody.
        good("9112 6.3 more than its length", 200, b"ok", [&ok("")[..], POISON].concat()),
        good("9112 6.3 more than its length, later", 200, b"ok", ok("")).later(POISON),
        good("9112 6.3 more than its chunks", 200, b"ok", [&chunks("2\r\nok\r\n0\r\n\r\n")[..], POISON].concat()),
        good("9112 6.3 more than its chunks, later", 200, b"ok", chunks("2\r\nok\r\n0\r\n\r\n")).later(POISON),
        good("9112 6.3 a line end too many", 200, b"ok", [&ok("")[..], b"\r\n"].concat()),
        good("9110 15.3.5 204 and a body", 204, b"", [&b"HTTP/1.1 204 No Content\r\n\r\n"[..], POISON].concat()),
        good("9110 15.3.5 204 that announces one", 204, b"", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison").gone("content-length"),
        good("9110 15.3.5 204 that announces one, later", 204, b"", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n").later(b"poison").gone("content-length"),
        good("9112 6.1 204 with chunks", 204, b"", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").gone("transfer-encoding"),
        good("9110 15.4.5 304 and a body", 304, b"", [&b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n"[..], POISON].concat()),
        good("9110 15.4.5 304 with chunks", 304, b"", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").gone("transfer-encoding"),
        good("9110 9.3.2 HEAD and a body", 200, b"", ok("")).to(Asked::Head).has("content-length", "2"),
        good("9110 9.3.2 HEAD and a body, later", 200, b"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").later(b"ok").to(Asked::Head).has("content-length", "2"),
        good("9110 9.3.2 HEAD and chunks", 200, b"", chunks("2\r\nok\r\n0\r\n\r\n")).to(Asked::Head).gone("transfer-encoding"),
        good("9110 9.3.2 HEAD of what closing would end", 200, b"", bare("", "")).to(Asked::Head),
    ]);
}

#[rustfmt::skip]
fn bodies(all: &mut Vec<Reply>) {
    for body in [
        "x\r\nok\r\n0\r\n\r\n", "\r\n2\r\nok\r\n0\r\n\r\n", "-2\r\nok\r\n0\r\n\r\n", "+2\r\nok\r\n0\r\n\r\n", "0x2\r\nok\r\n0\r\n\r\n", " 2\r\nok\r\n0\r\n\r\n", "2 \r\nok\r\n0\r\n\r\n",
        "2\nok\n0\n\n", "2\r\nok\n0\r\n\r\n", "2\r\nok0\r\n\r\n", "2\r\nokay\r\n0\r\n\r\n", "2\rok\r\n0\r\n\r\n", "3\r\nok\r\n0\r\n\r\n", "2;\r\nok\r\n0\r\n\r\n", "2;a\nb\r\nok\r\n0\r\n\r\n",
        "2;a=\"b\r\nok\r\n0\r\n\r\n", "ffffffffffffffff\r\nok", "10000000000000002\r\nok\r\n0\r\n\r\n",
        "2\r\nok\r\nx\r\n\r\n", "2\r\nok\r\n0\r\nX\r\n\r\n", "2\r\nok\r\n0\r\nX: y\n\r\n", "2\r\nok\r\n0\r\n X: y\r\n\r\n", "2\r\nok\r\n0\r\nX : y\r\n\r\n", "2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n",
        "2\r\nok\r\n0\r\nX: \0\r\n\r\n", "2\r\nok\r\n0\r\n\n", "2\r\nok\r\n0\n\r\n",
        // Ends where it must not.
        "", "2", "2\r\n", "2\r\no", "2\r\nok", "2\r\nok\r", "2\r\nok\r\n", "2\r\nok\r\n0", "2\r\nok\r\n0\r\n", "2\r\nok\r\n0\r\nX: y\r\n", "2\r\nok\r\n0\r\n\r", "7fffffffffffff\r\nok",
    ] {
        all.push(cut("9112 7.1 chunks", chunks(body)));
    }
    all.extend([
        cut("9112 7.1 bad chunks later", chunks("2\r\nok\r\n")).later(b"junk\r\n"),
        cut("9112 7.1 bad chunks for HTTP/1.0, later", chunks("2\r\nok\r\n")).later(b"junk\r\n").to(Asked::Old),
        cut("9112 8 chunks cut short for HTTP/1.0", chunks("2\r\nok\r\n")).to(Asked::Old),
        cut("9112 8 chunks cut by a reset", chunks("2\r\nok\r\n")).then(Then::Resets),
        cut("9112 7.1.1 more extensions than data", chunks(format!("1;{}\r\na\r\n", "a".repeat(900)).repeat(50))),
        cut("9112 7.1.2 too many trailers", chunks(format!("0\r\n{}\r\n", "X: y\r\n".repeat(100)))),
        good("9112 7.1 plain", 200, b"ok", chunks("2\r\nok\r\n0\r\n\r\n")).has("transfer-encoding", "chunked"),
        good("9112 7.1 nothing", 200, b"", chunks("0\r\n\r\n")),
        good("9112 7.1 leading zeros", 200, b"ok", chunks("00000000000000000002\r\nok\r\n000\r\n\r\n")),
        good("9112 7.1.1 extensions", 200, b"ok", chunks("1;a\r\no\r\n1 ; b = \"c;\\\"\" \t;d=e\r\nk\r\n0;z\r\n\r\n")),
        good("9112 7.1.2 trailers", 200, b"ok", chunks("2\r\nok\r\n0\r\nX-Sum: 1\r\nServer-Timing: a\r\n\r\n")).trailer("x-sum", "1").trailer("server-timing", "a"),
        good("9110 6.5.1 forbidden trailers", 200, b"ok",
            chunks("2\r\nok\r\n0\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\nLocation: /\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nCache-Control: public\r\nX-Sum: 1\r\n\r\n"))
            .trailer("x-sum", "1"),
        good("9110 7.6.1 trailer named by Connection", 200, b"ok", bare("Connection: x\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\nX: y\r\n\r\n")),
        good("9112 7.1 for HTTP/1.0", 200, b"ok", chunks("2\r\nok\r\n0\r\nX: y\r\n\r\n")).to(Asked::Old).gone("transfer-encoding").gone("content-length"),
    ]);
}

#[rustfmt::skip]
fn right(all: &mut Vec<Reply>) {
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
    all.extend([
        good("9112 6.3 length", 200, b"ok", ok("")).has("content-length", "2"),
        good("9112 6.3 length 0", 200, b"", bare("Content-Length: 0\r\n", "")).has("content-length", "0"),
        good("9110 8.6 leading zeros", 200, b"ok", bare("Content-Length: 002\r\n", "ok")).has("content-length", "2"),
        good("9112 6.3 until close", 200, b"ok", bare("", "ok")).then(Then::Closes).has("connection", "close").gone("content-length"),
        good("9112 6.3 nothing until close", 200, b"", bare("", "")).then(Then::Closes),
        good("9112 2.3 HTTP/1.0", 200, b"ok", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        good("9112 2.3 HTTP/1.0 keep-alive", 200, b"ok", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok").gone("connection"),
        good("9112 2.3 HTTP/1.0 until close", 200, b"ok", "HTTP/1.0 200 OK\r\n\r\nok").then(Then::Closes),
        good("9112 2.3 HTTP/1.2", 200, b"ok", line("HTTP/1.2 200 OK")),
        good("9112 4 no reason", 200, b"ok", line("HTTP/1.1 200 ")),
        good("9112 4 no reason and no space", 200, b"ok", line("HTTP/1.1 200")),
        good("9112 4 a long reason", 200, b"ok", line("HTTP/1.1 200 All is as it should be: \"yes\" (indeed)")),
        good("9112 4 obs-text in the reason", 200, b"ok", line("HTTP/1.1 200 Gr\u{fc}\u{df}e")),
        good("9110 15 other 2xx", 299, b"ok", line("HTTP/1.1 299 X")),
        good("9110 15 other 4xx", 499, b"ok", line("HTTP/1.1 499 X")),
        good("9110 15 other 5xx", 599, b"ok", line("HTTP/1.1 599 X")),
        good("9110 15.3.6 205", 205, b"", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
        good("9110 15.3.5 204", 204, b"", "HTTP/1.1 204 No Content\r\n\r\n"),
        good("9110 15.3.5 204 with length 0", 204, b"", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").gone("content-length"),
        good("9110 15.4.5 304", 304, b"", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\n").has("etag", "\"a\"").has("content-length", "5"),
        good("9110 9.3.2 HEAD", 200, b"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").to(Asked::Head).has("content-length", "5"),
        good("9110 15.2 early hints", 200, b"ok", [&early[..], &ok("")].concat()).interim(103),
        good("9110 15.2 several", 200, b"ok", [&early[..], b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 X\r\n\r\n", &ok("")].concat()).interim(103).interim(102).interim(199),
        good("9110 15.2 none for HTTP/1.0", 200, b"ok", [&early[..], &ok("")].concat()).to(Asked::Old),
        good("9110 15.2 a 100 not asked for", 200, b"ok", [&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &ok("")].concat()).interim(100),
        good("9110 7.8 switched", 101, b"tunnel", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: x\r\n\r\ntunnel")
            .to(Asked::Upgrade).then(Then::Closes).has("upgrade", "WebSocket").has("connection", "upgrade").has("sec-websocket-accept", "x"),
        good("9110 7.8 not switched", 200, b"ok", ok("Upgrade: websocket\r\nConnection: upgrade\r\n")).to(Asked::Upgrade).gone("upgrade").gone("connection"),
        good("9110 7.8 426", 426, b"", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n").gone("upgrade"),
        good("9110 7.6.1 close", 200, b"ok", ok("Connection: close\r\n")).gone("connection").then(Then::Closes),
        good("9110 7.6.1 names a field", 200, b"ok", ok("Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 2\r\n"))
            .gone("x-hop").gone("keep-alive").gone("connection").has("x-kept", "2"),
        good("9110 7.6.1 hop-by-hop", 200, b"ok", ok("Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: x\r\nTrailer: X\r\n"))
            .gone("keep-alive").gone("proxy-connection").gone("te").gone("trailer"),
        good("9110 5.3 cookies", 200, b"ok", ok("Set-Cookie: a=b\r\nSet-Cookie: c=d; Path=/\r\n")),
        good("9110 5.5 obs-text", 200, b"ok", ok("X: gr\u{fc}n\r\n")).has("x", "gr\u{fc}n"),
        good("9110 5.5 empty value", 200, b"ok", ok("X:\r\nY: \t\r\n")).has("x", "").has("y", ""),
        good("9110 5.5 blanks around", 200, b"ok", ok("X:\t a b \t\r\n")).has("x", "a b"),
        good("9110 5.1 odd names", 200, b"ok", ok("!#$%&'*+-.^_`|~1: a\r\nx_y: b\r\n")).has("!#$%&'*+-.^_`|~1", "a").has("x_y", "b"),
        good("9110 5.4 a large head", 200, b"ok", ok("X: y\r\n".repeat(400))),
    ]);
}
