//! Noticing that certificates, keys or authorities changed on the disk.
//!
//! A look asks the kernel for each file's identity, size and times (following links, so a folder of links that is turned as
//! a whole, as Kubernetes does, is seen too), and has read again what differs. Times are coarse: two writes within one
//! tick look the same, so what was changed a moment ago is read at the next look too. Whether the contents are others, and
//! good, is found by whoever reads them; what is not good leaves what is in use, and is told once.
//!
//! Looks touch the disk: they run where blocking is allowed, one at a time.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use evenkeel_core::time::WallTime;
use evenkeel_tls::{CertificateView, Change, Outcome, Problem};

use super::{Owner, Tls, What};

/// A file changed within this time before a look may change again without its times saying so: the kernel's tick is
/// 10 ms at most, network file systems keep whole seconds.
const YOUNG_MS: u64 = 2_000;

/// A certificate in use, or authorities alone, for status, metrics and warnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// `listener`, `pool`, `admin` or `agents`.
    pub(crate) kind: &'static str,
    /// The listener's or pool's.
    pub(crate) name: String,
    /// Its file.
    pub(crate) file: String,
    pub(crate) names: Vec<String>,
    pub(crate) issuer: String,
    /// Its first and last second, since 1970; `None` where a pool has authorities only.
    pub(crate) time: Option<(i64, i64)>,
    /// Why what is in the files now is not in use; empty = it is.
    pub(crate) problems: Vec<String>,
}

/// Something to be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is in use from the next handshake on.
    Replaced(String),
    /// It is not good, so what was in use stays.
    Kept(String),
}

/// What is known of a file without reading it; `None` = it is not there, or cannot be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(super) seen: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Watch {
    /// Has everything read again that changed since the last look.
    pub(crate) fn look(&mut self, tls: &Tls, now: WallTime) -> Vec<News> {
        let before = std::mem::take(&mut self.seen);
        let mut news = Vec::new();
        for owner in tls.owners() {
            let mut changed = false;
            for file in &owner.files {
                let stamp = std::fs::metadata(file).ok().as_ref().map(Stamp::of);
                changed |= before.get(*file) != Some(&stamp) || stamp.is_some_and(|s| s.young(now));
                self.seen.insert((*file).clone(), stamp);
            }
            if changed {
                news.extend(owner.refresh());
            }
        }
        news
    }
}

impl Stamp {
    pub(super) fn of(file: &Metadata) -> Stamp {
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    fn young(&self, now: WallTime) -> bool {
        let (seconds, nanos) = self.changed;
        let changed_ms = seconds
            .saturating_mul(1_000)
            .saturating_add(nanos / 1_000_000);
        let changed_ms = u64::try_from(changed_ms).unwrap_or(0);
        now.0.abs_diff(changed_ms) < YOUNG_MS
    }
}

impl Tls {
    /// Reads every file again, whatever its times say.
    pub(crate) fn refresh(&self) -> Vec<News> {
        self.owners().flat_map(|owner| owner.refresh()).collect()
    }

    /// Everything that status, metrics and warnings tell of.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        let owners = self.owners();
        let missing = self.missing.iter().cloned();
        let used = owners.flat_map(|owner| owner.certificates());
        used.chain(missing).collect()
    }
}

impl Owner<'_> {
    fn refresh(&self) -> Vec<News> {
        let changes: Vec<Change> = match &self.what {
            What::Server(server) => server.refresh(),
            What::Client(client, _) => client.refresh().into_iter().collect(),
        };
        changes
            .into_iter()
            .map(|change| self.news(change))
            .collect()
    }

    fn news(&self, change: Change) -> News {
        let whose = self.whose();
        let file = change.file.display();
        match change.outcome {
            Outcome::Replaced => News::Replaced(format!(
                "{whose}: {file} and what belongs to it was read again and is in use from the next handshake on"
            )),
            Outcome::Kept(problems) => News::Kept(format!(
                "{whose}: what changed on the disk cannot be used, so what was in use stays: {}",
                sentences(&problems).join("; ")
            )),
        }
    }

    fn whose(&self) -> String {
        match self.kind {
            kind @ ("admin" | "agents") => kind.into(),
            kind => format!("{kind} {}", self.name),
        }
    }

    fn certificates(&self) -> Vec<Certificate> {
        match &self.what {
            What::Server(server) => {
                let views = server.certificates().into_iter();
                views.map(|view| self.certificate(view)).collect()
            }
            What::Client(client, tls) => match client.certificates() {
                Some(view) => vec![self.certificate(view)],
                None => vec![Certificate {
                    kind: self.kind,
                    name: self.name.to_owned(),
                    file: match &tls.ca {
                        Some(ca) => ca.display().to_string(),
                        None => "the authorities this machine trusts".into(),
                    },
                    names: Vec::new(),
                    issuer: String::new(),
                    time: None,
                    problems: sentences(&client.problems()),
                }],
            },
        }
    }

    fn certificate(&self, view: CertificateView) -> Certificate {
        Certificate {
            kind: self.kind,
            name: self.name.to_owned(),
            file: view.certificate.display().to_string(),
            names: view.names,
            issuer: view.issuer,
            time: Some((view.not_before, view.not_after)),
            problems: sentences(&view.problems),
        }
    }
}

fn sentences(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}
