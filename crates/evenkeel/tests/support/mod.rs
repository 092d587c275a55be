//! What the end-to-end tests share: a running `evenkeel`, small endpoints to put behind it, and a client that hides nothing.
//!
//! Everything is real (processes, sockets, files) and nothing is fixed: ports are chosen by the kernel, the admin API is a
//! unix socket in the test's own folder. Waiting is always for a condition, with a deadline far above what is expected.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on panics, and says why"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far above anything expected: only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_evenkeel")
}

/// Waits until `condition` gives something.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "not within {} s: {what}",
            PATIENCE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running `evenkeel run`, killed with everything it started when dropped.
pub struct Evenkeel {
    pub child: Child,
    pub folder: Arc<tempfile::TempDir>,
    log: Arc<Mutex<String>>,
}

impl Evenkeel {
    /// Runs a configuration (all but `[node]` and `[admin]`) and waits until `/readyz` answers 200.
    pub fn run(config: &str) -> Evenkeel {
        let evenkeel = Evenkeel::launch(config);
        evenkeel.until_ready();
        evenkeel
    }

    /// Runs it without waiting.
    pub fn launch(config: &str) -> Evenkeel {
        Evenkeel::launch_by(config, &[])
    }

    /// The same, by a command that becomes `evenkeel`.
    pub fn launch_by(config: &str, by: &[&str]) -> Evenkeel {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("evenkeel.toml"), Evenkeel::text(config)).unwrap();
        Evenkeel::launch_in(folder, by)
    }

    /// Runs what a folder holds, once more.
    pub fn launch_in(folder: Arc<tempfile::TempDir>, by: &[&str]) -> Evenkeel {
        let command = [by, &[binary()]].concat();
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .arg("run")
            .arg(folder.path().join("evenkeel.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (pipe, sink) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Evenkeel { child, folder, log }
    }

    /// Waits until `/readyz` answers 200.
    pub fn until_ready(&self) {
        eventually(&format!("evenkeel is ready\n{}", self.log()), || {
            self.admin("GET", "/readyz", "").filter(|a| a.status == 200)
        });
    }

    /// The whole text of a configuration that is `config` plus node and admin.
    pub fn text(config: &str) -> String {
        format!(
            "[node]\nname = \"test\"\nstate_dir = \"state\"\nworkers = 1\ndrain_timeout = \"5s\"\n[admin]\nbind = \"unix:admin.sock\"\n{config}"
        )
    }

    /// Writes another configuration over the file.
    pub fn rewrite(&self, config: &str) {
        std::fs::write(self.file(), Evenkeel::text(config)).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("evenkeel.toml")
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// One call of the admin API; `None` while it can't be reached.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let mut stream = UnixStream::connect(self.folder.path().join("admin.sock")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/json\r\n"
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        Answer::read(&mut stream).ok()
    }

    /// A call that must succeed, as JSON.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self
            .admin(method, path, body)
            .expect("the admin API answers");
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    pub fn status(&self) -> Option<Value> {
        let answer = self.admin("GET", "/v1/status", "")?;
        serde_json::from_slice(&answer.body).ok()
    }

    /// One endpoint as the API shows it.
    pub fn endpoint(&self, pool: &str, name: &str) -> Option<Value> {
        let answer = self.admin("GET", &format!("/v1/pools/{pool}"), "")?;
        let pool: Value = serde_json::from_slice(&answer.body).ok()?;
        pool["endpoints"]
            .as_array()?
            .iter()
            .find(|e| e["name"] == name)
            .cloned()
    }

    /// Waits until an endpoint has this state.
    pub fn until(&self, pool: &str, name: &str, state: &str) -> Value {
        eventually(&format!("{pool}/{name} is {state}\n{}", self.log()), || {
            self.endpoint(pool, name).filter(|e| e["state"] == state)
        })
    }

    /// Waits until the only service has this state.
    pub fn until_service(&self, state: &str) -> Value {
        eventually(&format!("the service is {state}\n{}", self.log()), || {
            let service = self.status()?["services"].as_array()?.first()?.clone();
            (service["state"] == state && service["pid"].is_u64()).then_some(service)
        })
    }

    /// The address a listener was really given.
    pub fn address(&self, listener: &str) -> SocketAddr {
        eventually("the listener has an address", || {
            let status = self.status()?;
            let listeners = status["listeners"].as_array()?;
            let it = listeners.iter().find(|l| l["name"] == listener)?;
            it["bind"][0]
                .as_str()?
                .parse()
                .ok()
                .filter(|a: &SocketAddr| a.port() != 0)
        })
    }

    pub fn worker_pid(&self) -> u32 {
        eventually("the balancer has a pid", || {
            self.status()?["worker_pid"].as_u64()
        }) as u32
    }

    pub fn signal(&self, name: &str) {
        kill(self.child.id(), name);
    }

    /// Runs a command of the binary against this instance.
    pub fn command(&self, args: &[&str]) -> (i32, String, String) {
        let admin = format!("unix:{}", self.folder.path().join("admin.sock").display());
        let output = Command::new(binary())
            .args(args)
            .env("EVENKEEL_ADMIN", admin)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Waits until its log has these words, which come a moment after the deed; the log as it is then.
    pub fn says(&self, words: &str) -> String {
        eventually(&format!("the log says {words:?}"), || {
            let log = self.log();
            log.contains(words).then_some(log)
        })
    }

    /// Asks it to end and waits.
    pub fn end(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let status = wait(&mut self.child);
        (status, self.log())
    }
}

impl Drop for Evenkeel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of evenkeel ---\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a process to end.
pub fn wait(child: &mut Child) -> ExitStatus {
    eventually("the process ends", || child.try_wait().unwrap())
}

/// `kill -NAME PID`.
pub fn kill(pid: u32, name: &str) {
    let done = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(done.success(), "kill -{name} {pid}");
}

/// Is there a process of this id that is not just waiting to be reaped?
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next())
        .is_some_and(|state| !"ZX".contains(state))
}

/// `kill -STOP PID`, and waits until every thread stands: one that does not yet could still answer.
pub fn freeze(pid: u32) {
    kill(pid, "STOP");
    eventually("every thread stands", || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let mut states = tasks.flatten().map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(')')
                .next()
                .and_then(|rest| rest.trim().chars().next())
        });
        states.all(|state| state == Some('T')).then_some(())
    });
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }

    /// Reads one answer: by length, by chunks, or until the end.
    pub fn read(stream: &mut impl Read) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        if let Some(length) = answer
            .field("content-length")
            .and_then(|l| l.parse::<usize>().ok())
        {
            answer.body.resize(length, 0);
            stream.read_exact(&mut answer.body)?;
        } else if answer.field("transfer-encoding").is_some() {
            answer.body = read_chunks(stream)?;
        } else if !(100..200).contains(&status) && status != 204 && status != 304 {
            stream.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }
}

fn read_chunks(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let size =
            usize::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
        if size == 0 {
            while !read_line(stream)?.trim().is_empty() {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        read_line(stream)?;
    }
}

fn read_line(stream: &mut impl Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Connects with time-outs set.
pub fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request on a connection of its own.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = connect(address)?;
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{length}\r\n{body}"
    )?;
    Answer::read(&mut stream)
}

pub fn get(address: SocketAddr, path: &str) -> std::io::Result<Answer> {
    request(address, "GET", path, "")
}

/// A small HTTP endpoint in a thread of the test: answers with its name, and misbehaves on request.
pub struct Endpoint {
    pub name: String,
    pub address: SocketAddr,
    /// Requests it executed, checks not counted.
    pub hits: Arc<AtomicUsize>,
    /// Bodies of the POSTs it executed.
    pub posts: Arc<Mutex<Vec<String>>>,
    /// What `/healthz` answers.
    pub health: Arc<AtomicU16>,
    /// What everything else answers.
    pub answer: Arc<AtomicU16>,
    stop: Arc<AtomicBool>,
}

impl Endpoint {
    pub fn start(name: &str) -> Endpoint {
        Endpoint::start_on(name, 0)
    }

    pub fn start_on(name: &str, port: u16) -> Endpoint {
        Endpoint::start_at(name, Ipv4Addr::LOCALHOST, port)
    }

    pub fn start_at(name: &str, ip: Ipv4Addr, port: u16) -> Endpoint {
        let listener = TcpListener::bind((ip, port)).unwrap();
        let endpoint = Endpoint {
            name: name.to_owned(),
            address: match ip.is_unspecified() {
                true => (Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()).into(),
                false => listener.local_addr().unwrap(),
            },
            hits: Arc::default(),
            posts: Arc::default(),
            health: Arc::new(AtomicU16::new(200)),
            answer: Arc::new(AtomicU16::new(200)),
            stop: Arc::default(),
        };
        let part = endpoint.part();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if part.stop.load(SeqCst) {
                    return;
                }
                let part = part.part();
                std::thread::spawn(move || part.serve(stream));
            }
        });
        endpoint
    }

    fn part(&self) -> Endpoint {
        Endpoint {
            name: self.name.clone(),
            address: self.address,
            hits: self.hits.clone(),
            posts: self.posts.clone(),
            health: self.health.clone(),
            answer: self.answer.clone(),
            stop: self.stop.clone(),
        }
    }

    /// As an entry of the pool `app`.
    pub fn toml(&self) -> String {
        format!(
            "[[pool.app.endpoint]]\nname = \"{}\"\naddress = \"{}\"\n",
            self.name, self.address
        )
    }

    pub fn hits(&self) -> usize {
        self.hits.load(SeqCst)
    }

    /// Stops listening, so that connections are refused. Open ones end with their next request.
    pub fn close(&self) {
        self.stop.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        eventually("the port is closed", || {
            TcpStream::connect(self.address).is_err().then_some(())
        });
    }

    fn serve(&self, stream: TcpStream) {
        let Ok(mut writer) = stream.try_clone() else {
            return;
        };
        let mut reader = BufReader::new(stream);
        while !self.stop.load(SeqCst) {
            let Some(head) = read_head(&mut reader) else {
                return;
            };
            if self.stop.load(SeqCst) {
                return;
            }
            if !self.execute(&head, &mut reader, &mut writer) {
                return;
            }
        }
    }

    fn execute(
        &self,
        head: &str,
        reader: &mut BufReader<TcpStream>,
        writer: &mut TcpStream,
    ) -> bool {
        let length = head
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(n, _)| n.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, v)| v.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return false;
        }
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if path == "/healthz" {
            return self.answer(writer, self.health.load(SeqCst), "health");
        }
        self.hits.fetch_add(1, SeqCst);
        if method == "POST" {
            self.posts
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(&body).into_owned());
        }
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            return self.echo(reader, writer);
        }
        if let Some(ms) = path.strip_prefix("/slow/").and_then(|ms| ms.parse().ok()) {
            std::thread::sleep(Duration::from_millis(ms));
        }
        self.answer(writer, self.answer.load(SeqCst), &self.name)
    }

    fn answer(&self, writer: &mut TcpStream, status: u16, body: &str) -> bool {
        write!(
            writer,
            "HTTP/1.1 {status} X\r\nX-Served-By: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.name,
            body.len()
        )
        .is_ok()
    }

    /// Switches protocols and echoes every byte until the end.
    fn echo(&self, reader: &mut BufReader<TcpStream>, writer: &mut TcpStream) -> bool {
        let _ = write!(
            writer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        );
        let mut buffer = [0; 4096];
        while let Ok(n) = reader.read(&mut buffer) {
            if n == 0 || writer.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        false
    }
}

/// A port that nobody has at this moment, and that nobody is given who asks for any: it lies below those the kernel deals
/// out, and no other test of this process is told the same.
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let next = || {
        let told = TOLD.fetch_add(1, SeqCst);
        let port = FIRST + (std::process::id() * 64 + told) % COUNT;
        u16::try_from(port).unwrap()
    };
    let mut ports = std::iter::repeat_with(next).take(1000);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// A configuration of one http listener `web` and the pool `app`: quick checks, no hold, no ramp.
pub fn app(endpoints: &[&Endpoint], extra: &str) -> String {
    let mut text = String::from(
        "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n[[route]]\npool = \"app\"\n\
         [pool.app]\nbalance = \"round_robin\"\n\
         [pool.app.check]\nkind = \"http\"\npath = \"/healthz\"\ninterval = \"200ms\"\nfast_interval = \"50ms\"\ntimeout = \"500ms\"\nfall = 2\n\
         [pool.app.failover]\nhold = \"0s\"\nramp = \"0s\"\n",
    );
    text.push_str(extra);
    for endpoint in endpoints {
        text.push_str(&endpoint.toml());
    }
    text
}

/// The file's path, for arguments.
pub fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// The next head on a connection to an endpoint of a test's own; `None` at its end.
pub fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(reader.read_line(&mut head), Ok(n) if n > 0) {
            return None;
        }
    }
    Some(head)
}
