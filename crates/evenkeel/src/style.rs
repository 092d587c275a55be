//! Terminal output: aligned and coloured for a person, plain and one line an item for a pipe.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// Writes to standard output, in colour only where a person reads it.
pub(crate) struct Out {
    colour: bool,
    /// Columns of the terminal; a pipe has no end.
    width: usize,
}

/// A row of a table, and what is to be said about it: beside it where there is room, else below it.
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) note: String,
}

/// Notes below their rows stand in from here.
const NOTE_INDENT: &str = "    ";

impl Out {
    /// Standard output as it is now. `NO_COLOR` (any value but empty) turns colour off, as no-color.org asks.
    pub(crate) fn new() -> Out {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let terminal = std::io::stdout().is_terminal();
        let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
        Out {
            colour: terminal && !refused,
            // A terminal that does not know its width says 0.
            width: if terminal && width > 0 {
                width.into()
            } else {
                usize::MAX
            },
        }
    }

    /// One line. A reader that went away ends the output, not the program.
    pub(crate) fn line(&self, text: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// `text` in the colour of a state.
    pub(crate) fn state(&self, name: &str, text: &str) -> String {
        let style = match name {
            "up" | "ready" => AnsiColor::Green.on_default(),
            "trial" | "unknown" | "draining" | "starting" | "stopping" | "backoff"
            | "suspected" | "recovering" | "verifying" => AnsiColor::Yellow.on_default(),
            "down" | "failed" => AnsiColor::Red.on_default().bold(),
            _ => Style::new().dimmed(),
        };
        self.styled(style, text)
    }

    /// `text` as a heading.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    /// `text` that may be overlooked.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// A table. `paint` may colour a cell after it was padded.
    pub(crate) fn table(
        &self,
        header: &[&str],
        rows: &[Row],
        paint: impl Fn(usize, &Row, &str) -> String,
    ) {
        for line in self.lay_out(header, rows, paint) {
            self.line(&line);
        }
    }

    /// Columns as wide as their widest cell, numbers to the right. The last heading is that of the notes: they stand in a
    /// column of their own if every line then fits, else below their rows.
    fn lay_out(
        &self,
        header: &[&str],
        rows: &[Row],
        paint: impl Fn(usize, &Row, &str) -> String,
    ) -> Vec<String> {
        let (notes, columns) = header.split_last().unwrap_or((&"", &[]));
        let cells = |c: usize| rows.iter().map(move |row| row.cells[c].as_str());
        let wide = |text: &str| text.chars().count();
        let width = |c: usize| cells(c).map(wide).chain([columns[c].len()]).max();
        let widths: Vec<usize> = (0..columns.len()).filter_map(width).collect();
        let right: Vec<bool> = (0..columns.len())
            .map(|c| cells(c).all(|text| text == "-" || text.bytes().all(|b| b.is_ascii_digit())))
            .collect();
        let pad = |c: usize, text: &str| match right[c] {
            true => format!("{text:>width$}  ", width = widths[c]),
            false => format!("{text:<width$}  ", width = widths[c]),
        };
        let table: usize = widths.iter().map(|width| width + 2).sum();
        let longest = rows.iter().map(|row| wide(&row.note)).max().unwrap_or(0);
        let beside = table.saturating_add(longest) <= self.width;

        let mut head: String = columns.iter().enumerate().map(|(c, h)| pad(c, h)).collect();
        if beside {
            head.push_str(notes);
        }
        let mut lines = vec![self.dim(head.trim_end())];
        for row in rows {
            let painted = |(c, cell): (usize, &String)| paint(c, row, &pad(c, cell));
            let mut line: String = row.cells.iter().enumerate().map(painted).collect();
            if beside {
                line.push_str(&row.note);
            }
            lines.push(line.trim_end().to_owned());
            if !beside && !row.note.is_empty() {
                let room = self.width.saturating_sub(NOTE_INDENT.len()).max(20);
                let folded = fold(&row.note, room);
                lines.extend(folded.iter().map(|part| format!("{NOTE_INDENT}{part}")));
            }
        }
        lines
    }
}

/// `text` in lines of at most `room` characters, cut between words; a longer word has a line of its own.
fn fold(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// One line on standard error, for a person.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> Vec<String> {
        let out = Out {
            colour: false,
            width,
        };
        let row = |name: &str, requests: &str, note: &str| Row {
            cells: vec![name.into(), requests.into()],
            note: note.into(),
        };
        let rows = [
            row("a1", "7", "3 of 3 checks failed: refused"),
            row("backup", "1200", ""),
        ];
        out.lay_out(&["ENDPOINT", "REQUESTS", "WHY"], &rows, |_, _, cell| {
            cell.to_owned()
        })
    }

    #[test]
    fn a_pipe_gets_one_line_for_each_row() {
        let want = [
            "ENDPOINT  REQUESTS  WHY",
            "a1               7  3 of 3 checks failed: refused",
            "backup        1200",
        ];
        assert_eq!(shown(usize::MAX), want);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let want = [
            "ENDPOINT  REQUESTS",
            "a1               7",
            "    3 of 3 checks",
            "    failed: refused",
            "backup        1200",
        ];
        assert_eq!(shown(24), want);
    }
}
