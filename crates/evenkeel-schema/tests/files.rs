//! Files as they are found on disks, and the secrets they name.

use std::path::{Path, PathBuf};

use evenkeel_schema::mistake::MistakeKind;
use evenkeel_schema::{Config, Mistake, explain};

const LISTENER: &str = "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder for the test"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("the folder can be written");
        path
    }

    fn with_token(&self, token: &str) -> PathBuf {
        self.write(
            "lb.toml",
            format!("[admin]\ntoken = \"{token}\"\n{LISTENER}"),
        )
    }
}

fn only(result: Result<Config, Vec<Mistake>>) -> Mistake {
    let mut mistakes = result.expect_err("a mistake");
    assert_eq!(mistakes.len(), 1, "{}", explain(&mistakes));
    mistakes.remove(0)
}

#[test]
fn a_file_that_cannot_be_read_is_one_mistake_and_says_why() {
    let folder = Folder::new();
    let missing = only(Config::load(&folder.0.path().join("no.toml")));
    assert_eq!((missing.kind, missing.line), (MistakeKind::File, 0));
    assert_eq!(missing.found, "nothing");
    let directory = only(Config::load(folder.0.path()));
    assert_eq!(directory.found, "a folder, or a pipe or device");
    let binary = only(Config::load(&folder.write("b.toml", b"name = \"\xff\"")));
    assert_eq!(binary.found, "no UTF-8 at byte 8");
    let large = folder.write("l.toml", vec![b'#'; 4 * 1024 * 1024 + 1]);
    assert_eq!(only(Config::load(&large)).found, "more than 4 MiB");
    let largest = LISTENER.to_owned() + &"#".repeat(4 * 1024 * 1024 - LISTENER.len());
    assert!(Config::load(&folder.write("m.toml", largest)).is_ok());
}

#[test]
fn a_text_that_is_too_large_is_refused_wherever_it_comes_from() {
    let text = "#".repeat(4 * 1024 * 1024 + 1);
    let mistake = only(Config::parse(&text, Path::new("c.toml")));
    assert_eq!(mistake.wanted, "at most 4 MiB");
}

#[test]
fn paths_start_at_the_files_folder() {
    let folder = Folder::new();
    let file = folder.write(
        "lb.toml",
        "[node]\nstate_dir = \"./s\"\n[log]\naccess = \"log/a\"\n[[listener]]\nname = \"w\"\nbind = [\"unix:w.sock\"]\n",
    );
    let config = Config::load(&file).map_err(|m| explain(&m)).unwrap();
    let base = folder.0.path();
    assert_eq!(config.node.state_dir, base.join("s"));
    let socket = base.join("w.sock");
    assert_eq!(
        config.listeners[0].bind[0].to_string(),
        format!("unix:{}", socket.display())
    );
}

#[test]
fn a_secret_is_fetched_from_its_file_without_the_lines_end() {
    let folder = Folder::new();
    folder.write("t", "s3cret\n");
    let file = folder.with_token("file:t");
    let token = Config::load(&file).unwrap().admin.token.unwrap();
    assert!(token.matches("s3cret"));
    assert!(!token.matches("s3cre") && !token.matches("s3cret\n") && !token.matches(""));
    assert_eq!(format!("{token:?}"), "Secret(…)");
    let text = std::fs::read_to_string(&file).unwrap();
    let again = Config::parse_and_resolve(&text, &file).unwrap();
    assert_eq!(again.admin.token, Some(token));
}

#[test]
fn a_secret_that_was_not_fetched_matches_nothing() {
    let folder = Folder::new();
    let file = folder.with_token("file:nowhere");
    let text = std::fs::read_to_string(&file).unwrap();
    let token = Config::parse(&text, &file).unwrap().admin.token.unwrap();
    assert!(!token.matches("") && !token.matches(token.reveal()));
}

#[test]
fn a_secret_that_cannot_be_had_is_a_mistake_that_does_not_show_it() {
    let folder = Folder::new();
    folder.write("empty", "\n");
    folder.write("spaced", "hunter2 hunter2\n");
    folder.write("binary", b"hunter2\xff");
    folder.write("large", "hunter2".repeat(10_000));
    let cases = [
        ("file:nowhere", "No such file"),
        ("file:.", "not a file"),
        ("file:empty", "an empty secret"),
        ("file:spaced", "a secret with spaces"),
        ("file:binary", "valid UTF-8"),
        ("file:large", "more than 64 KiB"),
        ("env:EVENKEEL_NO_SUCH_VARIABLE", "no environment variable"),
    ];
    for (token, why) in cases {
        let mistake = only(Config::load(&folder.with_token(token)));
        assert_eq!(
            (mistake.kind, mistake.line, mistake.column),
            (MistakeKind::File, 2, 9)
        );
        assert!(mistake.found.contains(why), "{token}: {mistake}");
        assert!(!mistake.to_string().contains("hunter2"), "{mistake}");
    }
}

#[test]
fn mistakes_are_read_back_from_json() {
    let mistakes = Config::parse("[node]\nx = 1", Path::new("c.toml")).unwrap_err();
    let json = serde_json::to_string(&mistakes).unwrap();
    assert!(
        json.contains(
            r#""kind":"unknown_key","file":"c.toml","line":2,"column":1,"path":"node.x""#
        ),
        "{json}"
    );
    assert_eq!(
        serde_json::from_str::<Vec<Mistake>>(&json).unwrap(),
        mistakes
    );
}
