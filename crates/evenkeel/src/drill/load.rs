//! A drill's own clients: a light load of GETs through a listener, due at fixed times, each counted by how it went.
//!
//! Every request has a connection of its own, as a new client has. It waits for nobody: a request that hangs holds no other
//! one back, else a fault would make its own load smaller.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_core::settings::{HostPattern, PathPattern, Protocol, RouteAction, RouteSpec};
use evenkeel_schema::records::ClientsRecord;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Options;
use super::site::{Site, reachable};

/// No client waits longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Under way at once, whatever happens.
const UNDER_WAY_MAX: usize = 2000;

/// Requests that go on until [`Load::end`].
pub(super) struct Load {
    tally: Arc<Mutex<ClientsRecord>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What every request is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Aim {
    address: SocketAddr,
    host: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Load {
    /// Begins it.
    pub(super) fn start(site: &Site, options: &Options) -> Result<Load, String> {
        let rate = options.rate;
        let tally = Arc::new(Mutex::new(ClientsRecord {
            rate,
            ..ClientsRecord::default()
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let aim = match (&options.url, rate) {
            (_, 0) => None,
            (Some(url), _) => Some(by_url(url)?),
            (None, _) => Some(by_routes(site)?),
        };
        let thread = aim.map(|aim| {
            let (tally, stop) = (tally.clone(), stop.clone());
            std::thread::spawn(move || send(&Arc::new(aim), rate, &tally, &stop))
        });
        Ok(Load {
            tally,
            stop,
            thread,
        })
    }

    /// So far.
    pub(super) fn seen(&self) -> ClientsRecord {
        self.tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends no more, waits for what is under way, and says how all of it went.
    pub(super) fn end(mut self) -> ClientsRecord {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.seen()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn by_url(url: &str) -> Result<Aim, String> {
    let wanted = || format!("--url {url:?}: wanted http://ADDRESS:PORT/PATH");
    let rest = url.strip_prefix("http://").ok_or_else(wanted)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let resolved = std::net::ToSocketAddrs::to_socket_addrs(host);
    let address = resolved.map_err(|e| format!("{}: {e}", wanted()))?.next();
    Ok(Aim {
        address: address.ok_or_else(wanted)?,
        host: host.to_owned(),
        path: format!("/{path}"),
        headers: Vec::new(),
    })
}

/// By the first route to the pool that a plain listener has.
fn by_routes(site: &Site) -> Result<Aim, String> {
    for listener in &site.config.listeners {
        let settings = &listener.settings;
        if settings.protocol != Protocol::Http || !settings.tls.is_empty() {
            continue;
        }
        let mut shown = site.status.listeners.iter();
        let shown = shown.find(|l| *l.name == *settings.name);
        let mut binds = shown.into_iter().flat_map(|l| &l.bind);
        let Some(address) = binds.find_map(|bind| bind.parse().ok()) else {
            continue;
        };
        let here = |r: &&RouteSpec| r.listener.as_ref().is_none_or(|l| *l == settings.name);
        let mut routes = site.config.routes.iter().filter(here);
        if let Some(aim) = routes.find_map(|route| aim_at(route, &site.pool, address)) {
            return Ok(aim);
        }
    }
    Err(format!(
        "no plain http listener has a route to pool {} that a GET can take: name one by --url, or send no load: --rate 0",
        site.pool
    ))
}

fn aim_at(route: &RouteSpec, pool: &str, address: SocketAddr) -> Option<Aim> {
    let RouteAction::Pool(to) = &route.action else {
        return None;
    };
    let get = route.methods.is_empty() || route.methods.iter().any(|m| m == "GET");
    if **to != *pool || !get {
        return None;
    }
    let path = match &route.path {
        None => "/".to_owned(),
        Some(PathPattern::Prefix(path) | PathPattern::Exact(path)) => path.clone(),
        Some(PathPattern::Regex(_)) => return None,
    };
    let host = match &route.host {
        None => "drill.example".to_owned(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Suffix(suffix)) => format!("drill{suffix}"),
    };
    Some(Aim {
        address: reachable(address),
        host,
        path,
        headers: route.headers.clone(),
    })
}

fn send(aim: &Arc<Aim>, rate: u32, tally: &Arc<Mutex<ClientsRecord>>, stop: &Arc<AtomicBool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let every = Duration::from_secs(1) / rate.max(1);
    runtime.block_on(async {
        let mut under_way = tokio::task::JoinSet::new();
        let mut due = tokio::time::Instant::now();
        while !stop.load(Relaxed) {
            tokio::time::sleep_until(due).await;
            due += every;
            while under_way.try_join_next().is_some() {}
            if under_way.len() < UNDER_WAY_MAX {
                under_way.spawn(one(aim.clone(), tally.clone()));
            }
        }
        while under_way.join_next().await.is_some() {}
    });
}

async fn one(aim: Arc<Aim>, tally: Arc<Mutex<ClientsRecord>>) {
    let began = Instant::now();
    let outcome = match tokio::time::timeout(PATIENCE, exchange(&aim)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.requests += 1;
    tally.slowest_ms = tally.slowest_ms.max(took);
    if let Err(kind) = outcome {
        *tally.errors.entry(kind).or_insert(0) += 1;
    }
}

/// The kind of error is one of few: it is counted by.
async fn exchange(aim: &Aim) -> Result<(), String> {
    let stream = TcpStream::connect(aim.address)
        .await
        .map_err(|_| "not connected".to_owned())?;
    let lost = |_: hyper::Error| "connection lost".to_owned();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(lost)?;
    let driver = tokio::spawn(connection);
    let mut request = Request::get(&aim.path)
        .header("host", &aim.host)
        .header("connection", "close");
    for (name, value) in &aim.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|_| "not a request".to_owned())?;
    let answer = sender.send_request(request).await.map_err(lost)?;
    let status = answer.status();
    let read = answer.into_body().collect().await;
    driver.abort();
    read.map_err(|_| "answer cut short".to_owned())?;
    match status.is_server_error() || status.is_client_error() {
        true => Err(format!("status {}", status.as_u16())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn requests_are_made_so_that_the_route_takes_them() {
        let text = r#"
            [[listener]]
            name = "web"
            bind = ["127.0.0.1:0"]
            [[route]]
            path = "=/old"
            redirect = { to = "/", status = 308 }
            [[route]]
            host = "*.example.com"
            path = "/api/"
            headers = { "x-canary" = "1" }
            pool = "app"
            [pool.app]
            [[pool.app.endpoint]]
            name = "a1"
            address = "127.0.0.1:1"
        "#;
        let config = evenkeel_schema::Config::parse(text, Path::new("/tmp/x.toml")).unwrap();
        let address: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let mut aims = config
            .routes
            .iter()
            .filter_map(|r| aim_at(r, "app", address));
        let aim = aims.next().unwrap();
        assert_eq!(aim.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((&*aim.host, &*aim.path), ("drill.example.com", "/api/"));
        assert_eq!(aim.headers, [("x-canary".to_owned(), "1".to_owned())]);
        assert_eq!(aims.next(), None);
        assert!(by_url("https://x").is_err());
        assert_eq!(by_url("http://127.0.0.1:8080/a?b").unwrap().path, "/a?b");
    }
}
