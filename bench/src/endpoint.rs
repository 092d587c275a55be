//! What answers behind the proxy: a fixed answer for each size, made once, written from memory. It understands just enough
//! HTTP/1.1 for the bench (requests without a body, keep-alive, `Connection: close`) and refuses the rest, so that a proxy
//! that sent something else would be found out. Answers may take their time ([`Servers`]); `/served` tells how many requests for
//! such answers came to this port.

use crate::poll::{self, Interest, Poller, Table};
use crate::servers::{Servers, Service};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Instant;

/// Larger bodies are refused; a bound for memory.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Larger heads are refused; what is sent is under 4 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Sizes remembered at most; the bench uses fewer than ten.
const SIZES_MAX: usize = 64;

struct Connection {
    stream: TcpStream,
    port: usize,
    input: Vec<u8>,
    /// What is being worked on, and its answer.
    at_work: Option<(u64, Rc<Vec<u8>>)>,
    output: Option<(Rc<Vec<u8>>, usize)>,
    close: bool,
    interest: Interest,
}

/// Answers until it is killed.
pub(crate) fn run(ports: u16, send_bytes: usize, service: &Service) -> io::Result<()> {
    let listeners = (0..ports)
        .map(|_| crate::listen((Ipv4Addr::LOCALHOST, 0).into()))
        .collect::<io::Result<Vec<_>>>()?;
    let poller = Poller::new()?;
    for (token, listener) in listeners.iter().enumerate() {
        if send_bytes > 0 {
            // What is accepted inherits it.
            rustix::net::sockopt::set_socket_send_buffer_size(listener, send_bytes)?;
        }
        poller.add(listener, token, Interest::Read)?;
    }
    let mut desk = Desk {
        first_token: listeners.len(),
        poller,
        connections: Table::new(),
        answers: Answers::default(),
        servers: Servers::new(service, listeners.len()),
        buffer: vec![0; 64 << 10],
    };
    let mut ready = Vec::new();
    loop {
        let next = desk.servers.as_ref();
        let next = next.and_then(|servers| servers.next_in(Instant::now()));
        desk.poller.wait(next, &mut ready)?;
        for &token in &ready {
            match listeners.get(token) {
                Some(listener) => desk.accept_all(listener, token)?,
                None => desk.turn(token - desk.first_token),
            }
        }
        desk.answer_what_is_done();
    }
}

/// All there is to one process.
struct Desk {
    /// Of the first connection; those before are the listeners'.
    first_token: usize,
    poller: Poller,
    connections: Table<Connection>,
    answers: Answers,
    servers: Option<Servers>,
    buffer: Vec<u8>,
}

impl Desk {
    fn accept_all(&mut self, listener: &TcpListener, port: usize) -> io::Result<()> {
        while let Some(stream) = poll::accept(listener)? {
            let index = self.connections.insert(Connection {
                stream,
                port,
                input: Vec::new(),
                at_work: None,
                output: None,
                close: false,
                interest: Interest::Read,
            });
            if let Some(connection) = self.connections.at(index) {
                let token = self.first_token + index;
                self.poller.add(&connection.stream, token, Interest::Read)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, index: usize) {
        let Some(connection) = self.connections.at(index) else {
            return;
        };
        let asked = Asked {
            index,
            answers: &mut self.answers,
            servers: self.servers.as_mut(),
        };
        let alive = connection.turn(&mut self.buffer, asked)
            && connection
                .watch(&self.poller, self.first_token + index)
                .is_ok();
        if !alive {
            self.connections.remove(index);
        }
    }

    fn answer_what_is_done(&mut self) {
        let Some(now) = self.servers.as_ref().map(|_| Instant::now()) else {
            return;
        };
        while let Some(servers) = &mut self.servers {
            let connections = &mut self.connections;
            let done = servers.ready(now, |job| {
                let connection = connections.at(job.connection);
                connection.is_some_and(|connection| connection.is_at_work_on(job.number))
            });
            let Some(job) = done else {
                return;
            };
            let connection = self.connections.at(job.connection);
            // Its place may be another's by now.
            if let Some(connection) = connection.filter(|c| c.is_at_work_on(job.number)) {
                connection.output = connection.at_work.take().map(|(_, answer)| (answer, 0));
                self.turn(job.connection);
            }
        }
    }
}

/// Whom a connection asks.
struct Asked<'a> {
    /// The connection's place.
    index: usize,
    answers: &'a mut Answers,
    servers: Option<&'a mut Servers>,
}

impl Connection {
    /// Reads, answers and writes as far as possible; whether the connection lives on.
    fn turn(&mut self, buffer: &mut [u8], mut asked: Asked<'_>) -> bool {
        if self.output.is_none() {
            match poll::read(&self.stream, buffer) {
                Ok(None) => return true,
                Ok(Some(0)) | Err(_) => return false,
                Ok(Some(count)) => self.input.extend_from_slice(&buffer[..count]),
            }
        }
        loop {
            if self.at_work.is_some() {
                return self.input.len() <= HEAD_BYTES_MAX;
            }
            if self.output.is_none() {
                match self.next_answer(&mut asked) {
                    Ok(Some(answer)) => self.output = Some((answer, 0)),
                    Ok(None) => return true,
                    Err(()) => return false,
                }
            }
            if let Some((answer, written)) = &mut self.output {
                match poll::write(&self.stream, &answer[*written..]) {
                    Ok(count) => *written += count,
                    Err(_) => return false,
                }
                if *written < answer.len() {
                    return true;
                }
            }
            self.output = None;
            if self.close {
                return false;
            }
        }
    }

    fn is_at_work_on(&self, number: u64) -> bool {
        self.at_work.as_ref().is_some_and(|(own, _)| *own == number)
    }

    /// The answer to the next whole request that was read; none as yet if it takes its time.
    fn next_answer(&mut self, asked: &mut Asked<'_>) -> Result<Option<Rc<Vec<u8>>>, ()> {
        let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") else {
            return if self.input.len() > HEAD_BYTES_MAX {
                Err(())
            } else {
                Ok(None)
            };
        };
        let request = Request::parse(&self.input[..end + 2]).ok_or(())?;
        self.close = request.close;
        self.input.drain(..end + 4);
        let bytes = match request.wanted {
            Wanted::Bytes(bytes) => bytes,
            Wanted::Check => CHECK_BYTES,
            Wanted::Served => {
                let served = asked.servers.as_ref().map_or(0, |s| s.taken(self.port));
                return Ok(Some(Rc::new(whole(served.to_string().as_bytes()))));
            }
        };
        let answer = asked.answers.with_body(bytes).ok_or(())?;
        match &mut asked.servers {
            Some(servers) if matches!(request.wanted, Wanted::Bytes(_)) => {
                let number = servers.take(self.port, asked.index, Instant::now());
                self.at_work = Some((number, answer));
                Ok(None)
            }
            _ => Ok(Some(answer)),
        }
    }

    fn watch(&mut self, poller: &Poller, token: usize) -> io::Result<()> {
        let interest = Interest::of(self.output.is_none(), self.output.is_some());
        if interest != self.interest {
            poller.modify(&self.stream, token, interest)?;
            self.interest = interest;
        }
        Ok(())
    }
}

/// What is asked for.
struct Request {
    wanted: Wanted,
    close: bool,
}

#[derive(Debug, PartialEq)]
enum Wanted {
    /// So many.
    Bytes(usize),
    /// How many requests for bytes there were.
    Served,
    /// Health checks ask for whatever.
    Check,
}

/// What a health check gets.
const CHECK_BYTES: usize = 2;

impl Request {
    fn parse(head: &[u8]) -> Option<Request> {
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let path = match (first.next()?, first.next()?) {
            ("GET" | "HEAD" | "OPTIONS", path) => path,
            _ => return None,
        };
        let mut request = Request {
            wanted: match path.strip_prefix("/bytes/") {
                Some(size) => Wanted::Bytes(size.parse().ok()?),
                None if path == "/served" => Wanted::Served,
                None => Wanted::Check,
            },
            close: first.next()? == "HTTP/1.0",
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close")
            {
                request.close = true;
            }
            let has_body = name.eq_ignore_ascii_case("transfer-encoding")
                || (name.eq_ignore_ascii_case("content-length") && value.trim() != "0");
            if has_body {
                return None;
            }
        }
        Some(request)
    }
}

/// Whole answers by the size of their body.
#[derive(Default)]
struct Answers {
    made: BTreeMap<usize, Rc<Vec<u8>>>,
}

impl Answers {
    fn with_body(&mut self, bytes: usize) -> Option<Rc<Vec<u8>>> {
        if let Some(answer) = self.made.get(&bytes) {
            return Some(Rc::clone(answer));
        }
        if bytes > BODY_BYTES_MAX || self.made.len() >= SIZES_MAX {
            return None;
        }
        let answer = Rc::new(whole(&vec![b'x'; bytes]));
        self.made.insert(bytes, Rc::clone(&answer));
        Some(answer)
    }
}

fn whole(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_how_long_the_answer_is() {
        let request = Request::parse(b"GET /bytes/70 HTTP/1.1\r\nhost: a\r\n").unwrap();
        assert_eq!((request.wanted, request.close), (Wanted::Bytes(70), false));
        let answer = Answers::default().with_body(70).unwrap();
        assert!(answer.ends_with(&[b'x'; 70]) && answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[test]
    fn a_request_with_a_body_is_refused() {
        assert!(Request::parse(b"GET /bytes/1 HTTP/1.1\r\nContent-Length: 5\r\n").is_none());
        assert!(
            Request::parse(b"GET /bytes/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n").is_none()
        );
        assert!(Request::parse(b"POST /bytes/1 HTTP/1.1\r\n").is_none());
    }

    #[test]
    fn connection_close_is_kept() {
        assert!(
            Request::parse(b"GET / HTTP/1.1\r\nCONNECTION: Close\r\n")
                .unwrap()
                .close
        );
        assert!(Request::parse(b"GET / HTTP/1.0\r\n").unwrap().close);
    }
}
