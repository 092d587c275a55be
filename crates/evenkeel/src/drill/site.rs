//! Where a drill takes place: the running evenkeel, and the one endpoint it is done to. Everything is refused here that must not be
//! drilled: what is not supervised, what another configuration describes, and the last one that serves.

use std::net::SocketAddr;

use evenkeel_core::address::Address;
use evenkeel_core::settings::{EndpointSpec, PoolSpec, ServiceSpec};
use evenkeel_core::table::State;
use evenkeel_schema::admin::{PoolStatus, ServiceFacts, Status};
use evenkeel_schema::config::{Bind, Config};
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Options;
use crate::End;
use crate::cli::{Admin, EndpointName};
use crate::client::{Client, Problem};
use crate::commands::operate::segment;
use crate::sample::spec::Spec;

/// The place of a drill.
pub(crate) struct Site {
    /// What runs.
    pub(super) config: Config,
    /// The endpoint's pool.
    pub(super) pool: String,
    /// `pool/endpoint`.
    pub(super) key: String,
    /// Where it is, if that is an address of IP.
    pub(super) address: Option<SocketAddr>,
    /// The service behind it.
    pub(super) service: ServiceSpec,
    /// Its process at the beginning.
    pub(super) pid: u32,
    /// What was read of it.
    pub(super) facts: Option<ServiceFacts>,
    /// It is the sample service, which has knobs.
    pub(super) sample: Option<Spec>,
    /// As evenkeel said at the beginning.
    pub(super) status: Status,
    client: Client,
}

impl Site {
    /// Finds it, or says why there must be no drill.
    pub(super) fn find(options: &Options) -> Result<Site, Problem> {
        let config = Config::load(&options.file)
            .map_err(|mistakes| refuse(evenkeel_schema::explain(&mistakes).trim_end()))?;
        let mut client = Client::new(&place(&options.admin, &config)?)?;
        if let Some(token) = &config.admin.token {
            client.show_unless_given(token.reveal());
        }
        is_running(&client, &config, options)?;
        let status: Status = read(&client, "/v1/status").map_err(failed)?;
        let (pool, endpoint) = choose(&config, options.endpoint.as_ref())?;
        let service = supervised(&config, pool, endpoint)?;
        let found = status.services.iter().find(|s| *s.name == *service.name);
        let Some((found, pid)) = found.and_then(|s| Some((s, s.pid?))) else {
            let why = format!(
                "service {} does not run now: `evenkeel status` says why",
                service.name
            );
            return Err(failed(why));
        };
        let now = status.pools.iter().find(|p| *p.name == *pool.name);
        if !options.yes {
            somebody_else(now, endpoint)?;
        }
        Ok(Site {
            pool: pool.name.to_string(),
            key: format!("{}/{}", pool.name, endpoint.name),
            address: match endpoint.target.fixed() {
                Some(Address::Ip(address)) => Some(*address),
                _ => None,
            },
            sample: Spec::of_command(&service.command),
            service: service.clone(),
            pid,
            facts: found.facts.clone(),
            status,
            client,
            config,
        })
    }

    /// One call of the admin API.
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, String> {
        let body = body.map(|b| b.to_string());
        let bytes = self.client.call(method, path, body);
        let bytes = bytes.map_err(|problem| problem.message)?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{path}: the answer is not JSON: {e}"))
    }

    /// Reads something of the admin API.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        read(&self.client, path)
    }

    /// The endpoint's pool as it is now.
    pub(super) fn pool_now(&self) -> Result<PoolStatus, String> {
        self.read(&format!("/v1/pools/{}", segment(&self.pool)))
    }

    /// The process of a supervised service, if it runs now.
    pub(super) fn pid_of(&self, service: &str) -> Option<u32> {
        let status: Status = self.read("/v1/status").ok()?;
        let mut services = status.services.into_iter();
        services.find(|s| s.name == service)?.pid
    }

    /// Has evenkeel carry out an action on a service, by an operator's right.
    pub(super) fn act(
        &self,
        service: &str,
        action: &str,
        command: Option<&str>,
    ) -> Result<(), String> {
        let path = format!("/v1/services/{}/actions", segment(service));
        let body = serde_json::json!({ "action": action, "command": command });
        self.call(Method::POST, &path, Some(body)).map(drop)
    }
}

fn read<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, String> {
    let bytes = client
        .call(Method::GET, path, None)
        .map_err(|p| p.message)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| format!("{path}: the answer cannot be read: {e}; is it another version?"))
}

fn refuse(why: impl Into<String>) -> Problem {
    Problem {
        end: End::Usage,
        message: format!("evenkeel: {}", why.into()),
    }
}

fn failed(why: impl Into<String>) -> Problem {
    Problem {
        end: End::Failed,
        message: format!("evenkeel: {}", why.into().trim_start_matches("evenkeel: ")),
    }
}

/// The admin API is where FILE says, unless somebody says otherwise.
fn place(admin: &Admin, config: &Config) -> Result<Admin, Problem> {
    let mut place = Admin {
        admin: admin.admin.clone(),
        token_file: admin.token_file.clone(),
        ca: admin.ca.clone(),
        certificate: admin.certificate.clone(),
        key: admin.key.clone(),
        json: admin.json,
    };
    if place.admin.is_none() {
        place.admin = Some(match &config.admin.bind {
            Bind::Unix(path) => format!("unix:{}", path.display()),
            Bind::Ip(at) if at.port() == 0 => {
                let why =
                    "[admin] bind has port 0, so its address is not in FILE: name it by --admin";
                return Err(refuse(why));
            }
            Bind::Ip(at) => {
                let scheme = if config.admin.tls.is_some() {
                    "https"
                } else {
                    "http"
                };
                format!("{scheme}://{}", reachable(*at))
            }
        });
    }
    Ok(place)
}

/// Where one connects to who listens everywhere.
pub(super) fn reachable(at: SocketAddr) -> SocketAddr {
    let mut at = at;
    if at.ip().is_unspecified() {
        at.set_ip(match at {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    at
}

/// A drill by another configuration would be done to who knows whom.
fn is_running(client: &Client, config: &Config, options: &Options) -> Result<(), Problem> {
    let running = client.call(Method::GET, "/v1/config", None)?;
    if running[..] == *config.text.as_bytes() {
        return Ok(());
    }
    let file = options.file.display();
    Err(refuse(format!(
        "{file} is not what is running: its text differs from the applied revision\n\
         Name the file that `evenkeel run` was started with, or apply it: `evenkeel reload`."
    )))
}

fn choose<'c>(
    config: &'c Config,
    wanted: Option<&EndpointName>,
) -> Result<(&'c PoolSpec, &'c EndpointSpec), Problem> {
    let all = || {
        config
            .pools
            .iter()
            .flat_map(|p| p.endpoints.iter().map(move |e| (p, e)))
    };
    let found = match wanted {
        Some(name) => all().find(|(p, e)| *p.name == *name.pool && *e.name == *name.endpoint),
        // Pools where another one can serve meanwhile come first.
        None => all()
            .filter(|(_, e)| e.service.is_some())
            .min_by_key(|(p, _)| p.endpoints.len() < 2),
    };
    found.ok_or_else(|| match wanted {
        Some(name) => refuse(format!(
            "there is no endpoint {}/{}; `evenkeel status` lists them",
            name.pool, name.endpoint
        )),
        None => refuse("no endpoint has a `service`: only what evenkeel supervises is drilled"),
    })
}

fn supervised<'c>(
    config: &'c Config,
    pool: &PoolSpec,
    endpoint: &EndpointSpec,
) -> Result<&'c ServiceSpec, Problem> {
    let key = format!("{}/{}", pool.name, endpoint.name);
    let Some(name) = &endpoint.service else {
        let why = format!(
            "{key} is not supervised: only what evenkeel started, and can start again, is drilled\n\
             Give it a `service`, or name another by --endpoint."
        );
        return Err(refuse(why));
    };
    let found = config.services.iter().find(|s| s.name == *name);
    found.ok_or_else(|| {
        refuse(format!(
            "{key} is supervised by an agent elsewhere ({name}): a drill is made on the service's own host"
        ))
    })
}

fn somebody_else(pool: Option<&PoolStatus>, endpoint: &EndpointSpec) -> Result<(), Problem> {
    let mut others = pool.iter().flat_map(|p| &p.endpoints);
    let usable = |state: State| matches!(state, State::Up | State::Trial);
    if others.any(|other| *other.name != *endpoint.name && usable(other.state)) {
        return Ok(());
    }
    Err(refuse(
        "no other endpoint of its pool is usable now: clients would see the fault\n\
         --yes does it all the same.",
    ))
}
