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
    let list = sources().join("requirements.txt");
    once(&python, std::slice::from_ref(&list), || {
        install_python(&python, &list, &cache)
    })?;
    let lists = ["package.json", "package-lock.json"].map(|list| sources().join(list));
    once(&node, &lists, || install_node(&node, &cache))?;
    // Only downloads that are installed by now.
    let _ = std::fs::remove_dir_all(cache);
    Ok(Tools {
        python: python.join("bin/python"),
        node_modules: node.join("node_modules"),
    })
}

/// Python with the packages of one list, in a folder of its own.
pub(crate) fn ensure_python(folder: &Path, list: &Path) -> Result<(), Failure> {
    let cache = folder.with_extension("cache");
    once(folder, &[list.to_owned()], || {
        install_python(folder, list, &cache)
    })?;
    let _ = std::fs::remove_dir_all(cache);
    Ok(())
}

/// Installs into an empty folder, unless it was already made of the same lists.
fn once(
    folder: &Path,
    lists: &[PathBuf],
    install: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut wanted = String::new();
    for path in lists {
        wanted += &std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let first = lists
        .first()
        .map_or_else(String::new, |path| path.display().to_string());
    let stamp = folder.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("{first} is installed");
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    install().map_err(|failure| {
        format!(
            "{failure}; the packages of {first} could not be installed: that needs the network (`cargo xtask test --tier basic` needs none)"
        )
    })?;
    std::fs::write(stamp, wanted).map_err(failed)
}

fn install_python(folder: &Path, list: &Path, cache: &Path) -> Result<(), Failure> {
    let mut environment = Command::new(PYTHON);
    environment.args(["-m", "venv"]).arg(folder);
    steps::run(environment)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(list)
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
