//! Messages to bytes and back. Strict: what one side writes is exactly what the other accepts, and nothing else.

use super::fields::{Reader, Writer, check};
use super::{Address, FromKeeper, Launch, LogFormat, Malformed, SOCKETS_PER_ADDRESS_MAX, ToKeeper};

/// The bytes of a message to the keeper.
///
/// # Errors
/// If it breaks a bound that the other side would refuse it for.
pub fn encode_to_keeper(message: &ToKeeper) -> Result<Vec<u8>, Malformed> {
    let mut w = Writer::default();
    match message {
        ToKeeper::Hello { pid } => w.tag(1).u32(*pid),
        ToKeeper::Restrict => w.tag(2),
        ToKeeper::Open {
            key,
            address,
            count,
            mode,
        } => w.tag(3).text(key).address(address).u16(*count).u32(*mode),
        ToKeeper::Close { key } => w.tag(4).text(key),
        ToKeeper::Hold { name } => w.tag(5).text(name),
        ToKeeper::Start(start) => w.tag(6).start(start),
        ToKeeper::Signal {
            name,
            signal,
            epoch,
        } => w.tag(7).text(name).i32(*signal).u64(*epoch),
        ToKeeper::LogFormat(format) => w.tag(8).tag(u8::from(*format == LogFormat::Json)),
        ToKeeper::Ready => w.tag(9),
        ToKeeper::Alive => w.tag(10),
        ToKeeper::Bye => w.tag(11),
    };
    let bytes = w.finish()?;
    // What the keeper would kill its child for is an error here, where the caller can still do something about it.
    decode_to_keeper(&bytes)?;
    Ok(bytes)
}

/// Reads a message of the child. Never panics; accepts exactly what [`encode_to_keeper`] writes.
///
/// # Errors
/// On anything else.
pub fn decode_to_keeper(bytes: &[u8]) -> Result<ToKeeper, Malformed> {
    let mut r = Reader::new(bytes)?;
    let message = match r.u8()? {
        1 => ToKeeper::Hello { pid: r.u32()? },
        2 => ToKeeper::Restrict,
        3 => {
            let (key, address, count, mode) = (r.name()?, r.address()?, r.u16()?, r.u32()?);
            let most = if matches!(address, Address::Unix(_)) {
                1
            } else {
                SOCKETS_PER_ADDRESS_MAX
            };
            check((1..=most).contains(&count), "socket count")?;
            check(mode <= 0o777, "mode")?;
            ToKeeper::Open {
                key,
                address,
                count,
                mode,
            }
        }
        4 => ToKeeper::Close { key: r.name()? },
        5 => ToKeeper::Hold { name: r.name()? },
        6 => ToKeeper::Start(r.start()?),
        7 => ToKeeper::Signal {
            name: r.name()?,
            signal: r.i32()?,
            epoch: r.u64()?,
        },
        8 => ToKeeper::LogFormat(if r.flag()? {
            LogFormat::Json
        } else {
            LogFormat::Text
        }),
        9 => ToKeeper::Ready,
        10 => ToKeeper::Alive,
        11 => ToKeeper::Bye,
        _ => return Err(Malformed("unknown kind")),
    };
    r.end()?;
    Ok(message)
}

/// The bytes of a message to the child. Long reasons are cut, so it always fits.
///
/// # Errors
/// If a name or path breaks a bound, which nothing that was decoded from the child can.
pub fn encode_from_keeper(message: &FromKeeper) -> Result<Vec<u8>, Malformed> {
    let mut w = Writer::default();
    match message {
        FromKeeper::Opened {
            key,
            address,
            actual,
            count,
        } => w
            .tag(1)
            .text(key)
            .address(address)
            .address(actual)
            .u16(*count),
        FromKeeper::OpenFailed { key, address, why } => {
            w.tag(2).text(key).address(address).reason(why)
        }
        FromKeeper::Started {
            name,
            pid,
            epoch,
            limits,
        } => w.tag(3).text(name).u32(*pid).u64(*epoch).limits(limits),
        FromKeeper::StartFailed { name, epoch, why } => {
            w.tag(4).text(name).u64(*epoch).refusal(why)
        }
        FromKeeper::SignalRefused { name, epoch, why } => {
            w.tag(5).text(name).u64(*epoch).reason(why)
        }
        FromKeeper::Exited { .. } | FromKeeper::Adopted { .. } => encode_life(&mut w, message),
        FromKeeper::Held { name } => w.tag(8).text(name),
        FromKeeper::AdoptionDone {
            keeper_pid,
            replaced,
            restricted,
            exits_lost,
            died,
        } => w
            .tag(9)
            .u32(*keeper_pid)
            .u64(*replaced)
            .tag(u8::from(*restricted))
            .u64(*exits_lost)
            .death(died.as_ref()),
        FromKeeper::Shutdown => w.tag(10),
        FromKeeper::Reload => w.tag(11),
    };
    w.finish()
}

/// Of a service's life: its end, or that it still lives.
fn encode_life<'w>(w: &'w mut Writer, message: &FromKeeper) -> &'w mut Writer {
    match message {
        FromKeeper::Exited {
            name,
            pid,
            epoch,
            ending,
            at_ns,
            ran_ns,
            out_of_memory,
        } => w
            .tag(6)
            .text(name)
            .u32(*pid)
            .u64(*epoch)
            .ending(*ending)
            .u64(*at_ns)
            .u64(*ran_ns)
            .tag(u8::from(*out_of_memory)),
        FromKeeper::Adopted {
            name,
            pid,
            epoch,
            since_ns,
            ran_ns,
            restarts,
            limits,
        } => w
            .tag(7)
            .text(name)
            .u32(*pid)
            .u64(*epoch)
            .u64(*since_ns)
            .u64(*ran_ns)
            .u64(*restarts)
            .limits(limits),
        _ => w,
    }
}

/// Reads a message of the keeper. Never panics; accepts exactly what [`encode_from_keeper`] writes.
///
/// # Errors
/// On anything else.
pub fn decode_from_keeper(bytes: &[u8]) -> Result<FromKeeper, Malformed> {
    let mut r = Reader::new(bytes)?;
    let message = match r.u8()? {
        1 => {
            let (key, address, actual, count) = (r.name()?, r.address()?, r.address()?, r.u16()?);
            check(
                (1..=SOCKETS_PER_ADDRESS_MAX).contains(&count),
                "socket count",
            )?;
            FromKeeper::Opened {
                key,
                address,
                actual,
                count,
            }
        }
        2 => FromKeeper::OpenFailed {
            key: r.name()?,
            address: r.address()?,
            why: r.reason()?,
        },
        3 => FromKeeper::Started {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
            limits: r.limits()?,
        },
        4 => FromKeeper::StartFailed {
            name: r.name()?,
            epoch: r.u64()?,
            why: r.refusal()?,
        },
        5 => FromKeeper::SignalRefused {
            name: r.name()?,
            epoch: r.u64()?,
            why: r.reason()?,
        },
        kind @ (6 | 7) => decode_life(kind, &mut r)?,
        8 => FromKeeper::Held { name: r.name()? },
        9 => FromKeeper::AdoptionDone {
            keeper_pid: r.u32()?,
            replaced: r.u64()?,
            restricted: r.flag()?,
            exits_lost: r.u64()?,
            died: r.death()?,
        },
        10 => FromKeeper::Shutdown,
        11 => FromKeeper::Reload,
        _ => return Err(Malformed("unknown kind")),
    };
    r.end()?;
    Ok(message)
}

fn decode_life(kind: u8, r: &mut Reader<'_>) -> Result<FromKeeper, Malformed> {
    Ok(match kind {
        6 => FromKeeper::Exited {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
            ending: r.ending()?,
            at_ns: r.u64()?,
            ran_ns: r.u64()?,
            out_of_memory: r.flag()?,
        },
        _ => FromKeeper::Adopted {
            name: r.name()?,
            pid: r.u32()?,
            epoch: r.u64()?,
            since_ns: r.u64()?,
            ran_ns: r.u64()?,
            restarts: r.u64()?,
            limits: r.limits()?,
        },
    })
}

impl Launch {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Malformed> {
        let mut w = Writer::default();
        w.u32(self.keeper_pid)
            .tag(u8::from(self.restricted))
            .tag(u8::from(self.keep_stdin))
            .start(&self.start);
        let bytes = w.finish()?;
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes)?;
        let launch = Self {
            keeper_pid: r.u32()?,
            restricted: r.flag()?,
            keep_stdin: r.flag()?,
            start: r.start()?,
        };
        r.end()?;
        Ok(launch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        Death, Ending, LIST_MAX, Limited, Limits, MESSAGE_BYTES_MAX, Start, StartRefusal,
    };
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn start() -> Start {
        Start {
            name: "api-1".to_owned(),
            program: "./api".into(),
            args: vec!["--port".into(), "9001".into(), "".into()],
            directory: Some("/srv/api".into()),
            environment: vec![
                ("RUST_LOG".into(), "info".into()),
                ("EMPTY".into(), "".into()),
            ],
            uid: Some(1000),
            gid: None,
            memory_max: Some(1 << 40),
            cpu_max: Some(1500),
            epoch: u64::MAX,
        }
    }

    fn to_keeper() -> Vec<ToKeeper> {
        let addresses = ["127.0.0.1:0", "[::1]:443", "[fe80::1%3]:80"]
            .map(|text| Address::Tcp(text.parse().unwrap()));
        let open = |address| ToKeeper::Open {
            key: "web".to_owned(),
            address,
            count: 1,
            mode: 0o660,
        };
        let odd = Start {
            directory: None,
            args: vec![OsString::from_vec(vec![0xff, b'x'])],
            gid: Some(7),
            memory_max: None,
            cpu_max: None,
            ..start()
        };
        let mut all: Vec<_> = addresses.into_iter().map(open).collect();
        all.extend([
            ToKeeper::Hello { pid: 17 },
            ToKeeper::Restrict,
            open(Address::Unix("/run/evenkeel/admin.sock".into())),
            ToKeeper::Close {
                key: "listener web 127.0.0.1:8080".to_owned(),
            },
            ToKeeper::Hold {
                name: "state".to_owned(),
            },
            ToKeeper::Start(start()),
            ToKeeper::Start(odd),
            ToKeeper::Signal {
                name: "é".to_owned(),
                signal: -1,
                epoch: 0,
            },
            ToKeeper::LogFormat(LogFormat::Text),
            ToKeeper::LogFormat(LogFormat::Json),
            ToKeeper::Ready,
            ToKeeper::Alive,
            ToKeeper::Bye,
        ]);
        all
    }

    fn from_keeper() -> Vec<FromKeeper> {
        let address = || Address::Tcp("127.0.0.1:0".parse().unwrap());
        let actual = Address::Tcp("127.0.0.1:8080".parse().unwrap());
        let (name, key, why) = (
            || "api-1".to_owned(),
            "web".to_owned(),
            "taken by pid 3 (nginx)".to_owned(),
        );
        let exited = |ending| FromKeeper::Exited {
            name: name(),
            pid: 2,
            epoch: 3,
            ending,
            at_ns: 4,
            ran_ns: 5,
            out_of_memory: true,
        };
        let limits = Limits {
            memory: Limited::Cgroup1("/sys/fs/cgroup/memory/x".into()),
            cpu: Limited::Not("read-only".into()),
        };
        let failed = |why| FromKeeper::StartFailed {
            name: name(),
            epoch: 3,
            why,
        };
        vec![
            FromKeeper::Opened {
                key: key.clone(),
                address: address(),
                actual,
                count: 600,
            },
            FromKeeper::OpenFailed {
                key,
                address: address(),
                why: why.clone(),
            },
            FromKeeper::Started {
                name: name(),
                pid: 2,
                epoch: 3,
                limits: limits.clone(),
            },
            FromKeeper::Started {
                name: name(),
                pid: 2,
                epoch: 3,
                limits: Limits {
                    memory: Limited::Cgroup2("/g".into()),
                    cpu: Limited::NotAsked,
                },
            },
            failed(StartRefusal::AlreadyRunning { pid: 4 }),
            failed(StartRefusal::Stale { newest: 9 }),
            failed(StartRefusal::Forbidden(why.clone())),
            failed(StartRefusal::CannotExecute(why.clone())),
            FromKeeper::SignalRefused {
                name: name(),
                epoch: 3,
                why,
            },
            exited(Ending::Code(-1)),
            exited(Ending::Signal(9)),
            FromKeeper::Adopted {
                name: name(),
                pid: 2,
                epoch: 3,
                since_ns: 4,
                ran_ns: 5,
                restarts: 6,
                limits,
            },
            FromKeeper::Held { name: name() },
            FromKeeper::AdoptionDone {
                keeper_pid: 1,
                replaced: 2,
                restricted: true,
                exits_lost: 3,
                died: None,
            },
            FromKeeper::AdoptionDone {
                keeper_pid: 1,
                replaced: 2,
                restricted: false,
                exits_lost: 0,
                died: Some(Death {
                    why: "killed by signal 9".into(),
                    ago_ns: 4,
                }),
            },
            FromKeeper::Shutdown,
            FromKeeper::Reload,
        ]
    }

    /// All valid packets, for tests that damage them.
    fn packets() -> Vec<Vec<u8>> {
        let to = to_keeper()
            .into_iter()
            .map(|message| encode_to_keeper(&message).unwrap());
        to.chain(
            from_keeper()
                .into_iter()
                .map(|message| encode_from_keeper(&message).unwrap()),
        )
        .collect()
    }

    #[test]
    fn every_message_comes_out_as_it_went_in() {
        for message in to_keeper() {
            assert_eq!(
                decode_to_keeper(&encode_to_keeper(&message).unwrap()),
                Ok(message)
            );
        }
        for message in from_keeper() {
            assert_eq!(
                decode_from_keeper(&encode_from_keeper(&message).unwrap()),
                Ok(message)
            );
        }
        let launch = Launch {
            keeper_pid: 1,
            restricted: true,
            keep_stdin: false,
            start: start(),
        };
        assert_eq!(Launch::decode(&launch.encode().unwrap()), Ok(launch));
    }

    #[test]
    fn a_packet_cut_short_or_with_more_after_it_is_refused() {
        for message in to_keeper() {
            let mut bytes = encode_to_keeper(&message).unwrap();
            for length in 0..bytes.len() {
                assert!(
                    decode_to_keeper(&bytes[..length]).is_err(),
                    "{message:?} cut to {length}"
                );
            }
            bytes.push(0);
            assert_eq!(
                decode_to_keeper(&bytes),
                Err(Malformed("bytes after its end"))
            );
        }
        for message in from_keeper() {
            let bytes = encode_from_keeper(&message).unwrap();
            for length in 0..bytes.len() {
                assert!(
                    decode_from_keeper(&bytes[..length]).is_err(),
                    "{message:?} cut to {length}"
                );
            }
        }
    }

    /// Whatever is accepted is written back as the very same bytes: there are no two ways to say one thing.
    #[test]
    fn damaged_packets_never_panic_and_what_is_accepted_has_one_spelling() {
        for packet in packets() {
            for at in 0..packet.len() {
                for value in [0, 1, 2, 4, 6, 0x7f, 0x80, 0xff, packet[at].wrapping_add(1)] {
                    let mut damaged = packet.clone();
                    damaged[at] = value;
                    if let Ok(message) = decode_to_keeper(&damaged) {
                        assert_eq!(encode_to_keeper(&message).as_ref(), Ok(&damaged));
                    }
                    if let Ok(message) = decode_from_keeper(&damaged) {
                        assert_eq!(encode_from_keeper(&message).as_ref(), Ok(&damaged));
                    }
                    let _ = Launch::decode(&damaged);
                }
            }
        }
    }

    #[test]
    fn what_the_keeper_would_not_believe_is_already_refused_when_it_is_written() {
        let tcp = || Address::Tcp("127.0.0.1:80".parse().unwrap());
        let open = |key: &str, address, count, mode| ToKeeper::Open {
            key: key.to_owned(),
            address,
            count,
            mode,
        };
        let named = |name: &str| {
            ToKeeper::Start(Start {
                name: name.to_owned(),
                ..start()
            })
        };
        let with = |change: fn(&mut Start)| {
            let mut start = start();
            change(&mut start);
            ToKeeper::Start(start)
        };
        for (message, why) in [
            (open("", tcp(), 1, 0), "name length"),
            (open(&"k".repeat(257), tcp(), 1, 0), "name length"),
            (open("k", tcp(), 0, 0), "socket count"),
            (open("k", tcp(), 1025, 0), "socket count"),
            (open("k", Address::Unix("/a".into()), 2, 0), "socket count"),
            (open("k", tcp(), 1, 0o1000), "mode"),
            (
                open("k", Address::Unix("a.sock".into()), 1, 0),
                "unix path is not absolute or names no file",
            ),
            (
                open("k", Address::Unix("/".into()), 1, 0),
                "unix path is not absolute or names no file",
            ),
            (
                open(
                    "k",
                    Address::Unix(format!("/{}", "a".repeat(107)).into()),
                    1,
                    0,
                ),
                "unix path longer than 107 bytes",
            ),
            (
                named("a\nkeeper: all is well"),
                "control character in a name",
            ),
            (named("a\u{1b}[2J"), "control character in a name"),
            (with(|start| start.program = "".into()), "no program"),
            (
                with(|start| start.args = vec!["a\0b".into()]),
                "zero byte in a text",
            ),
            (
                with(|start| start.args = vec!["".into(); LIST_MAX + 1]),
                "list too long",
            ),
            (
                with(|start| start.args = vec!["a".repeat(MESSAGE_BYTES_MAX).into()]),
                "longer than a message may be",
            ),
            (
                with(|start| start.environment = vec![("A=B".into(), "".into())]),
                "name of an environment variable",
            ),
            (
                with(|start| start.uid = Some(u32::MAX)),
                "impossible user or group",
            ),
        ] {
            assert_eq!(
                encode_to_keeper(&message),
                Err(Malformed(why)),
                "{message:?}"
            );
        }
    }

    #[test]
    fn a_reason_of_any_length_can_be_sent() {
        let why = "é".repeat(MESSAGE_BYTES_MAX);
        let message = FromKeeper::SignalRefused {
            name: "s".to_owned(),
            epoch: 0,
            why,
        };
        let FromKeeper::SignalRefused { why, .. } =
            decode_from_keeper(&encode_from_keeper(&message).unwrap()).unwrap()
        else {
            panic!("it became another message");
        };
        assert_eq!(why, "é".repeat(2048));
    }
}
