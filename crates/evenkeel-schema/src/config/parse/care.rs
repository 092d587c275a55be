//! The part of `[service.NAME]` about limits and recovery. What may be deleted or restored is held against what must not be:
//! a folder that holds the service's program, its data or evenkeel's own state is refused here, before anything can go wrong.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use evenkeel_core::settings::{Care, Data, Release, Share};

use super::report::{Spot, Wrong};
use super::service::{COMMAND_WANTED, program};
use super::table::Table;
use super::words::quote;
use crate::config::Node;
use crate::mistake::MistakeKind;

/// Folders to delete from, and commands: more of one service nobody keeps in mind.
const LIST_MAX: usize = 64;

pub(super) fn care(table: &Table<'_, '_>, directory: &Path, node: &Node) -> Care {
    let release = table.table_if_given("release");
    let data = table.table_if_given("data");
    let mut care = Care {
        memory_max: table.has("memory_max").then(|| table.size("memory_max", 0)),
        cpu_max: table
            .has("cpu_max")
            .then(|| table.share("cpu_max", Share::percent(100))),
        // Room for a person to work in, and for logs and a database's next checkpoint.
        disk_keep: table.size("disk_keep", 1 << 30),
        release: release.map(|table| self::release(&table, directory)),
        data: data.map(|table| self::data(&table, directory, node)),
        commands: commands(table),
        disk_paths: Vec::new(),
    };
    care.disk_paths = disk_paths(table, directory, node, &care);
    care
}

/// A path from the service's directory.
fn path(table: &Table<'_, '_>, key: &str, directory: &Path) -> Option<(PathBuf, Spot)> {
    let text = table.text(key)?;
    sound(table, &text.spot, text.value).then(|| (clean(directory, text.value), text.spot))
}

/// `..` would make two spellings of one place, and what is refused below could be reached by the other one.
fn sound(table: &Table<'_, '_>, spot: &Spot, text: &str) -> bool {
    let up = Path::new(text)
        .components()
        .any(|c| c == Component::ParentDir);
    let good = !text.is_empty() && !text.contains('\0') && !up;
    if !good {
        let wrong = Wrong::value(quote(text), "a path without \"..\"");
        table.report.add(spot, wrong);
    }
    good
}

fn clean(directory: &Path, text: &str) -> PathBuf {
    directory.join(text).components().collect()
}

fn disk_paths(table: &Table<'_, '_>, directory: &Path, node: &Node, care: &Care) -> Vec<PathBuf> {
    let texts = table.texts("disk_paths").unwrap_or_default();
    if texts.len() > LIST_MAX {
        let wrong = Wrong::value(format!("{} folders", texts.len()), "at most 64 folders");
        table.wrong("disk_paths", wrong);
    }
    let mut kept: Vec<(&str, &Path)> = vec![
        ("the service's directory", directory),
        ("node.state_dir", &node.state_dir),
    ];
    if let Some(release) = &care.release {
        kept.push(("release.current", &release.current));
        kept.push(("release.previous", &release.previous));
    }
    if let Some(data) = &care.data {
        kept.push(("data.directory", &data.directory));
    }
    let mut paths = Vec::new();
    for text in texts.iter().take(LIST_MAX) {
        if !sound(table, &text.spot, text.value) {
            continue;
        }
        let path = clean(directory, text.value);
        let inside = |kept: &Path| kept.starts_with(&path);
        // What lies in the state directory or in the data is no more ours to delete than what holds them.
        let within = |kept: &Path| path.starts_with(kept);
        let data = care.data.as_ref().map(|data| &*data.directory);
        if let Some((what, _)) = kept.iter().find(|(_, kept)| inside(kept)) {
            let found = format!("{}, which holds {what}", quote(text.value));
            let hint = "free_disk deletes files there: name a folder of caches or old logs";
            let wrong = Wrong::value(found, "a folder with nothing but what may be deleted");
            let wrong = wrong.kind(MistakeKind::Pair).hint(hint.to_owned());
            table.report.add(&text.spot, wrong);
        } else if within(&node.state_dir) || data.is_some_and(within) {
            let found = format!("{}, which lies in what must be kept", quote(text.value));
            let wanted = "a folder outside of node.state_dir and data.directory";
            let wrong = Wrong::value(found, wanted).kind(MistakeKind::Pair);
            table.report.add(&text.spot, wrong);
        } else {
            paths.push(path);
        }
    }
    paths
}

fn release(table: &Table<'_, '_>, directory: &Path) -> Release {
    let current = path(table, "current", directory);
    let previous = path(table, "previous", directory);
    if let (Some((current, _)), Some((previous, spot))) = (&current, &previous) {
        let shown = quote(&previous.to_string_lossy());
        if current == previous {
            let wrong = Wrong::value(format!("{shown} for both"), "two links");
            table.report.add(spot, wrong.kind(MistakeKind::Twice));
        } else if current.parent() != previous.parent() {
            // They change places in one step of the file system, and relative links must mean the same in both places.
            let wrong = Wrong::value(shown, "a link in the same folder as current");
            table.report.add(spot, wrong.kind(MistakeKind::Pair));
        }
    }
    Release {
        current: current.map(|(path, _)| path).unwrap_or_default(),
        previous: previous.map(|(path, _)| path).unwrap_or_default(),
    }
}

fn data(table: &Table<'_, '_>, directory: &Path, node: &Node) -> Data {
    let source = path(table, "directory", directory);
    if let Some((source, spot)) = &source
        && (node.state_dir.starts_with(source) || source.starts_with(&node.state_dir))
    {
        let found = format!(
            "{} beside node.state_dir {}",
            quote(&source.to_string_lossy()),
            quote(&node.state_dir.to_string_lossy())
        );
        let wanted =
            "a folder that neither holds state_dir nor lies in it: the copies are kept there";
        let wrong = Wrong::value(found, wanted).kind(MistakeKind::Pair);
        table.report.add(spot, wrong);
    }
    Data {
        directory: source.map(|(path, _)| path).unwrap_or_default(),
        every: table.duration("every", Duration::from_secs(3600)),
        keep: table.number("keep").unwrap_or(24),
    }
}

fn commands(table: &Table<'_, '_>) -> Vec<(String, Vec<String>)> {
    let lists = table.text_lists("commands");
    if lists.len() > LIST_MAX {
        let wrong = Wrong::value(format!("{} commands", lists.len()), "at most 64 commands");
        table.wrong("commands", wrong);
    }
    let mut commands = Vec::new();
    for (name, texts) in lists.iter().take(LIST_MAX) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.value.is_empty() || name.value.len() > 64 || !name.value.bytes().all(plain) {
            let wanted = "a name of 1 to 64 letters, digits, \"_\", \".\" and \"-\"";
            table
                .report
                .add(&name.spot, Wrong::value(quote(name.value), wanted));
        }
        if texts.is_empty() {
            let wrong = Wrong::value("an empty list", COMMAND_WANTED);
            table.report.add(&name.spot, wrong);
        }
        commands.push((name.value.to_owned(), program(texts, table.report)));
    }
    commands
}
