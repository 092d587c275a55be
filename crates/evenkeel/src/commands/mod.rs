//! What each command does.

mod act;
mod agent;
mod availability;
mod check;
mod demo;
mod facts;
pub(crate) mod incidents;
mod learned;
mod notify;
pub(crate) mod operate;
mod own;
mod recovery;
mod replay;
mod run;
mod sessions;
mod simulate;
mod status;

use crate::End;
use crate::cli::{Cli, Command, Drill, Format};
use crate::drill;

/// Runs the command that was asked for.
pub(crate) fn dispatch(cli: Cli) -> End {
    match cli.command {
        Command::Demo { print_config } => demo::demo(print_config),
        Command::Run { file } => run::run(&file),
        Command::Agent { file } => agent::agent(&file),
        Command::Check { file, format, json } => {
            check::check(&file, json || format == Format::Json)
        }
        Command::Status { pool, admin } => status::status(pool.as_deref(), &admin),
        Command::Availability {
            pool,
            what_if,
            admin,
        } => availability::availability(pool.as_deref(), what_if.as_deref(), &admin),
        Command::Sessions { pool, admin } => sessions::sessions(pool.as_deref(), &admin),
        Command::Learned { pool, admin } => learned::learned(pool.as_deref(), &admin),
        Command::Drain { at } => operate::state(&at, "draining"),
        Command::Maint { at } => operate::state(&at, "maintenance"),
        Command::Ready { at } => operate::state(&at, "ready"),
        Command::Weight { at, weight } => operate::weight(&at, weight),
        Command::Incidents { admin } => incidents::incidents(&admin),
        Command::Explain { what, admin } => incidents::explain(&what, &admin),
        Command::Label {
            incident,
            cause,
            admin,
        } => incidents::label(incident, &cause, &admin),
        Command::Replay(asked) => replay::run(&asked),
        Command::Simulate(asked) => simulate::run(&asked),
        Command::Reload { admin } => operate::reload(&admin),
        Command::Revisions { admin } => operate::revisions(&admin),
        Command::Act {
            service,
            action,
            command,
            admin,
        } => act::act(&service, &action, command.as_deref(), &admin),
        Command::Notify { pool, admin } => notify::notify(&pool, &admin),
        Command::RecoveryPoints {
            service,
            action,
            id,
            admin,
        } => {
            let action = action.map(|action| (action, id.as_deref()));
            recovery::recovery_points(service.as_deref(), action, &admin)
        }
        Command::Drill(drill) => self::drill(drill),
        Command::Rollback { revision, admin } => operate::rollback(revision, &admin),
    }
}

fn drill(drill: Drill) -> End {
    let (Some(scenario), Some(file)) = (drill.scenario, drill.file) else {
        return drill::list(drill.admin.json);
    };
    drill::drill(drill::Options {
        scenario,
        file,
        endpoint: drill.endpoint,
        yes: drill.yes,
        rate: drill.rate,
        url: drill.url,
        hold: std::time::Duration::from_secs(drill.hold),
        admin: drill.admin,
    })
}
