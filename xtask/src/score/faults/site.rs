//! A site to drill: three supervised samples with all they can lose, and a fourth one that they need.

use crate::process::{self, Tree};
use crate::{Failure, steps};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// All endpoints serve and were looked at within this, or something is wrong.
const READY_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// An answer of the admin API.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// What samples are called.
pub(super) const NAMES: [&str; 3] = ["a1", "a2", "a3"];

/// Where everything is.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) web: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) samples: [SocketAddr; 3],
    /// What all samples need.
    pub(super) store: SocketAddr,
}

impl Ports {
    pub(super) fn free() -> Result<Ports, Failure> {
        let one = || process::lasting_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Ports {
            web: one()?,
            admin: one()?,
            samples: [one()?, one()?, one()?],
            store: one()?,
        })
    }
}

/// A running evenkeel with all of it.
pub(super) struct Site {
    pub(super) ports: Ports,
    pub(super) file: PathBuf,
    folder: tempfile::TempDir,
    _evenkeel: Tree,
}

impl Site {
    /// Starts it and waits until all serve.
    pub(super) fn start(programs: &Path) -> Result<Site, Failure> {
        let folder = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
        let ports = Ports::free()?;
        let file = folder.path().join("faults.toml");
        let program = programs.join("evenkeel");
        std::fs::write(&file, config(&program, &ports))
            .map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new(&program);
        command.arg("run").arg(&file).current_dir(folder.path());
        let evenkeel = process::start_logged(command, &folder.path().join("log"))?;
        let site = Site {
            ports,
            file,
            folder,
            _evenkeel: evenkeel,
        };
        site.wait().map_err(|why| format!("{why}{}", site.log()))?;
        Ok(site)
    }

    /// Facts too: what was never looked at may have been wrong before.
    fn wait(&self) -> Result<(), Failure> {
        let until = Instant::now() + READY_MAX;
        let serves = |e: &Value| e["state"] == "up" && e["service"]["facts"].is_object();
        loop {
            let status = self.ask("/v1/status").unwrap_or_default();
            let pools = status["pools"].as_array().into_iter().flatten();
            let endpoints =
                pools.flat_map(|pool| pool["endpoints"].as_array().into_iter().flatten());
            let serving = endpoints.filter(|e| serves(e)).count();
            if serving == NAMES.len() + 1 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!(
                    "not all endpoints serve after {READY_MAX:?}: {status:#}"
                ));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// An answer of the admin API.
    pub(super) fn ask(&self, path: &str) -> Result<Value, Failure> {
        let body = get(self.ports.admin, path)?;
        serde_json::from_str(&body).map_err(|e| format!("{path}: {e}: {body}"))
    }

    /// What it said.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("; evenkeel said:\n{text}")
    }
}

/// A GET without any library: the body of the answer.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    request(address, "GET", path)
}

/// One request over a connection of its own.
pub(super) fn request(address: SocketAddr, method: &str, path: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| format!("{method} {address}{path}: {e}");
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}

/// The samples' command line, by which HAProxy's supervisor starts them too.
pub(super) fn sample(name: &str, ports: &Ports, folder: &str) -> Vec<String> {
    let port = |at: usize| ports.samples[at].port().to_string();
    let number = NAMES.iter().position(|n| *n == name);
    let words = |port: String| vec!["__sample".to_owned(), name.to_owned(), port];
    let Some(number) = number else {
        return words(ports.store.port().to_string());
    };
    let mut all = words(port(number));
    for (key, value) in [
        ("--cache", format!("{folder}{name}/cache")),
        ("--data", format!("{folder}{name}/data")),
        ("--release", format!("{folder}{name}/releases/current")),
        ("--needs", ports.store.to_string()),
    ] {
        all.extend([key.to_owned(), value]);
    }
    all
}

fn config(program: &Path, ports: &Ports) -> String {
    let template = include_str!("site.toml");
    let mut text = template
        .replace("WEB", &ports.web.to_string())
        .replace("ADMIN", &ports.admin.to_string());
    for (name, address) in NAMES.into_iter().zip(ports.samples) {
        text += &service("app", name, program, address, ports);
        text += &format!(
            "memory_max = \"128MiB\"\ncpu_max = \"50%\"\ndisk_paths = [\"{name}/cache\"]\ndisk_keep = \"4MiB\"\n\
             release = {{ current = \"{name}/releases/current\", previous = \"{name}/releases/previous\" }}\n\
             data = {{ directory = \"{name}/data\", every = \"10s\", keep = 3 }}\n"
        );
    }
    text + &service("store", "store", program, ports.store, ports)
}

fn service(pool: &str, name: &str, program: &Path, address: SocketAddr, ports: &Ports) -> String {
    let words = sample(name, ports, "");
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!(
        "\n[[pool.{pool}.endpoint]]\nname = \"{name}\"\naddress = \"{address}\"\nservice = \"{name}\"\n\n\
         [service.{name}]\ncommand = [{program:?}, {}]\n\
         ready = {{ kind = \"tcp\", port = {}, timeout = \"10s\" }}\nstop_timeout = \"2s\"\n",
        words.join(", "),
        address.port()
    )
}

/// Root may do what some faults need; others are then left out, and said.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Is nft there?
pub(super) fn has_nft() -> bool {
    let mut command = Command::new("/usr/sbin/nft");
    command.args(["list", "tables"]);
    is_root() && steps::output(command).is_ok()
}
