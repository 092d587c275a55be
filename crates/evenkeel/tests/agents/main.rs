//! Agents on other hosts, with the real binary on both sides: let in or not, supervising alone, obeying and refusing, and coming
//! back whatever dies. The "other host" is this one, by another process with its own keeper.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod incidents;
mod letting_in;
mod points;
mod strangers;
mod supervising;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use evenkeel_tls::testing::Authority;
use serde_json::Value;

use support::{Evenkeel, binary, eventually};

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
