//! Configurations that people are given: they parse, or say exactly what this build has not.

use std::path::Path;

use evenkeel_schema::mistake::MistakeKind;
use evenkeel_schema::{Config, explain};

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_configuration_of_the_acceptance_run_parses() {
    let config = Config::parse(&data("three.toml"), Path::new("/srv/three.toml"))
        .map_err(|m| explain(&m))
        .unwrap();
    assert_eq!(config.pools[0].endpoints.len(), 3);
}

#[test]
fn the_whole_example_has_nothing_but_what_is_not_built_yet() {
    let mistakes = Config::parse(&data("example.toml"), Path::new("example.toml")).unwrap_err();
    let other: Vec<_> = mistakes
        .iter()
        .filter(|m| m.kind != MistakeKind::NotBuilt)
        .collect();
    assert_eq!(other, Vec::<&evenkeel_schema::Mistake>::new());
}
