//! What a sample service is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

const USAGE: &str = "usage: evenkeel __sample NAME PORT [--cache DIR] [--data DIR] [--release LINK] [--needs ADDRESS:PORT]";

/// The command line after `__sample`. What is left out it does without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// What it answers with.
    pub(crate) name: String,
    /// On 127.0.0.1.
    pub(crate) port: u16,
    /// Every request writes a file there.
    pub(crate) cache: Option<PathBuf>,
    /// It counts there what it has served.
    pub(crate) data: Option<PathBuf>,
    /// A symbolic link to the release that it is.
    pub(crate) release: Option<PathBuf>,
    /// Without which it cannot answer.
    pub(crate) needs: Option<SocketAddr>,
}

impl Spec {
    /// Reads it.
    ///
    /// # Errors
    /// How it is used.
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Spec, String> {
        let mut args = args.fuse();
        let (name, port) = (args.next(), args.next().and_then(|port| port.parse().ok()));
        let (Some(name), Some(port)) = (name, port) else {
            return Err(USAGE.into());
        };
        let mut spec = Spec {
            name,
            port,
            cache: None,
            data: None,
            release: None,
            needs: None,
        };
        while let Some(key) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match key.as_str() {
                "--cache" => spec.cache = Some(value.into()),
                "--data" => spec.data = Some(value.into()),
                "--release" => spec.release = Some(value.into()),
                "--needs" => spec.needs = Some(value.parse().map_err(|_| USAGE)?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(spec)
    }

    /// If `command` of a service's configuration starts a sample: what it is started with.
    pub(crate) fn of_command(command: &[String]) -> Option<Spec> {
        match command {
            [_, part, rest @ ..] if part == "__sample" => Spec::parse(rest.iter().cloned()).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_told_from_other_programs_by_its_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let spec = Spec::of_command(&words("/x/evenkeel __sample a1 9001 --needs 127.0.0.1:1"));
        assert_eq!(
            spec.unwrap().needs,
            Some(SocketAddr::from(([127, 0, 0, 1], 1)))
        );
        assert_eq!(Spec::of_command(&words("/x/api __sample2 a1 9001")), None);
        assert_eq!(Spec::of_command(&words("/x/evenkeel __sample a1")), None);
        assert_eq!(
            Spec::of_command(&words("/x/evenkeel __sample a1 9001 --cache")),
            None
        );
    }
}
