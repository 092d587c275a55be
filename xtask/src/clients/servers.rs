//! redis and PostgreSQL as their own packages bring them: on a free port, with their data in a temporary folder.

use crate::process::{self, Tree};
use crate::{Failure, packages, steps};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running redis.
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    _tree: Tree,
}

impl Redis {
    pub(crate) fn start(folder: &Path) -> Result<Redis, Failure> {
        let address = process::lasting_address(LOCALHOST)?;
        let mut command = Command::new("redis-server");
        // Nothing is kept, nothing is written.
        command
            .args(["--bind", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(folder);
        let tree = process::start_logged(command, &folder.join("redis.log"))?;
        Ok(Redis {
            address,
            _tree: tree,
        })
    }
}

/// A running PostgreSQL.
pub(crate) struct Postgres {
    pub(crate) address: SocketAddr,
    // Before the folder, which is its data.
    _tree: Tree,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// It speaks TLS with those who ask for it.
    pub(crate) fn start(certificate: &Path, key: &Path) -> Result<Postgres, Failure> {
        let address = process::lasting_address(LOCALHOST)?;
        // A folder of its own: it belongs to whom the server runs as.
        let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
        let user = User::find()?;
        user.give(folder.path())?;
        for (file, name) in [(certificate, "server.pem"), (key, "server.key")] {
            user.give_copy(file, &folder.path().join(name))?;
        }
        let data = folder.path().join("data");
        let mut initdb = user.command("initdb")?;
        initdb
            .args(["--username", "postgres", "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path())
            .stdout(Stdio::null());
        steps::run(initdb)?;
        let mut server = user.command("postgres")?;
        server.arg("-D").arg(&data).current_dir(folder.path());
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("port={}", address.port()),
            "unix_socket_directories=",
            "ssl=on",
            &format!("ssl_cert_file={}/server.pem", folder.path().display()),
            &format!("ssl_key_file={}/server.key", folder.path().display()),
            // Its data is thrown away, so nothing has to reach a disk.
            "fsync=off",
            "max_connections=100",
        ] {
            server.args(["-c", setting]);
        }
        let tree = process::start_logged(server, &folder.path().join("log"))?;
        Ok(Postgres {
            address,
            _tree: tree,
            _folder: folder,
        })
    }
}

/// Whom PostgreSQL runs as: it refuses root.
struct User {
    /// The ids of `postgres`, where we are root.
    postgres: Option<(u32, u32)>,
}

impl User {
    fn find() -> Result<User, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Ok(User { postgres: None });
        }
        let id = |which: &str| -> Result<u32, Failure> {
            let mut command = Command::new("id");
            command.args([which, "postgres"]);
            let said = steps::output(command)?;
            said.trim()
                .parse()
                .map_err(|error| format!("the id of postgres, found `{said}`: {error}"))
        };
        Ok(User {
            postgres: Some((id("-u")?, id("-g")?)),
        })
    }

    fn give(&self, path: &Path) -> Result<(), Failure> {
        let Some((user, group)) = self.postgres else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Nobody else may read it: the server insists on that for its key.
    fn give_copy(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| format!("{}: {error}", to.display());
        std::fs::copy(from, to).map_err(failed)?;
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        self.give(to)
    }

    fn command(&self, name: &str) -> Result<Command, Failure> {
        let program = packages::postgres(name).ok_or_else(|| {
            format!(
                "{name} was not found under /usr/lib/postgresql; Debian's `postgresql` brings it"
            )
        })?;
        let Some((user, group)) = self.postgres else {
            return Ok(Command::new(program));
        };
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={group}")])
            .arg("--clear-groups")
            .arg(program);
        Ok(command)
    }
}
