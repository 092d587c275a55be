//! `[agents]` of the balancer's file, and an agent's own file.
//!
//! A token in clear text is as good as none to whoever hears it, and an agent does what control says: so both sides speak in
//! clear text on loopback only, and nobody goes without a token or a certificate.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::settings::{ClientPair, PoolTls};

use super::report::Wrong;
use super::secret::{Secrets, secret};
use super::table::Table;
use super::words::{quote, tick};
use super::{Binds, address, node, service};
use crate::config::{Agent, AgentConfig, Agents, Bind, LookAtAgentTls, LookAtTls, Node, Secret};
use crate::mistake::MistakeKind;

/// Balancers of one agent: each is a connection, and no fleet of balancers is larger.
const CONTROL_MAX: usize = 16;
/// A leak is seen before it has eaten much, and a reading takes a few ms.
const FACTS: Duration = Duration::from_secs(1);
/// As pools expect them unless they say otherwise.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// `[agents]`.
pub(super) fn agents(
    root: &Table<'_, '_>,
    binds: &mut Binds,
    secrets: Secrets,
    look: &dyn LookAtTls,
) -> Option<Agents> {
    let table = root.table_if_given("agents")?;
    let bind = bind(&table);
    if let Some(bind) = &bind {
        binds.claim(&Bind::Ip(*bind), &table.place("bind"), table.report);
    }
    let tls = super::tls::agents(&table, look);
    let shut = table.has("token") || table.has("client_ca");
    if !shut {
        let wrong = Wrong::value("nothing", "\"file:PATH\" or \"env:NAME\"");
        let hint = "whoever connects could pass for an agent: set a token or client_ca".to_owned();
        table.wrong("token", wrong.kind(MistakeKind::Missing).hint(hint));
    }
    let open = bind.filter(|bind| !bind.ip().to_canonical().is_loopback());
    if let Some(bind) = open
        && !table.has("certificate")
    {
        let found = format!("{bind} without {}", tick("certificate"));
        let wrong = Wrong::value(found, "certificate and key, or an address of loopback");
        let hint = "tokens and orders would cross the network in clear text".to_owned();
        let wrong = wrong.kind(MistakeKind::Pair).hint(hint);
        table.report.add(&table.value_place("bind"), wrong);
    }
    Some(Agents {
        bind: bind?,
        token: token(&table, secrets),
        tls,
    })
}

fn bind(table: &Table<'_, '_>) -> Option<SocketAddr> {
    let text = table.text("bind")?;
    let parsed = address::bind(text.value, table.report);
    match super::listener::checked_bind(parsed, &text, table.report)? {
        Bind::Ip(ip) => Some(ip),
        Bind::Unix(_) => {
            let wanted = "\"IP:PORT\" or \"[IPV6]:PORT\"";
            let hint = "services of this host need no agent: [service.NAME]".to_owned();
            let wrong = Wrong::value(quote(text.value), wanted).hint(hint);
            table.report.add(&text.spot, wrong);
            None
        }
    }
}

fn token(table: &Table<'_, '_>, secrets: Secrets) -> Option<Secret> {
    let text = table.text("token")?;
    secret(&text, table.report, secrets)
}

/// An agent's file.
pub(super) fn file(
    root: &Table<'_, '_>,
    text: &str,
    secrets: Secrets,
    look: LookAtAgentTls<'_>,
) -> Option<AgentConfig> {
    let log = root.table("log");
    let access = ["access", "access_format"];
    log.refuse(&access, "nothing: an agent serves no requests", None);
    let log = node::log(&log);
    let services = root.named("service");
    let agent = agent(&root.table_if_given("agent")?, secrets, look);
    // What readers of services want to know of whoever runs them.
    let node = Node {
        name: agent.name.clone(),
        state_dir: agent.state_dir.clone(),
        workers: None,
        user: None,
        zone: None,
        shutdown_delay: Duration::ZERO,
        drain_timeout: Duration::ZERO,
    };
    let services = services.iter();
    let services = services.map(|(name, table)| service::service(name, table, &node));
    Some(AgentConfig {
        services: services.collect(),
        agent,
        log,
        text: text.into(),
    })
}

fn agent(table: &Table<'_, '_>, secrets: Secrets, look: LookAtAgentTls<'_>) -> Agent {
    let control = control(table);
    let tls = tls(table, &control, look);
    if !table.has("token") && !table.has("certificate") {
        let wrong = Wrong::value("nothing", "\"file:PATH\" or \"env:NAME\"");
        let hint = "balancers want a token, or a certificate and key".to_owned();
        table.wrong("token", wrong.kind(MistakeKind::Missing).hint(hint));
    }
    let state_dir = super::path(table, "state_dir");
    Agent {
        name: table.name("name").map_or("", |name| name.value).to_owned(),
        control,
        token: token(table, secrets),
        tls,
        state_dir: state_dir.unwrap_or_else(|| table.report.absolute("agent-state")),
        facts_interval: table.duration("facts_interval", FACTS),
        heartbeat_interval: table.duration("heartbeat_interval", HEARTBEAT),
        allow: table.words("allow").unwrap_or_else(|| vec!["restart"]),
    }
}

fn control(table: &Table<'_, '_>) -> Vec<Target> {
    let Some(texts) = table.texts("control") else {
        return Vec::new();
    };
    if texts.is_empty() || texts.len() > CONTROL_MAX {
        let found = format!("{} addresses", texts.len());
        table.wrong("control", Wrong::value(found, "1 to 16 addresses"));
    }
    let mut control: Vec<Target> = Vec::new();
    for text in texts.iter().take(CONTROL_MAX) {
        let wanted = "\"HOST:PORT\" or \"[IPV6]:PORT\"";
        match address::target(text.value, table.report) {
            Ok(Target::Address(Address::Unix(_))) => {
                let wrong = Wrong::value(quote(text.value), wanted);
                table.report.add(&text.spot, wrong);
            }
            Ok(target) if control.contains(&target) => {
                let found = format!("{} a second time", quote(text.value));
                let wrong = Wrong::value(found, "each balancer once").kind(MistakeKind::Twice);
                table.report.add(&text.spot, wrong);
            }
            Ok(target) => control.push(target),
            Err(hint) => {
                let wrong = Wrong::value(quote(text.value), wanted).hint(hint);
                table.report.add(&text.spot, wrong);
            }
        }
    }
    control
}

/// What a name stands for is looked at again before a token is sent there.
fn is_loopback(target: &Target) -> bool {
    match target {
        Target::Address(Address::Ip(ip)) => ip.ip().to_canonical().is_loopback(),
        Target::Address(Address::Unix(_)) => true,
        Target::Name { host, .. } => host == "localhost",
    }
}

fn tls(table: &Table<'_, '_>, control: &[Target], look: LookAtAgentTls<'_>) -> Option<PoolTls> {
    let pair = super::tls::pair(table);
    let tls = PoolTls {
        ca: super::path(table, "ca"),
        server_name: super::tls::server_name(table),
        certificate: pair.map(|(certificate, key)| ClientPair { certificate, key }),
    };
    let wanted = ["ca", "server_name", "certificate", "key"];
    if !wanted.iter().any(|key| table.has(key)) && control.iter().all(is_loopback) {
        return None;
    }
    for problem in look(&tls) {
        super::tls::tell(table, problem);
    }
    Some(tls)
}
