//! The Debian packages the full tier of `test` and the benchmark need: one list, each with what it is for. What is there
//! already counts wherever it came from: a Node or a Java of one's own is not doubled.

use crate::{Failure, steps};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One Debian package.
pub(crate) struct Package {
    /// Its name in Debian.
    pub(crate) name: &'static str,
    /// What it brings; the package counts as installed where this is there.
    brings: Brings,
    /// Why it is needed.
    why: &'static str,
}

/// How one sees that a package, or something as good, is there.
enum Brings {
    /// A file.
    File(&'static str),
    /// A program, in any folder of the path.
    Program(&'static str),
    /// Debian's own Python can import this.
    PythonModule(&'static str),
    /// A program of some version of PostgreSQL's server.
    PostgresProgram(&'static str),
}

/// All of them. `--tier basic` needs none.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "haproxy",
        brings: Brings::File("/usr/sbin/haproxy"),
        why: "a peer in `bench proxy` and `score wire`",
    },
    Package {
        name: "nginx",
        brings: Brings::File("/usr/sbin/nginx"),
        why: "a peer in `bench proxy` and `score wire`",
    },
    Package {
        name: "nftables",
        brings: Brings::File("/usr/sbin/nft"),
        why: "drops packets to an endpoint in the fault runs of `test`",
    },
    Package {
        name: "curl",
        brings: Brings::Program("curl"),
        why: "a client in `test`",
    },
    Package {
        name: "python3-venv",
        brings: Brings::PythonModule("ensurepip"),
        why: "clients in `test` (requests, httpx, aiohttp, websockets), and Envoy for `score wire`",
    },
    Package {
        name: "nodejs",
        brings: Brings::Program("node"),
        why: "clients and the server behind evenkeel in `test`",
    },
    Package {
        name: "npm",
        brings: Brings::Program("npm"),
        why: "brings undici and ws, clients in `test`",
    },
    Package {
        name: "default-jdk-headless",
        brings: Brings::Program("javac"),
        why: "a client in `test`, started from its source",
    },
    Package {
        name: "postgresql",
        brings: Brings::PostgresProgram("initdb"),
        why: "a server behind a TCP listener in `test`",
    },
    Package {
        name: "postgresql-client",
        brings: Brings::Program("psql"),
        why: "a client in `test`",
    },
    Package {
        name: "redis-server",
        brings: Brings::Program("redis-server"),
        why: "a server behind a TCP listener in `test`",
    },
    Package {
        name: "openssl",
        brings: Brings::Program("openssl"),
        why: "makes the certificates of `test`, and a client there",
    },
    Package {
        name: "testssl.sh",
        brings: Brings::Program("testssl"),
        why: "looks for weaknesses of TLS in `test`",
    },
    Package {
        name: "redis-tools",
        brings: Brings::Program("redis-cli"),
        why: "a client in `test`",
    },
];

impl Brings {
    fn is_there(&self) -> bool {
        match self {
            Brings::File(path) => Path::new(path).exists(),
            Brings::Program(name) => program(name).is_some(),
            Brings::PythonModule(name) => Command::new(PYTHON)
                .args(["-c", &format!("import {name}")])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
            Brings::PostgresProgram(name) => postgres(name).is_some(),
        }
    }
}

/// Debian's own Python: one of a version manager may know no `venv`, and goes with its user.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Where a program lies.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Where a program of the newest PostgreSQL lies: Debian keeps them out of the path, a folder for each version.
pub(crate) fn postgres(name: &str) -> Option<PathBuf> {
    std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let file = entry.path().join("bin").join(name);
            file.is_file().then_some((version, file))
        })
        .max()
        .map(|(_, file)| file)
}

/// Makes sure that all packages are there: installs what is missing as root, else names it.
pub(crate) fn ensure() -> Result<(), Failure> {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| !package.brings.is_there())
        .collect();
    if missing.is_empty() {
        println!("all {} Debian packages are installed", PACKAGES.len());
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "missing Debian packages: {0}. Run `sudo apt-get install {0}`, or `cargo xtask test --tier basic`, which needs none",
            names.join(" ")
        ));
    }
    steps::run(apt_get(&["update"]))?;
    steps::run(apt_get(
        &[
            &["install", "--yes", "--no-install-recommends"],
            names.as_slice(),
        ]
        .concat(),
    ))
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // Without a terminal nothing may ask a question.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments);
    command
}
