//! Facts of real processes.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use evenkeel_core::facts::{LimitWay, ProcessState, ServiceFacts};

use super::*;

/// A child that is killed and reaped whatever happens.
struct Real(Child);

impl Real {
    fn start(script: &str) -> Real {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Real(
            std::os::unix::process::CommandExt::process_group(&mut command, 0)
                .spawn()
                .unwrap(),
        )
    }

    fn subject(&self) -> Subject {
        Subject {
            release: None,
            name: "s".into(),
            pid: self.0.id(),
            memory_max: Some(1 << 20),
            cpu_max: None,
            limits: Limits::default(),
            directories: vec!["/tmp".into(), "/proc".into(), "/nowhere/at/all".into()],
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process_group(pid, signal).unwrap();
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> Option<ServiceFacts>) -> ServiceFacts {
    let began = Instant::now();
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_busy_service_is_seen_with_its_children() {
    let real = Real::start("while :; do :; done & while :; do :; done");
    let subjects = [real.subject()];
    let (began, mut reader) = (Instant::now(), Reader::default());
    let facts = until("it is busy", || {
        // As if long had passed, so that all processes are looked at again.
        let now = began.elapsed() * 50;
        let facts = reader.read(&subjects, &[], now).services.pop()?;
        (facts.processes == 2 && facts.cpu_millicores? > 0).then_some(facts)
    });
    assert_eq!(facts.pid, real.0.id());
    assert!(
        facts.memory_bytes > 100_000 && facts.threads == 2,
        "{facts:?}"
    );
    assert!(facts.descriptors.is_some_and(|n| n >= 3) && facts.descriptors_max >= Some(64));
    let limit = facts.memory_limit.unwrap();
    assert_eq!(limit.way, LimitWay::Watched);
    assert_eq!(facts.disks[0].path, PathBuf::from("/tmp"));
    assert!(facts.disks[0].bytes >= facts.disks[0].free_bytes);
}

#[test]
fn a_stopped_process_is_seen_to_be_stopped_and_a_dead_one_not_at_all() {
    let real = Real::start("exec sleep 1000");
    let subjects = [real.subject()];
    let mut reader = Reader::default();
    real.signal(rustix::process::Signal::STOP);
    until("it is stopped", || {
        let facts = reader.read(&subjects, &[], Duration::ZERO).services.pop()?;
        (facts.process == ProcessState::Stopped).then_some(facts)
    });
    let mut gone = subjects[0].clone();
    gone.pid = 4_194_999; // beyond what the kernel gives out
    assert!(
        reader
            .read(&[gone], &[], Duration::ZERO)
            .services
            .is_empty()
    );
}

#[test]
fn the_machine_is_read_and_what_is_unknown_is_none() {
    let mut reader = Reader::default();
    let first = reader.read(&[], &["/tmp".into()], Duration::ZERO).machine;
    assert!(first.cores >= 1 && first.cpu_millicores.is_none());
    assert!(first.memory_bytes.unwrap() > first.memory_available_bytes.unwrap());
    assert_eq!(first.disks.len(), 1);
    let second = reader.read(&[], &[], Duration::from_secs(1)).machine;
    assert!(second.cpu_millicores.is_some());
}
