//! The clients that are no Debian packages: Python's and Node's, by exact version and checksum, into the build folder. What is
//! there already is left alone; nothing is written anywhere else, not even a download cache.

use crate::packages::PYTHON;
use crate::{Failure, steps};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says in an installed folder what it was made of.
const STAMP: &str = "installed-from";

/// What the clients need to run.
pub(crate) struct Tools {
    /// Python that knows the clients' packages.
    pub(crate) python: PathBuf,
    /// Where Node finds its packages.
    pub(crate) node_modules: PathBuf,
}

/// Where the clients' own sources lie.
pub(crate) fn sources() -> PathBuf {
    steps::root().join("tests/clients")
}

/// Installs what is missing.
pub(crate) fn ensure() -> Result<Tools, Failure> {
    let folder = steps::target().join("clients");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Absolute, for the clients run elsewhere.
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let cache = folder.join("cache");
    let (python, node) = (folder.join("python"), folder.join("node"));
    once(&python, &["requirements.txt"], || {
        install_python(&python, &cache)
    })?;
    once(&node, &["package.json", "package-lock.json"], || {
        install_node(&node, &cache)
    })?;
    // Only downloads that are installed by now.
    let _ = std::fs::remove_dir_all(cache);
    Ok(Tools {
        python: python.join("bin/python"),
        node_modules: node.join("node_modules"),
    })
}

/// Installs into an empty folder, unless it was already made of the same lists.
fn once(
    folder: &Path,
    lists: &[&str],
    install: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut wanted = String::new();
    for list in lists {
        let path = sources().join(list);
        wanted += &std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let stamp = folder.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("{} is installed", lists[0]);
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    install().map_err(|failure| {
        format!(
            "{failure}; the packages of tests/clients/{} could not be installed: that needs the network, or `cargo xtask test --tier basic`, which needs none",
            lists[0]
        )
    })?;
    std::fs::write(stamp, wanted).map_err(failed)
}

fn install_python(folder: &Path, cache: &Path) -> Result<(), Failure> {
    let mut environment = Command::new(PYTHON);
    environment.args(["-m", "venv"]).arg(folder);
    steps::run(environment)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(sources().join("requirements.txt"))
        .env("PIP_CACHE_DIR", cache.join("pip"));
    steps::run(pip)
}

fn install_node(folder: &Path, cache: &Path) -> Result<(), Failure> {
    for list in ["package.json", "package-lock.json"] {
        std::fs::copy(sources().join(list), folder.join(list))
            .map_err(|error| format!("{list}: {error}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--cache")
        .arg(cache.join("npm"))
        .current_dir(folder);
    steps::run(npm)
}
