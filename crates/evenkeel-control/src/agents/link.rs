//! One agent's connection: greeted, then both directions at once until it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::remote::LinkId;
use evenkeel_schema::agent::{
    FIRST_FRAME_BYTES_MAX, FRAME_BYTES_MAX, Frames, FromAgent, Hello, Message, PROTOCOL, Refusal,
    ToAgent, encode, printable, read,
};
use evenkeel_tls::{Server, words_of_io};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use super::door::{AgentDoor, Rules};
use super::{Said, What};

/// For handshake and hello together.
const GREETED_WITHIN: Duration = Duration::from_secs(10);
/// For one message to leave; an agent that takes nothing for so long is gone.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// An answer to somebody with a wrong token waits this long: guessing takes its time.
const REFUSED_AFTER: Duration = Duration::from_millis(500);
/// What waits to be sent to one agent; one that is behind by more is cut off.
const SAYS_MAX: usize = 256;
/// Messages of one agent within a second; the rest waits for the next, and the agent with it. Only one that starts hundreds of
/// services at once has more to say.
const A_SECOND_MAX: u32 = 500;
/// Read at once.
const PIECE: usize = 16 * 1024;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Somebody who said hello as it should be.
struct Greeted {
    wire: Box<dyn Wire>,
    frames: Frames,
    hello: Hello,
}

/// Why somebody was not let in.
enum Stranger {
    /// No agent, or one that took too long: no line in the log that others read.
    Garbage(String),
    /// An agent that has not shown what it must, or speaks another language.
    Refused(Box<dyn Wire>, Refusal),
}

/// Serves a connection to its end.
pub(super) async fn serve(door: &AgentDoor, stream: TcpStream, from: SocketAddr, id: LinkId) {
    // Orders are small and must not wait for one another.
    let _ = stream.set_nodelay(true);
    let leave = door.greet(id);
    let greeted = tokio::select! {
        greeted = greet(door, stream, from) => greeted,
        () = leave.notified() => {
            door.refusals.garbage.fetch_add(1, Relaxed);
            None
        }
    };
    door.greeted(id);
    let Some(greeted) = greeted else {
        return;
    };
    let (says, said) = mpsc::channel(SAYS_MAX);
    let hello = What::Hello {
        hello: greeted.hello,
        from,
        says,
    };
    if tell(door, id, hello).await {
        let (closed, why) = talk(door, id, greeted.wire, greeted.frames, said).await;
        tell(door, id, What::Ended { closed, why }).await;
    }
}

async fn tell(door: &AgentDoor, link: LinkId, what: What) -> bool {
    // A loop that ended wants nothing.
    door.said.send(Said { link, what }).await.is_ok()
}

/// Who comes of it, if it is an agent that may come in.
async fn greet(door: &AgentDoor, stream: TcpStream, from: SocketAddr) -> Option<Greeted> {
    let rules = door.rules();
    let stranger = match rules.shut {
        true => Stranger::Garbage("there is no certificate of ours that is good".into()),
        false => match timeout(GREETED_WITHIN, welcome(&rules, stream)).await {
            Ok(Ok(greeted)) => return Some(greeted),
            Ok(Err(stranger)) => stranger,
            Err(_) => Stranger::Garbage("it took too long".into()),
        },
    };
    match stranger {
        Stranger::Garbage(why) => {
            door.refusals.garbage.fetch_add(1, Relaxed);
            tracing::debug!(target: "evenkeel::agents", "somebody at {from} who is no agent: {why}");
        }
        Stranger::Refused(wire, refusal) => {
            door.refused(from, &refusal.why);
            turn_away(wire, refusal).await;
        }
    }
    None
}

async fn welcome(rules: &Rules, stream: TcpStream) -> Result<Greeted, Stranger> {
    let (mut wire, names): (Box<dyn Wire>, Option<Vec<String>>) = match &rules.tls {
        None => (Box::new(stream), None),
        Some(tls) => {
            let stream = seal(stream, tls).await;
            let stream = stream.map_err(|e| Stranger::Garbage(ended(&e).1))?;
            let shown = stream.get_ref().1.peer_certificates();
            let names = shown.and_then(<[_]>::first);
            let names = names.map(|leaf| evenkeel_tls::names(leaf));
            (Box::new(stream), names)
        }
    };
    let mut frames = Frames::new(FIRST_FRAME_BYTES_MAX);
    let hello = match hear(&mut wire, &mut frames).await {
        Ok(FromAgent::Hello(hello)) => hello,
        Ok(_) => return Err(Stranger::Garbage("it began without a hello".into())),
        Err((_, why)) => return Err(Stranger::Garbage(why)),
    };
    match judge(rules, &hello, names.as_deref()) {
        Ok(()) => {
            frames.allow(FRAME_BYTES_MAX);
            Ok(Greeted {
                wire,
                frames,
                hello: Hello {
                    token: None,
                    ..hello
                },
            })
        }
        Err((code, why)) => {
            let code = code.to_owned();
            Err(Stranger::Refused(wire, Refusal { code, why }))
        }
    }
}

async fn seal(stream: TcpStream, tls: &Server) -> io::Result<TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = hello
        .client_hello()
        .server_name()
        .map(str::to_ascii_lowercase);
    let config = tls.choose(name.as_deref()).config().clone();
    hello.into_stream(config).await
}

/// Has it shown what it must? A certificate was verified in the handshake; here it is held against the name.
fn judge(
    rules: &Rules,
    hello: &Hello,
    certified: Option<&[String]>,
) -> Result<(), (&'static str, String)> {
    let agent = &hello.agent;
    if hello.protocol != PROTOCOL {
        let why = format!(
            "agent {agent} (evenkeel {}) speaks protocol {}, this balancer {PROTOCOL}: run the same evenkeel on both",
            hello.version, hello.protocol
        );
        return Err(("protocol", why));
    }
    let wrong_name = match certified.filter(|_| rules.certificates) {
        None => None,
        Some(names) if names.iter().any(|name| is_of(name, agent)) => return Ok(()),
        Some(names) => Some(printable(&names.join(", "))),
    };
    let shown = hello.token.as_ref().zip(rules.token.as_ref());
    if shown.is_some_and(|(shown, token)| token.matches(&shown.0)) {
        return Ok(());
    }
    let why = match (wrong_name, &hello.token, &rules.token) {
        (Some(names), _, _) => {
            format!("agent {agent} showed a certificate made for {names}, not for its own name")
        }
        (None, Some(_), Some(_)) => {
            format!("agent {agent} showed a token that is not that of [agents]")
        }
        (None, None, _) if rules.certificates => {
            format!("agent {agent} showed no certificate by client_ca of [agents]")
        }
        (None, _, None) => format!(
            "agent {agent} must show a certificate by client_ca of [agents], and has shown none"
        ),
        (None, None, Some(_)) => format!("agent {agent} showed no token"),
    };
    Err(("credentials", why))
}

/// `host-1` and `host-1.example.com` are made for the agent host-1.
fn is_of(name: &str, agent: &str) -> bool {
    let rest = name
        .get(..agent.len())
        .filter(|front| front.eq_ignore_ascii_case(agent))
        .and(name.get(agent.len()..));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

async fn turn_away(mut wire: Box<dyn Wire>, refusal: Refusal) {
    tokio::time::sleep(REFUSED_AFTER).await;
    let _ = send(&mut wire, &ToAgent::Refused(refusal)).await;
    let _ = timeout(SENT_WITHIN, wire.shutdown()).await;
}

/// Both directions until one ends: was it ended by a host that lives, and why.
async fn talk(
    door: &AgentDoor,
    id: LinkId,
    mut wire: Box<dyn Wire>,
    mut frames: Frames,
    mut said: mpsc::Receiver<ToAgent>,
) -> (bool, String) {
    let (mut second, mut count) = (Instant::now(), 0);
    loop {
        tokio::select! {
            message = said.recv() => {
                let Some(message) = message else {
                    let _ = timeout(SENT_WITHIN, wire.shutdown()).await;
                    // A host that is hung up on is not dead.
                    return (true, "closed by this balancer".into());
                };
                if let Err(ended) = send(&mut wire, &message).await {
                    return ended;
                }
            }
            message = hear(&mut wire, &mut frames) => match message {
                Ok(message) => {
                    if count >= A_SECOND_MAX {
                        tokio::time::sleep_until(second + Duration::from_secs(1)).await;
                    }
                    if second.elapsed() >= Duration::from_secs(1) {
                        (second, count) = (Instant::now(), 0);
                    }
                    count += 1;
                    if !tell(door, id, What::More(message)).await {
                        return (false, "this balancer ends".into());
                    }
                }
                Err(ended) => return ended,
            },
        }
    }
}

async fn send(wire: &mut Box<dyn Wire>, message: &ToAgent) -> Result<(), (bool, String)> {
    let bytes = encode(message).map_err(|e| (true, e.to_string()))?;
    let sent = async {
        wire.write_all(&bytes).await?;
        wire.flush().await
    };
    match timeout(SENT_WITHIN, sent).await {
        Ok(sent) => sent.map_err(|e| ended(&e)),
        Err(_) => Err((false, format!("it took nothing for {SENT_WITHIN:?}"))),
    }
}

/// The next message. May be dropped between two bytes: what came is kept.
async fn hear<M: Message>(
    wire: &mut Box<dyn Wire>,
    frames: &mut Frames,
) -> Result<M, (bool, String)> {
    let mut piece = [0; PIECE];
    loop {
        if let Some(frame) = frames.take().map_err(|e| (true, e.to_string()))? {
            return read(&frame)
                .map_err(|why| (true, format!("it said what is no message: {why}")));
        }
        match wire.read(&mut piece).await {
            Ok(0) => return Err((true, "it closed the connection".into())),
            Ok(count) => frames.push(&piece[..count]),
            Err(error) => return Err(ended(&error)),
        }
    }
}

/// What the kernel gave up says nothing of the host; a reset or an end was sent by one that lives.
fn ended(error: &io::Error) -> (bool, String) {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let lost = matches!(
        error.kind(),
        TimedOut | HostUnreachable | NetworkUnreachable
    );
    let words = words_of_io(error).map(|words| format!("TLS: {words}"));
    (!lost, words.unwrap_or_else(|| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_schema::agent::Token;
    use evenkeel_schema::config::Secret;

    fn hello(token: Option<&str>) -> Hello {
        Hello {
            protocol: PROTOCOL,
            agent: "host-1".into(),
            version: "0.1.0".into(),
            instance: 1,
            token: token.map(|token| Token(token.into())),
            actions: Vec::new(),
            fence: 0,
            interval_ms: 1000,
        }
    }

    fn rules(token: Option<&str>, certificates: bool) -> Rules {
        Rules {
            token: token.map(|token| Secret::new(token.into())),
            certificates,
            ..Rules::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_token_must_be_the_one_and_no_refusal_shows_any() {
        let rules = rules(Some("right"), false);
        assert!(judge(&rules, &hello(Some("right")), None).is_ok());
        for shown in [Some("wrong"), Some(""), None] {
            let (code, why) = judge(&rules, &hello(shown), None).unwrap_err();
            assert_eq!(code, "credentials");
            assert!(!why.contains("right") && !why.contains("wrong"), "{why}");
        }
    }

    #[test]
    fn a_certificate_must_be_made_for_the_agents_name() {
        let rules = rules(None, true);
        for good in ["host-1", "HOST-1", "host-1.example.com"] {
            let names = names(&["other", good]);
            assert!(judge(&rules, &hello(None), Some(&names)).is_ok(), "{good}");
        }
        for bad in ["host-2", "host-10", "host", "x.host-1"] {
            let names = names(&[bad]);
            let (_, why) = judge(&rules, &hello(None), Some(&names)).unwrap_err();
            assert!(why.contains(bad), "{why}");
        }
        assert!(judge(&rules, &hello(Some("x")), None).is_err());
    }

    #[test]
    fn where_both_are_set_either_is_enough() {
        let rules = rules(Some("right"), true);
        assert!(judge(&rules, &hello(None), Some(&names(&["host-1"]))).is_ok());
        assert!(judge(&rules, &hello(Some("right")), None).is_ok());
        assert!(judge(&rules, &hello(Some("right")), Some(&names(&["x"]))).is_ok());
        assert!(judge(&rules, &hello(None), Some(&names(&["x"]))).is_err());
    }

    #[test]
    fn another_protocol_is_told_with_both_numbers() {
        let hello = Hello {
            protocol: 2,
            ..hello(Some("right"))
        };
        let (code, why) = judge(&rules(Some("right"), false), &hello, None).unwrap_err();
        assert_eq!(code, "protocol");
        assert!(
            why.contains("protocol 2") && why.contains("balancer 1"),
            "{why}"
        );
    }
}
