//! People are told: when they are needed and not before, by programs and webhooks that fail, hang and come back, over a death of the
//! balancer; and no secret is ever shown.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::{Endpoint, Evenkeel, app, binary, eventually, kill};

/// What a receiver got: its head and its body.
type Got = Arc<Mutex<Vec<(String, String)>>>;

/// A receiver of webhooks that answers each in turn with these, then always with the last.
fn receiver(answers: &'static [&'static str]) -> (SocketAddr, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let got = Got::default();
    let taken = got.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let answer = answers[n.min(answers.len() - 1)];
            if let Some(request) = take(stream, answer) {
                taken.lock().unwrap().push(request);
            }
        }
    });
    (address, got)
}

fn take(mut stream: std::net::TcpStream, answer: &str) -> Option<(String, String)> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        text.extend_from_slice(&buffer[..n]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = whole.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "))?;
        if body.len() >= length.parse().ok()? {
            let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// A pool whose only service cannot stay up, which needs a person soon; these are told.
fn hopeless(notify: &str) -> String {
    let secret = match notify.contains("http") {
        true => "webhook_secret = \"file:hook.key\"\n",
        false => "",
    };
    format!(
        "{}[pool.app.recovery]\n{secret}notify = [{notify}]\n\
         [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:9\"\nservice = \"s\"\n\
         [service.s]\ncommand = [\"/bin/false\"]\nready = {{ kind = \"none\" }}\nrestart_limit = {{ starts = 2, within = \"60s\" }}\n",
        app(&[], "")
    )
}

const SECRET: &str = "a-very-secret-key";

fn launch(config: &str) -> Evenkeel {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("hook.key"), SECRET).unwrap();
    std::fs::write(folder.path().join("evenkeel.toml"), Evenkeel::text(config)).unwrap();
    Evenkeel::launch_in(folder, &[])
}

/// A program that notes what it was told, and then does this.
fn program(folder: &std::path::Path, then: &str) -> String {
    let path = folder.join("page");
    let script = format!(
        "#!/bin/sh\ncd {}\ncat > told.json.new\nenv > told.env\necho $# > told.args\necho once >> told.times\nmv told.json.new told.json\n{then}\n",
        folder.display()
    );
    std::fs::write(&path, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    path.display().to_string()
}

/// By Python's hmac, so that not our own code judges it.
fn signed_well(head: &str, body: &str) -> bool {
    let field = head
        .lines()
        .find_map(|l| l.strip_prefix("evenkeel-signature: t="))
        .unwrap();
    let (moment, mac) = field.split_once(",v1=").unwrap();
    let code = "import hmac, sys; print(hmac.new(sys.argv[1].encode(), (sys.argv[2] + '.').encode() + sys.stdin.buffer.read(), 'sha256').hexdigest())";
    let mut python = Command::new("python3")
        .args(["-c", code, SECRET, moment])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim() == mac
}

#[test]
fn whoever_is_needed_is_told_by_a_signed_webhook_that_is_tried_again_until_it_is_taken() {
    let (address, got) = receiver(&["500 X", "503 X", "204 X"]);
    let evenkeel = launch(&hopeless(&format!("\"http://{address}/T0/s3cret-path\"")));
    let all = eventually(&format!("the third try\n{}", evenkeel.log()), || {
        let got = got.lock().unwrap();
        (got.len() >= 3).then(|| got.clone())
    });
    let bodies: Vec<Value> = all
        .iter()
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    for ((head, body), read) in all.iter().zip(&bodies) {
        assert!(head.starts_with("POST /T0/s3cret-path HTTP/1.1"), "{head}");
        assert!(signed_well(head, body), "{head}");
        assert_eq!(read["event"], "person_needed", "{read}");
        assert_eq!(
            read["delivery"], bodies[0]["delivery"],
            "the same one again"
        );
        assert_eq!(read["node"], "test");
        assert_eq!(read["pools"][0], "app");
    }
    let incident = &bodies[0]["incident"];
    let shown = evenkeel.ask("GET", &format!("/v1/incidents/{}", incident["id"]), "");
    assert_eq!(incident["subjects"], shown["subjects"]);
    assert!(incident["causes"][0]["because"].is_array(), "{incident}");
    eventually("it is counted", || {
        let metrics = evenkeel.admin("GET", "/metrics", "")?.text();
        let line = "evenkeel_notifications_total{pool=\"app\",outcome=\"delivered\"} 1";
        metrics.contains(line).then_some(())
    });
    let log = evenkeel.says(&address.to_string());
    let status = evenkeel.admin("GET", "/v1/status", "").unwrap().text();
    let config = evenkeel.admin("GET", "/v1/config", "").unwrap().text();
    for text in [&log, &status, &config] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(!log.contains("s3cret-path"), "{log}");
}

#[test]
fn a_program_gets_the_message_on_its_input_and_nothing_it_should_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let page = program(folder.path(), "");
    let evenkeel = launch(&hopeless(&format!("\"exec:{page}\"")));
    let told: Value = eventually(&format!("it was told\n{}", evenkeel.log()), || {
        serde_json::from_slice(&std::fs::read(folder.path().join("told.json")).ok()?).ok()
    });
    assert_eq!(told["event"], "person_needed");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let variables = read("told.env");
    let variable = |name: &str| {
        let mut lines = variables.lines();
        lines
            .find_map(|l| l.strip_prefix(&format!("{name}=")))
            .map(str::to_owned)
    };
    assert_eq!(variable("EVENKEEL_EVENT").as_deref(), Some("person_needed"));
    assert_eq!(variable("EVENKEEL_POOL").as_deref(), Some("app"));
    assert_eq!(
        variable("EVENKEEL_INCIDENT"),
        Some(told["incident"]["id"].to_string())
    );
    assert!(
        variable("EVENKEEL_WHY").unwrap().contains("person"),
        "{variables}"
    );
    // What the balancer got from whoever started it stays with the balancer.
    assert_eq!(variable("CARGO_MANIFEST_DIR"), None, "{variables}");
    assert_eq!(read("told.args").trim(), "0");
    // The end is told too, once it is one.
    let service = std::fs::read_to_string(evenkeel.file()).unwrap();
    std::fs::write(
        evenkeel.file(),
        service
            .replace("/bin/false\"", "/bin/sleep\", \"1000\"")
            .replace(
                "\"127.0.0.1:9\"",
                &format!("\"{}\"", Endpoint::start("a1").address),
            ),
    )
    .unwrap();
    evenkeel.ask("POST", "/v1/reload", "");
    let told = eventually(&format!("its end is told\n{}", evenkeel.log()), || {
        let told: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("told.json")).ok()?).ok()?;
        (told["event"] == "over").then_some(told)
    });
    assert!(!told["incident"]["closed"].is_null(), "{told}");
    assert_eq!(read("told.times").lines().count(), 2);
}

#[test]
fn what_was_not_delivered_is_delivered_by_the_next_balancer() {
    let (address, got) = receiver(&["500 X"]);
    let evenkeel = launch(&hopeless(&format!("\"http://{address}/\"")));
    let first = eventually("a first try", || got.lock().unwrap().first().cloned());
    let old = evenkeel.worker_pid();
    kill(old, "KILL");
    eventually("another balancer", || {
        let pid = evenkeel.status()?["worker_pid"].as_u64()?;
        (pid != u64::from(old)).then_some(())
    });
    let seen = got.lock().unwrap().len();
    let next = eventually(&format!("it is tried again\n{}", evenkeel.log()), || {
        got.lock().unwrap().get(seen).cloned()
    });
    let delivery = |(_, body): &(String, String)| -> Value {
        serde_json::from_str::<Value>(body).unwrap()["delivery"].clone()
    };
    assert_eq!(delivery(&first), delivery(&next));
}

#[test]
fn an_operator_can_try_whether_messages_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let page = program(folder.path(), "echo paged; sleep 100");
    let (good, got) = receiver(&["200 OK"]);
    let (bad, _) = receiver(&["302 Found\r\nLocation: http://elsewhere/"]);
    let endpoint = Endpoint::start("a1");
    let recovery = format!(
        "[pool.app.recovery]\nwebhook_secret = \"file:hook.key\"\nnotify = [\"exec:{page}\", \"http://{good}/x\", \"http://{bad}/y\"]\n"
    );
    let evenkeel = launch(&app(&[&endpoint], &recovery));
    evenkeel.until_ready();
    let (code, out, err) = evenkeel.command(&["notify", "app"]);
    assert_eq!(code, 1, "{out}{err}");
    let line = |what: &str| {
        out.lines()
            .find(|l| l.contains(what))
            .unwrap_or_else(|| panic!("{what}: {out}"))
    };
    assert!(
        line(&page).contains("did not end within 10 s and was killed: paged"),
        "{out}"
    );
    assert!(
        line(&good.to_string()).contains("took it: HTTP 200"),
        "{out}"
    );
    assert!(
        line(&bad.to_string()).contains("redirects are not followed"),
        "{out}"
    );
    assert_eq!(got.lock().unwrap().len(), 1);
    let sleeping = Command::new("pgrep").args(["-f", &page]).output().unwrap();
    assert!(sleeping.stdout.is_empty(), "nothing of it is left");
    let (code, _, err) = evenkeel.command(&["notify", "nobody"]);
    assert!(code == 1 && err.contains("nobody"), "{err}");
}

#[test]
fn nobody_is_told_of_a_blip_and_of_a_pool_that_stays_dead_once() {
    let (address, got) = receiver(&["200 OK"]);
    let endpoints = [Endpoint::start("a1"), Endpoint::start("a2")];
    let recovery = format!("[pool.app.recovery]\nnotify = [\"http://{address}/\"]\n");
    let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), &recovery));
    evenkeel.until("app", "a1", "up");
    for endpoint in &endpoints {
        endpoint
            .health
            .store(500, std::sync::atomic::Ordering::SeqCst);
    }
    evenkeel.until("app", "a1", "down");
    evenkeel.until("app", "a2", "down");
    for endpoint in &endpoints {
        endpoint
            .health
            .store(200, std::sync::atomic::Ordering::SeqCst);
    }
    evenkeel.until("app", "a1", "up");
    evenkeel.until("app", "a2", "up");
    let outages = || {
        let got = got.lock().unwrap();
        let events = got
            .iter()
            .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
        events.filter(|body| body["event"] == "outage").count()
    };
    assert_eq!(outages(), 0);
    for endpoint in &endpoints {
        endpoint.close();
    }
    eventually(&format!("an outage is told\n{}", evenkeel.log()), || {
        (outages() == 1).then_some(())
    });
}

#[test]
fn the_binary_says_what_notify_is() {
    let output = Command::new(binary())
        .args(["notify", "--help"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("test message"));
}
