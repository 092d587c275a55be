//! Core's `clippy.toml` holds what core must not know. Clippy reads only the nearest such file, so whatever the root's one
//! says must be said again there, or it would silently not hold in core.

use crate::Failure;
use std::path::Path;
use toml::{Table, Value};

const ROOT: &str = "clippy.toml";
const CORE: &str = "crates/evenkeel-core/clippy.toml";

/// Complaints about what core's file leaves out.
pub(crate) fn complaints(root: &Path) -> Result<Vec<String>, Failure> {
    let read = |path: &str| -> Result<Table, Failure> {
        let text =
            std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        text.parse().map_err(|error| format!("{path}: {error}"))
    };
    Ok(left_out(&read(ROOT)?, &read(CORE)?))
}

fn left_out(root: &Table, core: &Table) -> Vec<String> {
    let mut complaints = Vec::new();
    for (key, wanted) in root {
        match (wanted, core.get(key)) {
            (Value::Array(wanted), Some(Value::Array(found))) => {
                let missing = wanted
                    .iter()
                    .filter(|entry| !found.iter().any(|other| path_of(other) == path_of(entry)));
                complaints.extend(missing.map(|entry| {
                    format!("{CORE}: `{key}` must repeat {} of {ROOT}", path_of(entry))
                }));
            }
            (wanted, Some(found)) if wanted == found => {}
            _ => complaints.push(format!(
                "{CORE}: must repeat `{key} = {wanted}` of {ROOT}: the files do not merge"
            )),
        }
    }
    complaints
}

/// A ban is a path, or a table with a path and its reason.
fn path_of(entry: &Value) -> String {
    entry
        .get("path")
        .unwrap_or(entry)
        .as_str()
        .map_or_else(|| entry.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out_of(root: &str, core: &str) -> usize {
        left_out(&root.parse().unwrap(), &core.parse().unwrap()).len()
    }

    #[test]
    fn core_must_repeat_every_ban_of_the_root() {
        let root = "a = true\ndisallowed-types = [\"x::Y\", { path = \"x::Z\" }]\n";
        assert_eq!(
            left_out_of(
                root,
                "a = true\ndisallowed-types = [{ path = \"x::Y\", reason = \"r\" }, \"x::Z\", \"x::W\"]\n"
            ),
            0
        );
        assert_eq!(
            left_out_of(root, "a = true\ndisallowed-types = [\"x::Y\"]\n"),
            1
        );
        assert_eq!(left_out_of(root, "a = false\n"), 2);
    }

    #[test]
    fn core_refuses_what_it_must_not_know() {
        assert_eq!(complaints(&crate::steps::root()), Ok(Vec::new()));
    }
}
