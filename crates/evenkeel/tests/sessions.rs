//! Sessions by the real binary: through the kill, drain and return of an endpoint, a reload and a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;
use support::{Answer, Endpoint, Evenkeel, app, connect, eventually, kill};

/// A browser with its one cookie.
#[derive(Default)]
struct Browser(Option<String>);

impl Browser {
    /// Who answered.
    fn ask(&mut self, web: SocketAddr) -> String {
        let cookie = self.0.as_ref().map(|pair| format!("Cookie: {pair}\r\n"));
        let cookie = cookie.unwrap_or_default();
        let mut stream = connect(web).unwrap();
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{cookie}\r\n"
        )
        .unwrap();
        let answer = Answer::read(&mut stream).unwrap();
        assert_eq!(answer.status, 200);
        if let Some(set) = answer.field("set-cookie") {
            self.0 = set.split(';').next().map(str::to_owned);
        }
        answer.text()
    }
}

struct Scene {
    evenkeel: Evenkeel,
    browsers: Vec<Browser>,
}

impl Scene {
    /// Everybody asks once.
    fn round(&mut self) -> Vec<String> {
        let web = self.evenkeel.address("web");
        self.browsers.iter_mut().map(|b| b.ask(web)).collect()
    }

    /// What `evenkeel sessions` counts, by endpoint.
    fn counted(&self) -> BTreeMap<String, u64> {
        let (code, text, _) = self.evenkeel.command(&["sessions", "app", "--json"]);
        assert_eq!(code, 0, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let endpoints = answer["sessions"]["endpoints"].as_array().unwrap();
        let one = |e: &Value| {
            let name = e["name"].as_str().unwrap().to_owned();
            (name, e["sessions"].as_u64().unwrap())
        };
        endpoints.iter().map(one).collect()
    }
}

/// How many are at each.
fn tally(at: &[String]) -> BTreeMap<String, u64> {
    let mut tally: BTreeMap<_, _> = (1..=5).map(|n| (format!("a{n}"), 0)).collect();
    at.iter()
        .for_each(|name| *tally.entry(name.clone()).or_default() += 1);
    tally
}

#[test]
fn only_the_sessions_of_the_lost_endpoint_move_through_kill_drain_reload_restart_and_return() {
    let endpoints = ["a1", "a2", "a3", "a4", "a5"].map(Endpoint::start);
    let config = app(&endpoints.each_ref(), "[pool.app.session]\nttl = \"1h\"\n");
    let mut scene = Scene {
        evenkeel: Evenkeel::run(&config),
        browsers: (0..300).map(|_| Browser::default()).collect(),
    };
    let first = scene.round();
    assert_eq!(scene.round(), first);
    assert_eq!(scene.counted(), tally(&first));
    let key = scene.evenkeel.folder.path().join("state/session.key");
    assert_eq!(std::fs::metadata(&key).unwrap().mode() & 0o777, 0o600);

    endpoints[1].close();
    let away = scene.round();
    for (at, was) in away.iter().zip(&first) {
        assert_eq!(at == was, was != "a2", "{was} is at {at}");
    }
    scene.evenkeel.until("app", "a2", "down");
    assert_eq!(scene.round(), away);
    assert_eq!(scene.counted(), tally(&away));

    scene.evenkeel.ask(
        "POST",
        "/v1/pools/app/endpoints/a3/state",
        r#"{"state":"draining"}"#,
    );
    assert_eq!(scene.round(), away, "draining keeps what it has");
    assert_ne!(Browser::default().ask(scene.evenkeel.address("web")), "a3");
    scene.evenkeel.rewrite(&format!("{config}# changed\n"));
    scene.evenkeel.ask("POST", "/v1/reload", "");
    assert_eq!(scene.round(), away, "a reload moves nobody");

    kill(scene.evenkeel.child.id(), "KILL");
    scene.evenkeel.child.wait().unwrap();
    let folder = scene.evenkeel.folder.clone();
    scene.evenkeel = Evenkeel::launch_in(folder, &[]);
    scene.evenkeel.until_ready();
    assert_eq!(scene.round(), away, "and neither does a restart");
    assert_eq!(
        scene.counted(),
        tally(&away),
        "they are counted again as they come"
    );

    let _back = Endpoint::start_on("a2", endpoints[1].address.port());
    scene.evenkeel.until("app", "a2", "up");
    eventually("everybody is home again", || {
        (scene.round() == first).then_some(())
    });
    let metrics = scene.evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let returned = tally(&first)["a2"];
    let line = format!("evenkeel_sessions_returned_total{{pool=\"app\"}} {returned}");
    assert!(metrics.contains(&line), "{line}");
    let none = "evenkeel_session_cookies_ignored_total{pool=\"app\",reason=\"forged\"} 0";
    assert!(metrics.contains(none));
}

#[test]
fn a_named_secret_is_used_and_forged_cookies_are_counted() {
    let endpoints = ["a1", "a2"].map(Endpoint::start);
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let secret = folder.path().join("cookies.key");
    std::fs::write(&secret, "a key that has blanks in it\n").unwrap();
    let session = "[pool.app.session]\nname = \"who\"\nsecret = \"file:cookies.key\"\n";
    let config = Evenkeel::text(&app(&endpoints.each_ref(), session));
    let file = folder.path().join("evenkeel.toml");
    std::fs::write(&file, config).unwrap();
    let checked = std::process::Command::new(support::binary())
        .arg("run")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    assert!(
        said.contains("a key with spaces") && !said.contains("blanks"),
        "{said}"
    );

    std::fs::write(&secret, "0123456789abcdef\nfedcba9876543210\n").unwrap();
    let evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
    evenkeel.until_ready();
    let web = evenkeel.address("web");
    let mut browser = Browser::default();
    browser.ask(web);
    assert!(browser.0.as_ref().unwrap().starts_with("who="));
    for forged in ["who=a1", "who=", "who=AAAA"] {
        Browser(Some(forged.into())).ask(web);
    }
    let (_, text, _) = evenkeel.command(&["sessions"]);
    assert!(
        text.contains("ignored 3 forged and 0 expired cookies"),
        "{text}"
    );
    assert!(!folder.path().join("state/session.key").exists());
}
