//! HAProxy's agent check by the real binary: an agent that says what its endpoint wants, and ones that say nothing anybody can use.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use support::{Endpoint, Evenkeel, app, eventually, get, read_head};

/// What an agent does with whoever connects.
#[derive(Clone)]
enum Does {
    /// Writes this and closes.
    Says(Vec<u8>),
    /// Waits until the other side has had enough.
    Stays,
}

/// An agent that listens at the address of an endpoint.
struct Agent(Arc<Mutex<Does>>);

impl Agent {
    /// Port 0 = any.
    fn start(ip: Ipv4Addr, port: u16) -> (Agent, u16) {
        let listener = TcpListener::bind((ip, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let does = Arc::new(Mutex::new(Does::Says(b"up 100%\n".to_vec())));
        let agent = Agent(does.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let does = does.lock().unwrap().clone();
                std::thread::spawn(move || match does {
                    // Who has had enough closes, which is no matter.
                    Does::Says(bytes) => drop(stream.write_all(&bytes)),
                    Does::Stays => drop(stream.read(&mut [0])),
                });
            }
        });
        (agent, port)
    }

    fn says(&self, line: &str) {
        *self.0.lock().unwrap() = Does::Says(format!("{line}\n").into_bytes());
    }

    fn does(&self, does: Does) {
        *self.0.lock().unwrap() = does;
    }
}

struct Scene {
    evenkeel: Evenkeel,
    agents: [Agent; 2],
    _endpoints: [Endpoint; 2],
}

impl Scene {
    fn start() -> Scene {
        // One port for all agents of a pool: so each endpoint has an address of its own.
        let ips = [2, 3].map(|last| Ipv4Addr::new(127, 0, 0, last));
        let (first, port) = Agent::start(ips[0], 0);
        let (second, _) = Agent::start(ips[1], port);
        let endpoints =
            [("a1", ips[0]), ("a2", ips[1])].map(|(name, ip)| Endpoint::start_at(name, ip, 0));
        let extra = format!("[pool.app.agent_check]\nport = {port}\ninterval = \"200ms\"\n");
        let evenkeel = Evenkeel::run(&app(&endpoints.each_ref(), &extra));
        evenkeel.until("app", "a1", "up");
        Scene {
            evenkeel,
            agents: [first, second],
            _endpoints: endpoints,
        }
    }

    fn a1(&self) -> Value {
        self.evenkeel.endpoint("app", "a1").unwrap()
    }

    /// Who answered so many requests.
    fn served(&self, count: usize) -> BTreeMap<String, usize> {
        let web = self.evenkeel.address("web");
        let mut served = BTreeMap::new();
        for _ in 0..count {
            let answer = get(web, "/").unwrap();
            assert_eq!(answer.status, 200);
            *served.entry(answer.text()).or_default() += 1;
        }
        served
    }

    fn until_trouble(&self, part: &str) {
        eventually(part, || {
            let a1 = self.a1();
            let trouble = a1["agent_check"]["trouble"].as_str().unwrap_or_default();
            trouble.contains(part).then_some(())
        });
    }
}

#[test]
fn an_agent_drains_stops_and_brings_back_its_endpoint_and_no_other() {
    let scene = Scene::start();
    let agent = &scene.agents[0];
    for (line, state, why) in [
        ("drain", "draining", "its agent says drain"),
        ("up", "draining", "its agent says drain"),
        ("ready", "up", ""),
        ("maint", "maintenance", "its agent says maint"),
        ("ready", "up", ""),
        (
            "fail # disk 3 is dead",
            "down",
            "its agent says fail: disk 3 is dead",
        ),
        ("50%", "down", "its agent says fail: disk 3 is dead"),
        ("up 100%", "up", ""),
        ("stopped", "down", "its agent says stopped"),
        ("up", "up", ""),
        ("0%", "draining", "its agent says 0%"),
        ("100%", "up", ""),
    ] {
        agent.says(line);
        eventually(line, || {
            let heard = scene.a1()["agent_check"]["line"] == line;
            heard.then_some(())
        });
        let a1 = scene.evenkeel.until("app", "a1", state);
        if state != "up" {
            assert_eq!(a1["why"], why, "{line}");
            assert_eq!(a1["decided_by"], "agent_check", "{line}");
            assert_eq!(scene.served(4).get("a1"), None, "{line}");
        }
        assert_eq!(scene.evenkeel.endpoint("app", "a2").unwrap()["state"], "up");
    }
    assert_eq!(scene.served(10)["a1"], 5);
}

#[test]
fn the_share_of_its_weight_that_an_agent_asks_for_is_what_its_endpoint_gets() {
    let scene = Scene::start();
    scene.agents[0].says("25%");
    eventually("a quarter", || {
        (scene.a1()["effective_weight"] == 25).then_some(())
    });
    let a1 = scene.a1();
    assert_eq!((&a1["weight"], &a1["state"]), (&100.into(), &"up".into()));
    assert_eq!(a1["relief"]["decided_by"], "agent_check");
    let served = scene.served(100);
    assert!((18..=22).contains(&served["a1"]), "{served:?}");
    let (_, text, _) = scene.evenkeel.command(&["status", "app"]);
    assert!(text.contains("25 now: its agent says 25%"), "{text}");
}

#[test]
fn an_agent_that_says_nothing_of_use_changes_nothing() {
    let scene = Scene::start();
    let agent = &scene.agents[0];
    agent.says("drain 40% maxconn:7");
    scene.evenkeel.until("app", "a1", "draining");
    for (does, trouble) in [
        (
            Does::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            "no word of an agent",
        ),
        (Does::Says(b"\n".to_vec()), "no word of an agent"),
        (
            Does::Says(b"\xff\x00\x01\n".to_vec()),
            "no word of an agent",
        ),
        (Does::Says(vec![b'x'; 1 << 20]), "more than 1024 bytes"),
        (Does::Says(b"up ".repeat(1 << 16)), "more than 1024 bytes"),
        (Does::Says(Vec::new()), "closed without a word"),
        (Does::Stays, "no line within 200ms"),
    ] {
        agent.does(does);
        scene.until_trouble(trouble);
        let a1 = scene.a1();
        assert_eq!(a1["state"], "draining", "{trouble}");
        assert_eq!(a1["agent_check"]["line"], "drain 40% maxconn:7");
        assert_eq!(a1["agent_check"]["percent"], 40);
    }
    agent.says("ready");
    scene.evenkeel.until("app", "a1", "up");
    eventually("no trouble any more", || {
        let a1 = scene.a1();
        a1["agent_check"].get("trouble").is_none().then_some(())
    });
}

#[test]
fn what_an_agent_said_holds_over_a_restart_until_it_is_asked_again() {
    let mut scene = Scene::start();
    scene.agents[0].says("down");
    scene.evenkeel.until("app", "a1", "down");
    let folder = scene.evenkeel.folder.clone();
    scene.evenkeel.signal("TERM");
    support::wait(&mut scene.evenkeel.child);
    scene.evenkeel = Evenkeel::launch_in(folder, &[]);
    scene.evenkeel.until_ready();
    assert_eq!(scene.served(6).get("a1"), None);
    scene.agents[0].says("up");
    scene.evenkeel.until("app", "a1", "up");
    // An agent that is not there any more has no say.
    scene.agents[0].says("down");
    scene.evenkeel.until("app", "a1", "down");
    let file = std::fs::read_to_string(scene.evenkeel.file()).unwrap();
    let without: Vec<&str> = file.split("[pool.app.agent_check]").collect();
    let (_, rest) = without[1].split_once("interval = \"200ms\"\n").unwrap();
    std::fs::write(scene.evenkeel.file(), format!("{}{rest}", without[0])).unwrap();
    scene.evenkeel.ask("POST", "/v1/reload", "");
    scene.evenkeel.until("app", "a1", "up");
    assert!(scene.served(4).contains_key("a1"));
}

/// An endpoint that takes its time, and knows how many requests it had at once.
#[derive(Clone, Default)]
struct Slow {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Slow {
    fn start(ip: Ipv4Addr) -> (Slow, SocketAddr) {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let slow = Slow::default();
        let part = slow.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let part = part.clone();
                std::thread::spawn(move || part.serve(&stream));
            }
        });
        (slow, address)
    }

    fn serve(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(head) = read_head(&mut reader) {
            if !head.contains(" /healthz ") {
                self.most
                    .fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_millis(100));
                self.now.fetch_sub(1, SeqCst);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow";
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }

    /// The most at once while so many clients ask twice each; all are answered.
    fn most_of(&self, web: SocketAddr, clients: usize) -> usize {
        self.most.store(0, SeqCst);
        let ask = || {
            for _ in 0..2 {
                let answer = get(web, "/").unwrap();
                assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
            }
        };
        std::thread::scope(|scope| (0..clients).for_each(|_| drop(scope.spawn(ask))));
        self.most.load(SeqCst)
    }
}

#[test]
fn no_endpoint_has_more_at_once_than_its_agent_takes_and_the_rest_waits_and_is_answered() {
    let ip = Ipv4Addr::new(127, 0, 0, 2);
    let (agent, port) = Agent::start(ip, 0);
    agent.says("up maxconn:2");
    let (slow, address) = Slow::start(ip);
    let extra = format!(
        "[pool.app.agent_check]\nport = {port}\ninterval = \"200ms\"\n\
         [pool.app.limit]\nper_endpoint = 4\nqueue_timeout = \"60s\"\n\
         [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"{address}\"\n"
    );
    let evenkeel = Evenkeel::run(&app(&[], &extra));
    let web = evenkeel.address("web");
    let until = |maxconn: u32| {
        eventually("it was heard", || {
            let a1 = evenkeel.endpoint("app", "a1").unwrap();
            (a1["state"] == "up" && a1["agent_check"]["maxconn"] == maxconn).then_some(())
        });
    };
    until(2);
    assert_eq!(slow.most_of(web, 12), 2);
    let (_, text, _) = evenkeel.command(&["status", "app"]);
    assert!(text.contains("its agent takes 2 at once"), "{text}");
    agent.says("maxconn:1");
    until(1);
    assert_eq!(slow.most_of(web, 6), 1);
    // The pool's limit is the smaller one, and then the only one.
    for maxconn in [30, 0] {
        agent.says(&format!("maxconn:{maxconn}"));
        until(maxconn);
        assert_eq!(slow.most_of(web, 16), 4);
    }
}
