//! The list of what may be longer than the rule, each entry with its limit and its reason. It can only shrink: an entry that
//! is not needed any more, or allows more than is used, is itself a complaint.

use super::sizes::{FILE_LINES_MAX, FUNCTION_LINES_MAX, Measured};
use crate::Failure;
use std::collections::BTreeMap;
use std::path::Path;

const LIST: &str = "xtask/tidy-allow.toml";

/// Longer files and functions, by their name.
pub(crate) struct Allowed {
    files: BTreeMap<String, usize>,
    functions: BTreeMap<String, usize>,
}

impl Allowed {
    /// Reads the list.
    pub(crate) fn load(root: &Path) -> Result<Allowed, Failure> {
        let text =
            std::fs::read_to_string(root.join(LIST)).map_err(|error| format!("{LIST}: {error}"))?;
        Allowed::parse(&text)
    }

    fn parse(text: &str) -> Result<Allowed, Failure> {
        let list: toml::Table = text.parse().map_err(|error| format!("{LIST}: {error}"))?;
        Ok(Allowed {
            files: entries(&list, "file", "path")?,
            functions: entries(&list, "function", "name")?,
        })
    }

    /// Complaints about what is too long, and about entries that are no longer right.
    pub(crate) fn judge(&self, measured: &Measured) -> Vec<String> {
        let files = judge(&measured.files, &self.files, FILE_LINES_MAX, "file");
        let functions = judge(
            &measured.functions,
            &self.functions,
            FUNCTION_LINES_MAX,
            "function",
        );
        files.into_iter().chain(functions).collect()
    }
}

fn entries(list: &toml::Table, kind: &str, key: &str) -> Result<BTreeMap<String, usize>, Failure> {
    let mut entries = BTreeMap::new();
    let Some(value) = list.get(kind) else {
        return Ok(entries);
    };
    let wrong =
        |what: &str| format!("{LIST}: [[{kind}]] {what}; wanted `{key}`, `lines` and `reason`");
    for entry in value.as_array().ok_or_else(|| wrong("is not a list"))? {
        let name = entry
            .get(key)
            .and_then(toml::Value::as_str)
            .ok_or_else(|| wrong("has no name"))?;
        let lines = entry
            .get("lines")
            .and_then(toml::Value::as_integer)
            .ok_or_else(|| wrong("has no limit"))?;
        let reason = entry
            .get("reason")
            .and_then(toml::Value::as_str)
            .unwrap_or("");
        if reason.trim().is_empty() {
            return Err(wrong(&format!("for {name} has no reason")));
        }
        entries.insert(
            name.to_owned(),
            usize::try_from(lines).map_err(|_| wrong("has a negative limit"))?,
        );
    }
    Ok(entries)
}

fn judge(
    found: &BTreeMap<String, usize>,
    allowed: &BTreeMap<String, usize>,
    max: usize,
    kind: &str,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, &lines) in found {
        let limit = allowed.get(name).copied().unwrap_or(max);
        if lines > limit {
            complaints.push(format!("{name}: this {kind} has {lines} lines, at most {limit} are wanted: cut its state first, then its code"));
        } else if lines < limit && limit > max {
            let advice = if lines > max {
                format!("lower it to {lines}")
            } else {
                "take it out".to_owned()
            };
            complaints.push(format!(
                "{LIST}: {name} is allowed {limit} lines but has {lines}: {advice}"
            ));
        }
    }
    for (name, limit) in allowed {
        if !found.contains_key(name) {
            complaints.push(format!("{LIST}: {name} does not exist: take it out"));
        } else if *limit <= max {
            complaints.push(format!(
                "{LIST}: {name} needs no entry for {limit} lines, {max} are free: take it out"
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(lines: usize) -> Measured {
        Measured {
            files: BTreeMap::from([("a.rs".to_owned(), lines)]),
            functions: BTreeMap::new(),
        }
    }

    fn allowing(lines: usize) -> Allowed {
        Allowed::parse(&format!(
            "[[file]]\npath = \"a.rs\"\nlines = {lines}\nreason = \"a table\"\n"
        ))
        .unwrap()
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let none = Allowed::parse("").unwrap();
        assert_eq!(none.judge(&measured(450)), Vec::<String>::new());
        assert_eq!(none.judge(&measured(451)).len(), 1);
    }

    #[test]
    fn an_entry_allows_exactly_what_is_used() {
        assert_eq!(allowing(500).judge(&measured(500)), Vec::<String>::new());
        assert_eq!(allowing(500).judge(&measured(501)).len(), 1);
        assert!(allowing(500).judge(&measured(480))[0].contains("lower it to 480"));
        assert!(allowing(500).judge(&measured(400))[0].contains("take it out"));
    }

    #[test]
    fn an_entry_for_nothing_is_refused() {
        let gone = Measured::default();
        assert!(allowing(500).judge(&gone)[0].contains("does not exist"));
        assert!(allowing(300).judge(&measured(200))[0].contains("needs no entry"));
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        assert!(
            Allowed::parse("[[file]]\npath = \"a.rs\"\nlines = 500\nreason = \" \"\n").is_err()
        );
    }
}
