//! The proxies of the benchmark and how each is set up: the same number of workers, keep-alive to the endpoints with the same room for idle
//! connections, forwarded-for added, health checks where the proxy has them, no access log; for TLS the same certificate.
//! Otherwise their defaults.

use super::certificate::Certificate;
use crate::{Failure, steps};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One proxy.
pub(crate) struct Proxy {
    /// As in the table.
    pub(crate) name: &'static str,
    /// The command that starts it in a folder, listening on an address, with endpoints behind it.
    pub(crate) command: fn(&Place<'_>) -> Result<Command, Failure>,
    /// Does it speak TLS with clients?
    pub(crate) tls: bool,
    /// The command that prints its version.
    pub(crate) version: Option<&'static [&'static str]>,
}

impl Proxy {
    /// The one this is all about.
    pub(crate) fn is_ours(&self) -> bool {
        self.name == "evenkeel"
    }

    /// Can it be had?
    pub(crate) fn is_there(&self) -> bool {
        self.name != BEFORE || std::env::var_os(OTHER_BUILD).is_some()
    }

    /// Does it understand what it forwards?
    pub(crate) fn parses(&self) -> bool {
        self.name != "relay"
    }
}

/// Where and in front of what a proxy runs.
pub(crate) struct Place<'a> {
    /// A folder of its own.
    pub(crate) folder: &'a Path,
    /// Where our own programs were built.
    pub(crate) programs: &'a Path,
    /// Where it is to listen.
    pub(crate) listen: SocketAddr,
    /// Where it is to listen for TLS, if it does.
    pub(crate) secure: Option<(SocketAddr, &'a Certificate)>,
    /// Its worker threads or processes.
    pub(crate) workers: u32,
    /// What is behind it.
    pub(crate) endpoints: &'a [SocketAddr],
    /// How it chooses among them, as lines of its own configuration; `None`: its default.
    pub(crate) policy: Option<&'a str>,
}

/// Another build of evenkeel, to see what a change did; it takes part where [`OTHER_BUILD`] says where it is.
const BEFORE: &str = "before";
const OTHER_BUILD: &str = "EVENKEEL_BEFORE";

/// All of them; ratios are against the first that runs.
pub(crate) const PROXIES: &[Proxy] = &[
    Proxy {
        name: "evenkeel",
        command: evenkeel,
        tls: true,
        version: None,
    },
    Proxy {
        name: BEFORE,
        command: before,
        tls: true,
        version: None,
    },
    Proxy {
        name: "haproxy",
        command: haproxy,
        tls: true,
        version: Some(&["/usr/sbin/haproxy", "-v"]),
    },
    Proxy {
        name: "nginx",
        command: nginx,
        tls: true,
        version: Some(&["/usr/sbin/nginx", "-v"]),
    },
    Proxy {
        name: "relay",
        command: relay,
        tls: false,
        version: None,
    },
];

/// Idle connections to an endpoint each proxy may keep: room for all of the largest work.
pub(crate) const IDLE_MAX: u32 = 1024;

pub(crate) fn evenkeel(place: &Place<'_>) -> Result<Command, Failure> {
    run(place, place.programs.join("evenkeel"))
}

fn before(place: &Place<'_>) -> Result<Command, Failure> {
    let program = std::env::var_os(OTHER_BUILD)
        .ok_or_else(|| format!("{BEFORE}: wanted the path of a program in {OTHER_BUILD}"))?;
    run(place, program.into())
}

fn run(place: &Place<'_>, program: PathBuf) -> Result<Command, Failure> {
    let endpoints: String = numbered(place)
        .map(|(name, address)| {
            format!("\n[[pool.app.endpoint]]\nname = \"{name}\"\naddress = \"{address}\"\n")
        })
        .collect();
    let (listen, workers) = (place.listen, place.workers);
    let policy = place.policy.unwrap_or_default();
    let secure = place
        .secure
        .map_or_else(String::new, |(address, certificate)| {
            let (chain, key) = (certificate.chain.display(), certificate.key.display());
            format!(
                r#"
[[listener]]
name = "secure"
bind = ["{address}"]

[[listener.tls]]
certificate = "{chain}"
key = "{key}"
"#
            )
        });
    let config = format!(
        r#"[node]
state_dir = "state"
workers = {workers}

[admin]
bind = "127.0.0.1:0"

[[listener]]
name = "web"
bind = ["{listen}"]
{secure}
[[route]]
pool = "app"

[pool.app]
max_idle = {IDLE_MAX}
{policy}
[pool.app.check]
kind = "http"
path = "/healthz"
{endpoints}"#
    );
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(written(place, "evenkeel.toml", &config)?);
    Ok(command)
}

pub(crate) fn haproxy(place: &Place<'_>) -> Result<Command, Failure> {
    // HAProxy begins to close idle connections once a fifth of its descriptors is in use; maxconn keeps a thousand clients
    // and their endpoints' connections well below that.
    let endpoints: String = numbered(place)
        .map(|(name, address)| format!("  server {name} {address} check inter 2s\n"))
        .collect();
    let (listen, workers) = (place.listen, place.workers);
    let policy = place.policy.unwrap_or("balance roundrobin");
    let secure = place
        .secure
        .map_or_else(String::new, |(address, certificate)| {
            format!("  bind {address} ssl crt {}\n", certificate.both.display())
        });
    let config = format!(
        "global
  nbthread {workers}
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 30s
  option http-keep-alive
  option forwardfor
  http-reuse always
  retries 2
  option redispatch
frontend web
  bind {listen}
{secure}  default_backend app
backend app
  {policy}
  option httpchk GET /healthz
{endpoints}"
    );
    let mut command = Command::new("/usr/sbin/haproxy");
    command
        .args(["-db", "-f"])
        .arg(written(place, "haproxy.cfg", &config)?);
    Ok(command)
}

pub(crate) fn nginx(place: &Place<'_>) -> Result<Command, Failure> {
    let endpoints: String = numbered(place)
        .map(|(_, address)| format!("    server {address};\n"))
        .collect();
    let (listen, workers, folder) = (place.listen, place.workers, place.folder.display());
    let policy = place.policy.unwrap_or_default();
    let secure = place
        .secure
        .map_or_else(String::new, |(address, certificate)| {
            let (chain, key) = (certificate.chain.display(), certificate.key.display());
            format!(
                "    listen {address} ssl backlog=4096;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
"
            )
        });
    // The paths of temporary files are set because the built-in ones need a root-owned folder.
    let config = format!(
        "daemon off;
worker_processes {workers};
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_max_temp_file_size 0;
  upstream app {{
    {policy}
{endpoints}    keepalive {IDLE_MAX};
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen} backlog=4096;
{secure}    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"
    );
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-c")
        .arg(written(place, "nginx.conf", &config)?);
    command.arg("-e").arg(place.folder.join("error.log"));
    Ok(command)
}

fn relay(place: &Place<'_>) -> Result<Command, Failure> {
    let mut command = Command::new(place.programs.join("evenkeel-bench"));
    command
        .args(["relay", "--listen"])
        .arg(place.listen.to_string());
    command.args(place.endpoints.iter().map(SocketAddr::to_string));
    Ok(command)
}

pub(crate) fn numbered<'a>(
    place: &'a Place<'_>,
) -> impl Iterator<Item = (String, SocketAddr)> + 'a {
    place
        .endpoints
        .iter()
        .enumerate()
        .map(|(index, address)| (format!("e{}", index + 1), *address))
}

pub(crate) fn written(place: &Place<'_>, name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = place.folder.join(name);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// The versions of what runs, for the record.
pub(crate) fn versions(proxies: &[&Proxy]) -> Vec<(&'static str, String)> {
    let version = |proxy: &Proxy| match proxy.version {
        Some([program, arguments @ ..]) => {
            let output = Command::new(program).args(arguments).output().ok();
            // nginx prints its version as an error.
            let text = output.map(|output| [output.stdout, output.stderr].concat());
            let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
            text.lines().next().unwrap_or("unknown").to_owned()
        }
        _ => {
            let mut git = Command::new("git");
            git.args(["describe", "--always", "--dirty"])
                .current_dir(steps::root());
            steps::output(git).map_or_else(
                |_| "unknown".to_owned(),
                |text| format!("this tree, {}", text.trim()),
            )
        }
    };
    proxies
        .iter()
        .map(|proxy| (proxy.name, version(proxy)))
        .collect()
}
