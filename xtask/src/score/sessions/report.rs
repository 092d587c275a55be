//! What all steps showed, as tables, and what of it is out of bounds.

use std::time::Duration;

use super::Kind;
use crate::Failure;

/// One step of one kind.
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) step: &'static str,
    pub(super) took: Duration,
    /// Clients that had a reason to move, and those of them that did.
    pub(super) wanted: u64,
    pub(super) moved: u64,
    /// Clients that moved without one.
    pub(super) without_reason: u64,
    /// Requests without a 200.
    pub(super) errors: u64,
    /// By how much the balancer's own count is wrong.
    pub(super) miscounted: u64,
    /// Sessions in its store.
    pub(super) stored: u64,
}

/// Everything so far.
pub(super) struct Report {
    sessions: u32,
    profile: String,
    rows: Vec<Row>,
    /// Said below the tables.
    notes: Vec<String>,
    wrong: Vec<String>,
}

impl Report {
    pub(super) fn new(sessions: u32, profile: &str) -> Report {
        Report {
            sessions,
            profile: profile.to_owned(),
            rows: Vec::new(),
            notes: Vec::new(),
            wrong: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        print!("{} {}", row.kind.name(), row.line());
        let Row { wanted, moved, .. } = row;
        let at = format!("{}: {}", row.kind.name(), row.step);
        if wanted != moved {
            self.wrong
                .push(format!("{at}: {moved} moved, wanted {wanted}"));
        }
        for (what, count) in [
            ("moved without a reason", row.without_reason),
            ("requests failed", row.errors),
            ("sessions were counted wrong", row.miscounted),
        ] {
            if count > 0 {
                self.wrong.push(format!("{at}: {count} {what}"));
            }
        }
        self.rows.push(row);
    }

    /// New clients while an endpoint was drained.
    pub(super) fn strangers(&mut self, kind: Kind, came: usize, there: u64, errors: u64) {
        self.note(
            format!(
                "{}: of {came} new clients that came while a3 was draining {there} went there, {errors} saw an error.",
                kind.name()
            ),
            there == 0 && errors == 0,
        );
    }

    /// How often a single client moved, at most, until the end of the fail-back.
    pub(super) fn most(&mut self, kind: Kind, out: Option<u32>, back: Option<u32>) {
        let (out, back) = (out.unwrap_or(0), back.unwrap_or(0));
        self.note(
            format!(
                "{}: until all were back, no session had left its home more than {out} × or gone back more than {back} ×.",
                kind.name()
            ),
            out == 1 && back == 1,
        );
    }

    /// Cookies that were none.
    pub(super) fn fakes(&mut self, what: &str, sent: usize, served: u64, given: u64, counted: u64) {
        let all = sent as u64;
        self.note(
            format!(
                "cookie: of {sent} {what} ones {counted} were counted as forged; {served} requests were served, {given} got a cookie of their own."
            ),
            (served, given, counted) == (all, all, all),
        );
    }

    fn note(&mut self, text: String, right: bool) {
        println!("{text}");
        if !right {
            self.wrong.push(text.clone());
        }
        self.notes.push(text);
    }

    fn table(&self, kind: Kind) -> String {
        let mut text = "| step | had to move | moved | moved without a reason | failed requests | counted wrong | in the store | took |\n\
                        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for row in self.rows.iter().filter(|row| row.kind == kind) {
            text += &row.line();
        }
        text
    }

    /// bench/SESSIONS.md.
    pub(super) fn page(&self) -> String {
        let notes: String = self
            .notes
            .iter()
            .map(|note| format!("- {note}\n"))
            .collect();
        include_str!("page.md")
            .replace("SESSIONS_OF_A_KIND", &self.sessions.to_string())
            .replace("PROFILE", &self.profile)
            .replace("COOKIE_TABLE\n", &self.table(Kind::Cookie))
            .replace("TOKEN_TABLE\n", &self.table(Kind::Token))
            .replace("NOTES\n", &notes)
    }

    /// Fails if anything was out of bounds.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("out of bounds:\n{}", self.wrong.join("\n"))),
        }
    }
}

impl Row {
    fn line(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} s |\n",
            self.step,
            self.wanted,
            self.moved,
            self.without_reason,
            self.errors,
            self.miscounted,
            self.stored,
            self.took.as_secs_f64()
        )
    }
}
