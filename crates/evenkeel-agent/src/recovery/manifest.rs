//! A point's manifest: a line about the point, a line for each thing in it, and the digest of those lines. Lines, so that a list
//! of points need not read the whole of each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::copy::{ENTRIES_MAX, hex};
use crate::files::odd;

/// Longer lines no manifest has.
const LINE_MAX: u64 = 64 * 1024;

/// A recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Whose data.
    pub service: String,
    /// Its name.
    pub id: String,
    /// When it was made, milliseconds since 1970.
    pub made_ms: u64,
    /// What it is a copy of.
    pub source: PathBuf,
    /// In its files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Sockets and devices that were left out.
    pub left_out: Vec<String>,
}

/// One thing in a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified_s: i64,
    pub(crate) modified_ns: u64,
    pub(crate) bytes: u64,
    /// Of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// Of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

/// All of it.
pub(super) struct Manifest {
    pub(super) point: Point,
    pub(super) items: Vec<Item>,
}

impl Manifest {
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create_new(folder.join("manifest"))?);
        let mut digest = Context::new(&SHA256);
        let mut line = |mut bytes: Vec<u8>| {
            bytes.push(b'\n');
            digest.update(&bytes);
            out.write_all(&bytes)
        };
        line(serde_json::to_vec(&self.point)?)?;
        for item in &self.items {
            line(serde_json::to_vec(item)?)?;
        }
        writeln!(out, "{}", hex(digest.finish().as_ref()))?;
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }

    /// Only its first line.
    pub(super) fn head(folder: &Path) -> io::Result<Point> {
        let mut lines = BufReader::new(File::open(folder.join("manifest"))?);
        Ok(serde_json::from_str(&line(&mut lines)?)?)
    }

    pub(super) fn read(folder: &Path) -> io::Result<Manifest> {
        let mut lines = BufReader::new(File::open(folder.join("manifest"))?);
        let mut digest = Context::new(&SHA256);
        let first = line(&mut lines)?;
        digest.update(first.as_bytes());
        let point = serde_json::from_str(&first)?;
        let mut items = Vec::new();
        while items.len() <= ENTRIES_MAX {
            let next = line(&mut lines)?;
            if !next.starts_with('{') {
                let good = next.trim_end() == hex(digest.finish().as_ref());
                let wrong = || odd("its manifest is damaged: its digest is another one");
                return good.then_some(Manifest { point, items }).ok_or_else(wrong);
            }
            digest.update(next.as_bytes());
            items.push(serde_json::from_str(&next)?);
        }
        Err(odd("its manifest has no end"))
    }
}

fn line(lines: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    let length = lines.take(LINE_MAX).read_line(&mut line)?;
    match length > 0 && line.ends_with('\n') {
        true => Ok(line),
        false => Err(odd("its manifest is cut short")),
    }
}

/// `20260101T000000Z`, the Gregorian calendar by Howard Hinnant's `civil_from_days`.
pub(super) fn stamp(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
