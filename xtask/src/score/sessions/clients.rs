//! The clients: each remembers what it was given, who served it, and how often that changed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use super::Kind;

/// Threads that ask for the clients, each over a connection of its own: a few requests at any moment, as from people.
const THREADS: usize = 8;
/// An answer takes this long at most, or it is none.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// A body is not longer than this, or it is not our sample's.
const BODY_MAX: usize = 1 << 20;

/// One of them.
#[derive(Clone, Default)]
pub(super) struct Client {
    pub(super) number: usize,
    /// `NAME=VALUE`, with cookies.
    pub(super) cookie: Option<String>,
    /// Who served it last, and first.
    pub(super) at: Option<String>,
    pub(super) home: Option<String>,
    /// How often it left its home and went back there.
    pub(super) out: u32,
    pub(super) back: u32,
}

/// What a round showed.
#[derive(Default)]
pub(super) struct Round {
    /// Requests that did not get 200.
    pub(super) errors: u64,
    /// Clients that are not where they were before; by the endpoint where that was.
    pub(super) moved: Vec<(String, String)>,
}

/// All of them.
pub(super) struct Clients {
    kind: Kind,
    pub(super) all: Vec<Client>,
}

impl Clients {
    /// Of these numbers, by which they are known where they bring a token.
    pub(super) fn new(kind: Kind, numbers: Range<usize>) -> Clients {
        let client = |number| Client {
            number,
            ..Client::default()
        };
        Clients {
            kind,
            all: numbers.map(client).collect(),
        }
    }

    /// How many are at the endpoint.
    pub(super) fn at(&self, endpoint: &str) -> u64 {
        let at = |client: &&Client| client.at.as_deref() == Some(endpoint);
        self.all.iter().filter(at).count() as u64
    }

    /// Everybody asks once.
    pub(super) fn round(&mut self, web: SocketAddr) -> Round {
        let kind = self.kind;
        let share = self.all.len().div_ceil(THREADS);
        let rounds = std::thread::scope(|scope| {
            let parts = self.all.chunks_mut(share);
            let threads: Vec<_> = parts
                .map(|part| scope.spawn(move || ask_all(part, kind, web)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_default())
                .collect::<Vec<Round>>()
        });
        rounds.into_iter().fold(Round::default(), |mut all, one| {
            all.errors += one.errors;
            all.moved.extend(one.moved);
            all
        })
    }
}

fn ask_all(part: &mut [Client], kind: Kind, web: SocketAddr) -> Round {
    let mut round = Round::default();
    let mut connection = None;
    for client in part {
        let Ok(answer) = ask(&mut connection, client, kind, "/", web) else {
            // A kept connection may have ended with its process: that is no answer, and told as such.
            round.errors += 1;
            connection = None;
            continue;
        };
        round.errors += u64::from(answer.status != 200);
        client.took(answer, &mut round);
    }
    round
}

impl Client {
    fn took(&mut self, answer: Answer, round: &mut Round) {
        if let Some(cookie) = answer.cookie {
            self.cookie = Some(cookie);
        }
        let Some(by) = answer.by else { return };
        let before = self.at.replace(by.clone());
        let home = self.home.get_or_insert_with(|| by.clone());
        if let Some(before) = before.filter(|before| *before != by) {
            self.out += u32::from(before == *home);
            self.back += u32::from(by == *home);
            round.moved.push((before, by));
        }
    }
}

/// What an answer says.
pub(super) struct Answer {
    pub(super) status: u16,
    by: Option<String>,
    pub(super) cookie: Option<String>,
}

/// One request over this connection, which is opened if there is none.
pub(super) fn ask(
    connection: &mut Option<BufReader<TcpStream>>,
    client: &Client,
    kind: Kind,
    path: &str,
    web: SocketAddr,
) -> std::io::Result<Answer> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect_timeout(&web, ANSWER_MAX)?;
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            stream.set_nodelay(true)?;
            connection.insert(BufReader::new(stream))
        }
    };
    let known_by = match (kind, &client.cookie) {
        (Kind::Token, _) => format!("X-User: user-{}\r\n", client.number),
        (Kind::Cookie, Some(cookie)) => format!("Cookie: {cookie}\r\n"),
        (Kind::Cookie, None) => String::new(),
    };
    let head = format!("GET {path} HTTP/1.1\r\nHost: sessions.example\r\n{known_by}\r\n");
    stream.get_mut().write_all(head.as_bytes())?;
    read(stream)
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Answer> {
    let wrong = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut answer = Answer {
        status: status.ok_or_else(|| wrong("no status"))?,
        by: None,
        cookie: None,
    };
    let mut length = 0;
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(wrong("cut short"));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| wrong("no length"))?,
            "x-served-by" => answer.by = Some(value.to_owned()),
            "set-cookie" => answer.cookie = value.split(';').next().map(str::to_owned),
            _ => {}
        }
    }
    if length > BODY_MAX {
        return Err(wrong("too long"));
    }
    std::io::copy(&mut stream.take(length as u64), &mut std::io::sink())?;
    Ok(answer)
}
