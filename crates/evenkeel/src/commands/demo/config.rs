//! The demo's configuration: an ordinary one, which can be saved and run. Every key that differs from its default says why.

use std::path::Path;

use super::{NAMES, Ports};

/// TOML of the demo. State and the samples' files are below `folder`, which is relative to the configuration's own.
pub(super) fn config(exe: &Path, ports: &Ports, folder: &str) -> String {
    let exe = toml_string(&exe.display().to_string());
    let mut text = format!(
        r#"# The configuration of `evenkeel demo`: three sample services, supervised, balanced and healed.
[node]
state_dir = "{folder}state"
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
path = "/healthz"               # of the samples it does what any request does, so it fails where they would
interval = "1s"
fast_interval = "200ms"
timeout = "500ms"

[pool.app.outlier]
base_ejection = "5s"            # seen to come back while one watches

[pool.app.retry]                # the samples answer 500 when they cannot write, or are a bad release: another one can
on = ["connect", "reset", "timeout", "garbage", "500", "502", "503", "504"]

[pool.app.failover]
hold = "2s"
ramp = "5s"

[pool.app.recovery]             # what may be done by itself; left out, only restarting
allow = ["restart", "kill_hung", "relieve_memory", "relieve_cpu", "free_disk", "rollback_release"]
max_actions_per_hour = 60       # one tries a lot in a demo
"#,
        admin = ports.admin,
        web = ports.web,
    );
    for (name, port) in NAMES.iter().zip(ports.samples) {
        text.push_str(&service(&exe, name, port, folder));
    }
    text
}

fn service(exe: &str, name: &str, port: u16, folder: &str) -> String {
    let own = format!("{folder}{name}");
    format!(
        r#"
[[pool.app.endpoint]]
name = "{name}"
address = "127.0.0.1:{port}"
service = "{name}"

[service.{name}]
command = [{exe}, "__sample", "{name}", "{port}",
    "--cache", "{own}/disk/cache", "--data", "{own}/disk/data", "--release", "{own}/releases/current"]
ready = {{ kind = "tcp", port = {port}, timeout = "10s" }}
stop_timeout = "2s"
memory_max = "128MiB"           # it needs two: what comes near this is a leak
disk_paths = ["{own}/disk/cache"]
disk_keep = "8MiB"              # half of the little disk it has in the demo
release = {{ current = "{own}/releases/current", previous = "{own}/releases/previous" }}
data = {{ directory = "{own}/disk/data", every = "1m", keep = 3 }}
commands = {{ clean = ["/bin/sh", "-c", "rm -f {own}/disk/cache/page-*"] }}
"#
    )
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
        for folder in ["", "evenkeel-demo/"] {
            let text = config(Path::new("/opt/with \"quotes\"/evenkeel"), &ports, folder);
            let config = evenkeel_schema::config::Config::parse(&text, Path::new("/tmp/demo.toml"));
            let config = config.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
            assert_eq!(config.services.len(), 3);
            let command = &config.services[0].command;
            assert_eq!(command[0], "/opt/with \"quotes\"/evenkeel");
        }
    }
}
