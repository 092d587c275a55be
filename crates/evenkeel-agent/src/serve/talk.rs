//! One connection to a balancer: made, greeted, and then both directions at once until it ends. Everything has its time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::{Address, Target};
use evenkeel_core::remote::SILENCE_MAX;
use evenkeel_schema::agent::{
    FRAME_BYTES_MAX, Frames, FromAgent, Hello, PROTOCOL, ToAgent, encode, printable, read,
};
use evenkeel_tls::{Client, Speaks, words_of_io};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::line::LineSays;
use super::worker::Report;

/// For the name, the connection, the handshake and the welcome together: what takes longer is tried again.
const GREETED_WITHIN: Duration = Duration::from_secs(10);
/// For one message to leave; a balancer that takes nothing for so long is gone.
const SENT_WITHIN: Duration = Duration::from_secs(10);
/// Read at once.
const PIECE: usize = 16 * 1024;

/// What can be read from and written to.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A balancer that welcomed us.
pub(super) struct Talk {
    wire: Box<dyn Wire>,
    frames: Frames,
    /// The balancer's name.
    pub(super) node: String,
}

/// Calls, and waits for the welcome.
///
/// # Errors
/// Why there is none, for a person.
pub(super) async fn call(
    to: &Target,
    client: Option<Arc<Client>>,
    hello: Hello,
) -> Result<Talk, String> {
    let greeted = async {
        let wire = connect(to, client).await?;
        greet(wire, hello).await
    };
    match timeout(GREETED_WITHIN, greeted).await {
        Ok(greeted) => greeted,
        Err(_) => Err(format!("no welcome within {GREETED_WITHIN:?}")),
    }
}

async fn connect(to: &Target, client: Option<Arc<Client>>) -> Result<Box<dyn Wire>, String> {
    let (addresses, host) = resolve(to).await?;
    let mut last = "its name has no address".to_owned();
    for address in addresses {
        // What stands for a loopback name elsewhere must not be sent a token in clear text.
        if client.is_none() && !address.ip().to_canonical().is_loopback() {
            last = format!("{address} is not on this host, and clear text goes no further: set ca");
            continue;
        }
        let stream = match TcpStream::connect(address).await {
            Ok(stream) => stream,
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        // Heartbeats are small and must not wait for one another.
        let _ = stream.set_nodelay(true);
        return match client {
            None => Ok(Box::new(stream)),
            Some(client) => seal(stream, &client, &host).await,
        };
    }
    Err(last)
}

async fn resolve(to: &Target) -> Result<(Vec<SocketAddr>, String), String> {
    match to {
        Target::Address(Address::Ip(ip)) => Ok((vec![*ip], ip.ip().to_string())),
        Target::Address(Address::Unix(_)) => Err("a unix socket is on no other host".into()),
        Target::Name { host, port } => {
            let found = tokio::net::lookup_host((host.as_str(), *port)).await;
            let found = found.map_err(|e| format!("its name can't be resolved: {e}"))?;
            Ok((found.take(8).collect(), host.clone()))
        }
    }
}

async fn seal(stream: TcpStream, client: &Client, host: &str) -> Result<Box<dyn Wire>, String> {
    let name = client.server_name(host).map_err(|p| p.to_string())?;
    let connector = TlsConnector::from(client.config(Speaks::Bytes));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(match words_of_io(&error) {
            Some(words) => format!("TLS: {words}"),
            None => format!("TLS: {error}"),
        }),
    }
}

async fn greet(mut wire: Box<dyn Wire>, hello: Hello) -> Result<Talk, String> {
    send(&mut wire, &FromAgent::Hello(hello)).await?;
    let mut frames = Frames::new(FRAME_BYTES_MAX);
    match hear(&mut wire, &mut frames).await? {
        ToAgent::Welcome { protocol, node, .. } if protocol == PROTOCOL => {
            Ok(Talk { wire, frames, node })
        }
        ToAgent::Welcome { protocol, .. } => Err(format!(
            "it speaks protocol {protocol}, this agent {PROTOCOL}: run the same evenkeel on both"
        )),
        ToAgent::Refused(refusal) => Err(format!("refused: {}", printable(&refusal.why))),
        _ => Err("it said something else than a welcome".into()),
    }
}

impl Talk {
    /// Both directions until one ends, and why: `says` is what to send, and ends it; what comes goes to `hears`, as of line `number`.
    pub(super) async fn on(
        mut self,
        mut says: mpsc::Receiver<FromAgent>,
        hears: &mpsc::Sender<Report>,
        number: u64,
    ) -> String {
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = says.recv() => {
                    let Some(message) = message else {
                        let _ = timeout(SENT_WITHIN, self.wire.shutdown()).await;
                        return "closed by the agent".into();
                    };
                    if let Err(why) = send(&mut self.wire, &message).await {
                        return why;
                    }
                }
                message = hear(&mut self.wire, &mut self.frames) => match message {
                    Ok(ToAgent::Refused(refusal)) => return printable(&refusal.why),
                    Ok(message) => {
                        heard = Instant::now();
                        // A worker that ended wants no report.
                        let _ = hears.send(Report::Line(number, LineSays::Said(message))).await;
                    }
                    Err(why) => return why,
                },
                () = tokio::time::sleep_until(heard + SILENCE_MAX) => {
                    return format!("not a word for {SILENCE_MAX:?}");
                }
            }
        }
    }
}

async fn send(wire: &mut Box<dyn Wire>, message: &FromAgent) -> Result<(), String> {
    let bytes = encode(message).map_err(|e| e.to_string())?;
    let sent = async {
        wire.write_all(&bytes).await?;
        wire.flush().await
    };
    match timeout(SENT_WITHIN, sent).await {
        Ok(sent) => sent.map_err(|e| ended(&e)),
        Err(_) => Err(format!("it took nothing for {SENT_WITHIN:?}")),
    }
}

/// The next message. May be dropped between two bytes: what came is kept.
async fn hear(wire: &mut Box<dyn Wire>, frames: &mut Frames) -> Result<ToAgent, String> {
    let mut piece = [0; PIECE];
    loop {
        if let Some(frame) = frames.take().map_err(|e| e.to_string())? {
            return read(&frame).map_err(|why| format!("it said something else: {why}"));
        }
        match wire.read(&mut piece).await {
            Ok(0) => return Err("the connection was closed".into()),
            Ok(count) => frames.push(&piece[..count]),
            Err(error) => return Err(ended(&error)),
        }
    }
}

fn ended(error: &io::Error) -> String {
    match words_of_io(error) {
        Some(words) => format!("TLS: {words}"),
        None => error.to_string(),
    }
}
