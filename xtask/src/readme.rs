//! What the README shows must work as it stands: its first configuration goes through `evenkeel check`.

use crate::{Failure, load, steps};
use std::process::Command;

/// Holds the README's whole configurations against the binary.
pub(crate) fn check() -> Result<(), Failure> {
    let path = steps::root().join("README.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let configs: Vec<&str> = blocks(&text)
        .filter(|block| block.contains("[[listener]]"))
        .collect();
    if configs.is_empty() {
        return Err(
            "README.md: shows no whole configuration (a toml block with a listener)".into(),
        );
    }
    let programs = load::build_for_tests()?;
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    for config in configs {
        let file = folder.path().join("readme.toml");
        std::fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = Command::new(programs.join("evenkeel"));
        command.arg("check").arg(&file);
        steps::run(command)?;
    }
    Ok(())
}

/// The text of every fenced block of TOML.
fn blocks(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_of_toml_are_taken() {
        let text = "a\n```toml\nx = 1\ny = 2\n```\nb\n```console\nz\n```\n";
        assert_eq!(blocks(text).collect::<Vec<_>>(), ["x = 1\ny = 2"]);
    }
}
