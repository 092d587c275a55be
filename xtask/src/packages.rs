//! The Debian packages the full tier of `test` and the benchmark need: one list, each with what it is for.

use crate::{Failure, steps};
use std::path::Path;
use std::process::Command;

/// One Debian package.
pub(crate) struct Package {
    /// Its name in Debian.
    pub(crate) name: &'static str,
    /// A file it brings; the package counts as installed where this exists.
    brings: &'static str,
    /// Why it is needed.
    why: &'static str,
}

/// All of them. `--tier basic` needs none.
pub(crate) const PACKAGES: &[Package] = &[
    Package {
        name: "haproxy",
        brings: "/usr/sbin/haproxy",
        why: "a peer in `bench proxy`",
    },
    Package {
        name: "nginx",
        brings: "/usr/sbin/nginx",
        why: "a peer in `bench proxy`",
    },
    Package {
        name: "nftables",
        brings: "/usr/sbin/nft",
        why: "drops packets to an endpoint in the fault runs of `test`",
    },
];

/// Makes sure that all packages are there: installs what is missing as root, else names it.
pub(crate) fn ensure() -> Result<(), Failure> {
    let missing: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| !Path::new(package.brings).exists())
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
