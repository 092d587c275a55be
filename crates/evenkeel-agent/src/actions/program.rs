//! Running a program of the operator's to its end: no shell, nothing added to what the operator wrote, a process group of its own that
//! ends with it, a time limit, and of its output the beginning, as one line of text: it goes into the log and to terminals, where
//! nothing of it may begin a line or move a cursor.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// As much of each of its outputs is kept, bytes.
const OUTPUT_MAX: u64 = 4096;
/// As much of both is told, characters as they are shown: some lines, of which the first say most.
const TOLD_MAX: usize = 1000;
/// Between two looks at whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For what is still in its pipes once it is gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

type Pipe = Box<dyn Read + Send>;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// What it is called in what is said of it.
    pub name: &'a str,
    /// Its file, then its arguments.
    pub words: &'a [String],
    /// Where; `None`: where this process is.
    pub directory: Option<&'a Path>,
    /// Variables beside those in `inherited`.
    pub environment: Vec<(&'a OsStr, &'a OsStr)>,
    /// Of this process's own variables it gets these; `None`: all.
    pub inherited: Option<&'a [&'a str]>,
    /// Its standard input.
    pub input: &'a [u8],
    /// After this it is killed.
    pub within: Duration,
}

impl Program<'_> {
    /// Runs it and waits.
    ///
    /// # Errors
    /// For a person: it cannot be started, it failed, or it took too long.
    pub fn run(&self) -> Result<String, String> {
        let wanted = self.name;
        let mut child = self.start()?;
        let heard = listen(&mut child);
        self.feed(&mut child);
        let ended = wait(&mut child, self.within);
        let group = rustix::process::Pid::from_child(&child);
        // What it left in its group ends with it.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait();
        let mut output = Vec::new();
        while let Ok(text) = heard.recv_timeout(LAST_WORDS) {
            output.extend(text);
        }
        let output = one_line(&output);
        let output = match output.is_empty() {
            true => String::new(),
            false => format!(": {output}"),
        };
        match ended {
            Some(status) if status.success() => Ok(format!("{wanted} is done{output}")),
            Some(status) => Err(format!("{wanted} failed, {status}{output}")),
            None => Err(format!(
                "{wanted} did not end within {} s and was killed{output}",
                self.within.as_secs()
            )),
        }
    }

    fn start(&self) -> Result<Child, String> {
        let (program, args) = self.words.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(program);
        command.args(args);
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        if let Some(inherited) = self.inherited {
            let own = inherited
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?)));
            command.env_clear().envs(own);
        }
        let input = match self.input.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        };
        command
            .envs(self.environment.iter().copied())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| format!("{}: {program} can't be executed: {e}", self.name))
    }

    /// On a thread that ends with the program, which need not read it.
    fn feed(&self, child: &mut Child) {
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.input.to_owned();
            std::thread::spawn(move || {
                let _ = pipe.write_all(&input);
            });
        }
    }
}

/// What a program said, in one line of bounded length: what is no plain text is shown by its escape (`\n`, `\u{1b}`).
fn one_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut line = String::new();
    let mut left = TOLD_MAX;
    for c in text.trim().chars() {
        let shown = match c {
            '\'' | '"' | '\\' => c.to_string(),
            _ => c.escape_debug().to_string(),
        };
        let length = shown.chars().count();
        if length > left {
            line.push_str(" …");
            break;
        }
        left -= length;
        line.push_str(&shown);
    }
    line
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
