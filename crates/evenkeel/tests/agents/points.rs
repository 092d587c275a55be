//! Recovery points of an agent's service, from the balancer: seen, read back, restored, and refused.

use std::path::PathBuf;

use serde_json::Value;

use super::support::{eventually, kill};
use super::{Agent, By, Site, pid};

/// An agent whose service has data, with this in its `allow`.
fn agent_with_data(site: &Site, allow: &str) -> Agent {
    let keys = format!("{}\nallow = [{allow}]", site.token());
    let file = site.file("agent", &site.agents_bind(), &keys);
    std::fs::create_dir(site.path("data")).unwrap();
    std::fs::write(site.path("data/x"), "good").unwrap();
    let text = std::fs::read_to_string(&file).unwrap() + "data = { directory = \"data\" }\n";
    std::fs::write(&file, text).unwrap();
    Agent::run(&file)
}

fn list(site: &Site) -> Option<Value> {
    let answer = site.lb().admin("GET", "/v1/recovery-points", "")?;
    serde_json::from_str(&answer.text()).ok()
}

/// The point of the agent's service that the balancer knows, once it is as wanted.
fn point(site: &Site, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("a point of host-1/s\n{}", site.lb().log()), || {
        let list = list(site)?;
        let mut points = list["recovery_points"].as_array()?.iter();
        points
            .find(|p| p["service"] == "host-1/s" && is(p))
            .cloned()
    })
}

fn data(site: &Site) -> String {
    std::fs::read_to_string(site.path("data/x")).unwrap()
}

#[test]
fn they_are_listed_read_back_and_restored_and_what_was_there_is_kept_aside() {
    let site = Site::new(By::Token);
    let _agent = agent_with_data(&site, "\"restore_data\"");
    let before = pid(&site.ready());
    let point = point(&site, |_| true);
    assert_eq!((&point["bytes"], &point["files"]), (&4.into(), &1.into()));
    assert!(point["as_of"].is_null(), "{point}");
    let id = point["id"].as_str().unwrap();
    let (code, out, err) = site.lb().command(&["recovery-points", "host-1/s"]);
    assert!(code == 0 && out.contains(id), "{out}{err}");
    let (code, out, err) = site
        .lb()
        .command(&["recovery-points", "host-1/s", "verify", id]);
    assert!(code == 0 && out.contains("is whole"), "{out}{err}");

    std::fs::write(site.path("data/x"), "broken").unwrap();
    let restore = ["recovery-points", "host-1/s", "restore", id, "--json"];
    let (code, out, err) = site.lb().command(&restore);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(data(&site), "good");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let aside = PathBuf::from(answer["kept_aside"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(aside.join("x")).unwrap(), "broken");
    site.service(|s| s["state"] == "ready" && s["pid"] != before);

    // Not whole any more: told by its host, and nothing is put in place.
    let copy = site.path(&format!("agent-state/recovery/s/{id}/data/x"));
    std::fs::write(copy, "g00d").unwrap();
    for action in ["verify", "restore"] {
        let (code, out, err) = site
            .lb()
            .command(&["recovery-points", "host-1/s", action, id]);
        assert_eq!(code, 1, "{action}: {out}{err}");
    }
    assert_eq!(data(&site), "good");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let site = Site::new(By::Token);
    let mut agent = agent_with_data(&site, "\"restart\"");
    site.ready();
    let point = point(&site, |_| true);
    let id = point["id"].as_str().unwrap().to_owned();
    let refused = |service: &str, id: &str, words: &str| {
        for action in ["restore", "verify"] {
            let command = ["recovery-points", service, action, id];
            let (code, out, err) = site.lb().command(&command);
            assert_eq!(code, 1, "{action}: {out}{err}");
            assert!(err.contains(words), "{action}: wanted {words:?}: {err}");
        }
    };
    refused("host-1/s", "none", "has no recovery point \"none\"");
    refused("host-1/t", &id, "there is no service \"host-1/t\"");
    let (code, _, err) = site
        .lb()
        .command(&["recovery-points", "host-1/s", "restore", &id]);
    let words = "restore_data is not allowed on this host: its `allow` has restart";
    assert!(code == 1 && err.contains(words), "{err}");
    // Reading back changes nothing, and is nobody's to allow.
    let (code, out, err) = site
        .lb()
        .command(&["recovery-points", "host-1/s", "verify", &id]);
    assert_eq!(code, 0, "{out}{err}");

    kill(agent.child.id(), "TERM");
    agent.child.wait().unwrap();
    self::point(&site, |point| point["as_of"].is_string());
    let (_, out, _) = site.lb().command(&["recovery-points"]);
    assert!(
        out.contains(&id) && out.contains("agent host-1 is not connected"),
        "{out}"
    );
    refused("host-1/s", &id, "agent host-1 is not connected");
}

#[test]
fn a_balancer_that_was_started_again_lists_them_when_the_agent_has_called() {
    let site = Site::new(By::Token);
    let _agent = agent_with_data(&site, "\"restore_data\"");
    let first = point(&site, |_| true);
    let old = site.lb().worker_pid();
    kill(old, "KILL");
    eventually("another balancer works", || {
        let pid = site.lb().status()?["worker_pid"].clone();
        (pid != u64::from(old)).then_some(())
    });
    let again = point(&site, |point| point["as_of"].is_null());
    assert_eq!(again, first);
    // And works with them.
    std::fs::write(site.path("data/x"), "broken").unwrap();
    let id = first["id"].as_str().unwrap();
    let (code, out, err) = site
        .lb()
        .command(&["recovery-points", "host-1/s", "restore", id]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(data(&site), "good");
}
