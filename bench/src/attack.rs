//! Clients that hold on to a proxy: thousands of connections that send slowly, do not read, or do nothing. What counts is how
//! long each could stay. Whoever is cut comes back a second later, so the pressure stays.

use crate::poll::{self, Interest, Poller};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// New connections are opened in steps of this, all of them in so many, so that what is tested is neither the queue of the
/// listening socket nor how long the machine takes for all of them together.
const OPEN_EVERY: Duration = Duration::from_millis(10);
const OPEN_STEPS: usize = 200;
/// Who was cut comes back after this.
const BACK_AFTER: Duration = Duration::from_secs(1);
/// Between two bytes of a trickle.
const TRICKLE_EVERY: Duration = Duration::from_secs(1);
/// The receive buffer of who does not read: little lies between it and the proxy.
const RECEIVE_BYTES: usize = 4096;
/// Asked for by who does not read it; the most the endpoint makes.
const LARGE: usize = 16 << 20;
/// A head that is nearly as large as the usual limit allows, and does not end.
const HEAD_BYTES: usize = 31 << 10;

/// What the connections do.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A head that comes byte by byte.
    SlowHead,
    /// Many fields at once, then byte by byte.
    HeadFlood,
    /// A body that comes byte by byte.
    SlowBody,
    /// Chunks of one byte each.
    SlowChunks,
    /// The first part of a body at once, then nothing.
    StalledBody,
    /// A large answer that is not read.
    SlowRead,
    /// A large answer that is read byte by byte.
    TrickleRead,
    /// Requests without end, whose answers are not read.
    Pipeline,
    /// Nothing at all.
    Silent,
    /// One request, then nothing.
    Idle,
    /// A TLS handshake that comes byte by byte.
    SlowHandshake,
}

/// What `attack` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy.
    #[arg(long)]
    target: SocketAddr,
    /// What the connections do.
    #[arg(long, value_enum)]
    kind: Kind,
    /// How many there are at any time.
    #[arg(long)]
    connections: usize,
    /// For how long.
    #[arg(long)]
    secs: f64,
}

struct Attacker {
    stream: TcpStream,
    /// When the connection was there.
    opened: Option<Instant>,
    /// What is still to be sent of what is sent at once.
    sent: usize,
    next_byte: Instant,
    /// The status it was answered with.
    status: Option<u16>,
    interest: Interest,
}

struct Attack<'a> {
    options: &'a Options,
    first: Vec<u8>,
    poller: Poller,
    attackers: Vec<Option<Attacker>>,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    opened: u64,
    refused: u64,
    /// How long those that were cut had stayed.
    stayed: Vec<Duration>,
    by_status: BTreeMap<u16, u64>,
}

/// Attacks until the time is over; prints one line of JSON.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut attack = Attack {
        options,
        first: first_bytes(options.kind),
        poller: Poller::new()?,
        attackers: (0..options.connections).map(|_| None).collect(),
        seen: Seen::default(),
    };
    attack.turn_for(Duration::from_secs_f64(options.secs))?;
    attack.print();
    Ok(())
}

impl Attack<'_> {
    fn turn_for(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut ready = Vec::new();
        let mut opened_at = Instant::now();
        // In the order in which they come.
        let mut waiting: VecDeque<(Instant, usize)> = (0..self.attackers.len())
            .map(|token| (opened_at, token))
            .collect();
        let mut trickled_at = Instant::now();
        while Instant::now() < end {
            self.poller.wait(Some(OPEN_EVERY), &mut ready)?;
            for &token in &ready {
                if !self.turn(token) {
                    self.cut(token);
                    waiting.push_back((Instant::now() + BACK_AFTER, token));
                }
            }
            let now = Instant::now();
            if now >= opened_at + OPEN_EVERY {
                opened_at = now;
                for _ in 0..self.options.connections.div_ceil(OPEN_STEPS) {
                    match waiting.pop_front_if(|(at, _)| *at <= now) {
                        Some((_, token)) => self.open(token)?,
                        None => break,
                    }
                }
            }
            if now >= trickled_at + TRICKLE_EVERY / 10 {
                trickled_at = now;
                self.trickle(now, &mut waiting);
            }
        }
        Ok(())
    }

    fn open(&mut self, token: usize) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = match self.options.target {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        if self.options.kind.reads_badly() {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES)?;
        }
        match rustix::net::connect(&socket, &self.options.target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        self.poller.add(&stream, token, Interest::Write)?;
        self.attackers[token] = Some(Attacker {
            stream,
            opened: None,
            sent: 0,
            next_byte: Instant::now() + TRICKLE_EVERY,
            status: None,
            interest: Interest::Write,
        });
        Ok(())
    }

    /// Whether the connection lives on.
    fn turn(&mut self, token: usize) -> bool {
        let (kind, first) = (self.options.kind, self.first.as_slice());
        let Some(attacker) = self.attackers[token].as_mut() else {
            return true;
        };
        if attacker.opened.is_none() {
            // A refusal shows as an error of the first write.
            if first.is_empty() && !matches!(attacker.stream.take_error(), Ok(None)) {
                return false;
            }
            attacker.opened = Some(Instant::now());
            self.seen.opened += 1;
        }
        // Its end is told as an error even to who does not read.
        let told = attacker.interest == Interest::Nothing;
        if told || !attacker.write(kind, first) || !attacker.read(kind) {
            return false;
        }
        let interest = Interest::of(!kind.reads_badly(), attacker.sent < first.len());
        if interest != attacker.interest {
            attacker.interest = interest;
            return self
                .poller
                .modify(&attacker.stream, token, interest)
                .is_ok();
        }
        true
    }

    fn trickle(&mut self, now: Instant, waiting: &mut VecDeque<(Instant, usize)>) {
        let (kind, first) = (self.options.kind, self.first.len());
        for token in 0..self.attackers.len() {
            let due = self.attackers[token].as_mut().filter(|attacker| {
                attacker.opened.is_some() && attacker.sent >= first && attacker.next_byte <= now
            });
            let Some(attacker) = due else {
                continue;
            };
            attacker.next_byte = now + TRICKLE_EVERY;
            if !attacker.trickle(kind) {
                self.cut(token);
                waiting.push_back((now + BACK_AFTER, token));
            }
        }
    }

    fn cut(&mut self, token: usize) {
        let Some(attacker) = self.attackers[token].take() else {
            return;
        };
        match attacker.opened {
            Some(opened) => self.seen.stayed.push(opened.elapsed()),
            None => self.seen.refused += 1,
        }
        if let Some(status) = attacker.status {
            *self.seen.by_status.entry(status).or_default() += 1;
        }
    }

    fn print(&mut self) {
        self.seen.stayed.sort_unstable();
        let stayed = &self.seen.stayed;
        let quantile = |share: f64| {
            let at = (share * stayed.len() as f64) as usize;
            stayed
                .get(at.min(stayed.len().saturating_sub(1)))
                .map_or(0.0, Duration::as_secs_f64)
        };
        let open = self.attackers.iter().flatten();
        let oldest = open
            .filter_map(|attacker| attacker.opened)
            .map(|opened| opened.elapsed().as_secs_f64())
            .fold(0.0, f64::max);
        let statuses: Vec<_> = self
            .seen
            .by_status
            .iter()
            .map(|(status, count)| format!("\"{status}\":{count}"))
            .collect();
        println!(
            "{{\"opened\":{},\"refused\":{},\"cut\":{},\"p50_s\":{:.3},\"max_s\":{:.3},\"oldest_s\":{oldest:.3},\"statuses\":{{{}}}}}",
            self.seen.opened,
            self.seen.refused,
            stayed.len(),
            quantile(0.5),
            quantile(1.0),
            statuses.join(",")
        );
    }
}

impl Attacker {
    /// Sends what is sent at once; whether the connection lives on.
    fn write(&mut self, kind: Kind, first: &[u8]) -> bool {
        while self.sent < first.len() {
            match poll::write(&self.stream, &first[self.sent..]) {
                Ok(0) => return true,
                Ok(count) => self.sent += count,
                Err(_) => return false,
            }
            if kind == Kind::Pipeline && self.sent == first.len() {
                self.sent = 0;
            }
        }
        true
    }

    /// Takes what is there, to learn of an answer or an end.
    fn read(&mut self, kind: Kind) -> bool {
        if kind.reads_badly() {
            return true;
        }
        let mut buffer = [0; 4096];
        match poll::read(&self.stream, &mut buffer) {
            Ok(None) => true,
            Ok(Some(0)) | Err(_) => false,
            Ok(Some(count)) => {
                let status = std::str::from_utf8(&buffer[..count])
                    .ok()
                    .and_then(|text| text.split(' ').nth(1)?.parse().ok());
                self.status = status.or(self.status);
                true
            }
        }
    }

    fn trickle(&mut self, kind: Kind) -> bool {
        let byte: &[u8] = match kind {
            Kind::SlowHead | Kind::HeadFlood | Kind::SlowBody | Kind::SlowHandshake => b"x",
            Kind::SlowChunks => b"1\r\nx\r\n",
            Kind::TrickleRead => {
                return !matches!(poll::read(&self.stream, &mut [0; 1]), Ok(Some(0)) | Err(_));
            }
            Kind::StalledBody | Kind::SlowRead | Kind::Pipeline | Kind::Silent | Kind::Idle => {
                return true;
            }
        };
        // What is cut may still take bytes; the end shows when reading.
        let _ = self.stream.write(byte);
        true
    }
}

impl Kind {
    /// Does it leave answers where they are?
    fn reads_badly(self) -> bool {
        matches!(self, Kind::SlowRead | Kind::TrickleRead | Kind::Pipeline)
    }
}

/// What is sent as soon as the connection is there.
fn first_bytes(kind: Kind) -> Vec<u8> {
    let host = "Host: attack.example\r\n";
    match kind {
        Kind::Silent => String::new(),
        Kind::SlowHead => format!("GET / HTTP/1.1\r\n{host}X-Slow: "),
        Kind::HeadFlood => {
            let mut head = format!("GET / HTTP/1.1\r\n{host}");
            let mut number = 0;
            while head.len() < HEAD_BYTES {
                number += 1;
                head.push_str(&format!("X-Flood-{number}: {}\r\n", "y".repeat(400)));
            }
            head.push_str("X-Last: ");
            head
        }
        Kind::SlowBody => format!("POST / HTTP/1.1\r\n{host}Content-Length: 1000000\r\n\r\n"),
        Kind::StalledBody => format!(
            "POST / HTTP/1.1\r\n{host}Content-Length: 1000000\r\n\r\n{}",
            "x".repeat(1 << 16)
        ),
        Kind::SlowChunks => format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n"),
        Kind::SlowRead | Kind::TrickleRead => {
            format!("GET /bytes/{LARGE} HTTP/1.1\r\n{host}\r\n")
        }
        Kind::Pipeline => format!("GET /bytes/20000 HTTP/1.1\r\n{host}\r\n").repeat(20),
        Kind::Idle => format!("GET /bytes/128 HTTP/1.1\r\n{host}\r\n"),
        // A record of 512 bytes, in it a hello that never ends.
        Kind::SlowHandshake => return vec![0x16, 3, 1, 2, 0, 1, 0, 1],
    }
    .into_bytes()
}
