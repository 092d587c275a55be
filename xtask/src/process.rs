//! Processes the chores start: with everything below them, and ended whatever happens, so that nothing runs on and disturbs
//! what comes next.

use crate::{Failure, cpu};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server must answer within this after its start.
const START_MAX: Duration = Duration::from_secs(15);
/// And end within this after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A process and all below it; ended when this is dropped.
pub(crate) struct Tree(Child);

/// Starts something that writes to a log file.
pub(crate) fn start_logged(mut command: Command, log: &Path) -> Result<Tree, Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", log.display());
    let file = File::create(log).map_err(failed)?;
    let errors = file.try_clone().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    Ok(Tree(started(&mut command)?))
}

/// Starts something that speaks with us line by line.
pub(crate) fn start_spoken(mut command: Command) -> Result<(Tree, Lines), Failure> {
    let mut child = started(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let tree = Tree(child);
    let lines = Lines {
        input: input.ok_or("a child without input")?,
        output: BufReader::new(output.ok_or("a child without output")?),
    };
    Ok((tree, lines))
}

fn started(command: &mut Command) -> Result<Child, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))
}

/// Both directions of a talk.
pub(crate) struct Lines {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Lines {
    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.input, "{line}").map_err(|error| format!("saying `{line}`: {error}"))
    }

    /// Waits for a line.
    pub(crate) fn next(&mut self, wanted: &str) -> Result<String, Failure> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err(format!("ended before it said {wanted}")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("waiting for {wanted}: {error}")),
        }
    }
}

impl Tree {
    /// The process everything else is below of.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it answers a request with 200.
    pub(crate) fn wait_for_answer(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let end = Instant::now() + START_MAX;
        loop {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!("ended at its start with {status}"));
            }
            let answer = first_line_from(address);
            match &answer {
                Ok(line) if line.starts_with("HTTP/1.1 200") => return Ok(()),
                _ if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                _ => {
                    return Err(format!(
                        "no answer 200 within {START_MAX:?} of its start, last: {answer:?}"
                    ));
                }
            }
        }
    }
}

impl Drop for Tree {
    /// Asks, waits, then kills whatever of it is left.
    fn drop(&mut self) {
        let pids: Vec<u32> = cpu::of_tree(self.0.id())
            .map(|usage| usage.pids().collect())
            .unwrap_or_default();
        signal(self.0.id(), Signal::TERM);
        let end = Instant::now() + STOP_MAX;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > end {
                pids.iter().for_each(|pid| signal(*pid, Signal::KILL));
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Already reaped, or about to be: either way there is nothing left to learn.
        let _ = self.0.wait();
    }
}

/// Sends a signal. The process may have ended by itself, which is then what was wanted.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn first_line_from(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream
        .write_all(b"GET /bytes/2 HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(4096)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// The ports for [`lasting_address`]: below those the kernel gives to outgoing connections (from 32768 on), so that none of
/// these takes a server's port while that is down for a moment.
const LASTING_PORTS: std::ops::Range<u32> = 20_000..32_000;

/// An address nobody listens on just now, for a server that will be started on it more than once.
pub(crate) fn lasting_address(ip: IpAddr) -> Result<SocketAddr, Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = LASTING_PORTS.end - LASTING_PORTS.start;
    // Each run of this program begins elsewhere.
    let first = std::process::id().wrapping_mul(97);
    for _ in 0..count {
        let at = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let Ok(port) = u16::try_from(LASTING_PORTS.start + at) else {
            continue;
        };
        if TcpListener::bind((ip, port)).is_ok() {
            return Ok(SocketAddr::new(ip, port));
        }
    }
    Err(format!("no port of {ip} in {LASTING_PORTS:?} is free"))
}

/// An address nobody listens on just now. Somebody could take it before the one it is for; that one would then say so.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("a free port: {error}"))
}
