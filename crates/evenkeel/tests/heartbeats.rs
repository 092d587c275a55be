//! Heartbeats with the real binary: who stops beating, who says that it takes no work, and a balancer that is itself
//! stopped for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::{Answer, Endpoint, Evenkeel, app, eventually, freeze, kill};

const INTERVAL: Duration = Duration::from_millis(200);
const EXPECTED: &str =
    "[pool.app.heartbeat]\ninterval = \"200ms\"\ndetector = \"fixed\"\ntimeout = \"600ms\"\n";

/// A service that beats, as one would that has nothing but a socket.
struct Sender {
    stop: Arc<AtomicBool>,
    state: Arc<Mutex<&'static str>>,
    thread: Option<JoinHandle<u64>>,
}

impl Sender {
    fn start(evenkeel: &Evenkeel, name: &'static str, from: u64) -> Sender {
        let socket = evenkeel.folder.path().join("admin.sock");
        let (stop, state) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new("ready")),
        );
        let (ends, says) = (stop.clone(), state.clone());
        let thread = std::thread::spawn(move || {
            let mut sequence = from;
            let mut next = Instant::now();
            while !ends.load(SeqCst) {
                let state = *says.lock().unwrap();
                // What is not taken is lost, as with any sender that does not wait.
                let _ = post(&socket, name, sequence, state);
                sequence += 1;
                next += INTERVAL;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            sequence
        });
        Sender {
            stop,
            state,
            thread: Some(thread),
        }
    }

    fn says(&self, state: &'static str) {
        *self.state.lock().unwrap() = state;
    }

    /// It ends, and says which number would have been next.
    fn end(mut self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
    }
}

fn post(socket: &PathBuf, name: &str, sequence: u64, state: &str) -> std::io::Result<Answer> {
    let body = format!(
        r#"{{"endpoint":"app/{name}","sequence":{sequence},"interval_ms":200,"state":"{state}","utilization":0.25}}"#
    );
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(
        stream,
        "POST /v1/heartbeats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Answer::read(&mut stream)
}

fn beating(evenkeel: &Evenkeel, name: &str) {
    eventually("its heartbeats are heard", || {
        let endpoint = evenkeel.endpoint("app", name)?;
        (endpoint["heartbeat"]["beats"].as_u64()? >= 5).then_some(())
    });
}

#[test]
fn who_stops_beating_is_down_in_time_and_back_when_it_beats_again() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), EXPECTED));
    let (a1, a2) = (
        Sender::start(&evenkeel, "a1", 1),
        Sender::start(&evenkeel, "a2", 1),
    );
    beating(&evenkeel, "a1");
    beating(&evenkeel, "a2");
    let seen = evenkeel.endpoint("app", "a1").unwrap();
    assert_eq!(seen["heartbeat"]["detects_within_ms"], 800, "{seen}");
    assert_eq!(seen["heartbeat"]["utilization"], 0.25, "{seen}");

    let next = a2.end();
    let stopped = Instant::now();
    let down = evenkeel.until("app", "a2", "down");
    let took = stopped.elapsed();
    assert_eq!(down["decided_by"], "heartbeat", "{down}");
    assert!(
        down["why"]
            .as_str()
            .unwrap()
            .starts_with("no heartbeat for"),
        "{down}"
    );
    // Within interval and timeout of its last one; a busy machine may take longer to tell us.
    assert!(took > Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["state"], "up");
    let (_, shown, _) = evenkeel.command(&["status"]);
    assert!(shown.contains("no heartbeat for"), "{shown}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let suspected = metrics.lines().find_map(|line| {
        line.strip_prefix("evenkeel_heartbeat_suspicion{pool=\"app\",endpoint=\"a2\"} ")
    });
    assert!(
        suspected.unwrap().parse::<f64>().unwrap() >= 1.0,
        "{metrics}"
    );

    let a2 = Sender::start(&evenkeel, "a2", next);
    let up = evenkeel.until("app", "a2", "up");
    assert_eq!(up["decided_by"], "heartbeat", "{up}");
    a2.says("draining");
    let draining = evenkeel.until("app", "a2", "draining");
    assert_eq!(draining["why"], "its heartbeat says draining", "{draining}");
    a2.says("ready");
    evenkeel.until("app", "a2", "up");
    drop(a1);
}

#[test]
fn a_heartbeat_for_nobody_is_refused_with_a_reason() {
    let endpoints = [Endpoint::start("a1")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), EXPECTED));
    let refused = |body: &str, status: u16, code: &str| {
        let answer = evenkeel.admin("POST", "/v1/heartbeats", body).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(code), "{}", answer.text());
    };
    refused(
        r#"{"endpoint":"app/a9","sequence":1}"#,
        404,
        "no_such_endpoint",
    );
    refused(r#"{"endpoint":"apq/a1","sequence":1}"#, 404, "no_such_pool");
    refused(
        r#"{"endpoint":"a1","sequence":1}"#,
        400,
        "wanted POOL/ENDPOINT",
    );
    let batch = r#"[{"endpoint":"app/a1","sequence":7},{"endpoint":"app/a9","sequence":1}]"#;
    let answers = evenkeel.ask("POST", "/v1/heartbeats", batch);
    assert_eq!(answers[0]["acknowledged"], 7, "{answers}");
    assert_eq!(answers[1]["error"]["code"], "no_such_endpoint", "{answers}");
    evenkeel.rewrite(&app(&endpoints.each_ref(), ""));
    evenkeel.ask("POST", "/v1/reload", "");
    refused(
        r#"{"endpoint":"app/a1","sequence":8}"#,
        409,
        "no_heartbeat_expected",
    );
}

#[test]
fn a_balancer_that_was_stopped_for_a_while_takes_nobody_down() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), EXPECTED));
    let senders = [
        Sender::start(&evenkeel, "a1", 1),
        Sender::start(&evenkeel, "a2", 1),
    ];
    beating(&evenkeel, "a1");
    beating(&evenkeel, "a2");
    // Both, or the keeper would replace the balancer.
    let (keeper, balancer) = (evenkeel.child.id(), evenkeel.worker_pid());
    freeze(keeper);
    freeze(balancer);
    std::thread::sleep(Duration::from_secs(4));
    kill(balancer, "CONT");
    kill(keeper, "CONT");
    let paused = eventually("it has seen its pause", || {
        evenkeel.status()?["own"]["paused_last_ms"]
            .as_u64()
            .filter(|ms| *ms > 3_000)
    });
    assert!(paused < 60_000, "{paused}");
    // As long as it would take to be suspected, and then some.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(evenkeel.worker_pid(), balancer, "it is the same one");
    let log = evenkeel.says("this process did not run for");
    assert!(!log.contains("→ down"), "{log}");
    for name in ["a1", "a2"] {
        assert_eq!(evenkeel.endpoint("app", name).unwrap()["state"], "up");
    }
    drop(senders);
}

#[test]
fn a_balancer_that_is_replaced_still_misses_those_who_beat() {
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), EXPECTED));
    let a1 = Sender::start(&evenkeel, "a1", 1);
    let a2 = Sender::start(&evenkeel, "a2", 1);
    beating(&evenkeel, "a2");
    let before = evenkeel.worker_pid();
    kill(before, "KILL");
    eventually("another balancer serves", || {
        let pid = evenkeel.status()?["worker_pid"].as_u64()?;
        (pid != u64::from(before)).then_some(())
    });
    a2.end();
    let down = evenkeel.until("app", "a2", "down");
    assert_eq!(down["decided_by"], "heartbeat", "{down}");
    assert_eq!(evenkeel.endpoint("app", "a1").unwrap()["state"], "up");
    drop(a1);
}
