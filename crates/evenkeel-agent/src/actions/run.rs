//! `run`: one of the service's `commands`, by its name: program and arguments as the operator wrote them, no shell, nothing added.
//! It gets a process group of its own, a time limit and no input; of its output the first few kilobytes are kept.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use evenkeel_core::settings::ServiceSpec;

/// An operator's command that takes longer is a job, not an action.
const WITHIN: Duration = Duration::from_secs(60);
/// As much of its output is told.
const OUTPUT_MAX: u64 = 4096;
/// Between two looks at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For what is still in its pipes once it is gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

type Pipe = Box<dyn Read + Send>;

pub(super) fn run(spec: &ServiceSpec, command: Option<&str>) -> Result<String, String> {
    run_within(spec, command, WITHIN)
}

pub(super) fn run_within(
    spec: &ServiceSpec,
    command: Option<&str>,
    within: Duration,
) -> Result<String, String> {
    let (wanted, words) = find(spec, command)?;
    let (program, args) = words.split_first().ok_or("the command is empty")?;
    let mut child = Command::new(program)
        .args(args)
        .current_dir(&spec.directory)
        .envs(spec.environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| format!("{wanted}: {program} can't be executed: {e}"))?;
    let heard = listen(&mut child);
    let ended = wait(&mut child, within);
    let group = rustix::process::Pid::from_child(&child);
    // What it left in its group ends with it.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let _ = child.wait();
    let mut output = Vec::new();
    while let Ok(text) = heard.recv_timeout(LAST_WORDS) {
        output.extend(text);
    }
    let output = String::from_utf8_lossy(&output).trim().to_owned();
    let output = match output.is_empty() {
        true => String::new(),
        false => format!(": {output}"),
    };
    match ended {
        Some(status) if status.success() => Ok(format!("{wanted} is done{output}")),
        Some(status) => Err(format!("{wanted} failed, {status}{output}")),
        None => Err(format!(
            "{wanted} did not end within {} s and was killed{output}",
            within.as_secs()
        )),
    }
}

fn find<'s>(
    spec: &'s ServiceSpec,
    command: Option<&'s str>,
) -> Result<(&'s str, &'s [String]), String> {
    let all = &spec.care.commands;
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let known = match names.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", names.join(", ")),
    };
    let Some(wanted) = command else {
        return Err(format!("which of the service's commands? {known}"));
    };
    match all.iter().find(|(name, _)| name == wanted) {
        Some((_, words)) => Ok((wanted, words)),
        None => Err(format!("the service has no command {wanted:?}: {known}")),
    }
}

/// Reads both of its outputs on threads that end with them.
fn listen(child: &mut Child) -> Receiver<Vec<u8>> {
    let (said, heard) = channel();
    let out = child.stdout.take().map(|out| Box::new(out) as Pipe);
    let err = child.stderr.take().map(|err| Box::new(err) as Pipe);
    for mut pipe in [out, err].into_iter().flatten() {
        let said = said.clone();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = (&mut pipe).take(OUTPUT_MAX).read_to_end(&mut text);
            let _ = said.send(text);
            // The rest is read and dropped: a command whose pipe is full would stand still.
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        });
    }
    heard
}

/// How it ended; `None` if it did not in time.
fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if began.elapsed() < within => std::thread::sleep(LOOK_EVERY),
            _ => return None,
        }
    }
}
