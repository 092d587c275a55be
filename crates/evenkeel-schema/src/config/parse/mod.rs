//! From text to a checked configuration: the syntax first, then table by table, and last what one table says of another.
//!
//! Every reader goes on after a mistake with a default in its place, so one pass finds them all; a configuration is only
//! handed out if there were none, so what stood in never gets out.

mod address;
mod agent;
mod care;
mod endpoint;
mod http;
mod listener;
mod node;
mod policy;
mod pool;
mod recovery;
mod report;
mod route;
pub(super) mod secret;
mod service;
mod session;
mod syntax;
mod table;
mod tls;
mod values;
mod wanted;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(in crate::config) use self::secret::Secrets;

use self::report::{Report, Spot, Wrong};
use self::table::{Found, Table, Text};
use self::words::{did_you_mean, one_of, quote};
use super::keys::{AGENT_ROOT, ROOT, TableDef};
use super::{AgentConfig, Bind, Config, LookAtAgentTls, LookAtTls, TEXT_BYTES_MAX};
use crate::mistake::{Mistake, MistakeKind};

pub(super) fn load(file: &Path, tls: &dyn LookAtTls) -> Result<Config, Vec<Mistake>> {
    parse(&read_or_say(file)?, file, Secrets::Fetch, tls)
}

/// An agent's file.
pub(super) fn load_agent(
    file: &Path,
    look: LookAtAgentTls<'_>,
) -> Result<AgentConfig, Vec<Mistake>> {
    parse_agent(&read_or_say(file)?, file, Secrets::Fetch, look)
}

fn read_or_say(file: &Path) -> Result<String, Vec<Mistake>> {
    read(file).map_err(|(found, wanted)| {
        vec![Mistake {
            kind: MistakeKind::File,
            file: file.to_owned(),
            line: 0,
            column: 0,
            path: String::new(),
            found,
            wanted: wanted.into(),
            hint: None,
        }]
    })
}

/// The file's text, or what was found and wanted instead.
fn read(file: &Path) -> Result<String, (String, &'static str)> {
    let fail = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound => ("nothing".into(), "a configuration file"),
        _ => (e.to_string(), "a configuration file"),
    };
    // A folder has no text, and a pipe could keep us waiting for ever.
    if !std::fs::metadata(file).map_err(fail)?.is_file() {
        return Err((
            "a folder, or a pipe or device".into(),
            "a configuration file",
        ));
    }
    let mut bytes = Vec::new();
    let limit = TEXT_BYTES_MAX as u64 + 1;
    File::open(file)
        .and_then(|open| open.take(limit).read_to_end(&mut bytes))
        .map_err(fail)?;
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(("more than 4 MiB".into(), "a file of at most 4 MiB"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        (format!("no UTF-8 at byte {at}"), "UTF-8 text")
    })
}

pub(super) fn parse(
    text: &str,
    file: &Path,
    secrets: Secrets,
    tls: &dyn LookAtTls,
) -> Result<Config, Vec<Mistake>> {
    read_tables(text, file, &ROOT, |root| walk(root, text, secrets, tls))
}

/// An agent's file, from its text.
pub(super) fn parse_agent(
    text: &str,
    file: &Path,
    secrets: Secrets,
    look: LookAtAgentTls<'_>,
) -> Result<AgentConfig, Vec<Mistake>> {
    let walk = |root: &Table<'_, '_>| agent::file(root, text, secrets, look);
    // Without `[agent]` that is among the mistakes.
    read_tables(text, file, &AGENT_ROOT, walk).and_then(|config| config.ok_or_else(Vec::new))
}

/// Does it look like an agent's file?
pub(super) fn is_agents_file(text: &str) -> bool {
    if text.len() > TEXT_BYTES_MAX {
        return false;
    }
    let (document, _) = DeTable::parse_recoverable(text);
    let has = |key: &str| document.get_ref().contains_key(key);
    has("agent") && !has("listener")
}

fn read_tables<T>(
    text: &str,
    file: &Path,
    def: &'static TableDef,
    walk: impl FnOnce(&Table<'_, '_>) -> T,
) -> Result<T, Vec<Mistake>> {
    let report = Report::new(text, file);
    let mut config = None;
    if syntax::bounded(text, &report) {
        let (document, errors) = DeTable::parse_recoverable(text);
        syntax::errors(&errors, text, &report);
        let root = Table::root(&report, def, document.get_ref());
        config = Some(walk(&root));
    }
    let mistakes = report.finish();
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(mistakes),
    }
}

fn walk(root: &Table<'_, '_>, text: &str, secrets: Secrets, tls: &dyn LookAtTls) -> Config {
    let node = node::node(&root.table("node"));
    let log = node::log(&root.table("log"));
    let listeners = root.tables("listener");
    let routes = root.tables("route");
    let names = Names::new(root, &listeners, &routes, (secrets, tls));
    let mut binds = Binds::default();
    let admin = node::admin(&root.table("admin"), &mut binds, secrets, tls);
    let agents = agent::agents(root, &mut binds, secrets, tls);
    let services = root.named("service");
    let pools = root.named("pool");
    let listeners = listener::listeners(&listeners, &names, &mut binds);
    let routes = routes.iter().map(|t| route::route(t, &names)).collect();
    let (mut specs, mut webhook_secrets) = (Vec::new(), BTreeMap::new());
    let mut sessions = BTreeMap::new();
    for (name, table) in &pools {
        let mut parsed = pool::pool(name, table, &names);
        parsed.spec.failover.zone.clone_from(&node.zone);
        webhook_secrets.extend(parsed.webhook_secret.map(|secret| (name.clone(), secret)));
        sessions.extend(parsed.session.map(|session| (name.clone(), session)));
        specs.push(parsed.spec);
    }
    Config {
        listeners,
        routes,
        pools: specs,
        webhook_secrets,
        sessions,
        services: services
            .iter()
            .map(|(name, t)| service::service(name, t, &node))
            .collect(),
        node,
        admin,
        agents,
        log,
        text: text.into(),
    }
}

/// What tables can refer to. Names count even where something else is wrong with what has them.
struct Names<'t> {
    secrets: Secrets,
    tls: &'t dyn LookAtTls,
    pools: BTreeSet<&'t str>,
    services: BTreeSet<&'t str>,
    /// Is there an `[agents]`?
    agents: bool,
    listeners: BTreeSet<&'t str>,
    tcp_listeners: BTreeSet<&'t str>,
    /// Those of them with `tls_passthrough`.
    passthrough: BTreeSet<&'t str>,
    /// Listeners that routes name.
    routed: BTreeSet<&'t str>,
    tcp_pools: BTreeSet<&'t str>,
    tls_pools: BTreeSet<&'t str>,
}

impl<'t> Names<'t> {
    fn new(
        root: &Table<'_, 't>,
        listeners: &[Table<'_, 't>],
        routes: &[Table<'_, 't>],
        (secrets, tls): (Secrets, &'t dyn LookAtTls),
    ) -> Names<'t> {
        let tcp = || {
            listeners
                .iter()
                .filter(|t| t.peek("protocol") == Some("tcp"))
        };
        let through = tcp().filter(|t| t.peek_flag("tls_passthrough"));
        let passthrough: BTreeSet<&str> = through.filter_map(|t| t.peek("name")).collect();
        let by_route = routes
            .iter()
            .filter(|t| t.peek("listener").is_some_and(|l| passthrough.contains(l)));
        let own = tcp().filter_map(|t| t.peek("pool"));
        Names {
            secrets,
            tls,
            pools: root.names("pool"),
            services: root.names("service"),
            agents: root.has("agents"),
            listeners: listeners.iter().filter_map(|t| t.peek("name")).collect(),
            tcp_listeners: tcp().filter_map(|t| t.peek("name")).collect(),
            routed: routes.iter().filter_map(|t| t.peek("listener")).collect(),
            tcp_pools: own.chain(by_route.filter_map(|t| t.peek("pool"))).collect(),
            passthrough,
            tls_pools: root.names_with("pool", "tls"),
        }
    }

    /// Does what `name` says exist among `known`? Says so if not.
    fn find(
        &self,
        name: &Text<'_>,
        known: &BTreeSet<&str>,
        what: &str,
        report: &Report<'_>,
    ) -> bool {
        if known.contains(name.value) {
            return true;
        }
        let count = known.len();
        let known = || known.iter().copied();
        let wanted = match count {
            0 => format!("the name of a {what}, and there is none"),
            1..=NAMES_SHOWN => format!("the name of a {what}: {}", one_of(known())),
            n => format!("the name of one of the {n} {what}s"),
        };
        let hint = (!report.full()).then(|| did_you_mean(name.value, known()));
        let wrong = Wrong::value(quote(name.value), wanted).hint(hint.flatten());
        report.add(&name.spot, wrong.kind(MistakeKind::Name));
        false
    }
}

/// More names than this make no sentence.
const NAMES_SHOWN: usize = 12;

/// Addresses to listen on, each once. Port 0 is another port each time.
#[derive(Default)]
struct Binds(BTreeMap<Bind, Spot>);

impl Binds {
    fn claim(&mut self, bind: &Bind, spot: &Spot, report: &Report<'_>) {
        if matches!(bind, Bind::Ip(ip) if ip.port() == 0) {
            return;
        }
        match self.0.get(bind) {
            None => {
                self.0.insert(bind.clone(), spot.clone());
            }
            Some(first) => {
                // The one that stands later in the file is the one too many; a default stands nowhere.
                let (first, second) = match first.at > spot.at && spot.at > 0 {
                    true => (spot, first),
                    false => (first, spot),
                };
                let owner = match first.at {
                    0 => format!("{} is there by default", first.path),
                    at => format!(
                        "it is {} in line {} already",
                        first.path,
                        report.place(at).0
                    ),
                };
                let found = format!("{} a second time", quote(&bind.to_string()));
                let wrong = Wrong::value(found, "an address that nothing else has");
                report.add(second, wrong.kind(MistakeKind::Twice).hint(owner));
            }
        }
    }
}

/// Each name once: `seen` holds the names so far.
fn once<'t>(seen: &mut BTreeMap<&'t str, usize>, name: &Text<'t>, report: &Report<'_>) {
    match seen.get(name.value) {
        None => {
            seen.insert(name.value, name.spot.at);
        }
        Some(first) => {
            let found = format!("{} a second time", quote(name.value));
            let hint = format!("the first is in line {}", report.place(*first).0);
            let wrong = Wrong::value(found, "a name that nothing else has");
            report.add(&name.spot, wrong.kind(MistakeKind::Twice).hint(hint));
        }
    }
}

/// A path, absolute.
fn path(table: &Table<'_, '_>, key: &str) -> Option<PathBuf> {
    let text = table.text(key)?;
    if text.value.is_empty() || text.value.contains('\0') {
        let wrong = Wrong::value(quote(text.value), "a path");
        table.report.add(&text.spot, wrong);
    }
    Some(table.report.absolute(text.value))
}

/// A user's name, by its letters only: whether there is such a user is asked when it is needed.
fn user(table: &Table<'_, '_>, key: &str) -> Option<Found<String>> {
    let text = table.text(key)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let name = text.value;
    if name.is_empty() || name.len() > 32 || name.starts_with('-') || !name.bytes().all(plain) {
        let wrong = Wrong::value(quote(name), "a user's name");
        table.report.add(&text.spot, wrong);
    }
    Some(Found {
        value: name.to_owned(),
        spot: text.spot,
    })
}

fn is_root(user: &str) -> bool {
    user == "root" || user.bytes().all(|b| b == b'0')
}
