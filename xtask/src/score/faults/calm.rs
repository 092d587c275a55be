//! A calm run: nothing is wrong, but 5 % of the answers of every endpoint take twenty times as long. Nothing may be done about that.

use super::harm;
use super::site::{Site, request};
use super::{CONNECTIONS, RATE};
use crate::Failure;
use crate::load::Endless;
use std::path::Path;
use std::time::Duration;

/// An answer takes 2 ms, a late one 40.
const NOISE: &str = "/_drill/slow?ms=40&base_ms=2&percent=5&for_s=600";
/// It lasts for no more seconds.
pub(super) const SECS_MAX: u64 = 600;

/// What was done in it.
pub(super) struct Calm {
    pub(super) incidents: usize,
    pub(super) ejections: u64,
    pub(super) harm: Vec<String>,
    pub(super) requests: u64,
    pub(super) errors: u64,
    first_error: String,
}

pub(super) fn run(programs: &Path, lasts: Duration) -> Result<Calm, Failure> {
    let site = Site::start(programs)?;
    for sample in site.ports.samples {
        let said = request(sample, "POST", NOISE)?;
        if !said.contains("5 %") {
            return Err(format!(
                "the sample at {sample} was to be noisy, and said {said}"
            ));
        }
    }
    let load = Endless::start(programs, site.ports.web, RATE, CONNECTIONS)?;
    std::thread::sleep(lasts);
    let seen = load.end()?;
    let incidents = site.ask("/v1/incidents")?;
    Ok(Calm {
        incidents: incidents.as_array().map_or(0, Vec::len),
        ejections: ejections(&site)?,
        harm: harm::of(&site, &[])?,
        requests: seen.requests,
        errors: seen.errors,
        first_error: seen.first_error,
    })
}

fn ejections(site: &Site) -> Result<u64, Failure> {
    let metrics = super::site::get(site.ports.admin, "/metrics")?;
    let lines = metrics.lines();
    let counted = lines.filter(|line| line.starts_with("evenkeel_ejections_total{"));
    Ok(counted
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64)
}

impl Calm {
    pub(super) fn line(&self) -> String {
        let first = match self.errors {
            0 => String::new(),
            _ => format!(", the first: {}", self.first_error),
        };
        format!(
            "{} incidents, {} ejections, {} actions, {} errors of {} requests{first}",
            self.incidents,
            self.ejections,
            self.harm.len(),
            self.errors,
            self.requests
        )
    }
}
