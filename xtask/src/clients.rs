//! Real clients through the real binary: each is a program of its own in `tests/clients`, written with a library that people
//! use, and judges for itself what it sees. Here they are only installed, given a site, and run, some at a time.

mod certificates;
pub(crate) mod install;
mod servers;
mod site;

use crate::steps::Steps;
use crate::{Failure, load};
use clap::Args;
use install::Tools;
use site::{Over, Site};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

/// How many clients run beside each other: most of their time they wait, so somewhat more than a small machine has cores.
const AT_ONCE: usize = 3;
/// No client may take longer. testssl.sh needs half a minute on an idle machine with two cores, and minutes on a busy one.
const SECONDS_MAX: u32 = 300;

/// What would lead a client elsewhere or let it trust others.
const MISLEADING: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "PGSSLMODE",
    "PGSERVICE",
    "PYTHONPATH",
];

/// What `cargo xtask clients` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only clients whose names contain one of these.
    names: Vec<String>,
}

/// One client.
struct Client {
    name: &'static str,
    /// Its file in `tests/clients`.
    file: &'static str,
    over: Over,
    /// It has the site to itself, after all others.
    alone: bool,
}

/// The slowest first, so that none of them is left alone at the end.
const CLIENTS: &[Client] = &[
    over_tls("testssl", "with_testssl.py"),
    clear("java", "WithJava.java"),
    over_tls("java, tls", "WithJava.java"),
    clear("httpx", "with_httpx.py"),
    over_tls("httpx, tls", "with_httpx.py"),
    clear("curl", "with_curl.py"),
    over_tls("curl, tls", "with_curl.py"),
    clear("requests", "with_requests.py"),
    over_tls("requests, tls", "with_requests.py"),
    clear("aiohttp", "with_aiohttp.py"),
    over_tls("aiohttp, tls", "with_aiohttp.py"),
    clear("undici", "with_undici.js"),
    over_tls("undici, tls", "with_undici.js"),
    clear("websockets", "with_websockets.py"),
    over_tls("websockets, tls", "with_websockets.py"),
    clear("ws", "with_ws.js"),
    over_tls("ws, tls", "with_ws.js"),
    clear("redis-cli", "with_redis_cli.py"),
    over_tls("redis-cli, tls", "with_redis_cli.py"),
    clear("psql", "with_psql.py"),
    over_tls("psql, tls passed through", "with_psql.py"),
    over_tls("certificates and versions", "with_openssl.py"),
    Client {
        alone: true,
        ..clear("servers killed under load", "under_faults.py")
    },
    Client {
        alone: true,
        ..over_tls("servers killed under load, tls", "under_faults.py")
    },
];

/// Beside others, without TLS.
const fn clear(name: &'static str, file: &'static str) -> Client {
    Client {
        name,
        file,
        over: Over::Clear,
        alone: false,
    }
}

const fn over_tls(name: &'static str, file: &'static str) -> Client {
    Client {
        over: Over::Tls,
        ..clear(name, file)
    }
}

/// Adds the steps of `test`.
pub(crate) fn add_to(steps: &mut Steps) {
    let mut tools = Err("the clients could not be installed".to_owned());
    steps.step("clients from PyPI and npm", || {
        tools = install::ensure();
        tools.as_ref().map(drop).map_err(Clone::clone)
    });
    steps.step("real clients", || {
        run_all(tools?, &CLIENTS.iter().collect::<Vec<_>>())
    });
}

/// `cargo xtask clients`.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let wanted = |client: &&Client| {
        options.names.is_empty() || options.names.iter().any(|name| client.name.contains(name))
    };
    let clients: Vec<&Client> = CLIENTS.iter().filter(wanted).collect();
    if clients.is_empty() {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(format!(
            "no client is called {:?}; there are: {}",
            options.names,
            names.join(", ")
        ));
    }
    run_all(install::ensure()?, &clients)
}

fn run_all(tools: Tools, clients: &[&Client]) -> Result<(), Failure> {
    let programs = load::build_for_tests()?;
    let programs = programs
        .canonicalize()
        .map_err(|error| format!("{}: {error}", programs.display()))?;
    let site = Site::start(programs, tools)?;
    let (alone, beside): (Vec<&Client>, Vec<&Client>) =
        clients.iter().partition(|client| client.alone);
    let mut failed = run_beside(&site, &beside);
    failed.extend(
        alone
            .iter()
            .filter(|client| !run_one(&site, client))
            .map(|client| client.name),
    );
    if failed.is_empty() {
        return Ok(());
    }
    println!("evenkeel said:\n{}", site.log());
    Err(format!(
        "{} of {} clients: {}",
        failed.len(),
        clients.len(),
        failed.join(", ")
    ))
}

/// Runs some at a time and gives back the names of those that failed.
fn run_beside(site: &Site, clients: &[&Client]) -> Vec<&'static str> {
    let (left, failed) = (Mutex::new(clients.iter()), Mutex::new(Vec::new()));
    let next = || left.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(client) = next() {
                    if !run_one(site, client)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.push(client.name);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_default()
}

/// Runs one, prints what it saw, and says whether that was right.
fn run_one(site: &Site, client: &Client) -> bool {
    let start = Instant::now();
    let done = command(site, client).output();
    let seconds = start.elapsed().as_secs_f64();
    match done {
        Ok(done) if done.status.success() => {
            let said = String::from_utf8_lossy(&done.stdout);
            println!("  passed {seconds:5.1} s  {}: {}", client.name, said.trim());
            true
        }
        Ok(done) => {
            println!(
                "  FAILED {seconds:5.1} s  {} ({}, {}):\n{}{}",
                client.name,
                client.file,
                done.status,
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
            false
        }
        Err(error) => {
            println!("  FAILED  {}: could not be started: {error}", client.name);
            false
        }
    }
}

fn command(site: &Site, client: &Client) -> Command {
    let program = match client.file.rsplit_once('.') {
        Some((_, "py")) => site.tools.python.as_os_str(),
        Some((_, "java")) => "java".as_ref(),
        _ => "node".as_ref(),
    };
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &SECONDS_MAX.to_string()])
        .arg(program)
        .arg(install::sources().join(client.file))
        // Nothing is written beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1");
    for name in MISLEADING {
        command.env_remove(name);
    }
    site.describe(client.over, &mut command);
    command
}
