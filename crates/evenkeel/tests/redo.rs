//! Requests of a route with `journal = true`, with the real binary: what was in flight when the balancer was killed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Evenkeel, connect, eventually, get, kill, read_head, request};

/// Keeps every PUT it was sent, with its key; while it hangs it answers nothing but its check.
struct Storage {
    address: SocketAddr,
    puts: Arc<Mutex<Vec<(String, String)>>>,
    hangs: Arc<AtomicBool>,
}

fn storage() -> Storage {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let storage = Storage {
        address: listener.local_addr().unwrap(),
        puts: Arc::default(),
        hangs: Arc::default(),
    };
    let (puts, hangs) = (storage.puts.clone(), storage.hangs.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (puts, hangs) = (puts.clone(), hangs.clone());
            std::thread::spawn(move || while serve(&stream, &puts, &hangs).is_some() {});
        }
    });
    storage
}

fn serve(
    stream: &TcpStream,
    puts: &Mutex<Vec<(String, String)>>,
    hangs: &AtomicBool,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader)?;
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    if head.starts_with("PUT ") {
        if hangs.load(SeqCst) {
            std::thread::sleep(Duration::from_secs(600));
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        puts.lock().unwrap().push((field("idempotency-key"), body));
    }
    let mut writer = stream;
    writer
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .ok()
}

fn config(storage: &Storage) -> String {
    let endpoint = format!(
        "[[pool.app.endpoint]]\nname = \"s1\"\naddress = \"{}\"\n",
        storage.address
    );
    let app = support::app(&[], "[pool.app.retry]\nper_try_timeout = \"60s\"\n");
    app.replace(
        "[[route]]\n",
        "[[route]]\njournal = true\ntimeout = \"60s\"\n",
    ) + &endpoint
}

fn redo(evenkeel: &Evenkeel) -> serde_json::Value {
    let status = evenkeel.status().unwrap_or_default();
    status["pools"][0]["redo"].clone()
}

#[test]
fn what_was_in_flight_when_the_balancer_was_killed_happens_all_the_same() {
    let storage = storage();
    let evenkeel = Evenkeel::run(&config(&storage));
    let web = evenkeel.address("web");
    assert_eq!(request(web, "PUT", "/x", "first").unwrap().status, 200);
    storage.hangs.store(true, SeqCst);
    let clients: Vec<TcpStream> = (0..5)
        .map(|n| {
            let mut client = connect(web).unwrap();
            let body = format!("value-{n}");
            write!(
                client,
                "PUT /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            client
        })
        .collect();
    eventually("all are in flight and written down", || {
        let endpoint = evenkeel.endpoint("app", "s1")?;
        (endpoint["in_flight"] == 5 && redo(&evenkeel)["journalled"] == 6).then_some(())
    });
    let folder = evenkeel.file().parent().unwrap().join("state").join("redo");
    let folder = match folder.exists() {
        true => folder,
        false => find(evenkeel.file().parent().unwrap()),
    };
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    storage.hangs.store(false, SeqCst);
    drop(clients);
    eventually("they are redone by the next balancer", || {
        (redo(&evenkeel)["redone"] == 5).then_some(())
    });
    let puts = storage.puts.lock().unwrap().clone();
    for n in 0..5 {
        let body = format!("value-{n}");
        let of = puts.iter().filter(|(key, b)| *b == body && key.len() == 36);
        assert_eq!(of.count(), 1, "{puts:?}");
    }
    assert_eq!(
        puts.len(),
        6,
        "what was answered is not sent again: {puts:?}"
    );
    let (_, status, _) = evenkeel.command(&["status"]);
    assert!(status.contains("0 pending, 5 redone"), "{status}");
    let metrics = evenkeel.admin("GET", "/metrics", "").unwrap().text();
    assert!(
        metrics.contains("evenkeel_redo_redone_total{pool=\"app\"} 5"),
        "{metrics}"
    );
    assert_eq!(get(web, "/").unwrap().status, 200);
}

/// The folder of this name somewhere below.
fn find(below: &std::path::Path) -> std::path::PathBuf {
    let entries = std::fs::read_dir(below).unwrap().map_while(Result::ok);
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        if entry.file_name() == "redo" {
            return entry.path();
        }
        let inner = entry.path().join("redo");
        if inner.is_dir() {
            return inner;
        }
    }
    panic!("no folder redo below {}", below.display())
}

#[test]
fn a_promise_is_kept_after_the_pool_came_back_and_stands_in_the_incident() {
    let storage = storage();
    let evenkeel = Evenkeel::run(&config(&storage));
    let web = evenkeel.address("web");
    // Nobody listens there: a path that refuses.
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = config(&storage).replace(&storage.address.to_string(), &dead.to_string());
    evenkeel.rewrite(&text);
    evenkeel.ask("POST", "/v1/reload", "");
    evenkeel.until("app", "s1", "down");
    let answer = request(web, "PUT", "/x", "late").unwrap();
    assert_eq!(answer.status, 502);
    let key = answer.field("evenkeel-redo").unwrap().to_owned();
    eventually("it waits", || {
        (redo(&evenkeel)["pending"] == 1).then_some(())
    });
    evenkeel.rewrite(&config(&storage));
    evenkeel.ask("POST", "/v1/reload", "");
    eventually("it is redone", || {
        (redo(&evenkeel)["redone"] == 1).then_some(())
    });
    let puts = storage.puts.lock().unwrap().clone();
    assert_eq!(puts, [(key, "late".to_owned())]);
    let action = eventually("the incident tells of it", || {
        let all = evenkeel.ask("GET", "/v1/incidents", "");
        let incident = all["incidents"].get(0).or_else(|| all.get(0))?.clone();
        let actions = incident["actions"].as_array()?.clone();
        let redo = actions.into_iter().find(|a| a["action"] == "redo")?;
        (redo["outcome"] == "cured").then_some(redo)
    });
    assert!(
        action.to_string().contains("1 request sent again"),
        "{action}"
    );
}
