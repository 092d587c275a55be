//! What to try in the demo, with its own paths, ports and process ids, to be copied into a second terminal.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use super::Ports;
use crate::cli::Admin;
use crate::client::Client;
use crate::style::{Out, complain};

/// Where a demo runs.
pub(super) struct Place {
    pub(super) ports: Ports,
    /// Its files.
    pub(super) folder: PathBuf,
    /// The same as seen from outside, where the little disks are; `None` = there are none.
    pub(super) disks: Option<PathBuf>,
}

/// Waits until all samples are up, then says what to try.
pub(super) fn introduce(place: &Place) {
    let admin = Admin {
        admin: Some(format!("http://127.0.0.1:{}", place.ports.admin)),
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
    for (what, command) in to_try(&status, place, &program()) {
        match what.is_empty() {
            true => out.line(""),
            false => out.line(&format!("  {what:<WHAT_WIDTH$}{}", out.bold(&command))),
        }
    }
    out.line("\n  Ctrl-C here ends it and cleans up.\n");
}

/// The commands stand last, because they may be long, and whole, because they are copied.
const WHAT_WIDTH: usize = 50;

type Line = (&'static str, String);

/// What it does, and how it is typed; an empty line between the parts. Each process is named once: the numbers of those that were killed are gone.
fn to_try(status: &Value, place: &Place, program: &str) -> Vec<Line> {
    let ports = &place.ports;
    let pid = |n: usize| status["pools"][0]["endpoints"][n]["service"]["pid"].to_string();
    let admin = match ports.admin {
        9440 => String::new(),
        port => format!(" --admin http://127.0.0.1:{port}"),
    };
    let evenkeel = |args: &str| format!("{program} {args}{admin}");
    let mut lines = vec![
        (
            "a1, a2 and a3 answer in turn",
            format!("curl http://127.0.0.1:{}/", ports.web),
        ),
        (
            "who serves, in what state, since when, why",
            evenkeel("status"),
        ),
        ("", String::new()),
        (
            "kill a1: no request fails, it is started again",
            format!("kill -9 {}", pid(0)),
        ),
        (
            "freeze a2: its check and real traffic notice",
            format!("kill -STOP {}", pid(1)),
        ),
        (
            "kill the balancer: nobody is refused",
            format!("kill -9 {}", status["worker_pid"]),
        ),
    ];
    lines.extend(to_break(place, &evenkeel));
    lines.extend([
        (
            "what happened to a1, why, what was done",
            evenkeel("explain app/a1"),
        ),
        ("all faults so far", evenkeel("incidents")),
        ("", String::new()),
        ("take a3 out", evenkeel("drain app/a3")),
        ("take that back", evenkeel("ready app/a3")),
        (
            "faults on purpose, measured",
            format!("{program} drill --list"),
        ),
        (
            "the configuration behind this",
            format!("{program} demo --print-config"),
        ),
    ]);
    lines
}

/// Faults that take longer, each healed by itself.
fn to_break(place: &Place, evenkeel: &dyn Fn(&str) -> String) -> Vec<Line> {
    let a1 = place.ports.samples[0];
    let releases = place.folder.join("a1/releases");
    let link = |name: &str| shell_word(&releases.join(name).display().to_string());
    let (current, previous) = (link("current"), link("previous"));
    let mut lines = vec![("", String::new())];
    if let Some(disks) = &place.disks {
        let junk = disks.join("a1/disk/cache/junk");
        let junk = shell_word(&junk.display().to_string());
        lines.push((
            "fill a1's little disk: room is made again",
            format!("dd if=/dev/zero of={junk} bs=1M"),
        ));
    }
    lines.extend([
        (
            "leak a1's memory: restarted before it is used up",
            format!("curl -X POST 'http://127.0.0.1:{a1}/_drill/leak?mib_per_s=6'"),
        ),
        (
            "ship a1 a bad release: it is rolled back",
            // A rollback has made `previous` the bad one: the second time there is something to go back to again.
            format!(
                "ln -sfn good {previous}; ln -sfn bad {current} && {}",
                evenkeel("act a1 restart")
            ),
        ),
    ]);
    lines
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
    fn what_it_tells_to_type_can_be_typed() {
        let place = |disks: Option<&str>| Place {
            ports: Ports {
                web: 8081,
                admin: 9441,
                samples: [9001, 9002, 9003],
            },
            folder: "/tmp/demo".into(),
            disks: disks.map(Into::into),
        };
        let endpoint = |pid: u32| serde_json::json!({ "service": { "pid": pid } });
        let endpoints = [endpoint(11), endpoint(12), endpoint(13)];
        let status = serde_json::json!({ "worker_pid": 7, "pools": [{ "endpoints": endpoints }] });
        let program = shell_word("/opt/it's here/evenkeel");
        let lines = to_try(&status, &place(Some("/tmp/my disks")), &program);
        let commands: Vec<&str> = lines.iter().map(|(_, command)| command.as_str()).collect();
        for wanted in [
            "curl http://127.0.0.1:8081/",
            r"'/opt/it'\''s here/evenkeel' status --admin http://127.0.0.1:9441",
            "kill -9 11",
            "kill -STOP 12",
            "kill -9 7",
            "dd if=/dev/zero of='/tmp/my disks/a1/disk/cache/junk' bs=1M",
            "curl -X POST 'http://127.0.0.1:9001/_drill/leak?mib_per_s=6'",
        ] {
            assert!(
                commands.contains(&wanted),
                "{wanted} is not in {commands:?}"
            );
        }
        assert!(lines.iter().all(|(what, _)| what.len() + 1 < WHAT_WIDTH));
        let without = to_try(&status, &place(None), &program);
        assert!(
            without
                .iter()
                .all(|(_, command)| !command.starts_with("dd"))
        );
    }
}
