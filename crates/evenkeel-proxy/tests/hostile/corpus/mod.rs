//! Requests by section of RFC 9110, 9112 and 3986: malformed and ambiguous ones with the status each must get, and unusual ones that
//! are right with what must arrive of them.

mod chunked;
mod connection;
mod fields;
mod framing;
mod line;
mod routing;
mod target;
mod unusual;

/// A request and what is to become of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) section: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wanted: Wanted,
    /// It breaks off: nobody can know that it is wrong before the client says that nothing more comes.
    pub(crate) cut: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Answered with this status, the connection closed, nothing forwarded.
    Refused(u16),
    /// Answered by evenkeel, nothing forwarded, the connection goes on.
    Own(u16),
    /// Arrives like this.
    Arrives(Arrives),
}

/// What must arrive of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrives {
    pub(crate) line: &'static str,
    pub(crate) has: Vec<(&'static str, &'static str)>,
    pub(crate) gone: Vec<&'static str>,
    pub(crate) body: &'static [u8],
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
    /// It is the last one of its connection.
    pub(crate) closes: bool,
}

impl Case {
    pub(crate) fn text(&self) -> String {
        let head = &self.bytes[..self.bytes.len().min(300)];
        format!("{}: {:?}", self.section, String::from_utf8_lossy(head))
    }

    fn arrives(mut self, change: impl FnOnce(&mut Arrives)) -> Case {
        let Wanted::Arrives(arrives) = &mut self.wanted else {
            panic!("{} is not to arrive", self.section);
        };
        change(arrives);
        self
    }

    fn has(self, name: &'static str, value: &'static str) -> Case {
        self.arrives(|a| a.has.push((name, value)))
    }

    fn gone(self, name: &'static str) -> Case {
        self.arrives(|a| a.gone.push(name))
    }

    fn body(self, body: &'static [u8]) -> Case {
        self.arrives(|a| a.body = body)
    }

    fn trailer(self, name: &'static str, value: &'static str) -> Case {
        self.arrives(|a| a.trailers.push((name, value)))
    }

    fn closes(self) -> Case {
        self.arrives(|a| a.closes = true)
    }

    fn cut(self) -> Case {
        Case { cut: true, ..self }
    }
}

fn refused(status: u16, section: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case {
        section,
        bytes: bytes.as_ref().to_vec(),
        wanted: Wanted::Refused(status),
        cut: false,
    }
}

fn bad(section: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    refused(400, section, bytes)
}

/// Right, and arrives with this method and target.
fn good(section: &'static str, line: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case {
        section,
        bytes: bytes.as_ref().to_vec(),
        wanted: Wanted::Arrives(Arrives {
            line,
            ..Arrives::default()
        }),
        cut: false,
    }
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A GET with these further lines, each with its CR LF.
fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[b"GET / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n"])
}

/// A POST with these further lines and what follows its head.
fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\n";
    join(&[head, lines.as_ref(), b"\r\n", body.as_ref()])
}

/// A POST with this as its chunks.
fn chunks(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A GET of this target.
fn of(target: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[b"GET ", target.as_ref(), b" HTTP/1.1\r\nHost: a\r\n\r\n"])
}

/// A GET with this behind `Host:`.
fn host(host: impl AsRef<[u8]>) -> Vec<u8> {
    join(&[b"GET / HTTP/1.1\r\nHost:", host.as_ref(), b"\r\n\r\n"])
}

/// Every control byte.
fn controls() -> impl Iterator<Item = u8> {
    (0..0x20).chain([0x7f])
}

/// All of them.
pub(crate) fn requests() -> Vec<Case> {
    let mut all = Vec::new();
    line::add(&mut all);
    target::add(&mut all);
    routing::add(&mut all);
    fields::add(&mut all);
    framing::add(&mut all);
    chunked::add(&mut all);
    connection::add(&mut all);
    unusual::add(&mut all);
    all
}
