//! One keeper under test, and the strings its puppet hangs on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_keeper::{Address, FromKeeper, Start, ToKeeper, wire};
use rustix::process::{Pid, Signal};

use crate::roles::{hex, unhex};

/// Far longer than anything here takes, even on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) keeper: Child,
    pub(crate) said: Arc<Mutex<String>>,
    listener: UnixListener,
}

/// The running child, as the test leads it.
pub(crate) struct Puppet {
    pub(crate) pid: u32,
    /// Started with the arguments for a replacement.
    pub(crate) again: bool,
    control: UnixStream,
    lines: BufReader<UnixStream>,
    heard: Vec<(FromKeeper, usize)>,
}

/// Waits until something holds.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

pub(crate) fn kill(number: u32, signal: Signal) {
    rustix::process::kill_process(pid(number), signal).unwrap();
}

/// Neither running nor a zombie that somebody still has to reap.
pub(crate) fn is_gone(number: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{number}/stat")) {
        Err(_) => true,
        Ok(stat) => stat[stat.rfind(')').unwrap()..].starts_with(") Z"),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::started_by(&mut Command::new(std::env::current_exe().unwrap()))
    }

    /// A keeper that `launcher` becomes, with these last arguments added.
    pub(crate) fn started_by(launcher: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("control");
        let listener = UnixListener::bind(&control).unwrap();
        let mut keeper = launcher
            .arg("__keeper")
            .arg(&control)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (mut stderr, copy) = (keeper.stderr.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                copy.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Self {
            folder,
            keeper,
            said,
            listener,
        }
    }

    /// A keeper whose first child serves already.
    pub(crate) fn ready() -> (Self, Puppet) {
        let world = Self::new();
        let puppet = world.first_served();
        (world, puppet)
    }

    /// Its first child, once it serves.
    pub(crate) fn first_served(&self) -> Puppet {
        let mut puppet = self.puppet();
        puppet.wait_adopted();
        puppet.send(&ToKeeper::Ready);
        puppet
    }

    /// The next child to connect.
    pub(crate) fn puppet(&self) -> Puppet {
        let timeout = rustix::event::Timespec::try_from(PATIENCE).unwrap();
        let mut wait = [rustix::event::PollFd::new(
            &self.listener,
            rustix::event::PollFlags::IN,
        )];
        let came = rustix::event::poll(&mut wait, Some(&timeout)).unwrap();
        assert_eq!(
            came,
            1,
            "no child came; the keeper said: {}",
            self.said.lock().unwrap()
        );
        let (control, _) = self.listener.accept().unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut puppet = Puppet {
            pid: 0,
            again: false,
            lines: BufReader::new(control.try_clone().unwrap()),
            control,
            heard: Vec::new(),
        };
        let line = puppet.line();
        let words: Vec<_> = line.split(' ').collect();
        (puppet.pid, puppet.again) = (words[1].parse().unwrap(), words[2] == "true");
        puppet
    }

    pub(crate) fn wait_said(&self, text: &str) {
        until(&format!("the keeper said {text:?}"), || {
            self.said.lock().unwrap().contains(text).then_some(())
        });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.keeper.id(), signal);
    }

    pub(crate) fn wait_end(&mut self) -> ExitStatus {
        let keeper = &mut self.keeper;
        until("the keeper ended", || keeper.try_wait().unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the keeper said:\n{}",
                self.said
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
            );
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Puppet {
    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self
            .lines
            .read_line(&mut line)
            .expect("the puppet speaks in time");
        assert!(length > 0, "the puppet is gone");
        line.trim_end().to_owned()
    }

    fn hear(&mut self) -> (FromKeeper, usize) {
        let line = self.line();
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[0], "heard", "{line}");
        (
            wire::decode_from_keeper(&unhex(words[1])).unwrap(),
            words[2].parse().unwrap(),
        )
    }

    /// The first message that fits, among those not yet expected; others wait for their turn.
    pub(crate) fn expect<T>(&mut self, fits: impl Fn(&FromKeeper, usize) -> Option<T>) -> T {
        let mut at = 0;
        loop {
            if at == self.heard.len() {
                let heard = self.hear();
                self.heard.push(heard);
            }
            let (message, descriptors) = &self.heard[at];
            if let Some(found) = fits(message, *descriptors) {
                self.heard.remove(at);
                return found;
            }
            at += 1;
        }
    }

    /// Everything handed over, up to and without its end.
    pub(crate) fn wait_adopted(&mut self) -> Vec<FromKeeper> {
        let mut all = Vec::new();
        loop {
            match self.hear().0 {
                FromKeeper::AdoptionDone { .. } => return all,
                message => all.push(message),
            }
        }
    }

    fn order(&mut self, order: &str) {
        self.control
            .write_all(format!("{order}\n").as_bytes())
            .unwrap();
    }

    pub(crate) fn send(&mut self, message: &ToKeeper) {
        self.send_raw(&wire::encode_to_keeper(message).unwrap());
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.order(&format!("packet {}", hex(bytes)));
    }

    pub(crate) fn hold_locked(&mut self, name: &str, file: &std::path::Path) {
        self.order(&format!("hold_locked {name} {}", file.display()));
    }

    pub(crate) fn exit(&mut self, code: u8) {
        self.order(&format!("exit {code}"));
    }

    /// Opens a TCP address, and says where it came to be and how many sockets came.
    pub(crate) fn open(&mut self, key: &str, count: u16) -> (SocketAddr, usize) {
        let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        self.send(&ToKeeper::Open {
            key: key.to_owned(),
            address,
            count,
            mode: 0,
        });
        self.expect(|message, sockets| match message {
            FromKeeper::Opened {
                actual: Address::Tcp(at),
                key: k,
                ..
            } if k == key => Some((*at, sockets)),
            _ => None,
        })
    }

    /// Starts a service of this program, and says its pid.
    pub(crate) fn start(&mut self, name: &str, args: &[&str]) -> u32 {
        self.send(&ToKeeper::Start(service(name, args)));
        self.expect(|message, _| match message {
            FromKeeper::Started { name: n, pid, .. } if n == name => Some(*pid),
            _ => None,
        })
    }
}

/// A service of this program.
pub(crate) fn service(name: &str, args: &[&str]) -> Start {
    let mut all = vec!["__service".into()];
    all.extend(args.iter().map(Into::into));
    Start {
        name: name.to_owned(),
        program: std::env::current_exe().unwrap().into_os_string(),
        args: all,
        directory: None,
        environment: Vec::new(),
        uid: None,
        gid: None,
        memory_max: None,
        cpu_max: None,
        epoch: 1,
    }
}
