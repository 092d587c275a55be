//! Agents on other hosts, with the real binary on both sides: let in or not, supervising alone, obeying and refusing, and coming
//! back whatever dies. The "other host" is this one, by another process with its own keeper.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_schema::agent::{
    FRAME_BYTES_MAX, Frames, FromAgent, Hello, Order, PROTOCOL, ToAgent, Token, encode, read,
};
use evenkeel_tls::testing::Authority;
use serde_json::Value;
use support::{Evenkeel, alive, binary, eventually, free_port, kill, wait};

/// A running `evenkeel agent`.
struct Agent {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Agent {
    fn run(file: &Path) -> Agent {
        let mut child = Command::new(binary())
            .arg("agent")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (pipe, sink) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap();
                *log += &line;
                log.push('\n');
            }
        });
        Agent { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn says(&self, words: &str) {
        eventually(&format!("the agent says {words:?}\n{}", self.log()), || {
            self.log().contains(words).then_some(())
        });
    }

    /// The child that works: the newest that the keeper named.
    fn worker(&self) -> u32 {
        let mark = "agent started as pid ";
        eventually("the agent has a process", || {
            let log = self.log();
            let (_, pid) = log.rsplit_once(mark)?;
            pid.lines().next()?.trim().parse().ok()
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "for whoever reads why it failed")]
            {
                eprintln!("--- log of the agent ---\n{}", self.log());
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with what both sides need, and a balancer that waits for agents.
struct Site {
    folder: tempfile::TempDir,
    ca: Authority,
    balancer: Option<Evenkeel>,
}

/// How an agent is told from strangers.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// A token in clear text, on loopback.
    Token,
    /// A token over TLS.
    SealedToken,
    /// Certificates of both sides.
    Certificates,
}

impl Site {
    fn new(by: By) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new("ca");
        ca.write(folder.path(), "ca");
        ca.sign(&["127.0.0.1"], 30).write(folder.path(), "lb");
        ca.sign(&["host-1.example"], 30)
            .write(folder.path(), "host-1");
        ca.sign(&["host-2"], 30).write(folder.path(), "host-2");
        std::fs::write(folder.path().join("agents.token"), "a-good-token\n").unwrap();
        std::fs::write(folder.path().join("other.token"), "another-token\n").unwrap();
        let mut site = Site {
            folder,
            ca,
            balancer: None,
        };
        site.balancer = Some(Evenkeel::run(&site.balancers(by, "127.0.0.1:0")));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lb(&self) -> &Evenkeel {
        self.balancer.as_ref().unwrap()
    }

    /// A pool whose only endpoint is before the agent's service, and where agents connect.
    fn balancers(&self, by: By, bind: &str) -> String {
        let token = format!("token = \"file:{}\"\n", self.path("agents.token").display());
        let tls = format!(
            "certificate = {:?}\nkey = {:?}\n",
            self.path("lb.pem"),
            self.path("lb.key")
        );
        let shows = match by {
            By::Token => token,
            By::SealedToken => token + &tls,
            By::Certificates => tls + &format!("client_ca = {:?}\n", self.path("ca.pem")),
        };
        format!(
            "[agents]\nbind = \"{bind}\"\n{shows}\
             [[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n[[route]]\npool = \"app\"\n\
             [pool.app.check]\ninterval = \"100ms\"\nfast_interval = \"50ms\"\n\
             [pool.app.heartbeat]\ninterval = \"200ms\"\ndetector = \"fixed\"\ntimeout = \"3s\"\n\
             [pool.app.recovery]\nmode = \"off\"\n\
             [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:1\"\nservice = \"host-1/s\"\n"
        )
    }

    fn agents_bind(&self) -> String {
        eventually("agents can connect", || {
            let status = self.lb().status()?;
            status["agents_bind"].as_str().map(str::to_owned)
        })
    }

    /// An agent's file: its keys beside name and control, and its services.
    fn file(&self, name: &str, control: &str, keys: &str) -> PathBuf {
        let path = self.path(&format!("{name}.toml"));
        let state = self.path(&format!("{name}-state"));
        let text = format!(
            "[agent]\nname = \"host-1\"\ncontrol = [\"{control}\"]\nstate_dir = {state:?}\n\
             heartbeat_interval = \"200ms\"\nfacts_interval = \"200ms\"\n{keys}\n\
             [service.s]\ncommand = [\"/bin/sh\", \"-c\", \"exec sleep 1000\"]\nstop_timeout = \"1s\"\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn agent(&self, keys: &str) -> Agent {
        Agent::run(&self.file("agent", &self.agents_bind(), keys))
    }

    fn token(&self) -> &'static str {
        "token = \"file:agents.token\""
    }

    fn connected(&self) -> Value {
        self.until_agent("is connected", |agent| agent["connected"] == true)
    }

    fn until_agent(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let what = format!("host-1 {what}\n{}", self.lb().log());
        eventually(&what, || {
            let status = self.lb().status()?;
            let agents = status["agents"].as_array()?;
            agents
                .iter()
                .find(|a| a["name"] == "host-1" && is(a))
                .cloned()
        })
    }

    /// The agent's service as the balancer shows it.
    fn service(&self, is: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("host-1/s\n{}", self.lb().log()), || {
            let status = self.lb().status()?;
            let services = status["services"].as_array()?;
            services
                .iter()
                .find(|s| s["name"] == "host-1/s" && is(s))
                .cloned()
        })
    }

    fn ready(&self) -> Value {
        self.service(|s| s["state"] == "ready" && s["pid"].is_u64())
    }
}

fn pid(service: &Value) -> u32 {
    service["pid"].as_u64().unwrap() as u32
}

#[test]
fn an_agent_with_a_token_over_tls_is_let_in_shown_and_obeys() {
    let site = Site::new(By::SealedToken);
    let before = site.until_agent("is awaited", |_| true);
    assert_eq!(
        (&before["connected"], &before["named"]),
        (&false.into(), &true.into())
    );
    let endpoint = site.lb().endpoint("app", "a1").unwrap();
    assert_eq!(endpoint["service"]["agent"]["connected"], false);

    let _agent = site.agent(&format!("{}\nca = \"ca.pem\"", site.token()));
    let agent = site.connected();
    assert_eq!(agent["actions"], serde_json::json!(["restart"]));
    let service = site.service(|s| s["state"] == "ready" && !s["facts"].is_null());
    assert!(alive(pid(&service)));
    assert_eq!(service["agent"]["name"], "host-1");
    assert_eq!(service["facts"]["process"], "sleeping");
    let endpoint = site.lb().endpoint("app", "a1").unwrap();
    assert_eq!(endpoint["service"]["pid"], service["pid"]);
    eventually("its heartbeats are the endpoint's", || {
        let endpoint = site.lb().endpoint("app", "a1")?;
        (endpoint["heartbeat"]["beats"].as_u64() > Some(2)).then_some(())
    });

    let (code, out, err) = site.lb().command(&["act", "host-1/s", "restart"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(&format!("process {}", pid(&service))), "{out}");
    let after = site.service(|s| s["state"] == "ready" && s["restarts"] == 1);
    assert_ne!(after["pid"], service["pid"]);
    assert!(!alive(pid(&service)));

    let metrics = site.lb().admin("GET", "/metrics", "").unwrap().text();
    for line in [
        "evenkeel_agent_connected{agent=\"host-1\"} 1",
        "evenkeel_service_memory_bytes{service=\"host-1/s\"} ",
        "evenkeel_agent_refused_orders_total{agent=\"host-1\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let (code, out, _) = site.lb().command(&["status"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("agent host-1") && out.contains("host-1/s"),
        "{out}"
    );
}

#[test]
fn an_agent_with_a_certificate_made_for_its_name_is_let_in_and_another_is_not() {
    let site = Site::new(By::Certificates);
    let keys = |name: &str, ca: &str| {
        format!("certificate = \"{name}.pem\"\nkey = \"{name}.key\"\nca = \"{ca}.pem\"")
    };
    let other = Agent::run(&site.file("other", &site.agents_bind(), &keys("host-2", "ca")));
    other.says("made for host-2, not for its own name");
    assert_eq!(site.until_agent("is awaited", |_| true)["connected"], false);
    drop(other);

    // Who does not trust the balancer shows it nothing, and supervises all the same.
    Authority::new("stranger").write(site.folder.path(), "stranger");
    let wary = Agent::run(&site.file("wary", &site.agents_bind(), &keys("host-1", "stranger")));
    wary.says("TLS: ");
    wary.says("service s starting → ready");
    assert_eq!(site.until_agent("is awaited", |_| true)["connected"], false);
    drop(wary);

    let _agent = site.agent(&keys("host-1", "ca"));
    site.connected();
    site.ready();
    let _ = &site.ca;
}

#[test]
fn a_wrong_token_is_refused_on_both_sides_in_words_that_show_none() {
    let site = Site::new(By::Token);
    let agent = site.agent("token = \"file:other.token\"");
    agent.says("refused: agent host-1 showed a token that is not that of [agents]");
    eventually("the balancer tells of it", || {
        site.lb()
            .log()
            .contains("an agent at 127.0.0.1")
            .then_some(())
    });
    for log in [agent.log(), site.lb().log()] {
        assert!(
            !log.contains("another-token") && !log.contains("a-good-token"),
            "{log}"
        );
    }
    let metrics = site.lb().admin("GET", "/metrics", "").unwrap().text();
    assert!(
        !metrics.contains("evenkeel_agents_refused_total{reason=\"credentials\"} 0"),
        "{metrics}"
    );
}

#[test]
fn of_two_agents_with_one_name_the_second_is_refused() {
    let site = Site::new(By::Token);
    let _first = site.agent(site.token());
    site.connected();
    let pid = pid(&site.ready());
    let second = Agent::run(&site.file("second", &site.agents_bind(), site.token()));
    second.says("is connected as host-1 already: give each host's agent its own name");
    assert_eq!(self::pid(&site.ready()), pid);
}

#[test]
fn a_service_is_started_again_while_the_balancer_is_away_and_told_when_it_is_back() {
    let mut site = Site::new(By::Token);
    let bind = site.agents_bind();
    let agent = site.agent(site.token());
    let first = pid(&site.ready());

    // Replaced: the socket stays, the agent calls again.
    let old = site.lb().worker_pid();
    kill(old, "KILL");
    eventually("another balancer has the agent", || {
        let other = site.lb().status()?["worker_pid"] != u64::from(old);
        let agents = site.lb().status()?["agents"].clone();
        (other && agents[0]["connected"] == true).then_some(())
    });
    assert_eq!(pid(&site.ready()), first);

    // Away altogether.
    let (status, _) = site.balancer.take().unwrap().end();
    assert_eq!(status.code(), Some(0));
    agent.says("the connection to test at");
    kill(first, "KILL");
    agent.says("service s backoff → starting");
    eventually("it runs again", || {
        let log = agent.log();
        let (_, after) = log.rsplit_once("backoff → starting")?;
        after.contains("starting → ready").then_some(())
    });

    site.balancer = Some(Evenkeel::run(&site.balancers(By::Token, &bind)));
    site.connected();
    let service = site.service(|s| s["restarts"] == 1 && s["state"] == "ready");
    assert_ne!(pid(&service), first);
}

#[test]
fn what_the_hosts_own_file_does_not_allow_is_refused_whatever_is_ordered() {
    let site = Site::new(By::Token);
    let agent = site.agent(&format!("{}\nallow = [\"reload_service\"]", site.token()));
    let before = pid(&site.ready());
    for action in ["restart", "kill_hung"] {
        let (code, out, err) = site.lb().command(&["act", "host-1/s", action]);
        assert_eq!(code, 1, "{out}{err}");
        let words = format!("{action} is not allowed on this host: its `allow` has reload_service");
        assert!(err.contains(&words), "{err}");
    }
    agent.says("restart, ordered by test, is refused");
    let (code, _, err) = site
        .lb()
        .command(&["act", "host-1/nobody", "reload_service"]);
    assert_ne!(code, 0, "{err}");
    assert_eq!(pid(&site.ready()), before);
    let metrics = site.lb().admin("GET", "/metrics", "").unwrap().text();
    assert!(
        metrics.contains("evenkeel_agent_refused_orders_total{agent=\"host-1\"} 2"),
        "{metrics}"
    );
}

#[test]
fn an_agent_that_is_killed_is_replaced_and_adopts_and_its_services_end_with_the_keeper() {
    let site = Site::new(By::Token);
    let mut agent = site.agent(site.token());
    let service = pid(&site.ready());
    let old = agent.worker();
    kill(old, "KILL");
    eventually("another one works", || {
        (agent.worker() != old).then_some(())
    });
    agent.says("stopped → ready: ran already");
    eventually("it is connected again", || {
        let agents = site.lb().status()?["agents"].clone();
        let heard = site.lb().log().matches("agent host-1 connected").count();
        (agents[0]["connected"] == true && heard >= 2).then_some(())
    });
    assert_eq!(pid(&site.ready()), service);
    assert!(alive(service));

    kill(agent.child.id(), "KILL");
    wait(&mut agent.child);
    eventually("the service ends with the keeper", || {
        (!alive(service)).then_some(())
    });
    site.until_agent("is gone", |a| a["connected"] == false);
}

#[test]
fn an_agent_rereads_its_file_and_ends_in_order() {
    let site = Site::new(By::Token);
    let mut agent = site.agent(site.token());
    let first = pid(&site.ready());
    let file = site.path("agent.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[service.t]\ncommand = []\n")).unwrap();
    kill(agent.child.id(), "HUP");
    agent.says("reload refused, nothing was changed");
    let more = "\n[service.t]\ncommand = [\"/bin/sleep\", \"1000\"]\n";
    std::fs::write(&file, format!("{text}{more}")).unwrap();
    kill(agent.child.id(), "HUP");
    eventually("the new service is told of", || {
        let services = site.lb().status()?["services"].clone();
        let all = services.as_array()?;
        let new = all.iter().find(|s| s["name"] == "host-1/t")?;
        (new["state"] == "ready").then_some(())
    });
    assert_eq!(pid(&site.ready()), first);

    kill(agent.child.id(), "TERM");
    assert_eq!(wait(&mut agent.child).code(), Some(0), "{}", agent.log());
    assert!(!alive(first));
    let gone = site.until_agent("is gone", |a| a["connected"] == false);
    assert!(gone["why"].as_str().unwrap().contains("goodbye"), "{gone}");
    assert_eq!(site.service(|_| true)["state"], "stopped");
}

/// A balancer that is none: it says what the test wants.
struct Pretender {
    stream: TcpStream,
    frames: Frames,
}

impl Pretender {
    fn accept(listener: &TcpListener) -> (Pretender, Hello) {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let mut pretender = Pretender {
            stream,
            frames: Frames::new(FRAME_BYTES_MAX),
        };
        let FromAgent::Hello(hello) = pretender.hear() else {
            panic!("it begins with a hello")
        };
        pretender.say(&ToAgent::Welcome {
            protocol: PROTOCOL,
            node: "pretender".into(),
            version: "0".into(),
        });
        (pretender, hello)
    }

    fn say(&mut self, message: &ToAgent) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    fn hear(&mut self) -> FromAgent {
        let mut piece = [0; 4096];
        loop {
            if let Some(frame) = self.frames.take().unwrap() {
                return read(&frame).unwrap();
            }
            let count = self.stream.read(&mut piece).unwrap();
            assert!(count > 0, "the agent hung up");
            self.frames.push(&piece[..count]);
        }
    }

    fn order(&mut self, order: u64, fence: u64) -> (bool, String) {
        self.say(&ToAgent::Order(Order {
            order,
            fence,
            service: "s".into(),
            action: "restart".into(),
            argument: None,
            why: "a test".into(),
        }));
        loop {
            if let FromAgent::Done {
                order: answered,
                done,
                words,
                ..
            } = self.hear()
                && answered == order
            {
                return (done, words);
            }
        }
    }
}

#[test]
fn a_stale_fence_is_refused_by_this_agent_and_by_the_one_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site {
        ca: Authority::new("ca"),
        folder,
        balancer: None,
    };
    std::fs::write(site.path("agents.token"), "t\n").unwrap();
    let control = listener.local_addr().unwrap().to_string();
    let agent = Agent::run(&site.file("agent", &control, site.token()));
    let (mut pretender, hello) = Pretender::accept(&listener);
    assert_eq!((hello.fence, hello.agent.as_str()), (0, "host-1"));
    agent.says("service s starting → ready");
    let (done, words) = pretender.order(1, 100);
    assert!(done, "{words}");
    for fence in [100, 50] {
        let (done, words) = pretender.order(2, fence);
        assert!(!done && words.contains("stale"), "{words}");
    }
    kill(agent.worker(), "KILL");
    let (mut pretender, hello) = Pretender::accept(&listener);
    assert_eq!(hello.fence, 100, "it says what it has seen");
    let (done, words) = pretender.order(3, 100);
    assert!(!done && words.contains("stale"), "{words}");
    let (done, words) = pretender.order(4, 101);
    assert!(done, "{words}");
}

/// Somebody who connects and says this.
fn stranger(address: SocketAddr, says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let _ = stream.write_all(says);
    stream
}

#[test]
fn strangers_garbage_and_half_open_connections_hurt_nobody() {
    for by in [By::Token, By::SealedToken] {
        let site = Site::new(by);
        let address: SocketAddr = site.agents_bind().parse().unwrap();
        // More half-open ones than are greeted at once, before the agent comes.
        let silent: Vec<_> = (0..100).map(|_| stranger(address, b"")).collect();
        let keys = format!(
            "{}\n{}",
            site.token(),
            if by == By::Token {
                ""
            } else {
                "ca = \"ca.pem\""
            }
        );
        let _agent = site.agent(&keys);
        site.connected();
        let service = pid(&site.ready());

        let huge = (u32::MAX).to_be_bytes();
        let hello = FromAgent::Hello(Hello {
            protocol: PROTOCOL,
            agent: "host-9".into(),
            version: "x".repeat(60),
            instance: 1,
            token: Some(Token("guess".into())),
            actions: Vec::new(),
            fence: 0,
            interval_ms: 1000,
        });
        let hello = encode(&hello).unwrap();
        let garbage: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\n\r\n",
            &huge,
            &[0; 64],
            &[255; 4096],
            &hello,
        ];
        for says in garbage {
            let mut stream = stranger(address, says);
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            assert!(rest.len() < 4096, "{} bytes for {says:?}", rest.len());
        }
        // One that is let in and then floods has to wait.
        if by == By::Token {
            let hello = FromAgent::Hello(Hello {
                protocol: PROTOCOL,
                agent: "host-9".into(),
                version: "0".into(),
                instance: 1,
                token: Some(Token("a-good-token".into())),
                actions: Vec::new(),
                fence: u64::MAX,
                interval_ms: 1000,
            });
            let mut stream = stranger(address, &encode(&hello).unwrap());
            let flood = encode(&FromAgent::Services {
                services: Vec::new(),
            })
            .unwrap();
            let flood = flood.repeat(1000);
            let patience = Some(Duration::from_millis(500));
            stream.set_write_timeout(patience).unwrap();
            let full = eventually("the flood has to wait", || stream.write_all(&flood).err());
            assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock, "{full}");
            drop(stream);
        }
        let beats = |site: &Site| {
            let endpoint = site.lb().endpoint("app", "a1")?;
            endpoint["heartbeat"]["beats"].as_u64()
        };
        let so_far = beats(&site);
        eventually("the agent beats on", || {
            (beats(&site) > so_far).then_some(())
        });
        assert_eq!(pid(&site.ready()), service);
        drop(silent);
    }
}

#[test]
fn actions_on_files_and_programs_are_carried_out_on_the_agents_host() {
    let site = Site::new(By::Token);
    let keys = format!("{}\nallow = [\"run\", \"restore_data\"]", site.token());
    let file = site.file("agent", &site.agents_bind(), &keys);
    std::fs::create_dir(site.path("data")).unwrap();
    std::fs::write(site.path("data/x"), "good").unwrap();
    let more = format!(
        "commands = {{ touch = [\"/bin/touch\", {:?}] }}\nmemory_max = \"64MiB\"\ndata = {{ directory = \"data\" }}\n",
        site.path("touched")
    );
    let text = std::fs::read_to_string(&file).unwrap() + &more;
    std::fs::write(&file, text).unwrap();
    let agent = Agent::run(&file);
    let service = site.service(|s| !s["facts"]["memory_max"].is_null());
    assert_eq!(service["facts"]["memory_max"]["max"], 64 << 20, "{service}");
    agent.says("made and read back");

    let (code, out, err) = site.lb().command(&["act", "host-1/s", "run", "touch"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(site.path("touched").exists());
    let (code, _, err) = site.lb().command(&["act", "host-1/s", "run", "rm"]);
    assert_eq!(code, 1, "{err}");

    std::fs::write(site.path("data/x"), "broken").unwrap();
    let before = pid(&site.ready());
    let (code, out, err) = site.lb().command(&["act", "host-1/s", "restore_data"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("what was there before is in"), "{out}");
    assert_eq!(
        std::fs::read_to_string(site.path("data/x")).unwrap(),
        "good"
    );
    let after = site.service(|s| s["state"] == "ready" && s["pid"] != before);
    assert!(alive(pid(&after)));
}

/// Two sample services on the agent's host, each behind an endpoint, and everybody well.
fn two_samples() -> (Site, Agent) {
    let mut site = Site::new(By::Token);
    let with = site.balancers(By::Token, "127.0.0.1:0");
    let (front, _) = with.split_once("[pool.app.heartbeat]").unwrap();
    let (mut config, mut services) = (front.to_owned(), String::new());
    config += "kind = \"http\"\npath = \"/healthz\"\ntimeout = \"500ms\"\n[pool.app.failover]\nhold = \"0s\"\nramp = \"0s\"\n";
    for name in ["s1", "s2"] {
        let port = free_port();
        config += &format!(
            "[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nservice = \"host-1/{name}\"\nmachine = \"m-{name}\"\n"
        );
        services += &format!(
            "[service.{name}]\ncommand = [{:?}, \"__sample\", \"{name}\", \"{port}\"]\nstop_timeout = \"1s\"\nready = {{ kind = \"tcp\", port = {port} }}\n",
            binary()
        );
    }
    drop(site.balancer.take());
    // The services first: who is not there when the balancer begins is an incident of its own.
    let bind = format!("127.0.0.1:{}", free_port());
    let file = site.file("agent", &bind, site.token());
    let text = std::fs::read_to_string(&file).unwrap() + &services;
    std::fs::write(&file, text).unwrap();
    let agent = Agent::run(&file);
    agent.says("service s1 starting → ready");
    agent.says("service s2 starting → ready");
    let config = config.replace(
        "bind = \"127.0.0.1:0\"\ntoken",
        &format!("bind = \"{bind}\"\ntoken"),
    );
    site.balancer = Some(Evenkeel::run(&config));
    for name in ["s1", "s2"] {
        site.lb().until("app", name, "up");
    }
    eventually("facts of it were read", || {
        let endpoint = site.lb().endpoint("app", "s1")?;
        endpoint["service"]["facts"].is_object().then_some(())
    });
    (site, agent)
}

/// Waits for the only incident to be over.
fn closed(site: &Site) -> Value {
    eventually(
        &format!("the incident is over\n{}", site.lb().log()),
        || {
            let all = site.lb().ask("GET", "/v1/incidents", "");
            let all = all.as_array()?;
            assert!(all.len() <= 1, "{all:#?}");
            all.first().filter(|i| i["state"] == "closed").cloned()
        },
    )
}

fn pid_behind(site: &Site, name: &str) -> u32 {
    eventually("it has a process", || {
        let endpoint = site.lb().endpoint("app", name)?;
        endpoint["service"]["pid"].as_u64()
    }) as u32
}

#[test]
fn a_service_that_is_killed_on_its_host_is_one_incident_cured_by_its_agent() {
    let (site, _agent) = two_samples();
    kill(pid_behind(&site, "s1"), "KILL");
    let incident = closed(&site);
    assert_eq!(
        incident["causes"][0]["cause"], "process_dead",
        "{incident:#}"
    );
    assert_eq!(incident["subjects"], serde_json::json!(["app/s1"]));
    assert_eq!(incident["actions"][0]["action"], "restart");
    assert_eq!(incident["actions"][0]["outcome"], "cured");
}

#[test]
fn a_service_that_hangs_on_its_host_is_restarted_by_the_plan_through_its_agent() {
    let (site, agent) = two_samples();
    let hung = pid_behind(&site, "s1");
    support::freeze(hung);
    agent.says("s1: restart, ordered: ");
    let incident = closed(&site);
    assert_eq!(
        incident["causes"][0]["cause"], "process_hung",
        "{incident:#}"
    );
    let actions = incident["actions"].as_array().unwrap();
    let restart = actions.iter().find(|a| a["action"] == "restart");
    assert_eq!(restart.unwrap()["outcome"], "cured", "{incident:#}");
    assert_ne!(pid_behind(&site, "s1"), hung);
    assert!(!alive(hung));
    site.lb().until("app", "s1", "up");
}

#[test]
fn where_agents_connect_is_changed_by_a_reload() {
    let mut site = Site::new(By::Token);
    let with = site.balancers(By::Token, "127.0.0.1:0");
    let token = with.lines().nth(2).unwrap().to_owned();
    let without = with.replace(&format!("[agents]\nbind = \"127.0.0.1:0\"\n{token}\n"), "");
    let without = without.replace("service = \"host-1/s\"\n", "");
    drop(site.balancer.take());
    site.balancer = Some(Evenkeel::run(&without));
    assert!(site.lb().status().unwrap()["agents_bind"].is_null());
    site.lb().rewrite(&with);
    site.lb().signal("HUP");
    let agent = site.agent(site.token());
    site.ready();
    site.lb().rewrite(&without);
    site.lb().signal("HUP");
    agent.says("the connection to test at");
    eventually("nobody listens any more", || {
        let bind = site.lb().status()?["agents_bind"].clone();
        bind.is_null().then_some(())
    });
}

#[test]
fn check_knows_both_kinds_of_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t"), "x").unwrap();
    let file = folder.path().join("host-1.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(binary())
            .arg("check")
            .arg(&file)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, _) =
        check("[agent]\nname = \"h\"\ncontrol = [\"127.0.0.1:1\"]\ntoken = \"file:t\"\n");
    assert_eq!(code, Some(0));
    assert!(
        out.contains("good (agent h, 0 services, 1 balancers, allows restart)"),
        "{out}"
    );
    let (code, _, err) = check("[agent]\nname = \"h h\"\ncontrol = []\nca = \"none.pem\"\n");
    assert_eq!(code, Some(2));
    for what in ["agent.name", "agent.control", "agent.token", "agent.ca"] {
        assert!(err.contains(what), "{what}\n{err}");
    }
    let output = Command::new(binary())
        .arg("run")
        .arg(&file)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("`evenkeel agent FILE`"), "{err}");
}
