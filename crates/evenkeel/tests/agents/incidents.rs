//! Faults of an agent's services as incidents of the balancer.

use serde_json::Value;

use super::support;
use super::support::{Evenkeel, alive, binary, eventually, free_port, kill};
use super::{Agent, By, Site};

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
