//! What this program is when it is not the tests.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_keeper::{FromKeeper, Link, Settings, ToKeeper, wire};

/// `__keeper CONTROL`: the keeper of a puppet that connects to the test's socket CONTROL.
pub(crate) fn keeper(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut first_args = vec![OsString::from("__child")];
    first_args.extend(args);
    let mut replacement_args = first_args.clone();
    replacement_args.push("again".into());
    evenkeel_keeper::run(Settings {
        program: "/proc/self/exe".into(),
        first_args,
        replacement_args,
        environment: vec![("PUPPET".into(), "yes".into())],
        trampoline: vec!["__exec".into()],
        log_format: evenkeel_keeper::LogFormat::Text,
        called: "balancer",
    })
}

/// `__child CONTROL [again]`: tells the test all it hears, does what the test says, and says by itself only that it lives.
pub(crate) fn child(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.collect();
    if args[0] == "exit" {
        return ExitCode::from(args[1].to_str().unwrap().parse::<u8>().unwrap());
    }
    let link = Link::from_stdin().expect("a puppet is started by a keeper");
    let control = UnixStream::connect(&args[0]).expect("the test listens");
    let report = Arc::new(Mutex::new(control.try_clone().unwrap()));
    let again = args.get(1).is_some();
    assert_eq!(std::env::var("PUPPET").as_deref(), Ok("yes"));
    say(&report, &format!("pid {} {again}", std::process::id()));
    link.send(&ToKeeper::Hello {
        pid: std::process::id(),
    })
    .unwrap();
    let orders = link.clone();
    std::thread::spawn(move || obey(&orders, control));
    let alive = link.clone();
    std::thread::spawn(move || {
        while alive.alive().is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    loop {
        let Ok(received) = link.recv() else {
            return ExitCode::from(9);
        };
        let bytes = wire::encode_from_keeper(&received.message).unwrap();
        say(
            &report,
            &format!("heard {} {}", hex(&bytes), received.descriptors.len()),
        );
        match received.message {
            FromKeeper::Opened { .. } => received.descriptors.into_iter().for_each(serve),
            FromKeeper::Held { .. } => received.descriptors.into_iter().for_each(std::mem::forget),
            FromKeeper::AdoptionDone { .. } if again => link.send(&ToKeeper::Ready).unwrap(),
            _ => {}
        }
    }
}

fn say(report: &Mutex<UnixStream>, line: &str) {
    report
        .lock()
        .unwrap()
        .write_all(format!("{line}\n").as_bytes())
        .expect("the test listens");
}

/// Answers every connection with this process's pid.
fn serve(socket: OwnedFd) {
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(false).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(std::process::id().to_string().as_bytes());
        }
    });
}

/// What the test orders: `packet HEX` sends these bytes to the keeper, `hold NAME FILE` gives it a descriptor, `exit CODE`,
/// `packet_with_descriptor HEX`.
fn obey(link: &Link, control: UnixStream) {
    static ENDING: AtomicBool = AtomicBool::new(false);
    for line in BufReader::new(control).lines() {
        let Ok(line) = line else { break };
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["packet", bytes] => {
                // The keeper may have had enough of this process already.
                let _ = rustix::net::send(
                    link.as_fd(),
                    &unhex(bytes),
                    rustix::net::SendFlags::NOSIGNAL,
                );
            }
            ["hold", name, file] => link.hold(name, std::fs::File::open(file).unwrap()).unwrap(),
            ["hold_locked", name, file] => {
                let file = std::fs::File::open(file).unwrap();
                file.try_lock().unwrap();
                link.hold(name, &file).unwrap();
            }
            ["exit", code] => {
                ENDING.store(true, Ordering::SeqCst);
                std::process::exit(code.parse().unwrap());
            }
            _ => panic!("the test said {line}"),
        }
    }
    // The test is gone.
    if !ENDING.load(Ordering::SeqCst) {
        std::process::exit(8);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// `__service KIND …`: sleeps, prints, or makes children.
#[allow(clippy::zombie_processes)] // a daemon is nobody's child: that is what it is for
pub(crate) fn service(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args.map(|arg| arg.into_string().unwrap()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["sleep"] => sleep(),
        ["exit", code] => ExitCode::from(code.parse::<u8>().unwrap()),
        ["print", out, err] => {
            println!("{out}");
            eprintln!("{err}");
            print!("{out} without end");
            let _ = std::io::stdout().flush();
            sleep()
        }
        ["flood"] => {
            let block = [b'x'; 63]
                .into_iter()
                .chain([b'\n'])
                .collect::<Vec<u8>>()
                .repeat(1024);
            while std::io::stdout().write_all(&block).is_ok() {}
            ExitCode::FAILURE
        }
        // A helper in its own group, and a daemon that left the session and lost its parent.
        ["family", pids] => {
            let me = std::env::current_exe().unwrap();
            let helper = Command::new(&me)
                .args(["__service", "sleep"])
                .spawn()
                .unwrap()
                .id();
            let daemon = Command::new(&me)
                .args(["__service", "daemon", pids])
                .process_group(0)
                .spawn()
                .unwrap()
                .wait();
            assert!(daemon.unwrap().success());
            let daemon = std::fs::read_to_string(format!("{pids}.daemon")).unwrap();
            std::fs::write(format!("{pids}.new"), format!("{helper} {daemon}")).unwrap();
            std::fs::rename(format!("{pids}.new"), pids).unwrap();
            sleep()
        }
        ["daemon", pids] => {
            let me = std::env::current_exe().unwrap();
            let daemon = Command::new(me)
                .args(["__service", "setsid"])
                .spawn()
                .unwrap();
            std::fs::write(format!("{pids}.daemon"), daemon.id().to_string()).unwrap();
            ExitCode::SUCCESS
        }
        // A daemon that does not care to be asked, with a child that does not either.
        ["stubborn", pids] => {
            let script = format!(
                "trap '' TERM; sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"
            );
            Command::new("setsid")
                .args(["--fork", "sh", "-c", &script])
                .spawn()
                .unwrap()
                .wait()
                .unwrap();
            sleep()
        }
        ["setsid"] => {
            rustix::process::setsid().unwrap();
            sleep()
        }
        // Says what it was given.
        ["facts", file] => {
            let facts = format!(
                "{} {} {} {} {}",
                std::env::current_dir().unwrap().display(),
                std::env::var("FACT").unwrap_or_default(),
                rustix::process::geteuid().as_raw(),
                rustix::process::getpgrp()
                    .as_raw_nonzero()
                    .get()
                    .unsigned_abs()
                    == std::process::id(),
                std::fs::read_link("/proc/self/fd/0").unwrap().display(),
            );
            std::fs::write(format!("{file}.new"), facts).unwrap();
            std::fs::rename(format!("{file}.new"), file).unwrap();
            sleep()
        }
        _ => panic!("no such service: {args:?}"),
    }
}

fn sleep() -> ! {
    loop {
        std::thread::park();
    }
}
