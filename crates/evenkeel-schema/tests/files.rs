//! Files as they are found on disks, and the secrets they name.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use evenkeel_core::settings::{HostTls, PoolTls, Protocol};
use evenkeel_schema::config::{FileProblem, LookAtTls};
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

/// Stands in for whoever knows TLS: everything is wrong, and everything is noted.
#[derive(Default)]
struct Suspicious(RefCell<Vec<String>>);

impl Suspicious {
    fn says(&self, whose: String, keys: &[(usize, &'static str)]) -> Vec<FileProblem> {
        self.0.borrow_mut().push(whose);
        let problem = |&(index, key)| FileProblem {
            index,
            key,
            found: "nothing good".into(),
            wanted: "a better one".into(),
        };
        keys.iter().map(problem).collect()
    }
}

impl LookAtTls for Suspicious {
    fn listener(&self, name: &str, _: &Protocol, hosts: &[HostTls]) -> Vec<FileProblem> {
        let last = hosts.len() - 1;
        self.says(
            format!("listener {name}, {} hosts", hosts.len()),
            &[(0, "key"), (last, "client_ca")],
        )
    }
    fn pool(&self, name: &str, _: &PoolTls) -> Vec<FileProblem> {
        self.says(format!("pool {name}"), &[(0, "ca")])
    }
    fn token_keys(&self, _: &str) -> Result<(), (String, &'static str)> {
        Err(("nothing good".into(), "a better one"))
    }
    fn admin(&self, tls: &HostTls) -> Vec<FileProblem> {
        self.says(
            format!("admin {}", tls.certificate.display()),
            &[(0, "certificate")],
        )
    }
    fn agents(&self, tls: &HostTls) -> Vec<FileProblem> {
        self.says(
            format!("agents {}", tls.certificate.display()),
            &[(0, "client_ca")],
        )
    }
}

#[test]
fn what_is_wrong_in_certificates_is_told_beside_what_is_wrong_in_the_file() {
    let folder = Folder::new();
    let text = "[admin]
certificate = \"a.pem\"
key = \"a.key\"
[[listener]]
name = \"web\"
bind = [\"127.0.0.1:0\"]
[[listener.tls]]
certificate = \"one.pem\"
[[listener.tls]]
certificate = \"two.pem\"
key = \"two.key\"
client_ca = \"ca.pem\"
[pool.app]
tls = {}
[[pool.app.endpoint]]
name = \"a1\"
address = \"127.0.0.1:1\"
weight = 1000
";
    let file = folder.write("lb.toml", text);
    let look = Suspicious::default();
    let mistakes = Config::load_and_look(&file, &look).expect_err("mistakes");
    let places: Vec<_> = mistakes
        .iter()
        .map(|m| (m.line, m.column, m.path.as_str(), m.kind))
        .collect();
    assert_eq!(
        places,
        [
            (2, 15, "admin.certificate", MistakeKind::File),
            (7, 1, "listener[1].tls[1].key", MistakeKind::Missing),
            (11, 7, "listener[1].tls[2].key", MistakeKind::File),
            (12, 13, "listener[1].tls[2].client_ca", MistakeKind::File),
            (14, 7, "pool.app.tls.ca", MistakeKind::File),
            (18, 10, "pool.app.endpoint[1].weight", MistakeKind::Value),
        ]
    );
    let admin = format!("admin {}", folder.0.path().join("a.pem").display());
    assert_eq!(
        *look.0.borrow(),
        [admin, "listener web, 1 hosts".into(), "pool app".into()]
    );
}
