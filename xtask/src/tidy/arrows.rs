//! Which crate may know which: the table, and the check that every `Cargo.toml` keeps to it. The arrows are the design: the
//! core decides, the shells do, and the two halves of the balancer share data but never call each other.

use crate::Failure;
use std::collections::BTreeSet;
use std::path::Path;
use toml::{Table, Value};

/// What one crate may depend on.
struct Rule {
    name: &'static str,
    /// Crates of ours.
    ours: &'static [&'static str],
    /// Crates of others.
    others: Others,
}

/// What a crate may take from others.
enum Others {
    /// Whatever it gives a reason for in its `Cargo.toml`.
    Any,
    /// These and nothing else.
    Only(&'static [&'static str]),
    /// Anything but these.
    Not(&'static [&'static str]),
}

/// What touches the world; a crate that only computes takes none of them.
const IO: &[&str] = &[
    "axum",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "nix",
    "redb",
    "rustix",
    "socket2",
    "tokio",
];

/// The whole table. Whatever is not in it is refused.
const RULES: &[Rule] = &[
    Rule {
        name: "evenkeel-core",
        ours: &[],
        others: Others::Only(&[
            "erased-serde",
            "postcard",
            "proptest",
            "rand_core",
            "rand_xoshiro",
            "regex",
            "serde",
            "statrs",
            "xxhash-rust",
        ]),
    },
    Rule {
        name: "evenkeel-schema",
        ours: &["evenkeel-core"],
        others: Others::Not(IO),
    },
    Rule {
        name: "evenkeel-store",
        ours: &[],
        others: Others::Not(&["axum", "hyper", "tokio"]),
    },
    Rule {
        name: "evenkeel-tls",
        ours: &[],
        others: Others::Not(IO),
    },
    Rule {
        name: "evenkeel-journal",
        ours: &["evenkeel-core"],
        others: Others::Not(IO),
    },
    Rule {
        name: "evenkeel-probe",
        ours: &["evenkeel-core", "evenkeel-tls"],
        others: Others::Any,
    },
    Rule {
        name: "evenkeel-keeper",
        ours: &[],
        others: Others::Only(&["nix", "rustix", "signal-hook", "tempfile"]),
    },
    Rule {
        name: "evenkeel-proxy",
        ours: &["evenkeel-core", "evenkeel-tls"],
        others: Others::Not(&["axum", "hyper", "redb"]),
    },
    Rule {
        name: "evenkeel-control",
        ours: &[
            "evenkeel-core",
            "evenkeel-journal",
            "evenkeel-schema",
            "evenkeel-store",
            "evenkeel-probe",
            "evenkeel-tls",
        ],
        others: Others::Any,
    },
    Rule {
        name: "evenkeel-agent",
        ours: &[
            "evenkeel-core",
            "evenkeel-schema",
            "evenkeel-probe",
            "evenkeel-keeper",
            "evenkeel-tls",
        ],
        others: Others::Any,
    },
    Rule {
        name: "evenkeel-sim",
        ours: &["evenkeel-core", "evenkeel-journal"],
        others: Others::Not(IO),
    },
    Rule {
        name: "evenkeel",
        ours: &[
            "evenkeel-core",
            "evenkeel-schema",
            "evenkeel-store",
            "evenkeel-probe",
            "evenkeel-keeper",
            "evenkeel-proxy",
            "evenkeel-control",
            "evenkeel-agent",
            "evenkeel-sim",
            "evenkeel-journal",
            "evenkeel-tls",
        ],
        others: Others::Any,
    },
    Rule {
        name: "evenkeel-bench",
        ours: &[],
        others: Others::Any,
    },
    Rule {
        name: "evenkeel-fuzz",
        ours: &[
            "evenkeel-core",
            "evenkeel-journal",
            "evenkeel-schema",
            "evenkeel-keeper",
            "evenkeel-proxy",
            "evenkeel-tls",
        ],
        others: Others::Any,
    },
    Rule {
        name: "xtask",
        ours: &[],
        others: Others::Any,
    },
];

/// Complaints about every arrow that is not in the table.
pub(crate) fn complaints(root: &Path) -> Result<Vec<String>, Failure> {
    let mut complaints = Vec::new();
    for path in manifests(root)? {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let manifest: Table = text
            .parse()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        complaints.extend(judge(&manifest)?);
    }
    Ok(complaints)
}

/// Every crate of the tree, those outside of the workspace too.
fn manifests(root: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let crates =
        std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let mut folders: Vec<_> = crates
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    folders.extend(["bench", "fuzz", "xtask"].map(|name| root.join(name)));
    folders.sort();
    Ok(folders
        .into_iter()
        .map(|folder| folder.join("Cargo.toml"))
        .filter(|path| path.exists())
        .collect())
}

fn judge(manifest: &Table) -> Result<Vec<String>, Failure> {
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .ok_or("a Cargo.toml without package.name")?;
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        return Ok(vec![format!(
            "{name}: not in the table of allowed arrows (xtask/src/tidy/arrows.rs)"
        )]);
    };
    let complaints = dependencies(manifest).into_iter().filter_map(|other| {
        let allowed = if RULES.iter().any(|rule| rule.name == other) {
            rule.ours.contains(&other.as_str())
        } else {
            match rule.others {
                Others::Any => true,
                Others::Only(names) => names.contains(&other.as_str()),
                Others::Not(names) => !names.contains(&other.as_str()),
            }
        };
        (!allowed)
            .then(|| format!("{name} must not depend on {other}: see the map in ARCHITECTURE.md"))
    });
    Ok(complaints.collect())
}

/// Of every kind: normal, development, build, and those of one target only.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut tables: Vec<&Table> = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut names = BTreeSet::new();
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let found = table.get(kind).and_then(Value::as_table);
            names.extend(
                found
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| real_name(key, value)),
            );
        }
    }
    names
}

/// A dependency may be renamed; the arrow goes to what it is.
fn real_name(key: &str, value: &Value) -> String {
    value
        .get("package")
        .and_then(Value::as_str)
        .unwrap_or(key)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn judged(text: &str) -> Vec<String> {
        judge(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn every_arrow_between_crates_is_in_the_table() {
        assert_eq!(complaints(&crate::steps::root()), Ok(Vec::new()));
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_refused() {
        for kind in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let text = format!(
                "[package]\nname = \"evenkeel-proxy\"\n[{kind}]\nx = {{ package = \"evenkeel-control\" }}\n"
            );
            assert_eq!(judged(&text).len(), 1, "{kind}");
        }
    }

    #[test]
    fn core_takes_nothing_that_touches_the_world() {
        let text = "[package]\nname = \"evenkeel-core\"\n[dependencies]\ntokio.workspace = true\n";
        assert_eq!(judged(text).len(), 1);
    }

    #[test]
    fn a_crate_without_a_rule_is_refused() {
        assert_eq!(judged("[package]\nname = \"evenkeel-other\"\n").len(), 1);
    }

    #[test]
    fn the_table_has_no_circle() {
        let rules: BTreeMap<_, _> = RULES.iter().map(|rule| (rule.name, rule.ours)).collect();
        let mut left: BTreeSet<_> = rules.keys().copied().collect();
        // Take away whatever needs nothing that is left; a circle is what never goes.
        for _ in 0..rules.len() {
            let free: Vec<_> = left
                .iter()
                .copied()
                .filter(|name| rules[name].iter().all(|other| !left.contains(other)))
                .collect();
            left.retain(|name| !free.contains(name));
        }
        assert_eq!(left, BTreeSet::new());
    }
}
