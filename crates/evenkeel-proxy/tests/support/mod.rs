//! A proxy on real sockets, endpoints that do as a test says, and a client that reads what comes back.
//!
//! Everything listens on port 0. Reads give up after ten seconds, so that a broken promise fails instead of hanging.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::counters::EndpointShared;
use evenkeel_core::id::{EndpointId, PoolId};
use evenkeel_core::observe::Failure;
use evenkeel_core::settings::*;
use evenkeel_core::table::{EndpointRow, PoolTable};
use evenkeel_proxy::{Options, Proxy, Sessions, Traffic};
use tokio::sync::mpsc;

pub const PATIENCE: Duration = Duration::from_secs(10);

/// A table with one row per address, all up.
pub fn table(addresses: &[Address], workers: usize) -> PoolTable {
    let endpoints = addresses
        .iter()
        .enumerate()
        .map(|(i, address)| {
            let (id, name) = (EndpointId(i as u32), format!("a{}", i + 1));
            EndpointRow::new(id, &name, address.clone(), workers)
        })
        .collect();
    PoolTable {
        pool: PoolId(1),
        ..PoolTable::new("app", PolicySpec::named("round_robin"), endpoints)
    }
}

pub fn route(action: RouteAction) -> RouteSpec {
    RouteSpec {
        listener: None,
        host: None,
        path: None,
        methods: Vec::new(),
        headers: Vec::new(),
        action,
        timeout: ROUTE_TIMEOUT,
        max_body: 0,
        journal: false,
    }
}

/// What a test may change before the proxy starts.
pub struct Setup {
    pub workers: usize,
    pub table: PoolTable,
    pub listener: ListenerSettings,
    pub routes: Vec<RouteSpec>,
    pub options: fn(&mut Options),
    pub redo: Option<std::path::PathBuf>,
    pub tls: Option<Arc<evenkeel_tls::Server>>,
    pub endpoint_tls: Option<Arc<evenkeel_tls::Client>>,
    pub sessions: Option<Arc<Sessions>>,
}

impl Setup {
    /// One http listener, one pool of these endpoints, one worker.
    pub fn http(addresses: &[SocketAddr]) -> Setup {
        let addresses: Vec<_> = addresses.iter().map(|a| Address::Ip(*a)).collect();
        Setup::of(&addresses, Protocol::Http)
    }

    pub fn tcp(addresses: &[SocketAddr]) -> Setup {
        let addresses: Vec<_> = addresses.iter().map(|a| Address::Ip(*a)).collect();
        let pool = "app".into();
        Setup::of(&addresses, Protocol::Tcp { pool })
    }

    pub fn of(addresses: &[Address], protocol: Protocol) -> Setup {
        Setup {
            workers: 1,
            table: table(addresses, 8),
            listener: ListenerSettings::new("web", protocol),
            routes: vec![route(RouteAction::Pool("app".into()))],
            options: |_| {},
            redo: None,
            tls: None,
            endpoint_tls: None,
            sessions: None,
        }
    }

    /// Requests are written down in this folder, and sent again.
    pub fn redo(mut self, folder: &std::path::Path) -> Setup {
        self.redo = Some(folder.to_owned());
        self.routes[0].journal = true;
        self
    }

    pub fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    pub fn pool(mut self, change: impl FnOnce(&mut PoolTable)) -> Setup {
        change(&mut self.table);
        self
    }

    pub fn listener(mut self, change: impl FnOnce(&mut ListenerSettings)) -> Setup {
        change(&mut self.listener);
        self
    }

    pub fn routes(mut self, routes: Vec<RouteSpec>) -> Setup {
        self.routes = routes;
        self
    }

    pub fn route(mut self, change: impl FnOnce(&mut RouteSpec)) -> Setup {
        change(&mut self.routes[0]);
        self
    }

    pub fn start(self) -> Running {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        self.start_on(address, socket.into())
    }

    pub fn start_on(self, address: SocketAddr, socket: OwnedFd) -> Running {
        let (failures, seen) = mpsc::channel(1024);
        let mut options = Options {
            workers: self.workers,
            failures,
            access_log: None,
            redo: self.redo,
            seed: 7,
        };
        (self.options)(&mut options);
        let proxy = Proxy::start(options).unwrap();
        let running = Running {
            proxy: Some(proxy),
            address,
            seen,
            table: Mutex::new(self.table),
            listener: self.listener,
            routes: self.routes,
            tls: Mutex::new(self.tls),
            endpoint_tls: Mutex::new(self.endpoint_tls),
            sessions: Mutex::new(self.sessions),
        };
        running.apply();
        running
            .proxy()
            .listen(address.to_string(), "web".into(), vec![socket])
            .unwrap();
        running
    }
}

/// A proxy that runs.
pub struct Running {
    proxy: Option<Proxy>,
    pub address: SocketAddr,
    pub seen: mpsc::Receiver<Failure>,
    table: Mutex<PoolTable>,
    listener: ListenerSettings,
    pub routes: Vec<RouteSpec>,
    pub tls: Mutex<Option<Arc<evenkeel_tls::Server>>>,
    pub endpoint_tls: Mutex<Option<Arc<evenkeel_tls::Client>>>,
    pub sessions: Mutex<Option<Arc<Sessions>>>,
}

impl Running {
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    pub fn take_proxy(&mut self) -> Proxy {
        self.proxy.take().unwrap()
    }

    /// Applies the configuration again, as a reload does.
    pub fn apply(&self) {
        let mut table = self.table.lock().unwrap();
        table.epoch.0 += 1;
        self.proxy().apply(Traffic {
            revision: table.epoch.0,
            listeners: vec![Arc::new(self.listener.clone())],
            routes: self.routes.clone(),
            tables: vec![Arc::new(table.clone())],
            tls: named("web", &self.tls),
            endpoint_tls: named("app", &self.endpoint_tls),
            kept: Vec::new(),
            sessions: named("app", &self.sessions),
        });
    }

    /// Publishes a changed table.
    pub fn publish(&self, change: impl FnOnce(&mut PoolTable)) {
        let mut table = self.table.lock().unwrap();
        change(&mut table);
        table.epoch.0 += 1;
        assert!(self.proxy().publish(Arc::new(table.clone())));
    }

    pub fn client(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    pub fn shared(&self, endpoint: usize) -> Arc<EndpointShared> {
        self.table.lock().unwrap().endpoints[endpoint]
            .shared
            .clone()
    }

    /// Sends one request on a connection of its own.
    pub fn once(&self, request: &str) -> Answer {
        let mut client = self.client();
        client.send(request);
        client.answer()
    }

    pub fn rejected(&self, reason: evenkeel_core::counters::Reject) -> u64 {
        let counters = self.proxy().counters();
        counters.listeners["web"].sum(|w| w.rejected(reason).value())
    }

    /// Failures reported so far.
    pub fn failures(&mut self) -> Vec<Failure> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

fn named<T>(name: &str, one: &Mutex<Option<Arc<T>>>) -> BTreeMap<Arc<str>, Arc<T>> {
    let one = one.lock().unwrap().clone();
    one.into_iter().map(|one| (name.into(), one)).collect()
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.stop(Duration::ZERO);
        }
    }
}

/// Waits until `done`, or fails.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never happened: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// An answer as a client read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body ended as it should.
    pub complete: bool,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

const BROKEN: [ErrorKind; 4] = [
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
    ErrorKind::InvalidData,
];

/// A connection with what was read ahead.
pub struct Client {
    pub stream: TcpStream,
    pub ahead: Vec<u8>,
    /// TLS over it.
    pub tls: Option<Box<dyn Over>>,
    /// The connection broke: reset, or an end that TLS did not announce.
    pub cut: bool,
}

/// What lies over a socket.
pub trait Over: Read + Write + Send {
    /// Says that nothing more comes.
    fn close(&mut self);
    /// For what only TLS knows.
    fn session(&self) -> &rustls::CommonState;
}

impl Client {
    pub fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            ahead: Vec::new(),
            tls: None,
            cut: false,
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(tls) => tls.write_all(bytes.as_ref()).and_then(|()| tls.flush()),
        }
    }

    /// Reads more; false at the end or on a reset.
    pub fn more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let read = match &mut self.tls {
            None => self.stream.read(&mut chunk),
            Some(tls) => tls.read(&mut chunk),
        };
        match read {
            Ok(0) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&chunk[..n]);
                true
            }
            Err(e) if BROKEN.contains(&e.kind()) => {
                self.cut = true;
                false
            }
            Err(e) => panic!("nothing came: {e}"),
        }
    }

    pub fn take(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            assert!(
                self.more(),
                "closed after {} of {n} bytes",
                self.ahead.len()
            );
        }
        self.ahead.drain(..n).collect()
    }

    /// Reads a head, with its empty line.
    pub fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = self.ahead.drain(..at + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Reads the answer to a request that was not a HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    pub fn answer_to(&mut self, head_request: bool) -> Answer {
        let head = self.head().expect("no answer came");
        let status: u16 = head[9..12].parse().unwrap();
        let bare = head_request || status < 200 || status == 204 || status == 304;
        let (body, complete) = if bare {
            (Vec::new(), true)
        } else {
            self.body(&head, true)
        };
        Answer {
            status,
            head,
            body,
            complete,
        }
    }

    /// The body that belongs to `head`, and whether it ended properly.
    pub fn body(&mut self, head: &str, answer: bool) -> (Vec<u8>, bool) {
        if let Some(length) = field(head, "content-length") {
            let length: usize = length.parse().unwrap();
            while self.ahead.len() < length {
                if !self.more() {
                    return (std::mem::take(&mut self.ahead), false);
                }
            }
            return (self.ahead.drain(..length).collect(), true);
        }
        if field(head, "transfer-encoding").is_some() {
            return self.chunks();
        }
        if answer {
            while self.more() {}
            return (std::mem::take(&mut self.ahead), !self.cut);
        }
        (Vec::new(), true)
    }

    fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line() else {
                return (body, false);
            };
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            if size == 0 {
                loop {
                    match self.line() {
                        None => return (body, false),
                        Some(line) if line.trim().is_empty() => return (body, true),
                        Some(_) => {}
                    }
                }
            }
            while self.ahead.len() < size + 2 {
                if !self.more() {
                    body.append(&mut self.ahead);
                    return (body, false);
                }
            }
            body.extend(self.ahead.drain(..size));
            self.ahead.drain(..2);
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.ahead.iter().position(|b| *b == b'\n') {
                let line = self.ahead.drain(..=at).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Is the connection at its end?
    pub fn ended(&mut self) -> bool {
        self.ahead.is_empty() && !self.more()
    }
}

/// A request as an endpoint read it.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
    /// Number of the connection it came on.
    pub connection: usize,
}

impl Request {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap()
    }
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// An endpoint on its own threads.
pub struct Endpoint {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub requests: Arc<Mutex<Vec<Request>>>,
    pub bytes: Arc<AtomicU64>,
}

impl Endpoint {
    /// Each connection is given to `serve` with its number.
    pub fn raw(serve: impl Fn(Client, usize) + Send + Sync + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, serve) = (connections.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let number = counted.fetch_add(1, SeqCst);
                let serve = serve.clone();
                thread::spawn(move || serve(Client::new(stream), number));
            }
        });
        Endpoint {
            address,
            connections,
            requests: Arc::default(),
            bytes: Arc::default(),
        }
    }

    /// Reads whole requests and writes what `answer` says; an empty answer closes the connection.
    pub fn http(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Endpoint {
        Endpoint::http_over(Some, answer)
    }

    /// The same over what `over` makes of a connection; `None` ends it.
    pub fn http_over(
        over: impl Fn(Client) -> Option<Client> + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Endpoint {
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let noted = requests.clone();
        let mut endpoint = Endpoint::raw(move |client, connection| {
            let Some(mut client) = over(client) else {
                return;
            };
            while let Some(head) = client.head() {
                let body = client.body(&head, false).0;
                let request = Request {
                    head,
                    body,
                    connection,
                };
                noted.lock().unwrap().push(request.clone());
                let answer = answer(&request);
                if answer.is_empty() || client.try_send(&answer).is_err() {
                    return;
                }
            }
        });
        endpoint.requests = requests;
        endpoint
    }

    /// Answers everything with its name.
    pub fn named(name: &'static str) -> Endpoint {
        Endpoint::http(move |_| ok(name))
    }

    /// An address where nobody listens.
    pub fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    }

    pub fn seen(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A 200 with this body.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn status(code: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {code} Said\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

pub fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: example.com\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Bytes that do not repeat with any power of two.
pub fn noise(len: usize) -> Vec<u8> {
    let mut x = 1u32;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .collect()
}
