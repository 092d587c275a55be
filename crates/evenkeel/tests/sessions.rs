//! Sessions by the real binary: through the kill, drain and return of an endpoint, a reload and a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;
use support::{Answer, Endpoint, Evenkeel, app, connect, eventually, kill};

/// A browser with its one cookie, or with a name that it says.
#[derive(Default)]
struct Browser(Option<String>, Option<usize>);

impl Browser {
    /// Who answered.
    fn ask(&mut self, web: SocketAddr) -> String {
        let cookie = self.0.as_ref().map(|pair| format!("Cookie: {pair}\r\n"));
        let user = self.1.map(|user| format!("X-User: user-{user}\r\n"));
        let cookie = cookie.or(user).unwrap_or_default();
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
    /// They end with the scene.
    endpoints: Vec<Endpoint>,
}

impl Scene {
    /// Everybody asks once.
    fn round(&mut self) -> Vec<String> {
        let web = self.evenkeel.address("web");
        self.browsers.iter_mut().map(|b| b.ask(web)).collect()
    }

    fn sessions(&self) -> Value {
        let (code, text, _) = self.evenkeel.command(&["sessions", "app", "--json"]);
        assert_eq!(code, 0, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["sessions"].clone()
    }

    /// How many would survive a restart.
    fn stored(&self) -> u64 {
        self.sessions()["stored"].as_u64().unwrap()
    }

    /// Until so many were handed to the store, with all that was known of them, and it has them on its disk.
    fn until_stored(&self, wanted: u64) {
        eventually("all sessions are stored", || {
            (self.stored() == wanted).then_some(())
        });
        // An order that changes something is answered when all before it is on the disk.
        let order = format!("{{\"weight\":{}}}", wanted % 256);
        let path = "/v1/pools/app/endpoints/a1/weight";
        self.evenkeel.ask("POST", path, &order);
    }

    /// What `evenkeel sessions` counts, by endpoint.
    fn counted(&self) -> BTreeMap<String, u64> {
        let sessions = self.sessions();
        let endpoints = sessions["endpoints"].as_array().unwrap();
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
    let kind = "ttl = \"1h\"\n";
    let scene = through_all(kind, || Browser(None, None));
    let key = scene.evenkeel.folder.path().join("state/session.key");
    assert_eq!(std::fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn sessions_that_are_kept_here_go_through_the_same_and_survive_both_kinds_of_restart() {
    let mut users = 0..;
    let kind = "kind = \"token\"\nname = \"header:x-user\"\n";
    let mut scene = through_all(kind, || Browser(None, users.next()));
    let home = scene.round();
    let folder = scene.evenkeel.folder.clone();
    let (status, log) = scene.evenkeel.end();
    assert!(status.success(), "{log}");
    scene.evenkeel = Evenkeel::launch_in(folder.clone(), &[]);
    scene.evenkeel.until_ready();
    assert_eq!(scene.stored(), 302);
    assert_eq!(scene.round(), home, "nor does an orderly restart");
    // Without its store they begin anew, and that is said.
    let (_, log) = scene.evenkeel.end();
    assert!(!log.contains("begin anew"), "{log}");
    let mut files = std::fs::read_dir(folder.path().join("state")).unwrap();
    let store = files.find_map(|file| {
        let path = file.unwrap().path();
        path.extension()
            .is_some_and(|e| e == "redb")
            .then_some(path)
    });
    std::fs::write(store.unwrap(), "somebody else's file").unwrap();
    scene.evenkeel = Evenkeel::launch_in(folder, &[]);
    scene.evenkeel.until_ready();
    assert_eq!(scene.stored(), 0);
    let anew = scene.round();
    assert_eq!(scene.round(), anew);
    scene.evenkeel.says("damaged");
}

/// Ends with everybody where they began.
fn through_all(kind: &str, browser: impl FnMut() -> Browser) -> Scene {
    let endpoints = ["a1", "a2", "a3", "a4", "a5"].map(Endpoint::start);
    let session = format!("[pool.app.session]\n{kind}");
    let config = app(&endpoints.each_ref(), &session);
    let mut scene = Scene {
        evenkeel: Evenkeel::run(&config),
        browsers: std::iter::repeat_with(browser).take(300).collect(),
        endpoints: Vec::new(),
    };
    let first = scene.round();
    assert_eq!(scene.round(), first);
    assert_eq!(scene.counted(), tally(&first));

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
    let mut stranger = Browser(None, Some(usize::MAX));
    assert_ne!(stranger.ask(scene.evenkeel.address("web")), "a3");
    scene.evenkeel.rewrite(&format!("{config}# changed\n"));
    scene.evenkeel.ask("POST", "/v1/reload", "");
    assert_eq!(scene.round(), away, "a reload moves nobody");

    if kind.contains("token") {
        scene.until_stored(301);
        // Then another round has begun after everybody moved.
        Browser(None, Some(usize::MAX - 1)).ask(scene.evenkeel.address("web"));
        scene.until_stored(302);
    }
    kill(scene.evenkeel.child.id(), "KILL");
    scene.evenkeel.child.wait().unwrap();
    let folder = scene.evenkeel.folder.clone();
    scene.evenkeel = Evenkeel::launch_in(folder, &[]);
    scene.evenkeel.until_ready();
    assert_eq!(scene.round(), away, "and neither does a restart");
    let again = scene.counted();
    assert_eq!(again, tally(&away), "they are counted again as they come");

    let back = Endpoint::start_on("a2", endpoints[1].address.port());
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
    scene.endpoints = endpoints.into();
    scene.endpoints.push(back);
    scene
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
        Browser(Some(forged.into()), None).ask(web);
    }
    let (_, text, _) = evenkeel.command(&["sessions"]);
    assert!(
        text.contains("ignored 3 forged and 0 expired cookies"),
        "{text}"
    );
    assert!(!folder.path().join("state/session.key").exists());
}

#[test]
fn the_key_of_a_token_is_looked_at_by_check() {
    let endpoints = ["a1"].map(Endpoint::start);
    let folder = tempfile::tempdir().unwrap();
    let session =
        "[pool.app.session]\nkind = \"token\"\nname = \"jwt:sub\"\njwt_key = \"file:jwt.pub\"\n";
    let file = folder.path().join("evenkeel.toml");
    std::fs::write(&file, app(&endpoints.each_ref(), session)).unwrap();
    let check = |key: &str| {
        std::fs::write(folder.path().join("jwt.pub"), key).unwrap();
        let output = std::process::Command::new(support::binary())
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    for good in [ed25519, "0123456789abcdef0123456789abcdef\n"] {
        let (code, said) = check(good);
        assert_eq!(code, Some(0), "{said}");
    }
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    for (bad, why) in [
        (private, "a private key, which belongs to the issuer"),
        ("secret\n", "a secret of 6 characters"),
        ("", "no key"),
    ] {
        let (code, said) = check(bad);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("jwt_key") && said.contains(why), "{said}");
        assert!(
            !said.contains("MC4C") && !said.contains("secret\n"),
            "{said}"
        );
    }
}
