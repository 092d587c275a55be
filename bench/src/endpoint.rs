//! What answers behind the proxy: a fixed answer for each size, made once, written from memory. It understands just enough
//! HTTP/1.1 for the bench (requests without a body, keep-alive, `Connection: close`) and refuses the rest, so that a proxy
//! that sent something else would be found out.

use crate::poll::{self, Interest, Poller, Table};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::rc::Rc;

/// Larger bodies are refused; a bound for memory.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Larger heads are refused; what is sent is under 4 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Sizes remembered at most; the bench uses fewer than ten.
const SIZES_MAX: usize = 64;

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Option<(Rc<Vec<u8>>, usize)>,
    close: bool,
    interest: Interest,
}

/// Answers until it is killed.
pub(crate) fn run(ports: u16, send_bytes: usize) -> io::Result<()> {
    let listeners = (0..ports)
        .map(|_| crate::listen((Ipv4Addr::LOCALHOST, 0).into()))
        .collect::<io::Result<Vec<_>>>()?;
    let mut poller = Poller::new()?;
    for (token, listener) in listeners.iter().enumerate() {
        if send_bytes > 0 {
            // What is accepted inherits it.
            rustix::net::sockopt::set_socket_send_buffer_size(listener, send_bytes)?;
        }
        poller.add(listener, token, Interest::Read)?;
    }
    let mut answers = Answers::default();
    let mut connections: Table<Connection> = Table::new();
    let mut ready = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        poller.wait(None, &mut ready)?;
        for &token in &ready {
            if let Some(listener) = listeners.get(token) {
                accept_all(listener, listeners.len(), &poller, &mut connections)?;
                continue;
            }
            let index = token - listeners.len();
            let Some(connection) = connections.at(index) else {
                continue;
            };
            let alive = connection.turn(&mut buffer, &mut answers)
                && connection.watch(&poller, token).is_ok();
            if !alive {
                connections.remove(index);
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    first_token: usize,
    poller: &Poller,
    connections: &mut Table<Connection>,
) -> io::Result<()> {
    while let Some(stream) = poll::accept(listener)? {
        let index = connections.insert(Connection {
            stream,
            input: Vec::new(),
            output: None,
            close: false,
            interest: Interest::Read,
        });
        if let Some(connection) = connections.at(index) {
            poller.add(&connection.stream, first_token + index, Interest::Read)?;
        }
    }
    Ok(())
}

impl Connection {
    /// Reads, answers and writes as far as possible; whether the connection lives on.
    fn turn(&mut self, buffer: &mut [u8], answers: &mut Answers) -> bool {
        if self.output.is_none() {
            match poll::read(&self.stream, buffer) {
                Ok(None) => return true,
                Ok(Some(0)) | Err(_) => return false,
                Ok(Some(count)) => self.input.extend_from_slice(&buffer[..count]),
            }
        }
        loop {
            if self.output.is_none() {
                match self.next_answer(answers) {
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

    /// The answer to the next whole request that was read.
    fn next_answer(&mut self, answers: &mut Answers) -> Result<Option<Rc<Vec<u8>>>, ()> {
        let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") else {
            return if self.input.len() > HEAD_BYTES_MAX {
                Err(())
            } else {
                Ok(None)
            };
        };
        let request = Request::parse(&self.input[..end + 2]).ok_or(())?;
        self.close = request.close;
        let answer = answers.with_body(request.body_bytes).ok_or(())?;
        self.input.drain(..end + 4);
        Ok(Some(answer))
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
    body_bytes: usize,
    close: bool,
}

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
            // Health checks ask for whatever; two bytes will do.
            body_bytes: path
                .strip_prefix("/bytes/")
                .map_or(Some(2), |size| size.parse().ok())?,
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
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + bytes, b'x');
        let answer = Rc::new(answer);
        self.made.insert(bytes, Rc::clone(&answer));
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_how_long_the_answer_is() {
        let request = Request::parse(b"GET /bytes/70 HTTP/1.1\r\nhost: a\r\n").unwrap();
        assert_eq!((request.body_bytes, request.close), (70, false));
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
