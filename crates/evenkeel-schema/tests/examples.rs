//! Configurations that people are given: they parse to what is documented, or say exactly what this build has not.

use std::path::Path;
use std::time::Duration;

use evenkeel_core::recover::actions::{ACTIONS, Hand};
use evenkeel_core::settings::{
    CheckKind, CheckSettings, Decimal, FailoverMode, FailoverSettings, HostTls, LimitSettings,
    OutlierSettings, Protocol, Ready, RetrySettings, RouteAction, TransportSettings,
};
use evenkeel_schema::config::keys::{self, Kind};
use evenkeel_schema::config::{AccessFormat, AccessLog, AgentConfig, LogFormat};
use evenkeel_schema::mistake::MistakeKind;
use evenkeel_schema::{Config, Mistake, explain};

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    std::fs::read_to_string(folder.join(name)).expect("the file is in tests/data")
}

fn parsed(text: &str) -> Config {
    Config::parse(text, Path::new("/srv/lb.toml")).unwrap_or_else(|m| panic!("{}", explain(&m)))
}

const MINIMAL: &str = r#"
[[listener]]
name = "web"
bind = ["127.0.0.1:8080"]

[[route]]
pool = "app"

[pool.app]
[[pool.app.endpoint]]
name = "a1"
address = "127.0.0.1:9001"
[[pool.app.endpoint]]
name = "a2"
address = "127.0.0.1:9002"

[service.s]
command = ["./api"]
"#;

#[test]
fn the_configuration_of_the_acceptance_run_parses() {
    let config = parsed(&data("three.toml"));
    assert_eq!(config.node.state_dir, Path::new("/srv/state"));
    assert_eq!(config.node.workers, Some(1));
    assert_eq!(config.admin.bind.to_string(), "127.0.0.1:19440");
    let web = &config.listeners[0];
    assert_eq!(web.bind[0].to_string(), "127.0.0.1:18080");
    assert_eq!(web.settings.header_timeout, Duration::from_secs(3));
    let pool = &config.pools[0];
    assert_eq!(&*pool.policy.name, "round_robin");
    let CheckKind::Http { path, expect, .. } = &pool.check.kind else {
        panic!("{:?}", pool.check)
    };
    assert_eq!(
        (path.as_str(), expect.as_slice()),
        ("/healthz", &[(200, 399)][..])
    );
    assert_eq!(pool.check.fast_interval, Duration::from_millis(200));
    assert_eq!((pool.check.rise, pool.check.fall), (2, 2));
    assert_eq!(pool.outlier.base_ejection, Duration::from_secs(3));
    assert_eq!(pool.retry.per_try_timeout, Duration::from_secs(1));
    assert_eq!(
        (pool.failover.hold, pool.failover.ramp),
        (Duration::ZERO, Duration::ZERO)
    );
    let targets: Vec<_> = pool
        .endpoints
        .iter()
        .map(|e| e.target.to_string())
        .collect();
    assert_eq!(
        targets,
        ["127.0.0.1:19111", "127.0.0.1:19112", "127.0.0.1:19113"]
    );
}

#[test]
fn the_whole_example_has_nothing_but_what_is_not_built_yet() {
    let mistakes = Config::parse(&data("example.toml"), Path::new("example.toml")).unwrap_err();
    let other = |m: &&Mistake| m.kind != MistakeKind::NotBuilt;
    assert_eq!(
        mistakes.iter().filter(other).collect::<Vec<_>>(),
        Vec::<&Mistake>::new()
    );
    let named: Vec<&str> = mistakes.iter().map(|m| m.path.as_str()).collect();
    for path in ["route[1].split", "route[1].mirror"] {
        assert!(named.contains(&path), "{path} is not refused by name");
    }
}

/// What stands in the example for a key that is built, is left out here, and is left out there: all are the same.
#[test]
fn the_example_without_what_is_not_built_parses_to_the_documented_defaults() {
    let config = parsed(&data("built.toml"));
    let node = &config.node;
    assert_eq!(
        (node.name.as_str(), node.user.as_deref()),
        ("lb-1", Some("evenkeel"))
    );
    let [web, postgres] = config.listeners.as_slice() else {
        panic!("{:?}", config.listeners)
    };
    let bind: Vec<_> = web.bind.iter().map(ToString::to_string).collect();
    assert_eq!(bind, ["127.0.0.1:8080", "[::1]:8080"]);
    let shop = HostTls {
        certificate: "/srv/shop.pem".into(),
        key: "/srv/shop.key".into(),
        client_ca: Some("/srv/clients.pem".into()),
    };
    assert_eq!(web.settings.tls, [shop]);
    assert_eq!(
        postgres.settings.protocol,
        Protocol::Tcp { pool: "db".into() }
    );
    let [api, old, robots, rest] = config.routes.as_slice() else {
        panic!("{:?}", config.routes)
    };
    assert_eq!(api.methods, ["GET", "POST"]);
    assert_eq!(api.headers, [("x-canary".to_owned(), "1".to_owned())]);
    assert!(
        matches!(&old.action, RouteAction::Redirect { to, status: 308 } if to.ends_with("/new"))
    );
    assert!(
        matches!(&robots.action, RouteAction::Respond { status: 200, body, .. } if body.contains("Disallow"))
    );
    assert_eq!(rest.action, RouteAction::Pool("api".into()));
    let names: Vec<&str> = config.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["api", "canary", "db"]);
    let (api, canary, db) = (&config.pools[0], &config.pools[1], &config.pools[2]);
    assert_eq!(api.outlier, OutlierSettings::default());
    assert_eq!(api.retry, RetrySettings::default());
    assert_eq!(api.limit, LimitSettings::default());
    let failover = FailoverSettings {
        zone: Some("a".into()),
        ..FailoverSettings::default()
    };
    assert_eq!(
        (api.failover.clone(), node.zone.as_deref()),
        (failover, Some("a"))
    );
    assert_eq!(api.transport, TransportSettings::default());
    let tls = api.tls.as_ref().expect("the example has it");
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/srv/ca.pem")));
    assert_eq!(tls.server_name.as_deref(), Some("api.internal"));
    let pair = tls.certificate.as_ref().expect("the example has it");
    assert_eq!(pair.key, Path::new("/srv/c.key"));
    assert_eq!((&canary.tls, &db.tls), (&None, &None));
    assert_eq!(&*api.policy.name, "p2c");
    let session = &config.sessions["api"];
    assert_eq!(
        (session.by.name().as_str(), session.ttl.as_secs()),
        ("cookie:evenkeel", 3600)
    );
    assert_eq!(config.sessions.len(), 1);
    assert_eq!((api.endpoints[0].weight, api.endpoints[2].tier), (100, 1));
    assert_eq!(api.endpoints[0].service.as_deref(), Some("api-1"));
    assert_eq!(canary.failover.mode, FailoverMode::Static);
    assert_eq!(canary.endpoints[0].standby.as_deref(), Some("canary-2"));
    assert_eq!(
        (&*db.policy.name, &db.check),
        ("first", &CheckSettings::default())
    );
    let service = &config.services[0];
    assert_eq!(service.command, ["/srv/api", "--port", "9001"]);
    assert_eq!(service.ready, Ready::Tcp { port: 9001 });
    assert_eq!(
        (service.stop_signal, service.user.as_deref()),
        (15, Some("api"))
    );
}

#[test]
fn the_agents_example_parses_to_the_documented_defaults() {
    let text = data("example-agent.toml");
    let config = AgentConfig::peruse(&text, Path::new("/srv/host-1.toml"));
    let config = config.unwrap_or_else(|m| panic!("{}", explain(&m)));
    let agent = &config.agent;
    assert_eq!(agent.name, "host-1");
    assert_eq!(agent.control[0].to_string(), "127.0.0.1:9441");
    assert_eq!(agent.state_dir, Path::new("/srv/agent-state"));
    assert_eq!(agent.facts_interval, Duration::from_secs(1));
    assert_eq!(agent.allow, ["restart", "free_disk"]);
    let tls = agent.tls.as_ref().expect("it names a ca");
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/srv/ca.pem")));
    assert_eq!(config.services[0].command, ["/srv/api", "--port", "9001"]);

    let allow = text.lines().filter(|line| !line.starts_with("allow"));
    let without: String = allow.map(|line| format!("{line}\n")).collect();
    let config = AgentConfig::peruse(&without, Path::new("/srv/host-1.toml")).unwrap();
    assert_eq!(config.agent.allow, ["restart"]);
}

/// The words of `allow` are the actions that are carried out on a service's host.
#[test]
fn an_agent_may_be_allowed_what_is_done_on_a_host_and_nothing_else() {
    let there = ACTIONS
        .iter()
        .filter(|action| matches!(action.hand(), Hand::Supervisor | Hand::Host));
    let mut there: Vec<&str> = there.map(|action| action.part.name).collect();
    let key = keys::AGENT.key("allow").expect("it is listed");
    let Kind::Words(words) = key.kind else {
        panic!("{key:?}")
    };
    let mut words: Vec<&str> = words.iter().map(|word| word.name).collect();
    there.sort_unstable();
    words.sort_unstable();
    assert_eq!(words, there);
}

#[test]
fn a_minimal_file_has_every_documented_default() {
    let config = parsed(MINIMAL);
    let seconds = Duration::from_secs;
    let node = &config.node;
    assert!(!node.name.is_empty());
    assert_eq!(node.state_dir, Path::new("/srv/evenkeel-state"));
    assert_eq!((node.workers, &node.user), (None, &None));
    assert_eq!(
        (node.shutdown_delay, node.drain_timeout),
        (Duration::ZERO, seconds(30))
    );
    assert_eq!(config.admin.bind.to_string(), "127.0.0.1:9440");
    assert_eq!(config.admin.token, None);
    assert_eq!(
        (config.log.level.as_str(), config.log.format),
        ("info", LogFormat::Text)
    );
    assert_eq!(
        (&config.log.access, config.log.access_format),
        (&AccessLog::Off, AccessFormat::Json)
    );
    let web = &config.listeners[0].settings;
    assert_eq!(
        (&web.protocol, web.max_connections),
        (&Protocol::Http, 20_000)
    );
    assert_eq!((web.header_timeout, web.body_min_rate), (seconds(10), 1024));
    assert_eq!(
        (web.read_stall, web.idle_timeout),
        (seconds(30), seconds(75))
    );
    assert_eq!(
        (web.tunnel_timeout, web.max_header_bytes, web.max_headers),
        (seconds(3600), 32 * 1024, 128)
    );
    let route = &config.routes[0];
    assert_eq!((route.timeout, route.max_body), (seconds(30), 0));
    assert!(route.host.is_none() && route.path.is_none() && route.methods.is_empty());
    let pool = &config.pools[0];
    assert_eq!(&*pool.policy.name, "p2c");
    let CheckSettings {
        kind,
        port,
        interval,
        fast_interval,
        timeout,
        rise,
        fall,
    } = &pool.check;
    assert_eq!((kind, port), (&CheckKind::Tcp, &None));
    assert_eq!(
        (*interval, *fast_interval, *timeout),
        (seconds(2), Duration::from_millis(500), seconds(1))
    );
    assert_eq!((*rise, *fall), (2, 3));
    let service = &config.services[0];
    assert_eq!(
        (&service.ready, service.ready_timeout),
        (&Ready::None, seconds(30))
    );
    assert_eq!(
        (service.stop_signal, service.stop_timeout),
        (15, seconds(10))
    );
    assert_eq!(
        (service.restart_starts, service.restart_within),
        (5, seconds(60))
    );
    assert_eq!(service.directory, Path::new("/srv"));
    assert_eq!(&*config.text, MINIMAL);
}

#[test]
fn a_shorter_interval_takes_the_fast_one_along() {
    let text = format!("{MINIMAL}\n[pool.app.check]\ninterval = \"200ms\"\n");
    let check = &parsed(&text).pools[0].check;
    assert_eq!(check.fast_interval, Duration::from_millis(200));
}

#[test]
fn what_needs_a_restart_is_named_and_what_does_not_is_not() {
    let old = parsed(&format!("[node]\nworkers = 1\nname = \"a\"\n{MINIMAL}"));
    let new = parsed(&format!(
        "[node]\nworkers = 2\nname = \"b\"\nstate_dir = \"other\"\nuser = \"u\"\n{MINIMAL}"
    ));
    let needed = new.restart_needed(&old);
    let keys: Vec<_> = needed.iter().map(|change| change.key).collect();
    assert_eq!(keys, ["node.state_dir", "node.user", "node.workers"]);
    assert_eq!(
        needed[2].to_string(),
        "node.workers changed from 1 to 2: that needs a restart"
    );
    assert_eq!(old.restart_needed(&old), []);
}

#[test]
fn services_are_told_apart_by_what_a_reload_does_to_them() {
    let old = parsed(&format!(
        "{MINIMAL}\n[service.gone]\ncommand = [\"./x\"]\n[service.same]\ncommand = [\"./y\"]\n"
    ));
    let new = parsed(&format!(
        "{}\n[service.same]\ncommand = [\"./y\"]\n[service.new]\ncommand = [\"./x\"]\n",
        MINIMAL.replace("./api", "./api2")
    ));
    let changed = new.services_changed(&old);
    assert_eq!(changed.added, ["new".into()]);
    assert_eq!(changed.removed, ["gone".into()]);
    assert_eq!(changed.changed, ["s".into()]);
}

#[test]
fn statistics_of_outliers_take_whole_numbers_and_0_for_never() {
    let text =
        format!("{MINIMAL}\n[pool.app.outlier]\nsuccess_rate_stdev = 0\nlatency_factor = 4\n");
    let config = parsed(&text);
    let outlier = &config.pools[0].outlier;
    let read = (outlier.success_rate_stdev, outlier.latency_factor);
    assert_eq!(read, (Decimal(0), Decimal(4000)));
}
