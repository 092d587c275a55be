//! The same faults for HAProxy, with a supervisor that starts a process again 100 ms after its end, as systemd does with
//! `Restart=always`, and ends one that is over its memory, as `MemoryMax` does. Its checks and retries are set as sharp as ours.

use super::site::{NAMES, Ports, get, request, sample};
use super::{CONNECTIONS, RATE, Scenario, cannot};
use crate::load::Endless;
use crate::process::{self, Tree};
use crate::{Failure, steps};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// systemd's default `RestartSec`.
const RESTART: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The same `memory_max` as ours.
const MEMORY_MAX_KIB: u64 = 128 << 10;
/// The fault is taken back after this; so long nobody but HAProxy and its supervisor does anything …
const FAULT: Duration = Duration::from_secs(10);
/// … and then it has so long to recover.
const AFTER: Duration = Duration::from_secs(4);
const RUNS: u32 = 3;
const TABLE: &str = "evenkeel_score";

/// One run.
pub(super) struct Seen {
    pub(super) name: &'static str,
    /// Until it was taken out.
    pub(super) out_ms: Option<u64>,
    /// Until it was back, if that was before the fault was taken back.
    pub(super) back_ms: Option<u64>,
    pub(super) requests: u64,
    pub(super) errors: u64,
}

/// Every fault that can be had without evenkeel, several times.
pub(super) fn run(programs: &Path, scenarios: &[Scenario]) -> Result<Vec<Seen>, Failure> {
    if steps::output(version()).is_err() {
        println!("NOT RUN: haproxy is not installed");
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for scenario in scenarios {
        // Without its quota a burner would burn the whole machine.
        if cannot(scenario.name).is_some() || scenario.name == "cpu_burn" {
            continue;
        }
        for number in 1..=RUNS {
            let seen = one(programs, scenario.name)
                .map_err(|why| format!("haproxy, {}: {why}", scenario.name))?;
            println!(
                "haproxy {} {number}: out {:?} ms, back {:?} ms, {} errors of {}",
                seen.name, seen.out_ms, seen.back_ms, seen.errors, seen.requests
            );
            all.push(seen);
        }
    }
    Ok(all)
}

fn version() -> Command {
    let mut command = Command::new("haproxy");
    command.arg("-v");
    command
}

fn one(programs: &Path, name: &'static str) -> Result<Seen, Failure> {
    let site = Site::start(programs)?;
    let load = Endless::start(programs, site.ports.web, RATE, CONNECTIONS)?;
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    let fault = Fault::make(name, &site)?;
    let (mut out, mut back) = (None, None);
    while began.elapsed() < FAULT {
        let since = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match (site.is_up(), out) {
            (false, None) => out = Some(since()),
            (false, Some(_)) => back = None,
            (true, Some(_)) if back.is_none() => back = Some(since()),
            _ => {}
        }
        std::thread::sleep(LOOK_EVERY);
    }
    drop(fault);
    std::thread::sleep(AFTER);
    let seen = load.end()?;
    Ok(Seen {
        name,
        out_ms: out,
        back_ms: back,
        requests: seen.requests,
        errors: seen.errors,
    })
}

/// HAProxy with supervised samples.
struct Site {
    ports: Ports,
    haproxy: Tree,
    services: Vec<Supervised>,
    folder: tempfile::TempDir,
}

impl Site {
    fn start(programs: &Path) -> Result<Site, Failure> {
        let folder = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
        let ports = Ports::free()?;
        let program = programs.join("evenkeel");
        let services = [NAMES.as_slice(), &["store"]].concat();
        let services = services
            .iter()
            .map(|name| Supervised::start(&program, sample(name, &ports, ""), folder.path()))
            .collect();
        let file = folder.path().join("haproxy.cfg");
        let socket = folder.path().join("stats");
        std::fs::write(&file, config(&ports, &socket))
            .map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file);
        let mut haproxy = process::start_logged(command, &folder.path().join("log"))?;
        for sample in ports.samples {
            wait_for(sample)?;
        }
        haproxy.wait_for_answer(ports.web)?;
        Ok(Site {
            ports,
            haproxy,
            services,
            folder,
        })
    }

    fn pid(&self, service: usize) -> u32 {
        self.services[service].pid.load(Relaxed)
    }

    /// As HAProxy sees the first one.
    fn is_up(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(self.folder.path().join("stats"))?;
            stream.write_all(b"show stat\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = ask().unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("app,a1,"));
        // While it is on its way down it still gets work.
        line.is_none_or(|line| line.split(',').nth(17).is_some_and(|s| s.starts_with("UP")))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        process::signal(self.haproxy.id(), Signal::TERM);
        for service in &self.services {
            service.end.store(true, Relaxed);
            process::signal(service.pid.load(Relaxed), Signal::CONT);
        }
    }
}

fn wait_for(address: SocketAddr) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(10);
    while get(address, "/healthz").is_err() {
        if Instant::now() > until {
            return Err(format!("{address} does not answer"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn config(ports: &Ports, socket: &Path) -> String {
    let mut text = format!(
        "global\n  stats socket {} mode 600\n  nbthread 1\n\ndefaults\n  mode http\n  timeout client 30s\n  timeout connect 300ms\n  \
         timeout server 1s\n  timeout check 1s\n  retries 2\n  retry-on all-retryable-errors\n  option redispatch 1\n\n\
         frontend web\n  bind {}\n  default_backend app\n\nbackend app\n  balance roundrobin\n  option httpchk GET /healthz\n  \
         default-server check inter 500ms fastinter 100ms downinter 500ms fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down\n",
        socket.display(),
        ports.web
    );
    for (name, address) in NAMES.iter().zip(ports.samples) {
        text += &format!("  server {name} {address}\n");
    }
    text
}

/// A process that is started again when it ends.
struct Supervised {
    pid: Arc<AtomicU32>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervised {
    fn start(program: &Path, words: Vec<String>, folder: &Path) -> Supervised {
        let (pid, end) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let (shown, told) = (pid.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            while !told.load(Relaxed) {
                let mut command = Command::new(&program);
                command.args(&words).current_dir(&folder);
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                if let Ok(child) = command.spawn() {
                    shown.store(child.id(), Relaxed);
                    live(child, &told);
                }
                std::thread::sleep(RESTART);
            }
        });
        Supervised {
            pid,
            end,
            thread: Some(thread),
        }
    }
}

/// Until it ends, is too large, or is to end.
fn live(mut child: Child, end: &AtomicBool) {
    while let Ok(None) = child.try_wait() {
        if end.load(Relaxed) || resident_kib(child.id()) > MEMORY_MAX_KIB {
            let _ = child.kill();
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    number.unwrap_or(0)
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Taken back when it is dropped.
struct Fault(Option<Box<dyn FnOnce()>>);

impl Drop for Fault {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

impl Fault {
    fn lasting(undo: impl FnOnce() + 'static) -> Fault {
        Fault(Some(Box::new(undo)))
    }

    fn make(name: &str, site: &Site) -> Result<Fault, Failure> {
        let (pid, address) = (site.pid(0), site.ports.samples[0]);
        let cache = site.folder.path().join("a1/cache");
        let knob = move |query: &str| -> Result<Fault, Failure> {
            request(address, "POST", &format!("/_drill/{query}"))?;
            Ok(Fault::lasting(move || {
                drop(request(address, "POST", "/_drill/end"))
            }))
        };
        match name {
            "kill" => {
                process::signal(pid, Signal::KILL);
                Ok(Fault(None))
            }
            "stop" => Ok(stopped(pid)),
            "dependency_down" => Ok(stopped(site.pid(NAMES.len()))),
            "port_blocked" => port_blocked(pid, address),
            "slow_answers" => knob("slow?ms=400&for_s=60"),
            "memory_leak" => knob("leak?mib_per_s=12&for_s=60"),
            "errors_after_release" => {
                release(&site.folder.path().join("a1/releases/current"), "bad")?;
                process::signal(pid, Signal::TERM);
                let link = site.folder.path().join("a1/releases/current");
                let shown = site.services[0].pid.clone();
                Ok(Fault::lasting(move || {
                    let _ = release(&link, "good");
                    process::signal(shown.load(Relaxed), Signal::TERM);
                }))
            }
            "disk_full" => disk_full(cache),
            "path_cut" => path_cut(address),
            other => Err(format!("{other} is not known here")),
        }
    }
}

fn stopped(pid: u32) -> Fault {
    process::signal(pid, Signal::STOP);
    Fault::lasting(move || process::signal(pid, Signal::CONT))
}

fn port_blocked(pid: u32, address: SocketAddr) -> Result<Fault, Failure> {
    process::signal(pid, Signal::STOP);
    process::signal(pid, Signal::KILL);
    let until = Instant::now() + Duration::from_secs(3);
    let thief = loop {
        match TcpListener::bind(address) {
            Ok(thief) => break thief,
            Err(e) if Instant::now() > until => return Err(format!("{address}: {e}")),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    };
    thief.set_nonblocking(true).map_err(|e| e.to_string())?;
    let end = Arc::new(AtomicBool::new(false));
    let told = end.clone();
    let thread = std::thread::spawn(move || {
        while !told.load(Relaxed) {
            if thief.accept().is_err() {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    });
    Ok(Fault::lasting(move || {
        end.store(true, Relaxed);
        let _ = thread.join();
    }))
}

fn release(link: &Path, to: &str) -> Result<(), Failure> {
    let new = link.with_extension("new");
    std::os::unix::fs::symlink(to, &new)
        .and_then(|()| std::fs::rename(&new, link))
        .map_err(|e| format!("{}: {e}", link.display()))
}

fn disk_full(folder: PathBuf) -> Result<Fault, Failure> {
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=16m", "none"])
        .arg(&folder);
    steps::output(mount)?;
    let junk = folder.join("junk");
    // It ends for want of room, which is what is wanted.
    let _ = std::fs::write(&junk, vec![1; 20 << 20]);
    Ok(Fault::lasting(move || {
        let mut umount = Command::new("umount");
        umount.arg("-l").arg(&folder);
        let _ = steps::output(umount);
    }))
}

fn path_cut(address: SocketAddr) -> Result<Fault, Failure> {
    let port = address.port();
    nft(&format!(
        "add table inet {TABLE}; add chain inet {TABLE} in {{ type filter hook input priority 0; }}; \
         add rule inet {TABLE} in tcp dport {port} drop; add rule inet {TABLE} in tcp sport {port} drop"
    ))?;
    Ok(Fault::lasting(|| {
        drop(nft(&format!("delete table inet {TABLE}")))
    }))
}

fn nft(ruleset: &str) -> Result<String, Failure> {
    let mut command = Command::new("/usr/sbin/nft");
    command.arg(ruleset);
    steps::output(command)
}
