//! What an agent tells of its services and its host, and the way from and to core's words.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::engine;
use evenkeel_core::facts;
use evenkeel_core::settings::{Care, Data, Release, Share};
use evenkeel_core::supervise::ServiceState;
use serde::{Deserialize, Serialize};

use super::message::{each_once, name, printable, within};
use super::points::PointsReport;
use crate::admin::{MachineFacts, ServiceFacts};

/// A sentence, and as much as is kept of one.
const WHY_MAX: usize = 4096;
/// Folders and commands of a service, as in the configuration.
const LIST_MAX: usize = 64;
/// A path.
const PATH_MAX: usize = 4096;

/// A service as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReport {
    /// Its name there.
    pub name: String,
    /// `stopped`, `starting`, `ready`, `stopping`, `backoff`, `failed`.
    pub state: String,
    /// For so long.
    pub age_ms: u64,
    /// Why.
    pub why: String,
    /// `null` while it does not run.
    pub pid: Option<u32>,
    /// Since its keeper started.
    pub restarts: u32,
    /// The process of it that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Its limits, and what may be done for it.
    #[serde(default)]
    pub care: CareReport,
    /// Its recovery points. Left out = they are as they were told last, or are not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<PointsReport>,
}

/// A process that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its number.
    pub pid: u32,
    /// How, for people.
    pub how: String,
}

/// What a service may have, and what there is that may be done for it. Paths are of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareReport {
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<u64>,
    /// Thousandths of a percent of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_max: Option<u32>,
    /// Where `free_disk` may delete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disk_paths: Vec<String>,
    /// Until so much is free.
    #[serde(default)]
    pub disk_keep: u64,
    /// The links to its releases: this one and the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<(String, String)>,
    /// What recovery points are made of, how often (ms), and how many are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<(String, u64, u32)>,
    /// Names of what `run` may run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// What was read of the host and of its services that run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactsReport {
    /// Of the host.
    pub machine: MachineFacts,
    /// Each once.
    pub services: Vec<ServiceFactsReport>,
}

/// Of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFactsReport {
    /// Its name there.
    pub name: String,
    /// Its leading process.
    pub pid: u32,
    /// What was read.
    pub facts: ServiceFacts,
}

impl ServiceReport {
    pub(super) fn validate(&self) -> Result<(), String> {
        name("service", &self.name)?;
        within("why", &self.why, WHY_MAX)?;
        if let Some(ended) = &self.ended {
            within("how", &ended.how, WHY_MAX)?;
        }
        state(&self.state)?;
        if let Some(points) = &self.points {
            points.validate()?;
        }
        self.care.validate()
    }

    /// As the engine takes it.
    ///
    /// # Errors
    /// Its state is none.
    pub fn report(&self) -> Result<engine::ServiceReport, String> {
        Ok(engine::ServiceReport {
            name: self.name.as_str().into(),
            state: state(&self.state)?,
            age: Duration::from_millis(self.age_ms),
            why: printable(&self.why),
            pid: self.pid,
            restarts: self.restarts,
            ended: self.ended.as_ref().map(|e| (e.pid, printable(&e.how))),
            care: self.care.care(),
        })
    }
}

fn state(word: &str) -> Result<ServiceState, String> {
    let found = ServiceState::ALL.into_iter().find(|s| s.name() == word);
    found.ok_or_else(|| format!("found state {word:.40?}, wanted one of a service's"))
}

impl CareReport {
    /// What is configured.
    pub fn new(care: &Care) -> CareReport {
        let text = |path: &PathBuf| path.display().to_string();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        CareReport {
            memory_max: care.memory_max,
            cpu_max: care.cpu_max.map(|share| share.0),
            disk_paths: care.disk_paths.iter().map(text).collect(),
            disk_keep: care.disk_keep,
            release: care
                .release
                .as_ref()
                .map(|r| (text(&r.current), text(&r.previous))),
            data: care
                .data
                .as_ref()
                .map(|data| (text(&data.directory), ms(data.every), data.keep)),
            commands: care.commands.iter().map(|(name, _)| name.clone()).collect(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.disk_paths.len() > LIST_MAX || self.commands.len() > LIST_MAX {
            return Err("found more than 64 folders or commands of one service".into());
        }
        let release = self.release.iter().flat_map(|(a, b)| [a, b]);
        let data = self.data.iter().map(|(directory, _, _)| directory);
        let mut texts = release.chain(data).chain(&self.disk_paths);
        texts.try_for_each(|path| within("a path", path, PATH_MAX))?;
        self.commands
            .iter()
            .try_for_each(|command| within("a command's name", command, 64))
    }

    /// As the engine knows it. Commands have names only: their programs are their host's business.
    pub fn care(&self) -> Care {
        Care {
            memory_max: self.memory_max,
            cpu_max: self.cpu_max.map(Share),
            disk_paths: self.disk_paths.iter().map(PathBuf::from).collect(),
            disk_keep: self.disk_keep,
            release: self.release.as_ref().map(|(current, previous)| Release {
                current: current.into(),
                previous: previous.into(),
            }),
            data: self.data.as_ref().map(|(directory, every, keep)| Data {
                directory: directory.into(),
                every: Duration::from_millis(*every),
                keep: *keep,
            }),
            commands: self
                .commands
                .iter()
                .map(|name| (name.clone(), Vec::new()))
                .collect(),
        }
    }
}

impl FactsReport {
    /// As they were read.
    pub fn new(at: crate::Stamp, facts: &facts::Facts) -> FactsReport {
        let one = |service: &facts::ServiceFacts| ServiceFactsReport {
            name: service.name.to_string(),
            pid: service.pid,
            facts: ServiceFacts::new(at, service),
        };
        FactsReport {
            machine: MachineFacts::new(at, &facts.machine),
            services: facts.services.iter().map(one).collect(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let names = self.services.iter().map(|service| service.name.as_str());
        each_once(names, self.services.len())?;
        let disks = self.services.iter().map(|s| &s.facts.disks);
        let mut disks = disks.chain([&self.machine.disks]);
        if disks.any(|disks| disks.len() > 2 * LIST_MAX) {
            return Err("found more than 128 disks".into());
        }
        Ok(())
    }

    /// As the engine takes them: services as endpoints name them.
    pub fn facts(&self, agent: &str) -> facts::Facts {
        let one = |service: &ServiceFactsReport| {
            let name: Arc<str> = format!("{agent}/{}", service.name).into();
            service.facts.facts(name, service.pid)
        };
        facts::Facts {
            machine: self.machine.facts(),
            services: self.services.iter().map(one).collect(),
        }
    }
}
