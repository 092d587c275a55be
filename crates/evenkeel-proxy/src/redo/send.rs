//! Sends a journalled request again: the same bytes with the same key, over a connection of its own, to an endpoint that
//! serves.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::table::{EndpointRow, PoolTable};
use evenkeel_tls::{Client, Speaks};

use crate::http1::{Asked, Limits, Progress, ResponseHead};
use crate::snapshot::Shared;

/// As wide as for traffic.
const LIMITS: Limits = Limits {
    max_head: 128 * 1024,
    max_fields: 512,
};
/// Of an answer nobody waits for, so much is read at most.
const ANSWER_MAX: usize = 256 * 1024;

/// A read waits this long before the time is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where one is sent.
pub(super) struct Target {
    row: EndpointRow,
    tls: Option<Arc<Client>>,
    connect: Duration,
    answer: Duration,
}

/// A request to be sent.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) target: Target,
}

/// What came of it.
pub(super) struct Sent {
    pub(super) id: u64,
    /// With less than 500; `None` = nothing reached anybody for want of something here.
    pub(super) answered: Option<bool>,
    /// For people.
    pub(super) what: String,
}

/// Does this pool serve?
pub(super) fn serves(shared: &Shared, pool: &str) -> bool {
    let snapshot = shared.snapshot.load();
    let cell = snapshot.pools.get(pool);
    cell.is_some_and(|cell| fit(&cell.table.load()).next().is_some())
}

fn fit(table: &PoolTable) -> impl Iterator<Item = &EndpointRow> {
    let usable = table.endpoints.iter();
    usable.filter(|row| row.trusted() && row.weight > 0 && row.address.is_some())
}

/// One endpoint of it, another one at each attempt.
pub(super) fn target(shared: &Shared, pool: &str, id: u64, attempt: u32) -> Option<Target> {
    let snapshot = shared.snapshot.load();
    let cell = snapshot.pools.get(pool)?;
    let table = cell.table.load();
    let many = fit(&table).count() as u64;
    let at = id.wrapping_add(u64::from(attempt)).checked_rem(many)?;
    let row = fit(&table).nth(usize::try_from(at).ok()?)?.clone();
    Some(Target {
        row,
        tls: cell.tls.load_full(),
        connect: table.transport.connect_timeout,
        answer: table.retry.per_try_timeout,
    })
}

/// A thread that sends what is in the queue until its other end is gone. One that cannot be started is one less.
pub(super) fn start(queue: Arc<Mutex<Receiver<Job>>>, results: SyncSender<Sent>) {
    let work = move || {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else {
                return;
            };
            if results.send(send(&job)).is_err() {
                return;
            }
        }
    };
    let started = std::thread::Builder::new()
        .name("redo-send".into())
        .spawn(work);
    if let Err(error) = started {
        tracing::warn!(target: "evenkeel::redo", %error, "a thread that sends requests again cannot be started");
    }
}

fn send(job: &Job) -> Sent {
    let shared = &job.target.row.shared;
    shared.in_flight.fetch_add(1, SeqCst);
    let status = exchange(job);
    shared.in_flight.fetch_sub(1, SeqCst);
    let endpoint = &job.target.row.name;
    let (answered, what) = match status {
        Ok(status) => (Some(status < 500), format!("{endpoint} answered {status}")),
        Err(error) if is_ours(&error) => (None, error.to_string()),
        Err(error) => (Some(false), format!("{endpoint}: {error}")),
    };
    Sent {
        id: job.id,
        answered,
        what,
    }
}

/// No descriptors, no memory: nobody else's fault.
fn is_ours(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn exchange(job: &Job) -> io::Result<u16> {
    let target = &job.target;
    let until = Instant::now() + target.answer;
    let mut stream = open(target)?;
    stream.write_all(&closing(&job.bytes))?;
    stream.flush()?;
    read_status(&mut *stream, until)
}

fn open(target: &Target) -> io::Result<Box<dyn Stream>> {
    let Some(address) = &target.row.address else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let (raw, ip): (Box<dyn Stream>, _) = match address {
        Address::Ip(ip) => {
            let stream = TcpStream::connect_timeout(ip, target.connect)?;
            stream.set_read_timeout(Some(LOOK.min(target.answer)))?;
            stream.set_write_timeout(Some(target.answer))?;
            (Box::new(stream), ip.ip().to_string())
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(LOOK.min(target.answer)))?;
            stream.set_write_timeout(Some(target.answer))?;
            (Box::new(stream), String::new())
        }
    };
    let Some(client) = &target.tls else {
        return Ok(raw);
    };
    let host = target.row.host.as_deref().unwrap_or(&ip);
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let name = client
        .server_name(host)
        .map_err(|why| wrong(why.to_string()))?;
    let session = rustls::ClientConnection::new(client.config(Speaks::Http), name);
    let session = session.map_err(|why| wrong(why.to_string()))?;
    Ok(Box::new(rustls::StreamOwned::new(session, raw)))
}

/// The request with a word that the connection ends after it.
fn closing(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 2));
    [head, b"Connection: close\r\n", body].concat()
}

/// The status of the final answer. What follows is read as far as it comes, so that nobody is cut off in the middle of it.
fn read_status(stream: &mut dyn Stream, until: Instant) -> io::Result<u16> {
    let (mut bytes, mut status) = (Vec::new(), None);
    let mut chunk = [0; 16 * 1024];
    let mut read = 0;
    loop {
        if Instant::now() >= until {
            return status.ok_or_else(|| io::ErrorKind::TimedOut.into());
        }
        let n = match stream.read(&mut chunk) {
            Ok(0) => return status.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            // Whoever keeps the connection open after its answer is not waited for.
            Err(_) if status.is_some() => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        read += n;
        if status.is_none() {
            bytes.extend_from_slice(&chunk[..n]);
            status = final_status(&mut bytes)?;
        }
        if read > ANSWER_MAX {
            break;
        }
    }
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn final_status(bytes: &mut Vec<u8>) -> io::Result<Option<u16>> {
    let asked = Asked {
        head: false,
        upgrade: None,
    };
    loop {
        let mut head = ResponseHead::default();
        match head.parse(bytes, &LIMITS, asked) {
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "no HTTP")),
            Ok(Progress::Partial) => return Ok(None),
            Ok(Progress::Complete { .. }) if !head.interim() => return Ok(Some(head.status())),
            Ok(Progress::Complete { len }) => drop(bytes.drain(..len)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_the_head_is_that_the_connection_ends() {
        let request = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n";
        let sent = closing(request);
        let expected =
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\r\n\r\n";
        assert_eq!(sent, expected);
    }

    #[test]
    fn interim_answers_are_passed_over_and_garbage_is_no_answer() {
        let mut bytes = b"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 201 Created\r\n\r\n".to_vec();
        assert_eq!(final_status(&mut bytes).unwrap(), Some(201));
        assert!(final_status(&mut b"HTTP/1.1 2".to_vec()).unwrap().is_none());
        assert!(final_status(&mut b"SSH-2.0\r\n\r\n".to_vec()).is_err());
    }
}
