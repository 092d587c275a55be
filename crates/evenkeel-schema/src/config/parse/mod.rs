//! From text to a checked configuration.

use std::path::Path;

use crate::config::Config;
use crate::mistake::Mistake;

pub(super) fn parse(text: &str, file: &Path) -> Result<Config, Vec<Mistake>> {
    let (_, errors) = toml::de::DeTable::parse_recoverable(text);
    Err(errors
        .iter()
        .map(|e| Mistake {
            file: file.into(),
            line: 1,
            column: 1,
            path: String::new(),
            found: e.message().into(),
            wanted: "TOML".into(),
            hint: None,
        })
        .collect())
}

pub(super) fn load(file: &Path) -> Result<Config, Vec<Mistake>> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        vec![Mistake {
            file: file.into(),
            line: 0,
            column: 0,
            path: String::new(),
            found: e.to_string(),
            wanted: "a file".into(),
            hint: None,
        }]
    })?;
    parse(&text, file)
}
