//! Supervising alone, obeying, coming back, and being changed.

use std::process::Command;

use super::support::{Evenkeel, alive, binary, eventually, kill, wait};
use super::{Agent, By, Site, pid};

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
