//! Every answer of `replies`, and mutations of them: what the client receives is right, or visibly cut short, or our own 502; and
//! whoever asks next gets an answer to what he asked.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::answers::{Answer, End, read_all};
use crate::doubt::read_reply;
use crate::judge::{Seen, read};
use crate::mutate::{Pool, mutant};
use crate::mutations::seeds;
use crate::random::Random;
use crate::replies::{Arrives, Asked, Reply, Then, Wanted, replies};
use crate::stage::{endpoint, send};
use crate::support::{Running, Setup, until};
use evenkeel_core::settings::Share;

/// Answers made of those in the list.
const MUTANTS: u64 = 5_000;
const STAGES: u64 = 4;
const LEN_MAX: usize = 2000;

/// What the endpoint says to `/reply`.
#[derive(Clone, Default)]
struct Script {
    pieces: Vec<Vec<u8>>,
    closes: bool,
    resets: bool,
    /// All of it was said.
    over: bool,
}

/// A proxy before an endpoint that answers by script, and with the path of the request to all but `/reply`.
struct Stage {
    running: Running,
    script: Arc<Mutex<Script>>,
}

impl Stage {
    fn new() -> Stage {
        let script: Arc<Mutex<Script>> = Arc::default();
        let played = script.clone();
        let address = endpoint(move |stream| play(stream, &played));
        Stage {
            // Every second answer is garbage here: without a budget for retries the right ones would suffer too.
            running: Setup::http(&[address])
                .pool(|table| table.retry.budget = Share::percent(100))
                .start(),
            script,
        }
    }

    /// Asks for the scripted answer, then at once for `/next`, and says what the client received. Nobody could tell bytes that
    /// come after the next request from its answer: if there are such, `/next` is left out.
    fn ask(&self, script: Script, asked: Asked) -> Result<(Vec<Answer>, End), String> {
        let alone = asked == Asked::Upgrade || script.pieces.len() > 1;
        *self.script.lock().unwrap() = script;
        let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        let request = match asked {
            Asked::Get => "GET /reply HTTP/1.1\r\nHost: a\r\n\r\n",
            Asked::Head => "HEAD /reply HTTP/1.1\r\nHost: a\r\n\r\n",
            Asked::Old => "GET /reply HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            Asked::Upgrade => {
                "GET /reply HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            }
        };
        let request = format!("{request}{}", if alone { "" } else { next });
        let (bytes, end) = send(self.running.address, &[request.as_bytes()], true)?;
        let mut first = true;
        let answers = read_all(&bytes, end, |_| {
            std::mem::take(&mut first) && asked == Asked::Head
        })?;
        // Late bytes are only late once they were sent; what was given up half-said is never over.
        until("all was said", || self.script.lock().unwrap().over);
        Ok((answers, end))
    }

    /// Somebody else gets what he asks for.
    fn is_clean(&self) -> Result<(), String> {
        let other = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n";
        let (bytes, end) = send(self.running.address, &[other], true)?;
        match &read_all(&bytes, end, |_| false)?[..] {
            [answer] if answer.body == b"/other" => Ok(()),
            answers => Err(format!("somebody else got {answers:?}")),
        }
    }
}

fn play(mut stream: TcpStream, script: &Mutex<Script>) {
    stream.set_nodelay(true).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Seen::Request(request) = read(&bytes) {
            bytes.drain(..request.len);
            if request.target != "/reply" {
                let body = &request.target;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all((head + body).as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            let said = script.lock().unwrap().clone();
            for (at, piece) in said.pieces.iter().enumerate() {
                if at > 0 {
                    thread::sleep(Duration::from_millis(2));
                }
                // Who has heard enough hangs up.
                if stream.write_all(piece).is_err() {
                    break;
                }
            }
            script.lock().unwrap().over = true;
            if said.resets {
                thread::sleep(Duration::from_millis(2));
                let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            }
            if said.closes || said.resets {
                return;
            }
            continue;
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
            _ => return,
        }
    }
}

fn script(reply: &Reply) -> Script {
    Script {
        pieces: reply.pieces.clone(),
        closes: reply.then == Then::Closes,
        resets: reply.then == Then::Resets,
        over: false,
    }
}

#[test]
fn every_answer_reaches_the_client_right_or_cut_or_not_at_all() {
    run(|_, script| script);
}

#[test]
fn every_answer_in_pieces_is_the_same_answer() {
    let mut random = Random(2);
    run(|reply, mut script| {
        // Of a flood a few pieces are enough.
        let bytes = script.pieces.concat();
        if reply.pieces.len() == 1 && !bytes.is_empty() {
            let mut at = 0;
            script.pieces.clear();
            for cut in random.cuts(bytes.len(), 3) {
                script.pieces.push(bytes[at..cut].to_vec());
                at = cut;
            }
            script.pieces.push(bytes[at..].to_vec());
        }
        script
    });
}

fn run(mut change: impl FnMut(&Reply, Script) -> Script) {
    let stage = Stage::new();
    let mut faults = Vec::new();
    let all = replies();
    let malformed = all
        .iter()
        .filter(|r| !matches!(r.wanted, Wanted::Arrives(_)))
        .count();
    assert!(
        malformed >= 150 && all.len() - malformed >= 60,
        "{malformed} of {}",
        all.len()
    );
    println!(
        "{malformed} malformed answers, {} right ones",
        all.len() - malformed
    );
    for reply in all {
        let script = change(&reply, script(&reply));
        let alone = reply.asked == Asked::Upgrade || script.pieces.len() > 1;
        let verdict = stage
            .ask(script, reply.asked)
            .and_then(|(answers, _)| judge(&reply, &answers, alone))
            .and_then(|()| stage.is_clean());
        if let Err(why) = verdict {
            faults.push(format!("{why}: {}", reply.text()));
        }
        if faults.len() >= crate::ENOUGH {
            break;
        }
    }
    crate::report(&faults);
}

fn judge(reply: &Reply, answers: &[Answer], alone: bool) -> Result<(), String> {
    let interim: Vec<u16> = answers
        .iter()
        .map(|a| a.status)
        .filter(|s| (100..200).contains(s) && *s != 101)
        .collect();
    let finals: Vec<&Answer> = answers
        .iter()
        .filter(|a| a.status >= 200 || a.status == 101)
        .collect();
    let Some((first, rest)) = finals.split_first() else {
        return Err("no answer".into());
    };
    match &reply.wanted {
        Wanted::Own(status) => own(first, *status)?,
        Wanted::Cut(_) if first.is_own() => own(first, 502)?,
        Wanted::Cut(status) => {
            if first.status != *status || first.complete || !rest.is_empty() {
                return Err(format!("not visibly cut: {answers:?}"));
            }
            return Ok(());
        }
        Wanted::Arrives(arrives) => {
            compare(arrives, first)?;
            if interim != arrives.interim {
                return Err(format!("interim answers {interim:?}"));
            }
        }
    }
    let stays = first.one("connection").is_none_or(|c| c == "keep-alive");
    match rest {
        [] if !stays || alone => Ok(()),
        [next] if stays && next.body == b"/next" => Ok(()),
        _ => Err(format!("what was asked next was answered by {rest:?}")),
    }
}

fn own(answer: &Answer, status: u16) -> Result<(), String> {
    match answer.is_own() && answer.complete && answer.status == status {
        true => Ok(()),
        false => Err(format!("{status} wanted, seen {answer:?}")),
    }
}

fn compare(wanted: &Arrives, answer: &Answer) -> Result<(), String> {
    if answer.is_own()
        || answer.status != wanted.status
        || !answer.complete
        || answer.body != wanted.body
    {
        return Err(format!("arrived as {answer:?}"));
    }
    for (name, value) in &wanted.has {
        if answer.one(name).as_deref() != Some(value) {
            return Err(format!("{name} arrived as {:?}", answer.one(name)));
        }
    }
    for name in &wanted.gone {
        if !answer.all(name).is_empty() {
            return Err(format!("{name} arrived"));
        }
    }
    let trailers = answer.trailers.iter();
    let trailers: Vec<_> = trailers
        .map(|(n, v)| (n.as_str(), String::from_utf8_lossy(v)))
        .collect();
    let same = trailers.len() == wanted.trailers.len()
        && trailers
            .iter()
            .zip(&wanted.trailers)
            .all(|(a, b)| a.0 == b.0 && a.1 == b.1);
    match same {
        true => Ok(()),
        false => Err(format!("trailers {trailers:?}")),
    }
}

#[test]
fn mutated_answers_arrive_right_or_cut_or_not_at_all() {
    let all = replies();
    let whole: Vec<(bool, Vec<u8>)> = all
        .iter()
        .filter(|reply| reply.asked != Asked::Upgrade)
        .map(|reply| {
            (
                matches!(reply.wanted, Wanted::Arrives(_)),
                reply.pieces.concat(),
            )
        })
        .filter(|(_, bytes)| !bytes.is_empty() && bytes.len() < LEN_MAX)
        .collect();
    let of = |right: bool| {
        whole
            .iter()
            .filter(move |w| w.0 == right)
            .map(|w| w.1.as_slice())
            .collect()
    };
    let pool = Pool {
        right: of(true),
        wrong: of(false),
    };
    let tallies: Vec<(usize, usize, Vec<String>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..STAGES)
            .map(|share| {
                let pool = &pool;
                scope.spawn(move || try_all(pool, seeds(share, STAGES, MUTANTS)))
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let whole: usize = tallies.iter().map(|t| t.0).sum();
    let own: usize = tallies.iter().map(|t| t.1).sum();
    println!("{whole} answers arrived whole, {own} became errors of our own");
    let faults: Vec<String> = tallies.into_iter().flat_map(|t| t.2).collect();
    crate::report(&faults);
}

fn try_all(pool: &Pool<'_>, seeds: impl Iterator<Item = u64>) -> (usize, usize, Vec<String>) {
    let stage = Stage::new();
    let (mut whole, mut own, mut faults) = (0, 0, Vec::new());
    for seed in seeds {
        if faults.len() >= crate::ENOUGH {
            break;
        }
        let mut random = Random(seed);
        let bytes = mutant(pool, &mut random);
        let asked = [Asked::Get, Asked::Get, Asked::Head, Asked::Old][random.below(4)];
        match try_one(&stage, &bytes, asked) {
            Ok(Arrived::Whole) => whole += 1,
            Ok(Arrived::Own) => own += 1,
            Ok(Arrived::Cut) => {}
            Err(why) => {
                let text = String::from_utf8_lossy(&bytes);
                faults.push(format!("seed {seed}: {why}: {asked:?} {text:?}"));
            }
        }
    }
    (whole, own, faults)
}

enum Arrived {
    Whole,
    Own,
    Cut,
}

/// The endpoint closes behind the bytes, so that all ends soon.
fn try_one(stage: &Stage, bytes: &[u8], asked: Asked) -> Result<Arrived, String> {
    let script = Script {
        pieces: vec![bytes.to_vec()],
        closes: true,
        resets: false,
        over: false,
    };
    let (answers, end) = stage.ask(script, asked)?;
    stage.is_clean()?;
    let finals: Vec<&Answer> = answers.iter().filter(|a| a.status >= 200).collect();
    let Some((first, rest)) = finals.split_first() else {
        return Err("no answer".into());
    };
    let next = matches!(rest, [] | [_]) && rest.iter().all(|a| a.body == b"/next");
    let ends = first.one("connection").as_deref() == Some("close") || !first.complete;
    if !next || rest.is_empty() != ends {
        return Err(format!("what was asked next was answered by {rest:?}"));
    }
    if first.is_own() {
        return match matches!(first.status, 502) && first.complete {
            true => Ok(Arrived::Own),
            false => Err(format!("{first:?}")),
        };
    }
    if !first.complete {
        return Ok(Arrived::Cut);
    }
    // What the client takes for whole must be whole, and the same, to another reader of the endpoint's bytes.
    match read_reply(bytes, asked == Asked::Head) {
        Some((status, body)) if status == first.status && body == first.body => Ok(Arrived::Whole),
        other => Err(format!("{other:?} became {first:?}, {end:?}")),
    }
}
