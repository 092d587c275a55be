//! Sessions on the wire: clients that keep a cookie, endpoints that go and come back.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evenkeel_core::session::SessionWorker;
use evenkeel_core::settings::{Cidr, KeySource};
use evenkeel_core::table::State;
use evenkeel_proxy::Sessions;
use evenkeel_tls::TokenKeys;
use support::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const HOUR: Duration = Duration::from_secs(3600);

fn sessions(pool: &str, keys: &[&str], ttl: Duration) -> Option<Arc<Sessions>> {
    let sessions = Sessions::new(pool, "evenkeel", ttl, keys);
    Some(Arc::new(sessions.unwrap()))
}

/// A proxy whose pool knows its clients again.
fn running(addresses: &[SocketAddr], workers: usize) -> Running {
    let mut setup = Setup::http(addresses).workers(workers);
    setup.sessions = sessions("app", &[KEY], HOUR);
    setup
        .pool(|table| table.failover.hold = Duration::ZERO)
        .start()
}

fn count(running: &Running, field: impl Fn(&SessionWorker) -> u64) -> u64 {
    let counters = running.proxy().counters();
    counters.pools["app"].sum(|w| field(&w.sessions))
}

/// A browser: it keeps one cookie.
#[derive(Default)]
struct Browser {
    cookie: Option<String>,
}

impl Browser {
    fn ask(&mut self, running: &Running) -> Answer {
        let answer = running.once(&with_cookie(self.cookie.as_deref()));
        if let Some(set) = answer.field("set-cookie") {
            let pair = set.split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
        answer
    }

    /// The endpoint that answered.
    fn at(&mut self, running: &Running) -> String {
        let answer = self.ask(running);
        assert_eq!(answer.status, 200, "{}", answer.head);
        answer.text().to_owned()
    }
}

fn with_cookie(cookie: Option<&str>) -> String {
    let cookie = cookie.map(|cookie| format!("Cookie: a=b; {cookie}; z=1\r\n"));
    format!(
        "GET / HTTP/1.1\r\nHost: example.com\r\n{}\r\n",
        cookie.unwrap_or_default()
    )
}

fn three() -> [Endpoint; 3] {
    [
        Endpoint::named("a1"),
        Endpoint::named("a2"),
        Endpoint::named("a3"),
    ]
}

#[test]
fn the_first_answer_sets_a_cookie_and_the_next_requests_go_where_it_was_answered() {
    let endpoints = three();
    let running = running(&endpoints.each_ref().map(|e| e.address), 2);
    let mut browser = Browser::default();
    let first = browser.ask(&running);
    let set = first.field("set-cookie").unwrap().to_owned();
    let rest = set.split_once(';').unwrap().1;
    assert_eq!(rest, " Path=/; HttpOnly; SameSite=Lax; Max-Age=3600");
    assert!(!set.contains("a1") && !set.contains("127"), "{set}");
    for _ in 0..20 {
        let answer = browser.ask(&running);
        assert_eq!(answer.body, first.body);
        assert_eq!(
            answer.field("set-cookie"),
            None,
            "one that is fresh is not sent again"
        );
    }
    assert_eq!(count(&running, |s| s.begun.value()), 1);
    assert_eq!(count(&running, |s| s.kept.value()), 20);
}

#[test]
fn through_the_kill_and_return_of_one_endpoint_only_its_sessions_move_once_out_and_once_back() {
    let endpoints = three();
    let mut addresses = endpoints.each_ref().map(|e| e.address);
    let alive = addresses[1];
    let running = running(&addresses, 2);
    let mut browsers: Vec<Browser> = (0..200).map(|_| Browser::default()).collect();
    let mut round = || -> Vec<String> { browsers.iter_mut().map(|b| b.at(&running)).collect() };
    let first = round();
    for name in ["a1", "a2", "a3"] {
        let n = first.iter().filter(|at| *at == name).count();
        assert!(n > 40, "{n} at {name}");
    }
    assert_eq!(round(), first);

    // Killed: refused before anybody has decided that it is down, and then down.
    addresses[1] = Endpoint::refusing();
    running.publish(|table| {
        table.endpoints[1].address = Some(evenkeel_core::address::Address::Ip(addresses[1]));
    });
    let away = round();
    running.publish(|table| table.endpoints[1].state = State::Down);
    assert_eq!(round(), away, "those that moved stay where they went");
    for (at, was) in away.iter().zip(&first) {
        match was == "a2" {
            true => assert_ne!(at, "a2"),
            false => assert_eq!(at, was),
        }
    }
    running.apply();
    assert_eq!(round(), away, "a reload changes nothing");

    // Back, well within the time for which nobody is sent home; then home.
    running.publish(|table| {
        table.endpoints[1].address = Some(evenkeel_core::address::Address::Ip(alive));
        table.endpoints[1].state = State::Up;
    });
    let mut now = round();
    until("they are home", || {
        now = round();
        now == first
    });
    // Gone again: what went back once lives elsewhere from now on.
    running.publish(|table| table.endpoints[1].state = State::Down);
    let settled = round();
    running.publish(|table| table.endpoints[1].state = State::Up);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(round(), settled);
    let bound = first.iter().filter(|at| *at == "a2").count() as u64;
    assert_eq!(count(&running, |s| s.returned.value()), bound);
    assert_eq!(count(&running, |s| s.moved.value()), 2 * bound);
    assert_eq!(count(&running, |s| s.begun.value()), 200);
    assert_eq!(count(&running, |s| s.forged.value()), 0);
}

#[test]
fn a_draining_endpoint_keeps_its_sessions_and_gets_no_new_ones() {
    let endpoints = three();
    let running = running(&endpoints.each_ref().map(|e| e.address), 1);
    let mut browsers: Vec<Browser> = (0..30).map(|_| Browser::default()).collect();
    let first: Vec<_> = browsers.iter_mut().map(|b| b.at(&running)).collect();
    running.publish(|table| table.endpoints[0].state = State::Draining);
    let then: Vec<_> = browsers.iter_mut().map(|b| b.at(&running)).collect();
    assert_eq!(then, first);
    for _ in 0..30 {
        assert_ne!(Browser::default().at(&running), "a1");
    }
}

#[test]
fn sessions_are_counted_by_endpoint_as_they_move() {
    let endpoints = three();
    let running = running(&endpoints.each_ref().map(|e| e.address), 2);
    let now_s = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    let live = || {
        [0, 1, 2].map(|n| {
            let shared = running.shared(n);
            let workers = shared.workers.iter();
            workers.map(|w| w.sessions.value(now_s())).sum::<i64>()
        })
    };
    let mut browsers: Vec<Browser> = (0..30).map(|_| Browser::default()).collect();
    for _ in 0..3 {
        browsers.iter_mut().for_each(|b| drop(b.at(&running)));
        assert_eq!(live().iter().sum::<i64>(), 30, "{:?}", live());
    }
    let [_, _, gone] = live();
    assert!(gone > 0);
    running.publish(|table| table.endpoints[2].state = State::Maintenance);
    browsers.iter_mut().for_each(|b| drop(b.at(&running)));
    assert_eq!((live()[2], live().iter().sum::<i64>()), (0, 30));
}

#[test]
fn what_this_pool_did_not_make_is_ignored_counted_and_replaced() {
    let endpoints = three();
    let running = running(&endpoints.each_ref().map(|e| e.address), 1);
    let mut browser = Browser::default();
    browser.ask(&running);
    let good = browser.cookie.clone().unwrap();
    let foreign = {
        let mut setup = Setup::http(&[endpoints[0].address]);
        setup.sessions = sessions("shop", &[KEY], HOUR);
        let mut browser = Browser::default();
        browser.ask(&setup.start());
        browser.cookie.unwrap()
    };
    let forged = good.replace(&good[20..22], "xx");
    let cases = [
        foreign.as_str(),
        forged.as_str(),
        &good[..good.len() - 1],
        "evenkeel=",
        "evenkeel=a1",
        "evenkeel=\"127.0.0.1:9001\"",
    ];
    for (n, cookie) in cases.into_iter().enumerate() {
        let answer = running.once(&with_cookie(Some(cookie)));
        assert_eq!(answer.status, 200);
        assert!(answer.field("set-cookie").is_some(), "{cookie}");
        assert_eq!(
            count(&running, |s| s.forged.value()),
            n as u64 + 1,
            "{cookie}"
        );
    }
    // Behind one that is not ours the right one still counts.
    let both = format!("evenkeel=a1; {good}");
    let answer = running.once(&with_cookie(Some(&both)));
    assert_eq!(answer.field("set-cookie"), None);
}

#[test]
fn a_cookie_lives_for_its_time_and_a_rotated_key_still_opens_it() {
    let endpoints = three();
    let running = running(&endpoints.each_ref().map(|e| e.address), 1);
    let mut browser = Browser::default();
    let first = browser.at(&running);
    *running.sessions.lock().unwrap() = sessions("app", &["the new key, long enough", KEY], HOUR);
    running.apply();
    let old = browser.cookie.clone();
    assert_eq!(browser.at(&running), first);
    assert_ne!(browser.cookie, old, "it is sealed anew");
    *running.sessions.lock().unwrap() =
        sessions("app", &["the new key, long enough"], Duration::from_secs(1));
    running.apply();
    assert_eq!(browser.at(&running), first);
    let mut late = browser.ask(&running);
    until("it has expired", || {
        late = running.once(&with_cookie(browser.cookie.as_deref()));
        count(&running, |s| s.expired.value()) > 0
    });
    assert!(late.field("set-cookie").unwrap().contains("Max-Age=1"));
    assert_eq!(count(&running, |s| s.forged.value()), 0);
}

#[test]
fn the_cookie_is_secure_where_a_trusted_proxy_says_that_the_client_came_over_tls() {
    let endpoint = Endpoint::named("a1");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n";
    for (trusted, secure) in [(true, true), (false, false)] {
        let mut setup = Setup::http(&[endpoint.address]);
        setup.sessions = sessions("app", &[KEY], HOUR);
        let setup = setup.listener(|listener| {
            let all = Cidr {
                address: "127.0.0.0".parse().unwrap(),
                prefix: 8,
            };
            listener.trusted_proxies.extend(trusted.then_some(all));
        });
        let answer = setup.start().once(request);
        let set = answer.field("set-cookie").unwrap();
        assert_eq!(set.ends_with("; Secure"), secure, "{set}");
    }
}

#[test]
fn a_failure_that_is_passed_on_binds_nobody() {
    let endpoint = Endpoint::http(|_| status(503, "busy"));
    let running = running(&[endpoint.address], 1);
    let answer = running.once(&get("/"));
    assert_eq!((answer.status, answer.field("set-cookie")), (503, None));
}

#[test]
fn a_session_waits_for_its_own_endpoint_when_that_is_full() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Endpoint::http(move |request| {
        if request.path() == "/slow" {
            wait.lock().unwrap().recv().unwrap();
        }
        ok("a1")
    });
    let other = Endpoint::named("a2");
    let mut setup = Setup::http(&[slow.address, other.address]);
    setup.sessions = sessions("app", &[KEY], HOUR);
    let running = setup.pool(|table| table.limit.per_endpoint = 1).start();
    let mut browser = Browser::default();
    while browser.at(&running) != "a1" {
        browser = Browser::default();
    }
    let mut client = running.client();
    let cookie = browser.cookie.clone();
    client.send(with_cookie(cookie.as_deref()).replace("GET / ", "GET /slow "));
    until("it is there", || {
        slow.seen().iter().any(|r| r.path() == "/slow")
    });
    let mut waiting = running.client();
    waiting.send(with_cookie(cookie.as_deref()));
    let queued = || {
        running.proxy().counters().pools["app"]
            .iter()
            .map(|w| w.queued.value())
            .sum::<i64>()
    };
    until("it waits", || queued() == 1);
    // Who is bound to nobody is served meanwhile.
    let seen: BTreeSet<_> = (0..3).map(|_| Browser::default().at(&running)).collect();
    assert_eq!(seen, BTreeSet::from(["a2".to_owned()]));
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), "a1");
    assert_eq!(waiting.answer().text(), "a1");
}

/// A proxy whose pool knows its clients again by something of their requests.
fn by(token: KeySource, endpoints: &[Endpoint]) -> Running {
    let addresses: Vec<_> = endpoints.iter().map(|e| e.address).collect();
    let mut setup = Setup::http(&addresses).workers(2);
    setup.sessions = Some(Arc::new(Sessions::by_token(token, HOUR, None)));
    setup.start()
}

/// `header.payload.signature`, by this secret.
fn token(payload: &str, secret: &str) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!(
        "{}.{}",
        part(br#"{"alg":"HS256"}"#),
        part(payload.as_bytes())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", part(signature.as_ref()))
}

#[test]
fn a_token_that_is_not_signed_by_whom_it_should_be_is_ignored_and_counted() {
    let endpoints = three();
    let addresses: Vec<_> = endpoints.iter().map(|e| e.address).collect();
    let mut setup = Setup::http(&addresses).workers(2);
    let keys = TokenKeys::read(KEY).ok();
    let claim = KeySource::Jwt("sub".into());
    setup.sessions = Some(Arc::new(Sessions::by_token(claim, HOUR, keys)));
    let running = setup.start();
    let ask = |token: &str| {
        let answer = running.once(&with_field(&format!("Authorization: Bearer {token}\r\n")));
        assert_eq!(answer.status, 200);
        answer.text().to_owned()
    };
    let good = token(r#"{"sub":"u1","exp":4102444800}"#, KEY);
    let at = ask(&good);
    for _ in 0..6 {
        assert_eq!(ask(&good), at);
        assert_eq!(
            ask(&token(r#"{"sub":"u1"}"#, KEY)),
            at,
            "another token of the same bearer"
        );
    }
    assert_eq!(count(&running, |s| s.begun.value()), 1);
    let other = token(r#"{"sub":"u1"}"#, "another-secret-of-enough-characters");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let nobodys = [
        other,
        unsigned,
        "opaque".to_owned(),
        good[..good.len() - 1].to_owned(),
    ];
    let places: BTreeSet<_> = nobodys
        .iter()
        .cycle()
        .take(24)
        .map(|token| ask(token))
        .collect();
    assert_eq!(places.len(), 3, "they are given to whoever comes next");
    assert_eq!(count(&running, |s| s.forged.value()), 24);
    ask(&token(r#"{"sub":"u1","exp":1000000000}"#, KEY));
    assert_eq!(count(&running, |s| s.expired.value()), 1);
    // Signed, but without this claim; and none at all.
    ask(&token("{}", KEY));
    running.once(&get("/"));
    let counts = count(&running, |s| {
        s.forged.value() + s.expired.value() + s.begun.value()
    });
    assert_eq!(counts, 24 + 1 + 1);
}

fn with_field(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: example.com\r\n{field}\r\n")
}

#[test]
fn a_token_holds_its_endpoint_over_a_reload_and_moves_once_when_that_fails() {
    let endpoints = three();
    let running = by(KeySource::Header("x-user".into()), &endpoints);
    let ask = |user: usize| {
        let answer = running.once(&with_field(&format!("X-User: u{user}\r\n")));
        assert_eq!((answer.status, answer.field("set-cookie")), (200, None));
        answer.text().to_owned()
    };
    let round = || (0..60).map(ask).collect::<Vec<_>>();
    let first = round();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    running.apply();
    assert_eq!(round(), first);
    running.publish(|table| table.endpoints[0].state = State::Down);
    let away = round();
    for (at, was) in away.iter().zip(&first) {
        assert_eq!(at == was, was != "a1");
    }
    assert_eq!(round(), away);
    let lost = first.iter().filter(|at| *at == "a1").count() as u64;
    assert_eq!(count(&running, |s| s.moved.value()), lost);
    assert_eq!(count(&running, |s| s.begun.value()), 60);
    // Who brings no token is nobody's.
    let free: BTreeSet<_> = (0..6).map(|_| running.once(&get("/")).body).collect();
    assert_eq!(free.len(), 2);
    assert_eq!(count(&running, |s| s.begun.value()), 60);
}

#[test]
fn the_applications_own_cookie_is_learned_from_the_answer_that_sets_it() {
    let app = |name: &'static str| {
        Endpoint::http(move |request| {
            let set = match request.path() {
                "/login" => {
                    format!("Set-Cookie: lang=en\r\nSet-Cookie: JSESSIONID={name}-1; Path=/\r\n")
                }
                "/again" => format!("Set-Cookie: JSESSIONID={name}-2; HttpOnly\r\n"),
                _ => String::new(),
            };
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{set}\r\n{name}").into_bytes()
        })
    };
    let endpoints = [app("a1"), app("a2"), app("a3")];
    let running = by(KeySource::Cookie("JSESSIONID".into()), &endpoints);
    for n in 0..3 {
        let at = running.once(&get("/login")).text().to_owned();
        let ask = |path: &str, version: u32| {
            let cookie = format!("Cookie: x=1; JSESSIONID={at}-{version}\r\n");
            let request = with_field(&cookie).replace("GET / ", &format!("GET {path} "));
            running.once(&request).text().to_owned()
        };
        for _ in 0..4 {
            assert_eq!(ask("/", 1), at, "round {n}");
        }
        // At the login it gets another value, and stays.
        assert_eq!(ask("/again", 1), at);
        for _ in 0..4 {
            assert_eq!(ask("/", 2), at, "round {n}");
        }
    }
}

#[test]
fn an_address_holds_its_endpoint() {
    let endpoints = three();
    let running = by(KeySource::SourceIp, &endpoints);
    let seen: BTreeSet<_> = (0..12).map(|_| running.once(&get("/")).body).collect();
    assert_eq!(seen.len(), 1);
}
