//! The load: N connections in a closed loop, each with one request under way. Closed, because the question is what a request
//! costs the proxy, and not how it behaves above its limit. Every answer is checked; errors are counted and shown.

use crate::histogram::Histogram;
use crate::poll::{self, Interest, Poller};
use crate::response::Response;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// After so many errors the run is given up: it has no meaning any more.
const ERRORS_MAX: u64 = 100;

/// What `load` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy.
    #[arg(long)]
    target: SocketAddr,
    /// Size of every answer's body.
    #[arg(long)]
    body: usize,
    /// Connections, each with one request under way.
    #[arg(long)]
    connections: usize,
    /// Fill the request's head up to this many bytes with fields a browser sends.
    #[arg(long, default_value_t = 0)]
    head: usize,
    /// A new connection for every request.
    #[arg(long)]
    close: bool,
    /// Seconds before it counts.
    #[arg(long, default_value_t = 0.5)]
    warm: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
}

struct Client {
    stream: TcpStream,
    written: usize,
    response: Response,
    /// The answer is whole; only the end of the connection is awaited.
    whole: bool,
    interest: Interest,
    started: Instant,
}

/// What was counted since the last reset.
struct Counts {
    latencies: Histogram,
    errors: u64,
    first_error: String,
}

struct Load<'a> {
    options: &'a Options,
    request: Vec<u8>,
    poller: Poller,
    clients: Vec<Client>,
    counts: Counts,
    buffer: Vec<u8>,
}

/// Warms up, says so, waits for a line, measures, prints what it saw, and ends when its input does.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut load = Load::start(options)?;
    load.turn_for(Duration::from_secs_f64(options.warm))?;
    let warm = std::mem::replace(&mut load.counts, Counts::new());
    println!("warm");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let start = Instant::now();
    // The pause above is not the proxy's.
    load.clients
        .iter_mut()
        .for_each(|client| client.started = start);
    load.turn_for(Duration::from_secs_f64(options.secs))?;
    let elapsed = start.elapsed();
    let oldest = load
        .clients
        .iter()
        .map(|client| client.started.elapsed())
        .max();
    load.counts
        .print(&warm, elapsed, nanoseconds(oldest.unwrap_or_default()));
    io::stdout().flush()?;
    // Connections stay as they are until whoever measures has read the counters.
    line.clear();
    io::stdin().read_line(&mut line)?;
    Ok(())
}

impl Counts {
    fn new() -> Counts {
        Counts {
            latencies: Histogram::new(),
            errors: 0,
            first_error: String::new(),
        }
    }

    /// `oldest_ns`: how long the request waits that has waited longest; it counts as the slowest, or a hang would not show.
    fn print(&self, warm: &Counts, elapsed: Duration, oldest_ns: u64) {
        let first_error = if warm.errors > 0 {
            &warm.first_error
        } else {
            &self.first_error
        };
        println!(
            "{{\"requests\":{},\"errors\":{},\"first_error\":{first_error:?},\"seconds\":{:.6},\"p50_us\":{:.1},\"p99_us\":{:.1},\"max_us\":{:.1}}}",
            self.latencies.total(),
            self.errors + warm.errors,
            elapsed.as_secs_f64(),
            self.latencies.quantile(0.5) as f64 / 1e3,
            self.latencies.quantile(0.99) as f64 / 1e3,
            self.latencies.quantile(1.0).max(oldest_ns) as f64 / 1e3,
        );
    }
}

impl Load<'_> {
    fn start(options: &Options) -> io::Result<Load<'_>> {
        let mut load = Load {
            options,
            request: request(options),
            poller: Poller::new()?,
            clients: Vec::new(),
            counts: Counts::new(),
            buffer: vec![0; 256 << 10],
        };
        for token in 0..options.connections {
            let client = load.connect(token)?;
            load.clients.push(client);
        }
        Ok(load)
    }

    fn connect(&self, token: usize) -> io::Result<Client> {
        let family = if self.options.target.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let started = Instant::now();
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &self.options.target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        self.poller.add(&stream, token, Interest::Write)?;
        Ok(Client {
            stream,
            written: 0,
            response: Response::expecting(self.options.body),
            whole: false,
            interest: Interest::Write,
            started,
        })
    }

    fn turn_for(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut ready = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.counts.errors >= ERRORS_MAX {
                return Ok(());
            }
            self.poller.wait(Some(left), &mut ready)?;
            for &token in &ready {
                if let Err(error) = self.turn(token) {
                    self.counts.errors += 1;
                    if self.counts.errors == 1 {
                        self.counts.first_error = error;
                    }
                    self.clients[token] = self.connect(token)?;
                }
            }
        }
    }

    /// One connection goes as far as it can.
    fn turn(&mut self, token: usize) -> Result<(), String> {
        let client = &mut self.clients[token];
        if client.written < self.request.len() {
            return self.write(token);
        }
        let count = match poll::read(&client.stream, &mut self.buffer) {
            Ok(None) => return Ok(()),
            Ok(Some(count)) => count,
            Err(error) => return Err(format!("reading an answer: {error}")),
        };
        if count == 0 && !client.whole {
            return Err("the connection ended before the answer did".to_owned());
        }
        if count > 0 {
            if client.whole {
                return Err("bytes after the answer".to_owned());
            }
            client.whole = client.response.take(&self.buffer[..count])?;
        }
        let done = client.whole && (count == 0 || !self.options.close);
        if done { self.next(token) } else { Ok(()) }
    }

    fn next(&mut self, token: usize) -> Result<(), String> {
        let now = Instant::now();
        let client = &mut self.clients[token];
        let took = now.saturating_duration_since(client.started);
        self.counts.latencies.record(nanoseconds(took));
        if self.options.close {
            self.clients[token] = self
                .connect(token)
                .map_err(|error| format!("connecting: {error}"))?;
            return Ok(());
        }
        client.started = now;
        client.written = 0;
        client.whole = false;
        client.response.again();
        self.write(token)
    }

    fn write(&mut self, token: usize) -> Result<(), String> {
        let client = &mut self.clients[token];
        client.written += poll::write(&client.stream, &self.request[client.written..])
            .map_err(|error| format!("sending a request: {error}"))?;
        let is_sent = client.written == self.request.len();
        let interest = Interest::of(is_sent, !is_sent);
        if interest != client.interest {
            client.interest = interest;
            self.poller
                .modify(&client.stream, token, interest)
                .map_err(|error| format!("epoll: {error}"))?;
        }
        Ok(())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The request every connection sends, over and over.
fn request(options: &Options) -> Vec<u8> {
    let mut request = format!(
        "GET /bytes/{} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: evenkeel-bench\r\n",
        options.body
    );
    if options.close {
        request.push_str("Connection: close\r\n");
    }
    for (name, value) in BROWSER {
        if request.len() + name.len() + value.len() + 6 <= options.head {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let missing = options
        .head
        .saturating_sub(request.len() + "Cookie: \r\n\r\n".len());
    if missing > 0 {
        request.push_str(&format!(
            "Cookie: {}\r\n",
            "session=4f2a".repeat(missing / 12 + 1).split_at(missing).0
        ));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// What a browser sends with every request.
const BROWSER: &[(&str, &str)] = &[
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    (
        "Accept-Language",
        "en-GB,en;q=0.8,de-DE;q=0.6,de;q=0.4,fr;q=0.2",
    ),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    (
        "Referer",
        "https://bench.example/shop/category/boats?page=3&order=price",
    ),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-User", "?1"),
    ("Priority", "u=0, i"),
    ("Cache-Control", "max-age=0"),
    ("If-None-Match", "\"5f3c8a-1b2c-60d4f5a1e2b30\""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn request_for(more: &[&str]) -> Vec<u8> {
        let base = [
            "load",
            "--target",
            "127.0.0.1:1",
            "--body",
            "70",
            "--connections",
            "1",
        ];
        request(&Line::parse_from(base.iter().chain(more)).options)
    }

    #[test]
    fn a_head_has_the_size_that_was_asked_for() {
        assert_eq!(request_for(&["--head", "900"]).len(), 900);
        assert!(request_for(&[]).len() < 100);
    }

    #[test]
    fn every_request_ends_and_names_its_size() {
        let request = String::from_utf8(request_for(&["--close"])).unwrap();
        assert!(request.starts_with("GET /bytes/70 HTTP/1.1\r\n") && request.ends_with("\r\n\r\n"));
        assert!(request.contains("Connection: close\r\n"));
    }
}
