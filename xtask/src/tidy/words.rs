//! Words that must not stand in the tree: unfinished work without a reason, and traces of the machine it was written on.
//! The words are put together here from halves, so that this file is not its own first finding.

use super::source::Source;

/// Marks of unfinished work. With a reason, `MARK(why it has to wait): …`, they may stay.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
/// Macros of unfinished work; never with a reason, for they panic.
const UNFINISHED_MACROS: &[&str] = &[concat!("to", "do!("), concat!("un", "implemented!(")];
/// Folders of one machine, and hosts of one registry mirror.
const TRACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("arti", "factory"),
    concat!("jf", "rog."),
];
/// The one registry a lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Complaints about one file.
pub(crate) fn complaints(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_lock = source.path.ends_with("Cargo.lock");
    for (index, line) in source.text.lines().enumerate() {
        if let Some(what) = unfinished(line)
            .or_else(|| trace(line))
            .or_else(|| if is_lock { foreign(line) } else { None })
        {
            complaints.push(format!("{}:{}: {what}", source.path, index + 1));
        }
    }
    complaints
}

fn unfinished(line: &str) -> Option<String> {
    for mark in UNFINISHED {
        for (at, _) in line.match_indices(mark) {
            let rest = &line[at + mark.len()..];
            let is_word =
                !line[..at].ends_with(is_word_character) && !rest.starts_with(is_word_character);
            if is_word && !has_reason(rest) {
                return Some(format!(
                    "{mark} without a reason: finish it, or write {mark}(why it has to wait)"
                ));
            }
        }
    }
    let found = UNFINISHED_MACROS
        .iter()
        .find(|found| line.contains(**found))?;
    Some(format!(
        "{found}…) panics where something is missing: build it, or refuse it with an error"
    ))
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `(a reason of at least two words)` follows.
fn has_reason(rest: &str) -> bool {
    rest.strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(reason, _)| reason.split_whitespace().count() >= 2)
}

fn trace(line: &str) -> Option<String> {
    let trace = TRACES.iter().find(|trace| line.contains(**trace))?;
    Some(format!(
        "`{trace}` is a trace of one machine: the project must not depend on where it was written"
    ))
}

fn foreign(line: &str) -> Option<String> {
    let source = line.strip_prefix("source = \"")?.trim_end_matches('"');
    (source != REGISTRY).then(|| format!("comes from {source}; only {REGISTRY} is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        complaints(&source).len()
    }

    #[test]
    fn unfinished_work_needs_a_reason() {
        let mark = UNFINISHED[0];
        assert_eq!(count("a.rs", &format!("// {mark}: later\n")), 1);
        assert_eq!(
            count(
                "a.rs",
                &format!("// {mark}(the kernel has no call for it)\n")
            ),
            0
        );
        assert_eq!(count("a.rs", &format!("// {mark}()\n")), 1);
        assert_eq!(count("a.rs", &format!("let {mark}S = 1;\n")), 0);
        assert_eq!(
            count("a.rs", &format!("{}\"reason\")\n", UNFINISHED_MACROS[0])),
            1
        );
    }

    #[test]
    fn no_file_names_the_machine_it_was_written_on() {
        for trace in TRACES {
            assert_eq!(count("a.md", &format!("see {trace}x\n")), 1, "{trace}");
        }
    }

    #[test]
    fn a_lock_file_names_only_the_public_registry() {
        assert_eq!(
            count("Cargo.lock", &format!("source = \"{REGISTRY}\"\n")),
            0
        );
        assert_eq!(
            count(
                "fuzz/Cargo.lock",
                "source = \"registry+https://mirror.example/index\"\n"
            ),
            1
        );
    }
}
