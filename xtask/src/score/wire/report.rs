//! The tables of a run, what of it is out of bounds, and its place in `bench/RESULTS.md`.

use super::contestants::Contestant;
use super::run::Measured;
use super::works::{SLOW_TIMES, WORKS, Work};
use super::{Run, works};
use crate::bench::machine;
use crate::bench::proxies::{self, PROXIES};
use crate::{Failure, steps};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// Under which a run is kept.
const HEADING: &str = "## One of eight is ten times slow, ";

/// Of whoever takes part but is not us: what they say of themselves.
pub(super) fn versions(envoy: String) -> Vec<String> {
    let proxies: Vec<_> = PROXIES
        .iter()
        .filter(|proxy| ["evenkeel", "haproxy", "nginx"].contains(&proxy.name))
        .collect();
    let mut versions: Vec<String> = proxies::versions(&proxies)
        .into_iter()
        .map(|(name, version)| format!("{name}: {version}"))
        .collect();
    versions.push(envoy);
    versions
}

/// The best of both sides at one work, and the one's p99 as a share of the other's in each round.
struct Best<'a> {
    ours: &'a Contestant,
    theirs: &'a Contestant,
    ratios: Vec<f64>,
}

impl Run {
    fn of(&self, work: &Work, contestant: &Contestant) -> Vec<&Measured> {
        let name = contestant.name();
        self.measured
            .iter()
            .filter(|m| m.work == work.name && m.contestant == name)
            .collect()
    }

    fn p99_us(&self, work: &Work, contestant: &Contestant) -> f64 {
        median(
            self.of(work, contestant)
                .iter()
                .map(|m| m.seen.p99_us)
                .collect(),
        )
    }

    fn best(&self, work: &Work) -> Option<Best<'_>> {
        let best_of = |ours: bool| {
            let side = self.contestants.iter().filter(|c| c.is_ours() == ours);
            side.min_by(|a, b| self.p99_us(work, a).total_cmp(&self.p99_us(work, b)))
        };
        let (ours, theirs) = (best_of(true)?, best_of(false)?);
        // To the best of the others in each round, whoever that was there: the stricter way.
        let ratio = |own: &&Measured| {
            let others = self.contestants.iter().filter(|c| !c.is_ours());
            let least = others
                .flat_map(|other| self.of(work, other))
                .filter(|other| other.round == own.round)
                .map(|other| other.seen.p99_us)
                .fold(f64::INFINITY, f64::min);
            own.seen.p99_us / least
        };
        Some(Best {
            ratios: self.of(work, ours).iter().map(ratio).collect(),
            ours,
            theirs,
        })
    }

    /// Everything, as Markdown.
    pub(super) fn text(&self) -> String {
        let mut out = format!(
            "`{}`: {} rounds, {} s of each measurement after {} s of the same load. {}.\n",
            command(),
            self.rounds,
            self.secs,
            self.warm,
            machine::facts()
        );
        for version in &self.versions {
            let _ = writeln!(out, "- {version}");
        }
        let _ = writeln!(
            out,
            "\nEight endpoints with four workers each; a request takes a worker {} ms on average, at the last endpoint {SLOW_TIMES} times that. It comes at a random time, \
             {:.0} a second ({:.0} % of what all can do), and counts from when it was due. Every balancer has one worker on a core of its own, keeps connections, checks health \
             where it can, and takes nobody out for being slow (evenkeel's outlier detection is told not to). Each measurement has fresh processes. Medians over the rounds.",
            works::SERVICE_MS,
            WORKS[0].rate(),
            WORKS[0].load * 100.0,
        );
        for work in &self.works {
            self.table(&mut out, work);
        }
        out
    }

    fn table(&self, out: &mut String, work: &Work) {
        let _ = writeln!(
            out,
            "\n**{}**: {}\n\n\
             | balancer | policy | p50 ms | p90 ms | p99 ms (min–max of rounds) | p99.9 ms | to the slow one | errors of requests | core |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            work.name, work.shows
        );
        for contestant in &self.contestants {
            let own = self.of(work, contestant);
            let each = |value: fn(&Measured) -> f64| -> Vec<f64> {
                own.iter().map(|measured| value(measured)).collect()
            };
            let ms = |value: fn(&Measured) -> f64| median(each(value)) / 1e3;
            let p99 = each(|m| m.seen.p99_us);
            let _ = writeln!(
                out,
                "| {} | {} | {:.1} | {:.1} | {:.1} ({:.1}–{:.1}) | {:.1} | {:.2} % | {} of {} | {:.0} % |",
                contestant.balancer,
                contestant.policy,
                ms(|m| m.seen.p50_us),
                ms(|m| m.seen.p90_us),
                ms(|m| m.seen.p99_us),
                p99.iter().copied().fold(f64::INFINITY, f64::min) / 1e3,
                p99.iter().copied().fold(0.0, f64::max) / 1e3,
                ms(|m| m.seen.p999_us),
                median(each(|m| m.slow_share)) * 100.0,
                own.iter().map(|m| m.seen.errors).sum::<u64>(),
                own.iter().map(|m| m.seen.requests).sum::<u64>(),
                median(each(|m| m.core_share)) * 100.0,
            );
        }
        let Some(best) = self.best(work) else {
            return;
        };
        let wanted = match work.p99_max {
            Some(most) => format!("at most {most:.2} wanted"),
            None => "no bound".to_owned(),
        };
        let _ = writeln!(
            out,
            "\np99 of the best of ours ({}) to the best of the others (over all rounds {}; in each round whoever was best there): {:.2} ({:.2}–{:.2}), {wanted}.",
            best.ours.policy,
            best.theirs.name(),
            median(best.ratios.clone()),
            best.ratios.iter().copied().fold(f64::INFINITY, f64::min),
            best.ratios.iter().copied().fold(0.0, f64::max),
        );
    }

    /// Whoever answers with errors is not compared.
    pub(super) fn refuse_errors(&self) -> Result<(), Failure> {
        let wrong = |m: &&Measured| m.seen.errors > 0 || m.seen.requests == 0;
        match self.measured.iter().find(wrong) {
            None => Ok(()),
            Some(first) => Err(format!(
                "{} of {} measurements had errors and mean nothing; the first: {}: {}",
                self.measured.iter().filter(wrong).count(),
                self.measured.len(),
                first.line(),
                first.seen.first_error
            )),
        }
    }

    /// What is out of bounds.
    pub(super) fn judge(&self) -> Result<(), Failure> {
        for work in &self.works {
            let (Some(most), Some(best)) = (work.p99_max, self.best(work)) else {
                continue;
            };
            let ratio = median(best.ratios);
            if ratio > most {
                return Err(format!(
                    "out of bounds: {}: p99 with {} is {ratio:.2} of the best of the others ({}), at most {most:.2} wanted",
                    work.name,
                    best.ours.policy,
                    best.theirs.name()
                ));
            }
        }
        Ok(())
    }
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Puts the text into the results, in place of what stood there of an earlier run.
pub(super) fn write(text: &str) -> Result<PathBuf, Failure> {
    let mut date = Command::new("date");
    date.arg("+%F");
    let heading = format!("{HEADING}{}", steps::output(date)?.trim());
    let path = steps::root().join("bench/RESULTS.md");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let page = std::fs::read_to_string(&path).map_err(failed)?;
    let section = format!("{heading}\n\n{}\n", text.trim_end());
    std::fs::write(&path, with_section(&page, &section)).map_err(failed)?;
    Ok(path)
}

fn with_section(page: &str, section: &str) -> String {
    let Some(start) = page.find(HEADING) else {
        return format!("{}\n\n{section}", page.trim_end());
    };
    let rest = &page[start + HEADING.len()..];
    let end = ["\n## ", "\n# "]
        .iter()
        .filter_map(|next| rest.find(next))
        .min();
    match end {
        Some(end) => format!("{}{section}{}", &page[..start], &rest[end..]),
        None => format!("{}{section}", &page[..start]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_takes_the_place_of_the_old_one_and_of_nothing_else() {
        let section = |text: &str| format!("{HEADING}today\n\n{text}\n");
        let page = with_section("# A\n\nfirst\n\n## B\n\nsecond\n", &section("one"));
        assert!(page.starts_with("# A\n\nfirst\n\n## B\n\nsecond\n\n## One of eight"));
        let page = with_section(&format!("{page}\n## C\n\nthird\n"), &section("two"));
        assert!(
            page.contains("second") && page.contains("two") && page.contains("\n\n## C\n\nthird\n")
        );
        assert!(!page.contains("one\n"));
    }
}
