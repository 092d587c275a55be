//! What an agent hears from a balancer that is none, and a balancer from agents that are none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use evenkeel_schema::agent::{
    FRAME_BYTES_MAX, Frames, FromAgent, Hello, Order, PROTOCOL, ServiceReport, ToAgent, Token,
    encode, read,
};
use evenkeel_tls::testing::Authority;

use super::support;
use super::support::{eventually, kill};
use super::{Agent, By, Site, pid};

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
            older_than_ms: None,
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

/// Whoever has the token may say what he likes; how much of it gets into the log that others read is bounded.
#[test]
fn an_agent_that_says_something_odd_again_and_again_fills_no_log() {
    let site = Site::new(By::Token);
    let address: SocketAddr = site.agents_bind().parse().unwrap();
    let hello = |instance| {
        let hello = FromAgent::Hello(Hello {
            protocol: PROTOCOL,
            agent: "host-9".into(),
            version: "0".into(),
            instance,
            token: Some(Token("a-good-token".into())),
            actions: Vec::new(),
            fence: 0,
            interval_ms: 1000,
        });
        encode(&hello).unwrap()
    };
    let mut stream = stranger(address, &hello(1));
    let service = |state: &str| {
        let report = ServiceReport {
            name: "s".into(),
            state: state.into(),
            ..ServiceReport::default()
        };
        encode(&FromAgent::Service(report)).unwrap()
    };
    let order = |fence| {
        let done = FromAgent::Done {
            order: 1,
            done: false,
            words: "no".into(),
            kept_aside: None,
            fence,
        };
        encode(&done).unwrap()
    };
    let all = FromAgent::Services {
        services: vec![ServiceReport {
            name: "s".into(),
            state: "ready".into(),
            ..ServiceReport::default()
        }],
    };
    stream.write_all(&encode(&all).unwrap()).unwrap();
    let round = [
        service("failed"),
        order(u64::MAX),
        service("ready"),
        order(1),
    ]
    .concat();
    for _ in 0..300 {
        stream.write_all(&round).unwrap();
    }
    // Beside it others with its name come in vain, and it comes back again and again.
    for instance in 2..30 {
        let mut stream = stranger(address, &hello(instance));
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let messages = || {
        let metrics = site.lb().admin("GET", "/metrics", "")?.text();
        let line = metrics.lines().find(|line| {
            line.starts_with("evenkeel_agent_messages_total") && line.contains("host-9")
        })?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    eventually("all of it was heard", || {
        (messages()? >= 1201).then_some(())
    });
    drop(stream);
    for _ in 0..30 {
        drop(stranger(address, &hello(1)));
    }
    let log = site.lb().says("is not believed");
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let states = lines("host-9/s");
    assert!((2..=200).contains(&states), "{states}\n{log}");
    assert_eq!(lines("is not believed"), 1, "{log}");
    let others = lines("agent host-9 at");
    assert!(others <= 2, "{others}\n{log}");
    let passing = lines("agent host-9 connected") + lines("agent host-9 is gone");
    assert!(passing <= 10, "{passing}\n{log}");
}
