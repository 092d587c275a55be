//! The agent: the keeper's child on a service's host. Like the balancer's folder this one only wires: the keeper's messages to the
//! agent's inputs, its wishes to the keeper. What an order means and when to call is decided elsewhere.

mod host;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_agent::file::{self, Loaded};
use evenkeel_agent::serve;
use evenkeel_control::INPUTS_MAX;
use evenkeel_keeper::Link;
use evenkeel_schema::config::LogFormat;
use tokio::sync::mpsc;

use crate::End;
use crate::balancer::keeper::Keeper;
use crate::balancer::recovery::{self, Recovery};
use crate::balancer::{agent as facts, end_with_the_keeper};
use crate::style::complain;
use host::AgentHost;

/// What the keeper's command line tells the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its file, absolute.
    pub(crate) file: PathBuf,
    /// Where the last applied one is, in case FILE is being edited when the agent is replaced.
    pub(crate) state_dir: PathBuf,
}

impl Part {
    /// The hidden arguments of a first agent, or of one that replaces another.
    pub(crate) fn args(&self, resume: bool) -> Vec<OsString> {
        let how = if resume { "resume" } else { "first" };
        vec![
            "__agent".into(),
            how.into(),
            self.state_dir.clone().into(),
            self.file.clone().into(),
        ]
    }

    fn parse(mut args: impl Iterator<Item = OsString>) -> Option<(bool, Part)> {
        let resume = args.next()? == "resume";
        let (state_dir, file) = (args.next()?.into(), args.next()?.into());
        Some((resume, Part { file, state_dir }))
    }
}

type Failed = (End, String);

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> Failed + '_ {
    move |e| (End::Failed, format!("evenkeel: {what}: {e}"))
}

/// `__agent first|resume STATE_DIR FILE`.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> End {
    let Some((resume, part)) = Part::parse(args) else {
        complain(
            "usage: evenkeel __agent first|resume STATE_DIR FILE (started by `evenkeel agent`, not by hand)",
        );
        return End::Usage;
    };
    let ended = start(resume, part);
    crate::logging::finish();
    match ended {
        Ok(()) => End::Done,
        Err((end, message)) => {
            complain(message.trim_end());
            end
        }
    }
}

fn start(resume: bool, part: Part) -> Result<(), Failed> {
    end_with_the_keeper();
    let link = Link::from_stdin().map_err(failed("agent"))?;
    let loaded = read_config(resume, &part)?;
    crate::logging::start(&loaded.config.log).map_err(failed("log"))?;
    let adopted = Keeper::adopt(link, false).map_err(failed("keeper"))?;
    let (told, heard) = mpsc::channel(INPUTS_MAX);
    let (keeper, running) = adopted.listen(told.clone()).map_err(failed("keeper"))?;
    if loaded.config.log.format == LogFormat::Json {
        keeper.speak_json();
    }
    let recovery = Arc::new(Recovery::new(&part.state_dir));
    recovery::keep(recovery.clone()).map_err(failed("recovery points"))?;
    facts::watch(keeper.board().clone(), part.state_dir.clone(), told).map_err(failed("facts"))?;
    let inputs = host::translate(heard).map_err(failed("inputs"))?;
    let ended = serve::run(serve::Start {
        loaded,
        file: part.file,
        host: Arc::new(AgentHost::new(keeper.clone(), recovery, part.state_dir)),
        running,
        inputs,
    });
    ended.map_err(failed("agent"))?;
    keeper.bye();
    Ok(())
}

/// FILE; for a replacement what was applied last, and FILE only where that can't be had.
fn read_config(resume: bool, part: &Part) -> Result<Loaded, Failed> {
    let last = match resume {
        true => evenkeel_control::last_applied(&part.state_dir),
        false => Ok(None),
    };
    let why = match last.map(|last| last.map(|(_, text)| file::parse(&text, &part.file))) {
        Ok(Some(Ok(loaded))) => return Ok(loaded),
        Ok(Some(Err(mistakes))) => Some(evenkeel_schema::explain(&mistakes)),
        Ok(None) => None,
        Err(why) => Some(why),
    };
    if let Some(why) = why {
        complain(&format!(
            "evenkeel: what was applied last can't be read again, so FILE is used:\n{}",
            why.trim_end()
        ));
    }
    file::load(&part.file).map_err(|mistakes| (End::Usage, evenkeel_schema::explain(&mistakes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_arguments_are_read_back() {
        let part = Part {
            file: "/etc/a b.toml".into(),
            state_dir: "/var/lib/x".into(),
        };
        for resume in [true, false] {
            let args = part.args(resume).into_iter().skip(1);
            assert_eq!(Part::parse(args), Some((resume, part.clone())));
        }
        assert_eq!(Part::parse(["first".into()].into_iter()), None);
    }
}
