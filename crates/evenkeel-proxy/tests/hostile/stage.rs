//! A real proxy between a raw client and a raw endpoint that writes down every byte it is sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::{Answer, End, read_all};
use crate::judge::{Request, Seen, read};
use crate::support::{Running, Setup};

/// Longer than any answer takes on a busy machine, shorter than the proxy's own limits for heads and bodies.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// What the endpoint was sent.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) requests: Vec<Request>,
    /// What the judge objects to, with the bytes.
    pub(crate) wrong: Vec<String>,
}

/// A proxy and its only endpoint.
pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) log: Arc<Mutex<Log>>,
}

impl Stage {
    /// The endpoint answers every request with its number.
    pub(crate) fn new() -> Stage {
        let log: Arc<Mutex<Log>> = Arc::default();
        let noted = log.clone();
        let address = endpoint(move |stream| serve(stream, &noted));
        let running = Setup::http(&[address]).start();
        Stage { running, log }
    }

    pub(crate) fn requests(&self) -> usize {
        self.log.lock().unwrap().requests.len()
    }

    /// Sends `pieces` on one connection and reads until it ends. `hang_up`: says that nothing more will come.
    pub(crate) fn send(&self, pieces: &[&[u8]], hang_up: bool) -> Result<Heard, String> {
        let heard = send(self.running.address, pieces, hang_up)?;
        let log = self.log.lock().unwrap();
        let answers = read_all(&heard.0, heard.1, |answer| {
            number(answer).is_some_and(|n| log.requests[n].method == "HEAD")
        })?;
        Ok(Heard {
            answers,
            end: heard.1,
        })
    }
}

/// What a client heard until its connection ended.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) answers: Vec<Answer>,
    pub(crate) end: End,
}

/// Which request of the log an answer belongs to.
pub(crate) fn number(answer: &Answer) -> Option<usize> {
    answer.one("x-number")?.parse().ok()
}

/// Listens, and gives each connection to `serve` on a thread of its own.
pub(crate) fn endpoint(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream, log: &Mutex<Log>) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let mut invited = false;
    loop {
        match read(&bytes) {
            Seen::Request(request) => {
                bytes.drain(..request.len);
                invited = false;
                let number = note(log, *request);
                let answer =
                    format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\nContent-Length: 2\r\n\r\n");
                let body = if is_head(log, number) { "" } else { "ok" };
                if stream.write_all((answer + body).as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            Seen::Wrong(why) => {
                let text = format!("{why}: {:?}", String::from_utf8_lossy(&bytes));
                log.lock().unwrap().wrong.push(text);
                return;
            }
            Seen::Partial(true) if !invited => {
                invited = true;
                let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            Seen::Partial(_) => {}
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
}

fn note(log: &Mutex<Log>, request: Request) -> usize {
    let mut log = log.lock().unwrap();
    log.requests.push(request);
    log.requests.len() - 1
}

fn is_head(log: &Mutex<Log>, number: usize) -> bool {
    log.lock().unwrap().requests[number].method == "HEAD"
}

/// Writes, then reads until the end; fails if that does not come.
pub(crate) fn send(
    address: SocketAddr,
    pieces: &[&[u8]],
    hang_up: bool,
) -> Result<(Vec<u8>, End), String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    for (at, piece) in pieces.iter().enumerate() {
        // A proxy that has refused what came so far may have closed.
        if stream.write_all(piece).is_err() {
            break;
        }
        if at + 1 < pieces.len() {
            thread::yield_now();
        }
    }
    if hang_up {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut heard = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .unwrap();
        match stream.read(&mut chunk) {
            Ok(0) => return Ok((heard, End::Closed)),
            Ok(n) => heard.extend_from_slice(&chunk[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(format!(
                    "no end after {:?}",
                    String::from_utf8_lossy(&heard)
                ));
            }
            Err(_) => return Ok((heard, End::Reset)),
        }
    }
}
