//! `evenkeel drill`: a known fault in a supervised service, to see whether it is found, understood and healed, and how fast.
//!
//! A drill is made from outside the running evenkeel, by what anybody could do to a process: signals, full disks, a port
//! that is taken. evenkeel is not told of it. What the drill learns comes from the admin API and from its own clients.
//! Whatever it did it takes back in the end, when it fails and when it is interrupted too.

mod case;
mod fault;
mod interrupt;
mod knobs;
mod load;
mod report;
mod scenarios;
mod site;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_schema::Stamp;
use evenkeel_schema::records::{CaseRecord, Record};

use crate::End;
use crate::cli::{Admin, EndpointName};
use crate::style::{Out, complain};

use interrupt::Interrupt;
use load::Load;
use scenarios::Scenario;
use site::Site;
use watch::Watch;

/// The load runs so long before the fault: what fails then was not made by it.
const BEFORE: Duration = Duration::from_secs(1);

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// Its name.
    pub(crate) scenario: String,
    /// The configuration that runs.
    pub(crate) file: PathBuf,
    /// Whom; else the first that is supervised.
    pub(crate) endpoint: Option<EndpointName>,
    /// Even if nobody else can serve meanwhile.
    pub(crate) yes: bool,
    /// Requests a second.
    pub(crate) rate: u32,
    /// Where its requests go; else what the routes say.
    pub(crate) url: Option<String>,
    /// How long evenkeel has before the drill itself takes the fault back.
    pub(crate) hold: Duration,
    /// How evenkeel is reached; the place is FILE's, if it is not said.
    pub(crate) admin: Admin,
}

/// `drill --list`.
pub(crate) fn list(json: bool) -> End {
    report::list(&Out::new(), json);
    End::Done
}

/// `drill SCENARIO FILE`.
pub(crate) fn drill(options: Options) -> End {
    let Some(scenario) = scenarios::find(&options.scenario) else {
        let names: Vec<_> = scenarios::SCENARIOS.iter().map(|s| s.name).collect();
        complain(&format!(
            "evenkeel: found scenario {:?}, wanted one of {}\n`evenkeel drill --list` says what they are.",
            options.scenario,
            names.join(", ")
        ));
        return End::Usage;
    };
    let interrupt = Interrupt::listen();
    let site = match Site::find(&options) {
        Ok(site) => site,
        Err(problem) => return problem.report(),
    };
    match run(scenario, &site, &options, &interrupt) {
        Ok(case) => tell(&site, &case, options.admin.json),
        Err(why) => {
            complain(&format!("evenkeel: {why}"));
            End::Failed
        }
    }
}

/// From the first request to the last: the fault is taken back whatever happens in between.
fn run(
    scenario: &Scenario,
    site: &Site,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<CaseRecord, String> {
    let _alone = case::alone(&site.config.node.state_dir)?;
    let inject = (scenario.prepare)(site)?;
    let load = Load::start(site, options)?;
    interrupt.sleep(BEFORE)?;
    let before = load.seen();
    if let Some((kind, count)) = before.errors.iter().next() {
        return Err(format!(
            "{count} of {} requests failed before anything was done ({kind}): nothing was injected; \
             look at `evenkeel status` first",
            before.requests
        ));
    }
    let mut watch = Watch::begin(site, scenario.felt)?;
    let injected = Stamp(watch::now());
    let mut fault = inject()?;
    report::progress(options.admin.json, &fault.what);
    let mut healed = None;
    let mut ended = watch.until_healed(options.hold, interrupt);
    if fault.lasts() {
        let undone = fault.undo();
        healed = Some(Stamp(watch::now()));
        undone?;
        watch.taken_back();
        if ended.is_ok() && !watch.is_over() {
            report::progress(options.admin.json, "the drill took the fault back");
            ended = watch.until_healed(watch::AFTERWARDS, interrupt);
        }
    }
    ended?;
    let clients = load.end();
    let case = watch.case(scenario, &fault.what, injected, healed, clients);
    case::label(site, &case)?;
    Ok(case)
}

/// Records it, and says how it went.
fn tell(site: &Site, case: &CaseRecord, json: bool) -> End {
    let kept = case::keep(&site.config.node.state_dir, case);
    let out = Out::new();
    match (json, case.encode()) {
        (true, Ok(bytes)) => out.line(&String::from_utf8_lossy(&bytes)),
        _ => report::tell(&out, case, kept.as_deref().ok()),
    }
    match kept {
        Err(why) => {
            complain(&format!("evenkeel: the case could not be recorded: {why}"));
            End::Failed
        }
        Ok(_) if case.incident.is_none() || case.times_ms.restore.is_none() => End::Failed,
        Ok(_) => End::Done,
    }
}

/// A path as the process sees it, from here: it may have another view of the file systems.
fn seen_by(pid: u32, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    root.join(path.strip_prefix("/").unwrap_or(path))
}
