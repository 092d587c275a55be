//! The messages, and what is checked of each before anybody acts on it.

use std::collections::BTreeSet;
use std::fmt;

use evenkeel_core::engine::Says;
use evenkeel_core::remote::SERVICES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::report::{FactsReport, ServiceReport};
use crate::admin::BeatState;
use crate::text::is_name;

/// What is spoken here. Another number is another language; an added field is not.
pub const PROTOCOL: u32 = 1;
/// An order that is no action: reads a recovery point back. It changes nothing, so that no host has to allow it, no fence is asked
/// for, and nothing else has to wait for it.
pub const VERIFY_DATA: &str = "verify_data";
/// Actions on offer: more than there are kinds.
const ACTIONS_MAX: usize = 64;
/// A path.
const PATH_MAX: usize = 4096;
/// evenkeel's own version, bytes.
const VERSION_MAX: usize = 64;
/// Texts for people, bytes: a long sentence.
const WORDS_MAX: usize = 4096;
/// A token, as long as the configuration allows with room for its quotes.
const TOKEN_MAX: usize = 8192;
/// The shortest and the longest interval between heartbeats, in milliseconds.
const INTERVAL_MS: (u64, u64) = (10, 3_600_000);

/// Something that can be said.
pub trait Message: Serialize + DeserializeOwned {
    /// What the types cannot say.
    ///
    /// # Errors
    /// What was found and wanted.
    fn validate(&self) -> Result<(), String>;
}

/// Reads and checks a message.
///
/// # Errors
/// What is wrong with it, for a person.
pub fn read<M: Message>(frame: &[u8]) -> Result<M, String> {
    let message: M = serde_json::from_slice(frame).map_err(|e| e.to_string())?;
    message.validate()?;
    Ok(message)
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromAgent {
    /// First of all, once.
    Hello(Hello),
    /// All services it has: after the welcome, and when its file was read anew.
    Services {
        /// In any order, each once.
        services: Vec<ServiceReport>,
    },
    /// Something about one of them changed.
    Service(ServiceReport),
    /// They live.
    Beat(Beat),
    /// What was read.
    Facts(FactsReport),
    /// An order was carried out, or was not.
    Done {
        /// Its number.
        order: u64,
        /// Was it?
        done: bool,
        /// What was done, or why not, for people.
        words: String,
        /// After a restoration: where the data that was there before is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept_aside: Option<String>,
        /// The newest fence it has seen: another balancer's clock may be ahead of that of whoever was refused.
        #[serde(default)]
        fence: u64,
    },
    /// It ends in order.
    Bye {
        /// Why, for people.
        why: String,
    },
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Its name.
    pub agent: String,
    /// evenkeel's own, there.
    pub version: String,
    /// A number of this life of it: who comes with the same is the same.
    pub instance: u64,
    /// What it shows, unless it has shown a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The actions its host allows, of those this build knows.
    pub actions: Vec<String>,
    /// The newest fence it has seen: an order with an older one would be refused.
    #[serde(default)]
    pub fence: u64,
    /// Between two heartbeats of its.
    pub interval_ms: u64,
}

/// A secret on its way: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Services that live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// One more each time.
    pub sequence: u64,
    /// Between two.
    pub interval_ms: u64,
    /// Those that run; the others are silent.
    pub services: Vec<ServiceBeat>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceBeat {
    /// Its name there.
    pub name: String,
    /// What it says of itself.
    pub state: BeatState,
}

/// What a balancer says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToAgent {
    /// The agent is in.
    Welcome {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The balancer's name.
        node: String,
        /// evenkeel's own, there.
        version: String,
    },
    /// It is not, and the connection is closed.
    Refused(Refusal),
    /// A heartbeat arrived.
    Acknowledged {
        /// Its number.
        sequence: u64,
    },
    /// Something is to be done.
    Order(Order),
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One word for programs: `protocol`, `credentials`, `name`, `full`, `garbage`, `shutting_down`.
    pub code: String,
    /// For people.
    pub why: String,
}

/// Something to be done to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, for the answer.
    pub order: u64,
    /// The fence: none that is older than one already taken for this service is carried out.
    pub fence: u64,
    /// The service's name there.
    pub service: String,
    /// One of the actions.
    pub action: String,
    /// For `run` the command's name, for `restore_data` and [`VERIFY_DATA`] the recovery point's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// For `restore_data` without an argument: only a point that was made longer ago than this, by the clock there. Not a moment,
    /// since the clocks of two hosts differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<u64>,
    /// Why, for the log there.
    pub why: String,
}

impl Message for FromAgent {
    fn validate(&self) -> Result<(), String> {
        match self {
            FromAgent::Hello(hello) => hello.validate(),
            FromAgent::Services { services } => {
                let names = services.iter().map(|service| service.name.as_str());
                each_once(names, services.len())?;
                services.iter().try_for_each(ServiceReport::validate)
            }
            FromAgent::Service(service) => service.validate(),
            FromAgent::Beat(beat) => {
                interval(beat.interval_ms)?;
                let names = beat.services.iter().map(|service| service.name.as_str());
                each_once(names, beat.services.len())
            }
            FromAgent::Facts(facts) => facts.validate(),
            FromAgent::Done {
                words, kept_aside, ..
            } => {
                within("words", words, WORDS_MAX)?;
                let aside = kept_aside.as_deref();
                aside.map_or(Ok(()), |path| within("a path", path, PATH_MAX))
            }
            FromAgent::Bye { why } => within("why", why, WORDS_MAX),
        }
    }
}

impl Hello {
    fn validate(&self) -> Result<(), String> {
        name("agent", &self.agent)?;
        version(&self.version)?;
        interval(self.interval_ms)?;
        if let Some(token) = &self.token {
            within("token", &token.0, TOKEN_MAX)?;
        }
        if self.actions.len() > ACTIONS_MAX {
            return Err(format!("found {} actions", self.actions.len()));
        }
        self.actions
            .iter()
            .try_for_each(|action| name("action", action))
    }
}

impl Message for ToAgent {
    fn validate(&self) -> Result<(), String> {
        match self {
            ToAgent::Welcome { node, version, .. } => {
                within("node", node, 256)?;
                self::version(version)
            }
            ToAgent::Refused(refusal) => {
                within("code", &refusal.code, 64)?;
                within("why", &refusal.why, WORDS_MAX)
            }
            ToAgent::Acknowledged { .. } => Ok(()),
            ToAgent::Order(order) => {
                name("service", &order.service)?;
                name("action", &order.action)?;
                within("why", &order.why, WORDS_MAX)?;
                let argument = order.argument.as_deref();
                argument.map_or(Ok(()), |argument| within("argument", argument, 256))
            }
        }
    }
}

impl ServiceBeat {
    /// What it says of itself, as the engine takes it.
    pub fn says(&self) -> Says {
        self.state.into()
    }
}

/// Words of another host for our log and terminals: nothing that moves a cursor or begins a line.
pub fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

pub(super) fn name(what: &str, text: &str) -> Result<(), String> {
    match is_name(text) {
        true => Ok(()),
        false => Err(format!("found {what} {text:.100?}, wanted a name")),
    }
}

pub(super) fn within(what: &str, text: &str, max: usize) -> Result<(), String> {
    match text.len() <= max {
        true => Ok(()),
        false => Err(format!("found {what} of {} bytes", text.len())),
    }
}

/// It is shown in logs, answers and terminals, also before anybody has shown who he is: nothing in it begins a line.
fn version(text: &str) -> Result<(), String> {
    within("version", text, VERSION_MAX)?;
    match text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        true => Ok(()),
        false => Err(format!("found version {text:?}, wanted printable ASCII")),
    }
}

fn interval(ms: u64) -> Result<(), String> {
    let (low, high) = INTERVAL_MS;
    match (low..=high).contains(&ms) {
        true => Ok(()),
        false => Err(format!("found interval_ms {ms}, wanted {low} to {high}")),
    }
}

pub(super) fn each_once<'a>(
    mut names: impl Iterator<Item = &'a str>,
    count: usize,
) -> Result<(), String> {
    if count > SERVICES_MAX {
        return Err(format!(
            "found {count} services, wanted at most {SERVICES_MAX}"
        ));
    }
    let mut seen = BTreeSet::new();
    names.try_for_each(|service| {
        name("service", service)?;
        match seen.insert(service) {
            true => Ok(()),
            false => Err(format!("found service {service:?} twice")),
        }
    })
}
