//! Where mistakes are gathered: turns places in the text into lines and columns, and keeps them in the file's order.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::mistake::{Mistake, MistakeKind};

/// More mistakes than this are counted, not listed: nobody reads them, and hostile input shall not fill the memory.
const MISTAKES_MAX: usize = 1000;

/// A place in the file: a byte of the text and the dotted key it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) at: usize,
    pub(super) path: String,
}

/// What was found there and what was wanted.
pub(super) struct Wrong {
    pub(super) kind: MistakeKind,
    pub(super) found: String,
    pub(super) wanted: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    /// A value that cannot stand.
    pub(super) fn value(found: impl Into<String>, wanted: impl Into<String>) -> Wrong {
        Wrong {
            kind: MistakeKind::Value,
            found: found.into(),
            wanted: wanted.into(),
            hint: None,
        }
    }

    pub(super) fn kind(self, kind: MistakeKind) -> Wrong {
        Wrong { kind, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<Option<String>>) -> Wrong {
        Wrong {
            hint: hint.into(),
            ..self
        }
    }
}

/// The mistakes of one file, so far.
pub(super) struct Report<'a> {
    file: &'a Path,
    /// The file's folder, absolute: where relative paths start.
    base: PathBuf,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
    more: Cell<usize>,
    /// The line of the last syntax error: what follows on the same line is its echo.
    broken: Cell<usize>,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, file: &'a Path) -> Report<'a> {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Report {
            file,
            base: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            text,
            lines: std::iter::once(0)
                .chain(breaks.map(|(at, _)| at + 1))
                .collect(),
            mistakes: RefCell::default(),
            more: Cell::new(0),
            broken: Cell::new(0),
        }
    }

    /// Writes a mistake down.
    pub(super) fn add(&self, spot: &Spot, wrong: Wrong) {
        if wrong.kind == MistakeKind::Syntax {
            let line = self.line(spot.at);
            if self.broken.replace(line) == line {
                return;
            }
        }
        let mut mistakes = self.mistakes.borrow_mut();
        if mistakes.len() >= MISTAKES_MAX {
            self.more.set(self.more.get() + 1);
            return;
        }
        let (line, column) = self.place(spot.at);
        mistakes.push(Mistake {
            kind: wrong.kind,
            file: self.file.to_owned(),
            line,
            column,
            path: spot.path.clone(),
            found: wrong.found,
            wanted: wrong.wanted,
            hint: wrong.hint,
        });
    }

    /// Is there no room for more? Then what costs time to find out need not be found out.
    pub(super) fn full(&self) -> bool {
        self.mistakes.borrow().len() >= MISTAKES_MAX
    }

    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let before = self.text.get(self.lines[line - 1]..at);
        (line, before.map_or(1, |text| text.chars().count() + 1))
    }

    /// `path` from the file's folder, without `.` in it.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        self.base.join(path).components().collect()
    }

    /// Where the echo of a syntax error in `line` ends: keys under a broken header belong to no table.
    fn echo_end(&self, line: usize) -> usize {
        let header = |line: &usize| {
            let rest = self.text.get(self.lines[*line - 1]..).unwrap_or_default();
            rest.trim_start_matches([' ', '\t']).starts_with('[')
        };
        let next = line + 1;
        if !header(&line) {
            return next;
        }
        (next..=self.lines.len())
            .find(header)
            .unwrap_or(self.lines.len() + 1)
    }

    /// All of them in the file's order; empty = none.
    ///
    /// After a syntax error what is missing may only be unreadable, and what else is wrong on that line, or under that
    /// header, may only be its echo: neither is reported until the syntax is right.
    pub(super) fn finish(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.take();
        let broken: Vec<Range<usize>> = mistakes
            .iter()
            .filter(|m| m.kind == MistakeKind::Syntax)
            .map(|m| m.line..self.echo_end(m.line))
            .collect();
        if !broken.is_empty() {
            let echo = |m: &Mistake| match m.kind {
                MistakeKind::Syntax => false,
                MistakeKind::Missing | MistakeKind::Name => true,
                _ => broken.iter().any(|lines| lines.contains(&m.line)),
            };
            mistakes.retain(|m| !echo(m));
        }
        mistakes.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        if self.more.get() > 0 {
            mistakes.push(Mistake {
                kind: MistakeKind::Value,
                file: self.file.to_owned(),
                line: 0,
                column: 0,
                path: String::new(),
                found: format!("{} more mistakes", self.more.get()),
                wanted: format!("at most {MISTAKES_MAX}"),
                hint: None,
            });
        }
        mistakes
    }
}
