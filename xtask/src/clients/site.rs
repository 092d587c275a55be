//! What the clients meet: the real binary with Node servers that it supervises, and redis and PostgreSQL behind TCP
//! listeners, all of it with and without TLS, on free ports, in temporary folders, ended with this.

use super::certificates;
use super::install::{self, Tools};
use super::servers::{Postgres, Redis};
use crate::Failure;
use crate::process::{self, Tree};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Everything must be up within this: on a busy machine Node alone takes seconds.
const READY_MAX: Duration = Duration::from_secs(30);

/// Everything that runs. The balancer ends first, then what is behind it.
pub(crate) struct Site {
    _balancer: Tree,
    _redis: Redis,
    _postgres: Postgres,
    pub(crate) tools: Tools,
    pub(crate) folder: tempfile::TempDir,
    programs: PathBuf,
    addresses: Addresses,
}

/// Where everything listens.
struct Addresses {
    web: SocketAddr,
    /// Missing where the machine knows no IPv6.
    web6: Option<SocketAddr>,
    /// On IPv6 too where there is some, for what `localhost` may mean.
    web_tls: SocketAddr,
    admin: SocketAddr,
    redis: SocketAddr,
    redis_tls: SocketAddr,
    postgres: SocketAddr,
    postgres_tls: SocketAddr,
    origins: [SocketAddr; 2],
    /// Speaks TLS itself.
    secure_origin: SocketAddr,
}

/// How a client comes to evenkeel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Clear,
    Tls,
}

impl Site {
    pub(crate) fn start(programs: PathBuf, tools: Tools) -> Result<Site, Failure> {
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let tls = folder.path().join("tls");
        certificates::make(&tls)?;
        let redis = Redis::start(folder.path())?;
        let postgres = Postgres::start(&tls.join("database.pem"), &tls.join("database.key"))?;
        let addresses = Addresses::free()?;
        let config = folder.path().join("site.toml");
        let text = addresses.config(&tools, redis.address, postgres.address);
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let mut command = Command::new(programs.join("evenkeel"));
        command.arg("run").arg(&config).current_dir(folder.path());
        let balancer = process::start_logged(command, &folder.path().join("log"))?;
        let site = Site {
            _balancer: balancer,
            _redis: redis,
            _postgres: postgres,
            tools,
            folder,
            programs,
            addresses,
        };
        site.wait_until_ready()
            .map_err(|failure| format!("{failure}; evenkeel said:\n{}", site.log()))?;
        Ok(site)
    }

    /// What evenkeel logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Tells a client where everything is.
    pub(crate) fn describe(&self, over: Over, command: &mut Command) {
        let (at, folder) = (&self.addresses, self.folder.path());
        let ca = folder.join("tls/ca.pem");
        // By name, so that it is told as the server's name.
        let secure = format!("https://localhost:{}", at.web_tls.port());
        command
            .current_dir(folder)
            .env("SITE_ADMIN", format!("http://{}", at.admin))
            .env("SITE_REDIS", at.redis.to_string())
            .env("SITE_REDIS_TLS", at.redis_tls.to_string())
            .env("SITE_FOLDER", folder)
            .env("SITE_TLS", folder.join("tls"))
            .env("SITE_CONFIG", folder.join("site.toml"))
            .env("SITE_EVENKEEL", self.programs.join("evenkeel"))
            .env("NODE_PATH", &self.tools.node_modules);
        match over {
            Over::Clear => command
                .env("SITE_BASE", format!("http://{}", at.web))
                .env("SITE_POSTGRES", at.postgres.to_string()),
            Over::Tls => command
                .env("SITE_BASE", secure)
                .env("SITE_CA", &ca)
                .env("SITE_POSTGRES", at.postgres_tls.to_string())
                .env(
                    "SITE_POSTGRES_TLS",
                    format!(
                        "sslmode=verify-full sslrootcert={} host=database.test hostaddr={}",
                        ca.display(),
                        at.postgres_tls.ip()
                    ),
                ),
        };
        if let Some(web6) = at.web6.filter(|_| over == Over::Clear) {
            command.env("SITE_BASE6", format!("http://{web6}"));
        }
        if let Some(pgbench) = crate::packages::postgres("pgbench") {
            command.env("SITE_PGBENCH", pgbench);
        }
    }

    /// All origins answer, and so do the servers behind the TCP listeners.
    fn wait_until_ready(&self) -> Result<(), Failure> {
        let end = Instant::now() + READY_MAX;
        loop {
            let mut status = Command::new(self.programs.join("evenkeel"));
            status.args(["status", "--json", "--admin"]);
            status.arg(format!("http://{}", self.addresses.admin));
            let said = status
                .output()
                .map_err(|error| format!("status: {error}"))?;
            let up = count_up(&said.stdout);
            if up == ENDPOINTS_UP {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!(
                    "{ENDPOINTS_UP} endpoints up within {READY_MAX:?} were wanted, found {up}"
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Two origins in each of two pools, one that speaks TLS, one redis, one PostgreSQL.
const ENDPOINTS_UP: usize = 7;

fn count_up(status: &[u8]) -> usize {
    let Ok(status) = serde_json::from_slice::<serde_json::Value>(status) else {
        return 0;
    };
    let pools = status["pools"].as_array().into_iter().flatten();
    pools
        .flat_map(|pool| pool["endpoints"].as_array().into_iter().flatten())
        .filter(|endpoint| endpoint["state"] == "up")
        .count()
}

impl Addresses {
    fn free() -> Result<Addresses, Failure> {
        let four = || process::lasting_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let web6 = if TcpListener::bind((six, 0)).is_ok() {
            Some(process::lasting_address(six)?)
        } else {
            println!("NOT RUN: clients over IPv6; this machine has no ::1");
            None
        };
        Ok(Addresses {
            web: four()?,
            web6,
            web_tls: four()?,
            admin: four()?,
            redis: four()?,
            redis_tls: four()?,
            postgres: four()?,
            postgres_tls: four()?,
            origins: [four()?, four()?],
            secure_origin: four()?,
        })
    }

    fn config(&self, tools: &Tools, redis: SocketAddr, postgres: SocketAddr) -> String {
        let six = |address: Option<SocketAddr>| {
            address.map_or(String::new(), |address| format!(", \"{address}\""))
        };
        let tls6 = self
            .web6
            .map(|web6| SocketAddr::new(web6.ip(), self.web_tls.port()));
        let mut text = format!(
            include_str!("site.toml"),
            admin = self.admin,
            web = self.web,
            web6 = six(self.web6),
            web_tls = self.web_tls,
            web_tls6 = six(tls6),
            redis = self.redis,
            redis_tls = self.redis_tls,
            postgres = self.postgres,
            postgres_tls = self.postgres_tls,
            redis_server = redis,
            postgres_server = postgres,
        );
        for (index, origin) in self.origins.iter().enumerate() {
            let name = format!("o{}", index + 1);
            for pool in ["app", "late"] {
                text += &endpoint(pool, &name, *origin);
            }
            text += &service(&name, *origin, tools, &[]);
        }
        text += &endpoint("secure", "o3", self.secure_origin);
        let pair = ["tls/origin.pem", "tls/origin.key"];
        text += &service("o3", self.secure_origin, tools, &pair);
        text
    }
}

fn endpoint(pool: &str, name: &str, address: SocketAddr) -> String {
    format!(
        "\n[[pool.{pool}.endpoint]]\nname = \"{name}\"\naddress = \"{address}\"\nservice = \"{name}\"\n"
    )
}

/// One of the Node servers, as a service; it speaks TLS if it is given a certificate and its key.
fn service(name: &str, origin: SocketAddr, tools: &Tools, pair: &[&str]) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display());
    let pair: String = pair.iter().map(|file| format!(", \"{file}\"")).collect();
    format!(
        r#"
[service.{name}]
command = ["node", {script}, "{name}", "{port}"{pair}]
environment = {{ NODE_PATH = {modules} }}
ready = {{ kind = "tcp", port = {port}, timeout = "20s" }}
stop_timeout = "1s"
"#,
        script = quoted(&install::sources().join("origin.js")),
        port = origin.port(),
        modules = quoted(&tools.node_modules),
    )
}
