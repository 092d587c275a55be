//! Recovery points inside the balancer: made when they are due, on a thread of their own, and restored when control asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel_agent::recovery::{Point, Points, restorable};
use evenkeel_agent::serve::{KnownPoints, ServicePoints};
use evenkeel_control::OldestPoints;
use evenkeel_core::recover::points::due;
use evenkeel_core::settings::{Data, ServiceSpec};
use evenkeel_core::time::WallTime;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{RecoveryAnswer, RecoveryPoint, RecoveryPoints, RecoveryProblem};

/// Between two looks at what is due: the shortest schedule is one a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// All that is known of recovery points.
#[derive(Debug)]
pub(crate) struct Recovery {
    points: Points,
    wanted: Mutex<BTreeMap<String, Data>>,
    shown: Mutex<Shown>,
    /// One more with each change of what is shown, made while that is locked; so whoever reads another number (relaxed) and then
    /// locks sees at least as much as it counts.
    version: AtomicU64,
    /// One at a time reads or writes points: making, pruning, verifying, restoring.
    work: Mutex<()>,
}

#[derive(Debug, Default)]
struct Shown {
    points: BTreeMap<String, Vec<Point>>,
    problems: BTreeMap<String, (WallTime, String)>,
}

impl Shown {
    fn services(&self) -> impl Iterator<Item = &String> {
        self.points.keys().chain(self.problems.keys())
    }
}

impl Recovery {
    /// Kept below the state directory.
    pub(crate) fn new(state_dir: &std::path::Path) -> Recovery {
        Recovery {
            points: Points::new(state_dir.join("recovery")),
            wanted: Mutex::default(),
            shown: Mutex::default(),
            version: AtomicU64::new(1),
            work: Mutex::default(),
        }
    }

    /// Another configuration is in force.
    pub(crate) fn configure(&self, specs: &[ServiceSpec]) {
        let data = |spec: &ServiceSpec| Some((spec.name.to_string(), spec.care.data.clone()?));
        *lock(&self.wanted) = specs.iter().filter_map(data).collect();
    }

    /// As the admin API shows them.
    pub(crate) fn list(&self) -> RecoveryPoints {
        let shown = lock(&self.shown);
        RecoveryPoints {
            recovery_points: shown.points.values().flatten().map(status).collect(),
            problems: shown.problems.iter().map(problem).collect(),
            older: Vec::new(),
        }
    }

    /// All of it, unless it is of this version.
    pub(crate) fn known(&self, version: u64) -> Option<KnownPoints> {
        if self.version.load(Relaxed) == version {
            return None;
        }
        let shown = lock(&self.shown);
        let service = |(name, points): (&String, &Vec<Point>)| {
            let its = ServicePoints {
                points: points.iter().map(status).collect(),
                problem: shown.problems.get_key_value(name).map(problem),
            };
            (name.clone(), its)
        };
        Some(KnownPoints {
            version: self.version.load(Relaxed),
            services: shown.points.iter().map(service).collect(),
        })
    }

    /// Reads a point back.
    pub(crate) fn verify(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        let _work = lock(&self.work);
        self.points
            .verify(service, id)
            .map(|point| answer(&point, None))
    }

    /// Puts a point in the place of the service's data.
    pub(crate) fn restore(&self, service: &str, id: &str) -> Result<RecoveryAnswer, String> {
        let _work = lock(&self.work);
        let data = lock(&self.wanted).get(service).cloned();
        let data = data.ok_or_else(|| {
            format!("service {service} has no data in the configuration any more")
        })?;
        let restored = self.points.restore(service, id, &data.directory, now().0)?;
        for warning in &restored.warnings {
            tracing::error!(target: "evenkeel::recovery", service, "{service}: {warning}");
        }
        Ok(answer(&restored.point, restored.kept_aside))
    }

    fn look(&self) {
        let wanted = lock(&self.wanted).clone();
        for (service, data) in &wanted {
            let _work = lock(&self.work);
            if !lock(&self.shown).points.contains_key(service) {
                for found in Points::finish_restoration(&data.directory) {
                    tracing::error!(target: "evenkeel::recovery", service, "{service}: {found}");
                }
                for found in self.points.misnamed(service) {
                    tracing::warn!(target: "evenkeel::recovery", service, "{service}: {found}");
                }
            }
            let newest = self.refresh(service).map(|point| WallTime(point.made_ms));
            let failed = lock(&self.shown).problems.get(service).map(|(at, _)| *at);
            if due(newest, failed, data.every) <= now() {
                self.make(service, data);
            }
        }
        let gone = |service: &String| !wanted.contains_key(service);
        if lock(&self.shown).services().any(gone) {
            self.change(|shown| {
                shown.points.retain(|service, _| !gone(service));
                shown.problems.retain(|service, _| !gone(service));
            });
        }
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let mut shown = lock(&self.shown);
        change(&mut shown);
        self.version.fetch_add(1, Relaxed);
    }

    /// The newest, once all are known: a folder of points is read once, then only when something was made.
    fn refresh(&self, service: &str) -> Option<Point> {
        let known = lock(&self.shown).points.contains_key(service);
        if !known {
            let list = self.points.list(service);
            self.change(|shown| drop(shown.points.insert(service.to_owned(), list)));
        }
        lock(&self.shown).points.get(service)?.first().cloned()
    }

    fn make(&self, service: &str, data: &Data) {
        let at = now();
        match self.points.make(service, &data.directory, at.0) {
            Ok(point) => {
                let id = &point.id;
                tracing::info!(target: "evenkeel::recovery", service, "{service}: recovery point {id} made and read back: {} files, {} KiB", point.files, point.bytes / 1024);
                let keep = usize::try_from(data.keep).unwrap_or(usize::MAX);
                self.points.prune(service, keep);
                // One exchange: nobody who looks meanwhile finds none.
                let list = self.points.list(service);
                self.change(|shown| drop(shown.points.insert(service.to_owned(), list)));
                match restorable(&data.directory) {
                    Ok(()) => self.change(|shown| drop(shown.problems.remove(service))),
                    Err(why) => self.trouble(
                        service,
                        at,
                        why,
                        "recovery points can only be copied by hand",
                    ),
                }
            }
            Err(why) => self.trouble(service, at, why, "no recovery point made"),
        }
    }

    fn trouble(&self, service: &str, at: WallTime, why: String, what: &str) {
        let before = lock(&self.shown).problems.get(service).cloned();
        // The same again is no news.
        if before.is_none_or(|(_, said)| said != why) {
            tracing::warn!(target: "evenkeel::recovery", service, "{service}: {what}: {why}");
        }
        self.change(|shown| drop(shown.problems.insert(service.to_owned(), (at, why))));
    }

    /// When the oldest point that can be restored was made, by service; those that were not looked at yet are not in it.
    pub(crate) fn oldest(&self, version: u64) -> Option<(u64, OldestPoints)> {
        if self.version.load(Relaxed) == version {
            return None;
        }
        let wanted = lock(&self.wanted).clone();
        let shown = lock(&self.shown);
        let oldest = |(name, points): (&String, &Vec<Point>)| {
            let data = wanted.get(name)?;
            let restorable = restorable(&data.directory).is_ok();
            let made = points.iter().map(|point| WallTime(point.made_ms));
            let oldest = made.min().filter(|_| restorable);
            Some((Arc::<str>::from(name.as_str()), oldest))
        };
        let all = shown.points.iter().filter_map(oldest).collect();
        Some((self.version.load(Relaxed), all))
    }
}

/// Starts making them; it ends with the process, and what it was making then is taken away by the next one.
pub(crate) fn keep(recovery: Arc<Recovery>) -> std::io::Result<()> {
    let keep = move || {
        loop {
            recovery.look();
            std::thread::sleep(LOOK_EVERY);
        }
    };
    std::thread::Builder::new()
        .name("recovery".into())
        .spawn(keep)?;
    Ok(())
}

fn status(point: &Point) -> RecoveryPoint {
    RecoveryPoint {
        service: point.service.clone(),
        id: point.id.clone(),
        made: Stamp(WallTime(point.made_ms)),
        directory: point.source.display().to_string(),
        bytes: point.bytes,
        files: point.files,
        left_out: point.left_out.clone(),
        as_of: None,
    }
}

fn problem((service, (at, why)): (&String, &(WallTime, String))) -> RecoveryProblem {
    RecoveryProblem {
        service: service.clone(),
        at: Stamp(*at),
        why: why.clone(),
    }
}

fn answer(point: &Point, kept_aside: Option<PathBuf>) -> RecoveryAnswer {
    RecoveryAnswer {
        service: point.service.clone(),
        id: point.id.clone(),
        kept_aside: kept_aside.map(|path| path.display().to_string()),
    }
}

/// The moment so long before this one.
pub(crate) fn ago(time: Duration) -> WallTime {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    WallTime(now().0.saturating_sub(ms))
}

fn now() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
