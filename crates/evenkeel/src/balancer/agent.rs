//! The agent inside the balancer: it reads facts of the services that the keeper holds for it, once a second, on a thread of
//! its own, because a file system may hang while it is asked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_agent::facts::{Reader, Subject};
use evenkeel_control::Input;
use evenkeel_core::settings::ServiceSpec;
use evenkeel_keeper::Limits;
use tokio::sync::mpsc;

/// Between two readings: a leak of 100 MB/s is seen before it has eaten much, and a reading takes a few ms.
const READ_EVERY: Duration = Duration::from_secs(1);

/// What runs as which process, as told by the keeper, and what is configured.
#[derive(Debug, Default)]
pub(crate) struct Board {
    running: Mutex<BTreeMap<String, Process>>,
    specs: Mutex<Vec<ServiceSpec>>,
    /// Between two readings, where it is not as usual.
    every: Mutex<Option<Duration>>,
}

#[derive(Clone, Debug)]
struct Process {
    pid: u32,
    limits: Limits,
}

impl Board {
    /// A service's program runs.
    pub(crate) fn started(&self, name: &str, pid: u32, limits: Limits) {
        let process = Process { pid, limits };
        lock(&self.running).insert(name.to_owned(), process);
    }

    /// A process of it ended; another one may run already.
    pub(crate) fn ended(&self, name: &str, pid: u32) {
        let mut running = lock(&self.running);
        if running.get(name).is_some_and(|process| process.pid == pid) {
            running.remove(name);
        }
    }

    /// Another configuration is in force.
    pub(crate) fn configure(&self, specs: &[ServiceSpec]) {
        *lock(&self.specs) = specs.to_vec();
    }

    /// Readings are so far apart from now on.
    pub(crate) fn read_every(&self, every: Duration) {
        *lock(&self.every) = Some(every);
    }

    fn subjects(&self) -> Vec<Subject> {
        let running = lock(&self.running).clone();
        let specs = lock(&self.specs);
        let one = |spec: &ServiceSpec| {
            let process = running.get(&*spec.name)?;
            let mut directories = vec![spec.directory.clone()];
            directories.extend(spec.care.disk_paths.iter().cloned());
            directories.extend(spec.care.data.as_ref().map(|data| data.directory.clone()));
            Some(Subject {
                name: spec.name.clone(),
                pid: process.pid,
                memory_max: spec.care.memory_max,
                cpu_max: spec.care.cpu_max.map(super::keeper::millicores),
                limits: process.limits.clone(),
                directories,
                release: spec.care.release.as_ref().map(|r| r.current.clone()),
            })
        };
        specs.iter().filter_map(one).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the reading; it ends with the process.
pub(crate) fn watch(
    board: Arc<Board>,
    state_dir: PathBuf,
    inputs: mpsc::Sender<Input>,
) -> std::io::Result<()> {
    let began = Instant::now();
    let mut reader = Reader::default();
    let read = move || {
        let own = [state_dir];
        loop {
            let facts = reader.read(&board.subjects(), &own, began.elapsed());
            // Facts are only of their moment: a control that is busy gets the next ones.
            let _ = inputs.try_send(Input::Facts(Arc::new(facts)));
            let every = *lock(&board.every);
            std::thread::sleep(every.unwrap_or(READ_EVERY));
        }
    };
    std::thread::Builder::new()
        .name("facts".into())
        .spawn(read)?;
    Ok(())
}
