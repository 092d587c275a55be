//! Who is let in as an agent, and who is not.

use evenkeel_tls::testing::Authority;

use super::support::{alive, eventually};
use super::{Agent, By, Site, pid};

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
    site.lb().says("an agent at 127.0.0.1");
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
