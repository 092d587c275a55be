//! Terminal output: aligned and coloured for a person, plain for a pipe.

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

/// Writes to standard output, in colour only where a person reads it.
pub(crate) struct Out {
    colour: bool,
}

impl Out {
    /// Standard output as it is now. `NO_COLOR` (any value but empty) turns colour off, as no-color.org asks.
    pub(crate) fn new() -> Out {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Out {
            colour: std::io::stdout().is_terminal() && !refused,
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
            "trial" | "unknown" | "draining" | "starting" | "stopping" | "backoff" => {
                AnsiColor::Yellow.on_default()
            }
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

    /// A table: columns as wide as their widest cell, the last one free. `paint` may colour a cell after it was padded.
    pub(crate) fn table(
        &self,
        header: &[&str],
        rows: &[Vec<String>],
        paint: impl Fn(usize, &[String], &str) -> String,
    ) {
        let widths: Vec<usize> = header
            .iter()
            .enumerate()
            .map(|(c, h)| {
                rows.iter()
                    .map(|r| r[c].chars().count())
                    .chain([h.len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let pad = |c: usize, text: &str| {
            if c + 1 == header.len() {
                text.to_owned()
            } else {
                format!("{text:<width$}  ", width = widths[c])
            }
        };
        let head: String = header.iter().enumerate().map(|(c, h)| pad(c, h)).collect();
        self.line(&self.dim(head.trim_end()));
        for row in rows {
            let line: String = row
                .iter()
                .enumerate()
                .map(|(c, cell)| paint(c, row, &pad(c, cell)))
                .collect();
            self.line(line.trim_end());
        }
    }
}

/// One line on standard error, for a person.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
