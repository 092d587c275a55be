//! The command line, as people type it. Only names and help; what a command does is in `commands`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER: &str = "\
Control commands find a running evenkeel by --admin, else EVENKEEL_ADMIN, else http://127.0.0.1:9440,
and show the token of --token-file, else EVENKEEL_TOKEN. Over https they trust the authorities of --ca,
else EVENKEEL_ADMIN_CA, else those of this machine, and show the client certificate of --certificate and --key.
Exit codes: 0 done; 1 failed while running; 2 bad usage or bad config; 3 the admin API can't be reached.";

/// A load balancer that heals what it balances.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, after_help = AFTER, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Balance three sample services on nothing but this binary, and say what to try
    Demo {
        /// Print the configuration the demo runs, and end; it can be saved and run
        #[arg(long)]
        print_config: bool,
    },
    /// Run the balancer, its checks, its recovery and its supervised services
    Run {
        /// The configuration
        file: PathBuf,
    },
    /// Run on another host: supervise its services, and serve the balancers that its file names
    Agent {
        /// The agent's file
        file: PathBuf,
    },
    /// Check a configuration, or an agent's file: every mistake at once
    Check {
        /// The file
        file: PathBuf,
        /// How to print mistakes
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// The same as --format json
        #[arg(long)]
        json: bool,
    },
    /// Who serves, in what state, since when and why
    Status {
        /// Only this pool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        pool: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
    /// Sessions by endpoint: those that are not over, of which a request came since the balancer began
    Sessions {
        /// Only this pool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        pool: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
    /// What the policy `learned` expects of each endpoint for each sort of request, how good that is, and whether it goes by it
    Learned {
        /// Only this pool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        pool: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
    /// How much of the time and of the requests was good, what is left of the error budget, and how long faults took by cause (the label's, where an incident has one)
    Availability {
        /// Only this pool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        pool: Option<String>,
        /// Ask the model of another fleet: endpoints=N, needed=N, crews=N (repairs at once), mttf=TIME, mttr=TIME; what is left out is as measured
        #[arg(long, value_name = "endpoints=4,crews=1", value_parser = what_if)]
        what_if: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
    /// Give an endpoint no new work; what runs may finish
    Drain {
        #[command(flatten)]
        at: At,
    },
    /// Take an endpoint out of service
    Maint {
        #[command(flatten)]
        at: At,
    },
    /// Take back drain and maint; with manual failback, let an endpoint come back
    Ready {
        #[command(flatten)]
        at: At,
    },
    /// Set an endpoint's weight until it is set back to default
    Weight {
        #[command(flatten)]
        at: At,
        /// 0 to 256, or `default`: what the configuration says
        #[arg(value_name = "N|default", value_parser = weight)]
        weight: Weight,
    },
    /// Faults: what failed, why most probably, what was done, how long it took
    Incidents {
        #[command(flatten)]
        admin: Admin,
    },
    /// Tell the story of a fault: what happened, why we think so, what was done, what to do
    Explain {
        /// The number of an incident, or POOL/ENDPOINT
        #[arg(value_name = "INCIDENT|POOL/ENDPOINT", value_parser = what)]
        what: What,
        #[command(flatten)]
        admin: Admin,
    },
    /// Say what an incident really was
    Label {
        /// Its number
        incident: u64,
        /// The cause, by its name
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        cause: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Run a recorded journal through the same engine: what was decided and why, and whether it is decided again, byte for byte
    Replay(Replay),
    /// The policies on a simulated fleet: response times, errors and shares; what theory says of it beside that
    Simulate(Simulate),
    /// Apply the configuration file again
    Reload {
        #[command(flatten)]
        admin: Admin,
    },
    /// List the revisions that were applied
    Revisions {
        #[command(flatten)]
        admin: Admin,
    },
    /// Go back to a revision: the one before, or the one named
    Rollback {
        /// Its number, from `evenkeel revisions`
        revision: Option<u64>,
        #[command(flatten)]
        admin: Admin,
    },
    /// Send a test message to all who are told of a pool (notify in its recovery), and say what became of it
    Notify {
        /// The pool
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        pool: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Carry out an action on a service: restart, reload_service, kill_hung, relieve_memory, free_disk, rollback_release, run
    Act {
        /// The service
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        service: String,
        /// The action
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        action: String,
        /// run: which of the service's commands
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        command: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
    /// Inject a known fault into a supervised service, measure how it is found and healed, and record it as a labelled case
    Drill(Drill),
    /// List recovery points, look whether one is whole, or go back to one
    RecoveryPoints {
        /// Only this service's; AGENT/SERVICE for one of another host
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        service: Option<String>,
        /// What to do with one
        #[arg(value_enum)]
        action: Option<PointAction>,
        /// Which one, from the list
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: Option<String>,
        #[command(flatten)]
        admin: Admin,
    },
}

/// What can be done with a recovery point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PointAction {
    /// Read it back and compare
    Verify,
    /// Put it in the place of the service's data
    Restore,
}

/// A drill.
#[derive(Debug, Args)]
pub(crate) struct Drill {
    /// What to do to it; --list tells them
    #[arg(required_unless_present = "list", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) scenario: Option<String>,
    /// The configuration that is running
    #[arg(required_unless_present = "list")]
    pub(crate) file: Option<PathBuf>,
    /// List the scenarios
    #[arg(long, conflicts_with = "scenario")]
    pub(crate) list: bool,
    /// Whom; else the first endpoint that is supervised
    #[arg(long, value_name = "POOL/ENDPOINT", value_parser = endpoint)]
    pub(crate) endpoint: Option<EndpointName>,
    /// Even if no other endpoint can serve meanwhile
    #[arg(long)]
    pub(crate) yes: bool,
    /// Requests a second of its own clients; 0 = none
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) rate: u32,
    /// Where they go: http://ADDRESS:PORT/PATH; else to the pool by the first route that leads there
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Seconds after which the drill takes the fault back if evenkeel has not healed it
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) hold: u64,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// A journal to run again.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A segment, or the folder `state_dir`/journal
    pub(crate) journal: PathBuf,
    /// Only what belongs to this incident
    #[arg(long, value_name = "N")]
    pub(crate) incident: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A fleet to simulate.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A file with a scenario, or the name of one that comes with evenkeel; without it they are listed
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) scenario: Option<String>,
    /// Only this policy; can be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Vec<String>,
    /// Another seed than the scenario's: the same seed gives the same figures
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Other loads than the scenario's, as shares of what the fleet can do
    #[arg(long, value_name = "0.5,0.9", value_delimiter = ',')]
    pub(crate) load: Vec<f64>,
    /// Draw response times, over load if several are given, and requests over time
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How mistakes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Which evenkeel a control command talks to.
#[derive(Debug, Default, Args)]
pub(crate) struct Admin {
    /// http://HOST:PORT, https://HOST:PORT or unix:PATH
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// https: a file with the authorities to trust, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// https: a client certificate to show, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// https: its key, PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An endpoint, and which evenkeel knows it.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// POOL/ENDPOINT
    #[arg(value_parser = endpoint)]
    pub(crate) endpoint: EndpointName,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// `POOL/ENDPOINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointName {
    pub(crate) pool: String,
    pub(crate) endpoint: String,
}

/// `N` or `default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight(pub(crate) Option<u32>);

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// An incident, by its number.
    Incident(u64),
    /// The newest incident of an endpoint, or its state.
    Endpoint(EndpointName),
}

/// Reads the command line; prints help or a mistake and ends with 0 or 2 where clap does.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

fn endpoint(text: &str) -> Result<EndpointName, String> {
    match text.split_once('/') {
        Some((pool, endpoint)) if !pool.is_empty() && !endpoint.is_empty() => Ok(EndpointName {
            pool: pool.into(),
            endpoint: endpoint.into(),
        }),
        _ => Err("wanted POOL/ENDPOINT, for example app/a1; `evenkeel status` lists them".into()),
    }
}

/// Checked here, so that a slip is bad usage; the running evenkeel reads it again.
fn what_if(text: &str) -> Result<String, String> {
    evenkeel_schema::admin::parse_what_if(text).map(|_| text.to_owned())
}

fn what(text: &str) -> Result<What, String> {
    match text.parse() {
        Ok(id) => Ok(What::Incident(id)),
        Err(_) => endpoint(text).map(What::Endpoint).map_err(|_| {
            "wanted the number of an incident or POOL/ENDPOINT, for example 3 or app/a1; `evenkeel incidents` lists them".into()
        }),
    }
}

fn weight(text: &str) -> Result<Weight, String> {
    if text == "default" {
        return Ok(Weight(None));
    }
    match text.parse::<u32>() {
        Ok(n) if n <= 256 => Ok(Weight(Some(n))),
        _ => Err("wanted a whole number from 0 to 256, or `default`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_that_is_named_is_empty() {
        for line in [
            "status _",
            "sessions _",
            "learned _",
            "availability _",
            "notify _",
            "label 1 _",
            "act _ restart",
            "act api _",
            "act api run _",
            "recovery-points _",
            "recovery-points u1 verify _",
            "drill _ lb.toml",
            "simulate _",
        ] {
            let with = |word: &str| {
                let words = line.split(' ').map(|w| if w == "_" { word } else { w });
                Cli::try_parse_from(["evenkeel"].into_iter().chain(words))
            };
            let refused = with("").unwrap_err().to_string();
            assert!(refused.contains("a value is required"), "{line}: {refused}");
            assert!(with("x").is_ok(), "{line}");
        }
    }

    #[test]
    fn an_endpoint_is_named_with_its_pool() {
        assert_eq!(
            endpoint("app/a1"),
            Ok(EndpointName {
                pool: "app".into(),
                endpoint: "a1".into()
            })
        );
        assert!(endpoint("a1").is_err());
        assert!(endpoint("/a1").is_err());
        assert!(endpoint("app/").is_err());
    }

    #[test]
    fn a_weight_is_a_small_number_or_default() {
        assert_eq!(weight("default"), Ok(Weight(None)));
        assert_eq!(weight("256"), Ok(Weight(Some(256))));
        assert!(weight("257").is_err());
        assert!(weight("-1").is_err());
    }
}
