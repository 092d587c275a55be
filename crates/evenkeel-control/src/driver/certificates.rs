//! Certificates while they are in use: looked at every two seconds off the loop, told of when they change, when what
//! changed is not good, and when they end.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::time::{Time, WallTime};
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::CertificateStatus;

use super::{Driver, Report};
use crate::Tls;
use crate::api::Way;
use crate::tls::{Certificate, Expiry, Level, News, Watch, days_left, warning};

/// Between two looks: whoever renews a certificate expects it within seconds, and a look is one system call a file.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What the loop knows of certificates. It touches no file itself.
pub(super) struct Certificates {
    seen: Vec<Certificate>,
    expiry: Expiry,
    /// Away while a look is under way, so that there is one at a time.
    watch: Option<Watch>,
    next: Time,
}

/// What a look brings back.
pub(crate) struct Looked {
    tls: Arc<Tls>,
    /// All of it, where something was missing and is good now.
    mended: Option<Arc<Tls>>,
    watch: Watch,
    news: Vec<News>,
    certificates: Vec<Certificate>,
}

impl Certificates {
    pub(super) fn new(seen: Vec<Certificate>, at: Time) -> Certificates {
        Certificates {
            seen,
            expiry: Expiry::default(),
            watch: Some(Watch::default()),
            next: at,
        }
    }

    pub(super) fn next_look(&self) -> Time {
        match self.watch {
            Some(_) => self.next,
            None => Time::NEVER,
        }
    }

    pub(super) fn seen(&self) -> &[Certificate] {
        &self.seen
    }

    /// As status shows them.
    pub(super) fn status(&self, now: WallTime) -> Vec<CertificateStatus> {
        self.seen.iter().map(|c| status(c, now)).collect()
    }

    fn tell(&mut self, news: Vec<News>, now: WallTime) {
        for one in news {
            match one {
                News::Replaced(line) => tracing::info!(target: "evenkeel::certificate", "{line}"),
                News::Kept(line) => tracing::error!(target: "evenkeel::certificate", "{line}"),
            }
        }
        for (level, line) in self.expiry.due(&self.seen, now) {
            match level {
                Level::Soon => tracing::warn!(target: "evenkeel::certificate", "{line}"),
                Level::Over => tracing::error!(target: "evenkeel::certificate", "{line}"),
            }
        }
    }
}

impl Driver {
    /// Starts a look when it is time.
    pub(super) fn look_at_certificates(&mut self, at: Time) {
        if self.certificates.next > at {
            return;
        }
        if self.tls.is_empty() {
            self.certificates.next = at + LOOK_EVERY;
            return;
        }
        let Some(mut watch) = self.certificates.watch.take() else {
            return;
        };
        self.certificates.next = at + LOOK_EVERY;
        let (tls, reports) = (self.tls.clone(), self.reports.clone());
        let (text, file) = (self.config.text.clone(), self.file.clone());
        tokio::task::spawn_blocking(move || {
            let mended = tls
                .is_rescued()
                .then(|| Tls::parse(&text, &file, Some(&tls)));
            let mended = mended.and_then(Result::ok).map(|(_, tls)| Arc::new(tls));
            let current = mended.as_ref().unwrap_or(&tls);
            let news = watch.look(current, now().wall);
            let certificates = current.certificates();
            // A loop that ended wants no report.
            let _ = reports.blocking_send(Report::Looked(Looked {
                tls,
                mended,
                watch,
                news,
                certificates,
            }));
        });
    }

    pub(super) fn looked_at_certificates(&mut self, looked: Looked) {
        self.certificates.watch = Some(looked.watch);
        // A reload came in between: what it read is newer.
        if Arc::ptr_eq(&looked.tls, &self.tls) {
            self.certificates.seen = looked.certificates;
            if let Some(mended) = looked.mended {
                tracing::info!(target: "evenkeel::certificate", "every certificate that was missing is there and good");
                self.door.set(Way::of(&self.config.admin, &mended));
                self.tls = mended;
                self.hand_over();
            }
        }
        self.certificates.tell(looked.news, now().wall);
    }

    /// A reload has read them.
    pub(super) fn took_in_certificates(&mut self, seen: Vec<Certificate>, news: Vec<News>) {
        self.certificates.seen = seen;
        self.certificates.tell(news, now().wall);
    }
}

fn status(certificate: &Certificate, now: WallTime) -> CertificateStatus {
    let stamp = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Stamp(WallTime(seconds.saturating_mul(1_000)))
    };
    let time = certificate.time;
    CertificateStatus {
        used_by: certificate.kind.to_owned(),
        name: certificate.name.clone(),
        file: certificate.file.clone(),
        names: certificate.names.clone(),
        issuer: certificate.issuer.clone(),
        not_before: time.map(|(begin, _)| stamp(begin)),
        not_after: time.map(|(_, end)| stamp(end)),
        days_left: time.map(|(_, end)| days_left(end, now)),
        warning: time
            .and_then(|time| warning(time, now))
            .map(|(_, text)| text),
        problem: match certificate.problems.is_empty() {
            true => None,
            false => Some(certificate.problems.join("; ")),
        },
    }
}
