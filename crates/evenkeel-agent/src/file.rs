//! An agent's own file, with the certificates it names: read together, so that what is wrong in either is told at once.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use evenkeel_core::settings::PoolTls;
use evenkeel_schema::Mistake;
use evenkeel_schema::config::{AgentConfig, FileProblem};
use evenkeel_tls::{Client, ClientFiles, Problem};

/// A file that was found right.
#[derive(Clone)]
pub struct Loaded {
    /// What it says.
    pub config: Arc<AgentConfig>,
    /// How balancers are spoken to; `None` = in clear text, on loopback.
    pub client: Option<Arc<Client>>,
}

/// Reads the file and everything it names.
///
/// # Errors
/// Every mistake.
pub fn load(file: &Path) -> Result<Loaded, Vec<Mistake>> {
    with_client(|look| AgentConfig::load(file, look))
}

/// The same for a text that stands for `file`.
///
/// # Errors
/// Every mistake.
pub fn parse(text: &str, file: &Path) -> Result<Loaded, Vec<Mistake>> {
    with_client(|look| AgentConfig::parse(text, file, look))
}

fn with_client(
    read: impl FnOnce(&dyn Fn(&PoolTls) -> Vec<FileProblem>) -> Result<AgentConfig, Vec<Mistake>>,
) -> Result<Loaded, Vec<Mistake>> {
    let client = RefCell::new(None);
    let look = |tls: &PoolTls| match Client::load(&files(tls)) {
        Ok(good) => {
            *client.borrow_mut() = Some(Arc::new(good));
            Vec::new()
        }
        Err(problems) => problems.into_iter().map(told).collect(),
    };
    let config = Arc::new(read(&look)?);
    Ok(Loaded {
        config,
        client: client.into_inner(),
    })
}

fn files(tls: &PoolTls) -> ClientFiles {
    let pair = tls.certificate.as_ref();
    ClientFiles {
        ca: tls.ca.clone(),
        server_name: tls.server_name.clone(),
        certificate: pair.map(|pair| pair.certificate.clone()),
        key: pair.map(|pair| pair.key.clone()),
    }
}

fn told(problem: Problem) -> FileProblem {
    FileProblem {
        index: 0,
        key: problem.part.key(),
        found: match &problem.file {
            Some(file) => format!("{}: {}", file.display(), problem.found),
            None => problem.found,
        },
        wanted: problem.wanted,
    }
}
