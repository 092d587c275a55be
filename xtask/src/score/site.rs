//! A running balancer with what is behind it, and what it tells of itself.

use crate::bench::certificate::{self, Certificate};
use crate::load::{self, Endpoints};
use crate::process::{self, Tree};
use crate::{Failure, cpu};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The admin API answers within this, or something is wrong.
const ADMIN_MAX: Duration = Duration::from_secs(5);

/// A balancer, its endpoints, and where it is.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// The same under TLS.
    pub(crate) secure: SocketAddr,
    admin: SocketAddr,
    // In the order in which they have to end: the balancer first.
    balancer: Tree,
    _endpoints: Endpoints,
    _others: [Tree; 2],
    folder: tempfile::TempDir,
}

/// What a configuration is written from.
pub(crate) struct Addresses {
    pub(crate) listen: SocketAddr,
    /// The same under TLS …
    pub(crate) secure: SocketAddr,
    /// … with this.
    pub(crate) certificate: Certificate,
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Answers those who want much: a program of its own, so that honest clients do not wait behind them there.
    pub(crate) large: SocketAddr,
    /// Takes everything and never answers.
    pub(crate) sink: SocketAddr,
}

impl Site {
    /// Starts all of it and waits until it answers. `config`: all but `[node]` and `[admin]`.
    pub(crate) fn start(
        programs: &Path,
        descriptors: Option<u64>,
        config: impl Fn(&Addresses) -> String,
    ) -> Result<Site, Failure> {
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let endpoints = load::start_endpoints(programs, 2, &[])?;
        let (sink, sink_address) = start_one(programs, &["sink"])?;
        // What its kernel holds for clients that do not read would be the first to run out on a machine that is all in one.
        let (large, large_address) = start_one(
            programs,
            &["endpoint", "--ports", "1", "--send-bytes", "65536"],
        )?;
        let (address, admin) = (process::free_address()?, process::free_address()?);
        let secure = process::free_address()?;
        let config = config(&Addresses {
            listen: address,
            secure,
            certificate: certificate::make(folder.path())?,
            endpoints: endpoints.addresses.clone(),
            large: large_address,
            sink: sink_address,
        });
        let path = folder.path().join("score.toml");
        let text = format!(
            "[node]\nstate_dir = \"state\"\nworkers = 1\n\n[admin]\nbind = \"{admin}\"\n\n{config}"
        );
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = with_descriptors(&programs.join("evenkeel"), descriptors);
        command.arg("run").arg(&path).current_dir(folder.path());
        let mut balancer = process::start_logged(command, &folder.path().join("log"))?;
        let answered = balancer.wait_for_answer(address);
        let site = Site {
            address,
            secure,
            admin,
            balancer,
            _endpoints: endpoints,
            _others: [sink, large],
            folder,
        };
        answered.map_err(|failure| format!("{failure}{}", site.log()))?;
        Ok(site)
    }

    /// Its keeper's process id.
    pub(crate) fn id(&self) -> u32 {
        self.balancer.id()
    }

    /// Memory of all its processes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        cpu::resident_bytes(self.id())
    }

    /// What it logged, as the end of an error.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("; evenkeel said:\n{text}")
    }

    /// `evenkeel_rejected_total` by reason, and TLS handshakes that were too slow as `handshake_timeout`.
    pub(crate) fn rejected(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let page = self
            .metrics()
            .map_err(|error| format!("/metrics: {error}"))?;
        let counted = page.lines().filter_map(|line| {
            let (name, rest) = line.split_once('{')?;
            let (labels, count) = rest.split_once("} ")?;
            let label = |name: &str| labels.split(name).nth(1)?.split('"').nth(1);
            let reason = match name {
                "evenkeel_rejected_total" => label("reason=")?.to_owned(),
                "evenkeel_tls_handshakes_total" => format!("handshake_{}", label("result=")?),
                _ => return None,
            };
            Some((reason, count.trim().parse::<u64>().ok()?))
        });
        let mut all = BTreeMap::new();
        for (reason, count) in counted {
            *all.entry(reason).or_default() += count;
        }
        Ok(all)
    }

    fn metrics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(ADMIN_MAX))?;
        stream.write_all(
            format!(
                "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.admin
            )
            .as_bytes(),
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }
}

fn start_one(programs: &Path, arguments: &[&str]) -> Result<(Tree, SocketAddr), Failure> {
    let mut command = Command::new(programs.join("evenkeel-bench"));
    command.args(arguments);
    let (tree, mut lines) = process::start_spoken(command)?;
    let line = lines.next("its address")?;
    let address = line
        .parse()
        .map_err(|error| format!("the address of {arguments:?}, found `{line}`: {error}"))?;
    Ok((tree, address))
}

/// A program that may have no more than so many descriptors. By the shell's `ulimit`, because the limit has to be there
/// before the program is.
fn with_descriptors(program: &Path, descriptors: Option<u64>) -> Command {
    match descriptors {
        None => Command::new(program),
        Some(most) => {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")]);
            command.arg(program);
            command
        }
    }
}
