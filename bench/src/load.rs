//! The load: N connections, each with at most one request under way. Closed (the default): the next request follows the
//! answer, to see what a request costs the proxy at its limit. Open (`--rate`): requests fall due at fixed (or, with `--seed`,
//! random) times whatever the proxy does, and each is timed from when it was due, so that a pause of the proxy counts for all that it held up.
//! Every answer is checked; errors are counted and shown.

use crate::histogram::Histogram;
use crate::pace::Pace;
use crate::poll::{self, Interest, Poller};
use crate::request::{self, Shape};
use crate::response::Response;
use crate::wire::{self, Wire};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustls::ClientConfig;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at whether it is told to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// However little came in until then, the load is warm.
const WARM_MAX: Duration = Duration::from_secs(10);

/// What `load` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The proxy.
    #[arg(long)]
    target: SocketAddr,
    /// Size of every answer's body.
    #[arg(long)]
    body: usize,
    /// Connections, each with at most one request under way.
    #[arg(long)]
    connections: usize,
    /// Fill the request's head up to this many bytes with fields a browser sends.
    #[arg(long, default_value_t = 0)]
    head: usize,
    /// A new connection for every request.
    #[arg(long)]
    close: bool,
    /// Requests a second, due at fixed times; without it, the next follows the answer.
    #[arg(long)]
    rate: Option<f64>,
    /// They fall due at random times instead, drawn from this: a Poisson process, as that of many clients who know nothing of each other.
    #[arg(long, requires = "rate")]
    seed: Option<u64>,
    /// TLS 1.3, trusting this file's certificates.
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Seconds before it counts.
    #[arg(long, default_value_t = 0.5)]
    warm: f64,
    /// MiB to receive before it counts, if that takes longer.
    #[arg(long, default_value_t = 0)]
    warm_mib: u64,
    /// Seconds that count.
    #[arg(long, default_value_t = 3.0)]
    secs: f64,
    /// Measure until a line comes in, for `secs` at the most.
    #[arg(long)]
    until_told: bool,
    /// After so many errors the run is given up: it has no meaning any more, unless errors are what it is about.
    #[arg(long, default_value_t = 100)]
    errors_max: u64,
}

/// One connection. There is none before its first request, or after an error between two.
struct Client {
    wire: Wire,
    written: usize,
    response: Response,
    /// The answer is whole; only the end of the connection is awaited.
    whole: bool,
    interest: Interest,
    /// Its request was sent, or due, then. `None`: it has none under way.
    started: Option<Instant>,
}

/// What was counted since the last reset.
struct Counts {
    latencies: Histogram,
    errors: u64,
    first_error: String,
}

struct Load<'a> {
    options: &'a Options,
    tls: Option<Arc<ClientConfig>>,
    request: Vec<u8>,
    poller: Poller,
    clients: Vec<Option<Client>>,
    pace: Option<Pace>,
    counts: Counts,
    received: u64,
    buffer: Vec<u8>,
}

/// Warms up, says so, waits for a line, measures, prints what it saw, and ends when its input does.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let mut load = Load::start(options)?;
    load.warm_up()?;
    let warm = std::mem::replace(&mut load.counts, Counts::new());
    println!("warm");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let start = Instant::now();
    load.forget_the_pause(start);
    load.measure()?;
    let elapsed = start.elapsed();
    load.count_what_waits();
    load.counts.print(&warm, elapsed);
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

    fn print(&self, warm: &Counts, elapsed: Duration) {
        let first_error = if warm.errors > 0 {
            &warm.first_error
        } else {
            &self.first_error
        };
        let us = |share: f64| self.latencies.quantile(share) as f64 / 1e3;
        println!(
            "{{\"requests\":{},\"errors\":{},\"first_error\":{first_error:?},\"seconds\":{:.6},\"p50_us\":{:.1},\"p90_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}}}",
            self.latencies.total(),
            self.errors + warm.errors,
            elapsed.as_secs_f64(),
            us(0.5),
            us(0.9),
            us(0.99),
            us(0.999),
            us(1.0),
        );
    }
}

impl Load<'_> {
    fn start(options: &Options) -> io::Result<Load<'_>> {
        Ok(Load {
            options,
            tls: options.tls.as_deref().map(wire::config).transpose()?,
            request: request::request(Shape {
                body: options.body,
                head: options.head,
                close: options.close,
            }),
            poller: Poller::new()?,
            clients: (0..options.connections).map(|_| None).collect(),
            pace: None,
            counts: Counts::new(),
            received: 0,
            buffer: vec![0; 256 << 10],
        })
    }

    /// As fast as it goes until so much came in, then for so long as it will be measured.
    fn warm_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let wanted = self.options.warm_mib << 20;
        if wanted > 0 || self.options.rate.is_none() {
            for token in 0..self.clients.len() {
                self.begin(token, start)?;
            }
        }
        while self.received < wanted
            && start.elapsed() < WARM_MAX
            && self.counts.errors < self.options.errors_max
        {
            self.turn_for(Duration::from_millis(20))?;
        }
        // Those that are busy follow as they get their answers.
        let idle = (0..self.clients.len()).filter(|token| self.clients[*token].is_none());
        let rate = self.options.rate;
        self.pace = rate.map(|rate| Pace::new(rate, self.options.seed, idle.collect()));
        self.turn_for(Duration::from_secs_f64(self.options.warm))
    }

    /// The time between warming and measuring is not the proxy's.
    fn forget_the_pause(&mut self, now: Instant) {
        for client in self.clients.iter_mut().flatten() {
            client.started = client.started.map(|_| now);
        }
        if let Some(pace) = &mut self.pace {
            pace.next = now;
        }
    }

    /// What is under way, or due and not sent, has waited so long at least: without it a hang would not show.
    fn count_what_waits(&mut self) {
        let now = Instant::now();
        let oldest = self
            .clients
            .iter()
            .flatten()
            .filter_map(|client| client.started)
            .min();
        match &mut self.pace {
            Some(pace) => {
                for started in self.clients.iter().flatten().filter_map(|c| c.started) {
                    self.counts.record(now, started);
                }
                while pace.next < now {
                    self.counts.record(now, pace.next);
                    pace.step();
                }
            }
            None => oldest
                .into_iter()
                .for_each(|oldest| self.counts.record(now, oldest)),
        }
    }

    /// For so long as was said, or until it is told to end.
    fn measure(&mut self) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs_f64(self.options.secs);
        if !self.options.until_told {
            return self.turn_for(end.saturating_duration_since(Instant::now()));
        }
        while Instant::now() < end && !poll::is_told()? {
            self.turn_for(LOOK_EVERY)?;
        }
        Ok(())
    }

    fn turn_for(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut ready = Vec::new();
        loop {
            self.send_what_is_due()?;
            let now = Instant::now();
            let left = end.saturating_duration_since(now);
            if left.is_zero() || self.counts.errors >= self.options.errors_max {
                return Ok(());
            }
            let until_due = self
                .pace
                .as_ref()
                .filter(|pace| !pace.idle.is_empty())
                .map_or(left, |pace| pace.next.saturating_duration_since(now));
            self.poller.wait(Some(left.min(until_due)), &mut ready)?;
            for &token in &ready {
                if let Err(error) = self.turn(token) {
                    self.failed(token, error)?;
                }
            }
        }
    }

    fn failed(&mut self, token: usize, error: String) -> io::Result<()> {
        let busy = self.clients[token]
            .take()
            .is_some_and(|client| client.started.is_some());
        // Nobody asked anything on a connection that was idle: that it ends is the proxy's right.
        if busy || self.pace.is_none() {
            self.counts.errors += 1;
            if self.counts.errors == 1 {
                self.counts.first_error = error;
            }
        }
        match &mut self.pace {
            None => self.begin(token, Instant::now()),
            Some(pace) => {
                if busy {
                    pace.idle.push(token);
                }
                Ok(())
            }
        }
    }

    fn send_what_is_due(&mut self) -> io::Result<()> {
        let now = Instant::now();
        while let Some(pace) = &mut self.pace
            && pace.next <= now
            && let Some(token) = pace.idle.pop()
        {
            let due = pace.next;
            pace.step();
            self.begin(token, due)?;
        }
        Ok(())
    }

    /// A request begins, over a new connection if there is none.
    fn begin(&mut self, token: usize, started: Instant) -> io::Result<()> {
        if let Some(client) = &mut self.clients[token] {
            client.started = Some(started);
            client.written = 0;
            client.whole = false;
            client.response.again();
            return match self.write(token) {
                Ok(()) => Ok(()),
                Err(error) => self.failed(token, error),
            };
        }
        let wire = self.connect()?;
        self.poller.add(wire.socket(), token, Interest::Write)?;
        self.clients[token] = Some(Client {
            wire,
            written: 0,
            response: Response::expecting(self.options.body),
            whole: false,
            interest: Interest::Write,
            started: Some(started),
        });
        Ok(())
    }

    fn connect(&self) -> io::Result<Wire> {
        let family = if self.options.target.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &self.options.target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Wire::new(stream, self.tls.as_ref())
    }

    /// One connection goes as far as it can.
    fn turn(&mut self, token: usize) -> Result<(), String> {
        let Some(client) = &self.clients[token] else {
            return Ok(());
        };
        if client.started.is_some() && client.written < self.request.len() {
            return self.write(token);
        }
        while self.read(token)? {}
        self.watch(token)
    }

    /// Reads once; whether there may be more.
    fn read(&mut self, token: usize) -> Result<bool, String> {
        let Some(client) = &mut self.clients[token] else {
            return Ok(false);
        };
        let count = match client.wire.read(&mut self.buffer) {
            Ok(None) => return Ok(false),
            Ok(Some(count)) => count,
            Err(error) => return Err(format!("reading an answer: {error}")),
        };
        if client.started.is_none() {
            return Err(format!("{count} bytes or an end without a request"));
        }
        if count == 0 && !client.whole {
            return Err("the connection ended before the answer did".to_owned());
        }
        if count > 0 {
            if client.whole {
                return Err("bytes after the answer".to_owned());
            }
            self.received += count as u64;
            client.whole = client.response.take(&self.buffer[..count])?;
        }
        let done = client.whole && (count == 0 || !self.options.close);
        if done {
            self.next(token)?;
        }
        Ok(!done
            && self.clients[token]
                .as_ref()
                .is_some_and(|client| client.wire.is_sealed()))
    }

    fn next(&mut self, token: usize) -> Result<(), String> {
        let now = Instant::now();
        if let Some(started) = self.clients[token].as_mut().and_then(|c| c.started.take()) {
            self.counts.record(now, started);
        }
        if self.options.close {
            self.clients[token] = None;
        }
        match &mut self.pace {
            Some(pace) => {
                pace.idle.push(token);
                Ok(())
            }
            None => self
                .begin(token, now)
                .map_err(|error| format!("connecting: {error}")),
        }
    }

    fn write(&mut self, token: usize) -> Result<(), String> {
        if let Some(client) = &mut self.clients[token] {
            client.written += client
                .wire
                .write(&self.request[client.written..])
                .map_err(|error| format!("sending a request: {error}"))?;
        }
        self.watch(token)
    }

    /// Waits for room as long as something is to be sent, and for an answer otherwise.
    fn watch(&mut self, token: usize) -> Result<(), String> {
        let Some(client) = &mut self.clients[token] else {
            return Ok(());
        };
        let held = client
            .wire
            .flush()
            .map_err(|error| format!("sending a request: {error}"))?;
        let is_sent = client.started.is_none() || client.written == self.request.len();
        let interest = Interest::of(is_sent, held || !is_sent);
        if interest != client.interest {
            client.interest = interest;
            self.poller
                .modify(client.wire.socket(), token, interest)
                .map_err(|error| format!("epoll: {error}"))?;
        }
        Ok(())
    }
}

impl Counts {
    fn record(&mut self, now: Instant, started: Instant) {
        let took = now.saturating_duration_since(started);
        self.latencies
            .record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}
