//! What an agent tells of a service's recovery points: what there is to go back to, newest first, and why the last one could not be
//! made. As much as fits: a balancer lists them for people, and the newest are what people go back to.

use std::collections::BTreeSet;

use evenkeel_core::time::WallTime;
use serde::{Deserialize, Serialize};

use super::message::{name, printable, within};
use crate::admin::{RecoveryPoint, RecoveryProblem};
use crate::stamp::Stamp;
use crate::text::is_name;

/// All points that one agent tells of, as JSON: a quarter of the longest message, so that they and all its services fit in one.
pub const POINTS_BYTES_MAX: usize = 256 * 1024;
/// Points of a service, as `data.keep` allows.
const POINTS_MAX: usize = 1000;
/// Names of what was left out of a point, and the bytes of each; the rest is a number.
const LEFT_OUT_MAX: usize = 16;
const LEFT_OUT_BYTES_MAX: usize = 256;
/// A path.
const PATH_MAX: usize = 4096;
/// Why one could not be made: a sentence, and half of what the service may tell at most.
const WHY_MAX: usize = 1024;
/// The end of the year 9999, in milliseconds since 1970.
const TIME_MAX: u64 = 253_402_300_799_999;

/// All that is told of a service's points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsReport {
    /// Newest first.
    pub points: Vec<PointReport>,
    /// So many more there are, older ones that did not fit.
    #[serde(default)]
    pub older: u64,
    /// Why the last one could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<PointsProblem>,
}

/// One point. Times and paths are of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointReport {
    /// Its name among the service's.
    pub id: String,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
    /// What it is a copy of.
    pub directory: String,
    /// In its files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Sockets and devices that were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// And so many more.
    #[serde(default)]
    pub left_out_more: u64,
}

/// The last one could not be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsProblem {
    /// When it was tried, milliseconds since 1970.
    pub at_ms: u64,
    /// For people.
    pub why: String,
}

impl PointsReport {
    /// Of these points, the newest first, as many as fit into so many bytes.
    pub fn new(
        points: &[RecoveryPoint],
        problem: Option<&RecoveryProblem>,
        bytes_max: usize,
    ) -> PointsReport {
        let problem = problem.map(|problem| PointsProblem {
            at_ms: problem.at.0.0.min(TIME_MAX),
            why: cut(&problem.why, WHY_MAX.min(bytes_max / 4)),
        });
        let mut report = PointsReport {
            points: Vec::new(),
            older: 0,
            problem,
        };
        let mut room = bytes_max.saturating_sub(report.weight());
        // A folder somebody made by hand may have any name; no order could name it.
        let known = |point: &&RecoveryPoint| is_name(&point.id) && point.made.0.0 <= TIME_MAX;
        for point in points.iter().filter(known).map(PointReport::new) {
            let bytes = point.weight();
            if report.older > 0 || bytes > room || report.points.len() >= POINTS_MAX {
                report.older += 1;
            } else {
                room -= bytes;
                report.points.push(point);
            }
        }
        report
    }

    /// Its bytes as JSON, or a few less.
    pub fn weight(&self) -> usize {
        let problem = self.problem.as_ref().map_or(0, |p| 2 * p.why.len());
        let points = self.points.iter().map(PointReport::weight);
        points.sum::<usize>() + problem
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.points.len() > POINTS_MAX {
            return Err(format!("found {} recovery points", self.points.len()));
        }
        let mut seen = BTreeSet::new();
        for point in &self.points {
            point.validate()?;
            if !seen.insert(&point.id) {
                return Err(format!("found recovery point {:?} twice", point.id));
            }
        }
        if let Some(problem) = &self.problem {
            time(problem.at_ms)?;
            within("why", &problem.why, WHY_MAX)?;
        }
        Ok(())
    }

    /// As the admin API shows them. `service` is what endpoints name; `as_of` when it was so, if it may be otherwise now.
    pub fn points(
        &self,
        service: &str,
        as_of: Option<Stamp>,
    ) -> impl Iterator<Item = RecoveryPoint> {
        self.points.iter().map(move |point| RecoveryPoint {
            service: service.to_owned(),
            id: point.id.clone(),
            made: stamp(point.made_ms),
            directory: printable(&point.directory),
            bytes: point.bytes,
            files: point.files,
            left_out: point.left_out(),
            as_of,
        })
    }

    /// As the admin API shows it.
    pub fn problem(&self, service: &str) -> Option<RecoveryProblem> {
        self.problem.as_ref().map(|problem| RecoveryProblem {
            service: service.to_owned(),
            at: stamp(problem.at_ms),
            why: printable(&problem.why),
        })
    }
}

impl PointReport {
    fn new(point: &RecoveryPoint) -> PointReport {
        let left_out = point.left_out.iter().take(LEFT_OUT_MAX);
        PointReport {
            id: point.id.clone(),
            made_ms: point.made.0.0,
            directory: cut(&point.directory, PATH_MAX),
            bytes: point.bytes,
            files: point.files,
            left_out: left_out.map(|name| cut(name, LEFT_OUT_BYTES_MAX)).collect(),
            left_out_more: point.left_out.len().saturating_sub(LEFT_OUT_MAX) as u64,
        }
    }

    /// Numbers and the names of the fields are less than this; text that JSON must escape is twice as long.
    fn weight(&self) -> usize {
        const FIXED: usize = 200;
        let left_out = self.left_out.iter().map(|name| 2 * name.len() + 3);
        FIXED + self.id.len() + 2 * self.directory.len() + left_out.sum::<usize>()
    }

    fn validate(&self) -> Result<(), String> {
        name("recovery point", &self.id)?;
        time(self.made_ms)?;
        within("a path", &self.directory, PATH_MAX)?;
        if self.left_out.len() > LEFT_OUT_MAX {
            return Err(format!("found {} names left out", self.left_out.len()));
        }
        let mut names = self.left_out.iter();
        names.try_for_each(|name| within("what is left out", name, LEFT_OUT_BYTES_MAX))
    }

    fn left_out(&self) -> Vec<String> {
        let names = self.left_out.iter().map(|name| printable(name));
        let more = (self.left_out_more > 0).then(|| format!("and {} more", self.left_out_more));
        names.chain(more).collect()
    }
}

fn time(ms: u64) -> Result<(), String> {
    match ms <= TIME_MAX {
        true => Ok(()),
        false => Err(format!(
            "found {ms} ms since 1970, wanted a time before the year 10000"
        )),
    }
}

fn stamp(ms: u64) -> Stamp {
    Stamp(WallTime(ms))
}

/// At most so many bytes of it, and nothing that JSON would have to spell out.
fn cut(text: &str, max: usize) -> String {
    let mut text = printable(text);
    text.truncate(text.floor_char_boundary(max));
    text
}
