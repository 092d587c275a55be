//! `evenkeel demo`: the main job on nothing but this binary.
//!
//! The demo is an ordinary `run` of an ordinary configuration, so what one sees is what one gets. Only the configuration is
//! made up here, and a thread that waits until everything is up says what to try.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::client::Client;
use crate::commands::run;
use crate::style::{Out, complain};

const NAMES: [&str; 3] = ["a1", "a2", "a3"];

/// The ports of a demo: what was wanted, or the next free ones.
struct Ports {
    web: u16,
    admin: u16,
    samples: [u16; 3],
}

/// Runs until Ctrl-C.
pub(crate) fn demo(print_config: bool) -> End {
    let exe = match std::env::current_exe() {
        Ok(exe) => exe,
        Err(e) => {
            complain(&format!(
                "evenkeel: this program's own file can't be found: {e}"
            ));
            return End::Failed;
        }
    };
    let out = Out::new();
    if print_config {
        let ports = Ports {
            web: 8080,
            admin: 9440,
            samples: [9001, 9002, 9003],
        };
        out.line(config(&exe, &ports, "evenkeel-demo").trim_end());
        return End::Done;
    }
    let Some(ports) = Ports::free() else {
        complain("evenkeel: no free port could be found on 127.0.0.1 for the demo");
        return End::Failed;
    };
    let folder = match tempfile::Builder::new().prefix("evenkeel-demo-").tempdir() {
        Ok(folder) => folder,
        Err(e) => {
            complain(&format!("evenkeel: no folder for the demo's state: {e}"));
            return End::Failed;
        }
    };
    let file = folder.path().join("demo.toml");
    if let Err(e) = std::fs::write(&file, config(&exe, &ports, "state")) {
        complain(&format!("evenkeel: {}: {e}", file.display()));
        return End::Failed;
    }
    for (wanted, port, what) in [(8080, ports.web, "web"), (9440, ports.admin, "admin")] {
        if wanted != port {
            out.line(&format!(
                "Port {wanted} is taken: {what} is on {port} instead."
            ));
        }
    }
    // The keeper takes signals in its own way, and a thread that does not block them would take them in the kernel's.
    let mut keepers = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        keepers.add(signal);
    }
    if keepers.thread_block().is_ok() {
        std::thread::spawn(move || introduce(&ports));
    }
    let end = run::run(&file);
    if let Err(e) = folder.close() {
        complain(&format!(
            "evenkeel: the demo's folder could not be removed: {e}"
        ));
    }
    end
}

impl Ports {
    fn free() -> Option<Ports> {
        let web = free_port(8080, &[])?;
        let admin = free_port(9440, &[web])?;
        let a1 = free_port(9001, &[web, admin])?;
        let a2 = free_port(9002, &[web, admin, a1])?;
        let a3 = free_port(9003, &[web, admin, a1, a2])?;
        Some(Ports {
            web,
            admin,
            samples: [a1, a2, a3],
        })
    }
}

/// The first port from `wanted` on that nobody listens on and that is not among `given`.
fn free_port(wanted: u16, given: &[u16]) -> Option<u16> {
    (wanted..wanted.saturating_add(200)).find(|port| {
        !given.contains(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
    })
}

/// TOML of the demo; every key that differs from its default says why.
fn config(exe: &Path, ports: &Ports, state_dir: &str) -> String {
    let exe = toml_string(&exe.display().to_string());
    let mut text = format!(
        r#"# The configuration of `evenkeel demo`: three sample services, supervised and balanced.
[node]
state_dir = "{state_dir}"
drain_timeout = "2s"            # a demo ends quickly
workers = 1                     # each worker takes turns by itself; with one, that is what curl sees

[admin]
bind = "127.0.0.1:{admin}"

[[listener]]
name = "web"
bind = ["127.0.0.1:{web}"]

[[route]]
pool = "app"

[pool.app]
balance = "round_robin"         # so that the names take turns visibly

[pool.app.check]
kind = "http"
path = "/healthz"
interval = "1s"
fast_interval = "200ms"
timeout = "500ms"

[pool.app.outlier]
base_ejection = "5s"            # seen to come back while one watches

[pool.app.failover]
hold = "2s"
ramp = "5s"
"#,
        admin = ports.admin,
        web = ports.web,
    );
    for (name, port) in NAMES.iter().zip(ports.samples) {
        text.push_str(&format!(
            r#"
[[pool.app.endpoint]]
name = "{name}"
address = "127.0.0.1:{port}"
service = "{name}"

[service.{name}]
command = [{exe}, "__sample", "{name}", "{port}"]
ready = {{ kind = "tcp", port = {port}, timeout = "10s" }}
stop_timeout = "2s"
"#
        ));
    }
    text
}

/// `text` as a TOML basic string.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Waits until all samples are up, then says what to try.
fn introduce(ports: &Ports) {
    let admin = Admin {
        admin: Some(format!("http://127.0.0.1:{}", ports.admin)),
        ..Admin::default()
    };
    let Ok(client) = Client::new(&admin) else {
        return;
    };
    let status = (0..150).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let body = client.call(Method::GET, "/v1/status", None).ok()?;
        let status: Value = serde_json::from_slice(&body).ok()?;
        let endpoints = status["pools"][0]["endpoints"].as_array()?;
        endpoints
            .iter()
            .all(|e| e["state"] == "up" && e["service"]["pid"].is_u64())
            .then_some(status)
    });
    let Some(status) = status else {
        complain("evenkeel: the samples are not all up after 15 s; `evenkeel status` says why");
        return;
    };
    let out = Out::new();
    out.line(&format!(
        "\n{}\n",
        out.bold("evenkeel is up. In a second terminal:")
    ));
    for (what, command) in to_try(&status, ports, &program()) {
        out.line(&format!("  {what:<WHAT_WIDTH$}{}", out.bold(&command)));
    }
    out.line("\n  Ctrl-C here ends it and cleans up.\n");
}

/// The commands stand last, because they may be long, and whole, because they are copied.
const WHAT_WIDTH: usize = 48;

/// What it does, and how it is typed. Each process is named once: the numbers of those that were killed are gone.
fn to_try(status: &Value, ports: &Ports, program: &str) -> Vec<(&'static str, String)> {
    let pid = |n: usize| status["pools"][0]["endpoints"][n]["service"]["pid"].to_string();
    let admin = match ports.admin {
        9440 => String::new(),
        port => format!(" --admin http://127.0.0.1:{port}"),
    };
    let evenkeel = |args: &str| format!("{program} {args}{admin}");
    vec![
        (
            "a1, a2 and a3 answer in turn",
            format!("curl http://127.0.0.1:{}/", ports.web),
        ),
        (
            "who serves, in what state, since when, why",
            evenkeel("status"),
        ),
        (
            "kill a1: no request fails, it is started again",
            format!("kill -9 {}", pid(0)),
        ),
        (
            "freeze a2: its check and real traffic notice",
            format!("kill -STOP {}", pid(1)),
        ),
        ("let it go on", format!("kill -CONT {}", pid(1))),
        (
            "kill the balancer: nobody is refused",
            format!("kill -9 {}", status["worker_pid"]),
        ),
        ("take a3 out", evenkeel("drain app/a3")),
        ("take that back", evenkeel("ready app/a3")),
        (
            "the configuration behind this",
            format!("{program} demo --print-config"),
        ),
    ]
}

/// How this program is started from another terminal: by its name only if the shell would find this very file.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else {
        return "evenkeel".into();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("evenkeel"))
        .find(|file| file.is_file());
    match found.and_then(|file| file.canonicalize().ok()) {
        Some(file) if file == exe => "evenkeel".into(),
        _ => shell_word(&exe.display().to_string()),
    }
}

/// `text` as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_configuration_has_no_mistake() {
        let ports = Ports {
            web: 8080,
            admin: 9440,
            samples: [9001, 9002, 9003],
        };
        let text = config(Path::new("/opt/with \"quotes\"/evenkeel"), &ports, "state");
        let config = evenkeel_schema::config::Config::parse(&text, Path::new("/tmp/demo.toml"));
        let config = config.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        assert_eq!(config.services.len(), 3);
        assert_eq!(
            config.services[0].command[0],
            "/opt/with \"quotes\"/evenkeel"
        );
    }

    #[test]
    fn what_it_tells_to_type_can_be_typed() {
        let ports = Ports {
            web: 8081,
            admin: 9441,
            samples: [9001, 9002, 9003],
        };
        let endpoint = |pid: u32| serde_json::json!({ "service": { "pid": pid } });
        let endpoints = [endpoint(11), endpoint(12), endpoint(13)];
        let status = serde_json::json!({ "worker_pid": 7, "pools": [{ "endpoints": endpoints }] });
        let program = shell_word("/opt/it's here/evenkeel");
        let lines = to_try(&status, &ports, &program);
        let commands: Vec<&str> = lines.iter().map(|(_, command)| command.as_str()).collect();
        for wanted in [
            "curl http://127.0.0.1:8081/",
            r"'/opt/it'\''s here/evenkeel' status --admin http://127.0.0.1:9441",
            "kill -9 11",
            "kill -STOP 12",
            "kill -CONT 12",
            "kill -9 7",
        ] {
            assert!(
                commands.contains(&wanted),
                "{wanted} is not in {commands:?}"
            );
        }
        assert!(lines.iter().all(|(what, _)| what.len() + 1 < WHAT_WIDTH));
    }
}
