//! What the tests stand on: a control plane with its folder, its made-up surroundings, and a client of the admin API that
//! can also send what no client should.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_core::counters::CounterSet;
use evenkeel_core::id::Epoch;
use evenkeel_core::observe::Failure;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_core::table::PoolTable;
use evenkeel_schema::Config;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{Control, FAILURES_MAX, Host, INPUTS_MAX, Input, Running, Start, Tls};

/// Longer than anything here takes, even on a machine that is busy with other tests.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The made-up data plane and keeper: it notes what it was asked.
#[derive(Default)]
pub(super) struct FakeHost {
    pub(super) applied: Mutex<Vec<u64>>,
    pub(super) tables: Mutex<std::collections::BTreeMap<String, Arc<PoolTable>>>,
    pub(super) opened: AtomicU64,
    /// Why addresses cannot be opened.
    pub(super) refuse: Mutex<Option<String>>,
    pub(super) services: Mutex<Vec<String>>,
    pub(super) drained: AtomicBool,
    pub(super) connections: AtomicU64,
}

impl Host for FakeHost {
    fn open(&self, _: &Config) -> Result<(), Vec<String>> {
        self.opened.fetch_add(1, SeqCst);
        match &*self.refuse.lock().unwrap() {
            Some(why) => Err(vec![why.clone()]),
            None => Ok(()),
        }
    }
    fn apply(&self, _: &Arc<Config>, _: &Tls, revision: u64, tables: Vec<Arc<PoolTable>>) {
        let named = tables.into_iter().map(|t| (t.name.to_string(), t));
        *self.tables.lock().unwrap() = named.collect();
        self.applied.lock().unwrap().push(revision);
    }
    fn publish(&self, table: Arc<PoolTable>) {
        let name = table.name.to_string();
        self.tables.lock().unwrap().insert(name, table);
    }
    fn start_service(&self, spec: &ServiceSpec, _: Epoch) {
        self.services
            .lock()
            .unwrap()
            .push(format!("start {}", spec.name));
    }
    fn signal_service(&self, name: &str, pid: u32, signal: i32, _: Epoch) {
        let line = format!("signal {name} {pid} {signal}");
        self.services.lock().unwrap().push(line);
    }
    fn listeners(&self) -> Vec<(String, Vec<String>)> {
        vec![("web".into(), vec!["127.0.0.1:8080".into()])]
    }
    fn counters(&self) -> Arc<CounterSet> {
        let mut counters = CounterSet::default();
        let workers = Arc::new(evenkeel_core::counters::PerWorker::new(2));
        counters.listeners.insert("web".into(), workers);
        let route = evenkeel_core::counters::RouteLabel {
            listener: "web".into(),
            route: "*/".into(),
            pool: "app".into(),
        };
        let workers: evenkeel_core::counters::PerWorker<evenkeel_core::counters::RouteWorker> =
            evenkeel_core::counters::PerWorker::new(2);
        workers.of(1).by_class[2].add(3);
        workers.of(1).seconds.observe_us(1500);
        counters.routes.insert(route, Arc::new(workers));
        Arc::new(counters)
    }
    fn drain(&self) {
        self.drained.store(true, SeqCst);
    }
    fn open_connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }
    fn keeper_pid(&self) -> u32 {
        1
    }
}

/// A control plane at work.
pub(super) struct Rig {
    pub(super) folder: Arc<tempfile::TempDir>,
    pub(super) host: Arc<FakeHost>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) failures: mpsc::Sender<Failure>,
    pub(super) address: SocketAddr,
    control: Option<Control>,
}

/// How to begin.
#[derive(Default)]
pub(super) struct Setup {
    pub(super) folder: Option<Arc<tempfile::TempDir>>,
    pub(super) resume: bool,
    pub(super) running: Vec<Running>,
    pub(super) host: FakeHost,
}

/// The configuration of a pool with these endpoints and this in front.
pub(super) fn config(front: &str, endpoints: &[impl std::fmt::Display]) -> String {
    let mut text = format!(
        "{front}\n[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:8080\"]\n[[route]]\npool = \"app\"\n[pool.app]\n[pool.app.check]\ninterval = \"100ms\"\nfast_interval = \"20ms\"\ntimeout = \"1s\"\n[pool.app.failover]\nhold = \"0s\"\nramp = \"0s\"\n"
    );
    for (n, address) in endpoints.iter().enumerate() {
        let n = n + 1;
        text += &format!("[[pool.app.endpoint]]\nname = \"a{n}\"\naddress = \"{address}\"\n");
    }
    text
}

/// An address where nothing listens, and nothing will while the tests run: the port is bound, and kept.
pub(super) fn nowhere() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

impl Rig {
    pub(super) fn new(text: &str) -> Rig {
        Rig::with(text, Setup::default())
    }

    pub(super) fn with(text: &str, setup: Setup) -> Rig {
        let folder = setup
            .folder
            .unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let file = folder.path().join("evenkeel.toml");
        std::fs::write(&file, text).unwrap();
        let (config, tls) = Tls::load(&file, None).unwrap_or_else(|m| panic!("{m:?}"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let unix = UnixListener::bind(folder.path().join("admin.sock"));
        let unix = unix.or_else(|_| {
            std::fs::remove_file(folder.path().join("admin.sock"))?;
            UnixListener::bind(folder.path().join("admin.sock"))
        });
        let (failures, failures_out) = mpsc::channel(FAILURES_MAX);
        let (inputs, inputs_out) = mpsc::channel(INPUTS_MAX);
        let host = Arc::new(setup.host);
        let control = crate::start(Start {
            config: Arc::new(config),
            tls,
            file,
            resume: setup.resume,
            workers: 2,
            host: host.clone(),
            running: setup.running,
            failures: failures_out,
            inputs: inputs_out,
            admin: vec![listener.into(), unix.unwrap().into()],
        });
        let rig = Rig {
            folder,
            host,
            inputs,
            failures,
            address,
            control: Some(control.unwrap()),
        };
        rig.until("the first configuration", |rig| {
            !rig.host.applied.lock().unwrap().is_empty()
        });
        rig
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("evenkeel.toml")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("evenkeel-state")
    }

    pub(super) fn input(&self, input: Input) {
        self.inputs.blocking_send(input).unwrap();
    }

    /// Ends in order, and waits for it.
    pub(super) fn end(&mut self) {
        if let Some(control) = self.control.take() {
            // It may have ended already.
            let _ = self.inputs.blocking_send(Input::Shutdown);
            control.join();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.control.as_ref().is_none_or(Control::is_finished)
    }

    /// Waits for something that real sockets and threads bring about.
    pub(super) fn until(&self, what: &str, done: impl Fn(&Rig) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(super) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[], body)
    }

    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let host = self.address.to_string();
        self.raw(request(&host, method, path, headers, body).as_bytes())
    }

    /// Over the unix socket.
    pub(super) fn ask_unix(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(self.folder.path().join("admin.sock")).unwrap();
        exchange(
            stream,
            request("localhost", method, path, &[], body).as_bytes(),
        )
    }

    /// These bytes as they are.
    pub(super) fn raw(&self, bytes: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        exchange(stream, bytes)
    }

    /// The state of an endpoint of the pool `app`.
    pub(super) fn state(&self, endpoint: &str) -> String {
        let pool = self.get("/v1/pools/app").json();
        let endpoints = pool["endpoints"].as_array().unwrap();
        let found = endpoints.iter().find(|e| e["name"] == endpoint).unwrap();
        found["state"].as_str().unwrap().to_owned()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn request(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        text += &format!("host: {host}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text + &format!("content-length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Answer {
    // Refused halfway, the answer is there all the same.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    Answer(String::from_utf8_lossy(&text).into_owned())
}

/// What came back, whole.
#[derive(Debug)]
pub(super) struct Answer(pub(super) String);

impl Answer {
    pub(super) fn status(&self) -> u16 {
        let code = self.0.split(' ').nth(1).unwrap_or_default();
        code.parse().unwrap_or(0)
    }
    pub(super) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.0.split_once("\r\n\r\n")?;
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|e| panic!("{e}: {}", self.0))
    }
    /// The code in the envelope of an error; it must have a message and a hint.
    pub(super) fn code(&self) -> String {
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
        assert!(error["hint"].as_str().is_some_and(|h| !h.is_empty()));
        error["code"].as_str().unwrap().to_owned()
    }
}

/// Every file of a folder that is left over from something.
pub(super) fn leftovers(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|f| f.unwrap().file_name().to_string_lossy().into_owned());
    names
        .filter(|n| n.contains(".new-") || n.ends_with(".unapplied"))
        .collect()
}
