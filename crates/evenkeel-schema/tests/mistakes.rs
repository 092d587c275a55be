//! A list of configurations that are wrong, each with every mistake that must be told, to the letter: sort, line, column,
//! key, what was found, what was wanted, and the hint.
//!
//! `mistakes/cases.txt` holds them. A case begins with `### ` and what it shows; names in brackets append what would only
//! distract (a listener, a pool), after the text so that the lines stay. After `---` stand the mistakes.

use std::collections::BTreeSet;
use std::path::Path;

use evenkeel_schema::config::AgentConfig;
use evenkeel_schema::{Config, Mistake};

const CASES: &str = include_str!("mistakes/cases.txt");

/// What can be appended to a case.
const PARTS: [(&str, &str); 4] = [
    (
        "web",
        "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:7001\"]\n",
    ),
    (
        "app",
        "[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:9001\"\n",
    ),
    (
        "tcp",
        "[[listener]]\nname = \"raw\"\nbind = [\"127.0.0.1:0\"]\nprotocol = \"tcp\"\npool = \"app\"\n",
    ),
    // Read as an agent's file.
    (AGENTS_FILE, ""),
];

const AGENTS_FILE: &str = "agents-file";

struct Case<'a> {
    title: &'a str,
    agents_file: bool,
    text: String,
    expected: &'a str,
}

fn cases() -> Vec<Case<'static>> {
    let parse = |block: &'static str| {
        let (head, body) = block.split_once('\n').expect("a title and a text");
        let (title, parts) = match head.split_once(" [") {
            Some((title, parts)) => (title, parts.trim_end_matches(']')),
            None => (head, ""),
        };
        let (text, expected) = body.split_once("---\n").unwrap_or((body, ""));
        let part = |name: &str| {
            let found = PARTS.iter().find(|(part, _)| *part == name);
            found.expect("the part is one of PARTS").1
        };
        let text = text.to_owned() + &parts.split_whitespace().map(part).collect::<String>();
        Case {
            title,
            agents_file: parts.contains(AGENTS_FILE),
            text,
            expected,
        }
    };
    let blocks = CASES.trim_start_matches("### ").split("\n### ");
    blocks.map(parse).collect()
}

fn kind(mistake: &Mistake) -> String {
    let json = serde_json::to_value(mistake.kind).expect("a kind is a word");
    json.as_str().unwrap_or_default().to_owned()
}

fn told(text: &str, agents_file: bool) -> String {
    let file = Path::new("/srv/c");
    let mistakes = match agents_file {
        true => AgentConfig::peruse(text, file).err(),
        false => Config::parse(text, file).err(),
    };
    let mistakes = mistakes.unwrap_or_default();
    let line = |m: &Mistake| format!("{} {}\n", kind(m), m.to_string().replacen("/srv/c:", "", 1));
    mistakes.iter().map(line).collect()
}

#[test]
fn every_mistake_is_told_to_the_letter() {
    let cases = cases();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    let mut wrong = String::new();
    for case in &cases {
        let told = told(&case.text, case.agents_file);
        if told.is_empty() || told.trim_end() != case.expected.trim_end() {
            wrong += &format!(
                "### {}\n--- told\n{told}--- expected\n{}\n",
                case.title, case.expected
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_sort_of_mistake_but_files_is_among_them() {
    let seen: BTreeSet<&str> = CASES
        .lines()
        .filter(|line| {
            line.split_once(' ')
                .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .filter_map(|line| line.split_once(' ').map(|(kind, _)| kind))
        .collect();
    for kind in [
        "syntax",
        "unknown_key",
        "not_built",
        "missing",
        "value",
        "name",
        "twice",
        "pair",
    ] {
        assert!(seen.contains(kind), "{kind}");
    }
}

#[test]
fn what_is_appended_is_right_by_itself() {
    let all: String = PARTS.iter().map(|(_, text)| *text).collect();
    assert_eq!(told(&all, false), "");
}

#[test]
fn ten_mistakes_in_ten_places_are_all_told_at_once() {
    let case = cases().pop().unwrap();
    let mistakes = Config::parse(&case.text, Path::new("c.toml")).unwrap_err();
    let places: BTreeSet<_> = mistakes.iter().map(|m| (m.line, m.column)).collect();
    assert!(places.len() > 10, "{places:?}");
    let text = evenkeel_schema::explain(&mistakes);
    assert_eq!(text.lines().count(), mistakes.len() + 1);
    assert!(text.ends_with(&format!("c.toml: {} mistakes\n", mistakes.len())));
}
