//! The client of the admin API that every control command uses: one request over TCP, TLS or a unix socket.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_schema::Mistake;
use evenkeel_tls::{ClientFiles, Speaks};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::End;
use crate::cli::Admin;
use crate::style::complain;

const DEFAULT_ADMIN: &str = "http://127.0.0.1:9440";
/// A reload may wait for names to resolve and addresses to open; longer than this nobody waits at a prompt.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Far more than any answer: a wrong address may lead to anything.
const ANSWER_MAX: usize = 64 << 20;
/// Far more than any token, for the same reason.
const TOKEN_FILE_MAX: u64 = 64 << 10;

/// Where the admin API is and what to show it.
pub(crate) struct Client {
    place: Place,
    token: Option<String>,
    files: ClientFiles,
}

enum Place {
    Tcp(String),
    Tls(String),
    Unix(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "http://{address}"),
            Place::Tls(address) => write!(f, "https://{address}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A request that did not bring what was asked for, already worded for a person.
pub(crate) struct Problem {
    /// How the command ends.
    pub(crate) end: End,
    /// What to print.
    pub(crate) message: String,
}

impl Problem {
    fn new(end: End, message: impl Into<String>) -> Problem {
        Problem {
            end,
            message: message.into(),
        }
    }

    /// Prints it.
    pub(crate) fn report(self) -> End {
        complain(&self.message);
        self.end
    }
}

impl Client {
    /// From the arguments, else the environment, else the default.
    pub(crate) fn new(admin: &Admin) -> Result<Client, Problem> {
        let url = admin
            .admin
            .clone()
            .or_else(|| env("EVENKEEL_ADMIN"))
            .unwrap_or_else(|| DEFAULT_ADMIN.into());
        let token = match &admin.token_file {
            Some(file) => Some(read_token(file)?),
            None => env("EVENKEEL_TOKEN"),
        };
        Ok(Client {
            place: place(&url)?,
            token,
            files: ClientFiles {
                ca: admin
                    .ca
                    .clone()
                    .or_else(|| env("EVENKEEL_ADMIN_CA").map(Into::into)),
                server_name: None,
                certificate: admin.certificate.clone(),
                key: admin.key.clone(),
            },
        })
    }

    /// The token to show where none was named.
    pub(crate) fn show_unless_given(&mut self, token: &str) {
        self.token.get_or_insert_with(|| token.to_owned());
    }

    /// Sends a request and returns the body of its answer; an answer that is an error becomes a [`Problem`].
    pub(crate) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Bytes, Problem> {
        self.call_for(TIMEOUT, method, path, body)
    }

    /// The same, with another patience.
    pub(crate) fn call_for(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Bytes, Problem> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Problem::new(End::Failed, format!("evenkeel: no runtime: {e}")))?;
        runtime.block_on(async {
            match tokio::time::timeout(patience, self.exchange(method, path, body)).await {
                Ok(result) => result,
                Err(_) => {
                    Err(self.unreachable(&format!("no answer within {} s", patience.as_secs())))
                }
            }
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Bytes, Problem> {
        let request = self.request(method, path, body)?;
        let (status, bytes) = match &self.place {
            Place::Tcp(address) => match TcpStream::connect(address.as_str()).await {
                Ok(stream) => self.send(stream, request).await?,
                Err(e) => return Err(self.unreachable(&e.to_string())),
            },
            Place::Tls(address) => match TcpStream::connect(address.as_str()).await {
                Ok(stream) => {
                    let stream = self.handshake(stream, address).await?;
                    self.send(stream, request).await?
                }
                Err(e) => return Err(self.unreachable(&e.to_string())),
            },
            Place::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => self.send(stream, request).await?,
                Err(e) => return Err(self.unreachable(&e.to_string())),
            },
        };
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(self.refused(status, &bytes))
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        let host = match &self.place {
            Place::Tcp(address) | Place::Tls(address) => address.as_str(),
            Place::Unix(_) => "localhost",
        };
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host);
        if let Some(token) = &self.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            builder = builder.header("content-type", "application/json");
        }
        builder
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|e| {
                Problem::new(
                    End::Usage,
                    format!("evenkeel: this can't be sent as a request: {e}"),
                )
            })
    }

    /// TLS with whom the address names. What its certificate is not good for is said with what to do.
    async fn handshake(
        &self,
        stream: TcpStream,
        address: &str,
    ) -> Result<TlsStream<TcpStream>, Problem> {
        let wrong = |problems: &[evenkeel_tls::Problem]| {
            let lines = problems.iter().map(|p| format!("evenkeel: --{p}"));
            Problem::new(End::Usage, lines.collect::<Vec<_>>().join("\n"))
        };
        let tls = evenkeel_tls::Client::load(&self.files).map_err(|p| wrong(&p))?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = tls.server_name(host).map_err(|p| wrong(&[p]))?;
        let connector = TlsConnector::from(tls.config(Speaks::Http));
        connector
            .connect(name, stream)
            .await
            .map_err(|e| self.untrusted(&e))
    }

    fn untrusted(&self, error: &std::io::Error) -> Problem {
        let Some(why) = evenkeel_tls::words_of_io(error) else {
            return self.unreachable(&format!("TLS: {error}"));
        };
        let hint = if why.contains("not TLS") {
            "It speaks http: write http:// instead of https://, or give [admin] a certificate and key.".to_owned()
        } else if why.contains("authority") {
            "Name the authority that signed its certificate by --ca FILE or EVENKEEL_ADMIN_CA."
                .to_owned()
        } else if why.contains("not in certificate") {
            "Name it by --admin as its certificate does.".to_owned()
        } else {
            "What it shows is [admin] certificate in its configuration.".to_owned()
        };
        let place = &self.place;
        Problem::new(
            End::Unreachable,
            format!("evenkeel: the admin API at {place} is not trusted: {why}\n{hint}"),
        )
    }

    async fn send<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Problem>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let lost = |e: &hyper::Error| {
            let io = std::error::Error::source(e).and_then(|e| e.downcast_ref::<std::io::Error>());
            match io.and_then(evenkeel_tls::words_of_io) {
                Some(tls) => self.unreachable(&format!("TLS: {tls}")),
                None => self.unreachable(&e.to_string()),
            }
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| lost(&e))?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|e| lost(&e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(|e| self.unreachable(&e.to_string()))?;
        driver.abort();
        Ok((status, body.to_bytes()))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Problem {
        let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &answer["error"];
        let Some(message) = error["message"].as_str() else {
            return Problem::new(
                End::Failed,
                format!(
                    "evenkeel: {} answered {status}, but not as evenkeel's admin API does: another program has this address\n\
                     Where it really is says [admin] bind in its configuration; name that by --admin or EVENKEEL_ADMIN.",
                    self.place
                ),
            );
        };
        let mut text = format!("evenkeel: {message}");
        let mistakes: Vec<Mistake> =
            serde_json::from_value(error["mistakes"].clone()).unwrap_or_default();
        // A single one is the message.
        for mistake in mistakes.iter().filter(|_| mistakes.len() > 1) {
            text.push_str(&format!("\n{mistake}"));
        }
        if let Some(hint) = error["hint"].as_str().filter(|h| !h.is_empty()) {
            text.push('\n');
            text.push_str(hint);
        }
        Problem::new(End::Failed, text)
    }

    fn unreachable(&self, why: &str) -> Problem {
        Problem::new(
            End::Unreachable,
            format!(
                "evenkeel: the admin API at {} can't be reached: {why}\n\
                 Is `evenkeel run` running, with this address under [admin] bind? Another one is named by --admin or EVENKEEL_ADMIN.",
                self.place
            ),
        )
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn read_token(file: &Path) -> Result<String, Problem> {
    let wrong = |why: &str| {
        let shown = file.display();
        Problem::new(End::Usage, format!("evenkeel: --token-file {shown}: {why}"))
    };
    let mut bytes = Vec::new();
    let open = File::open(file).map_err(|e| wrong(&e.to_string()))?;
    let read = open.take(TOKEN_FILE_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|e| wrong(&e.to_string()))?;
    if read as u64 > TOKEN_FILE_MAX {
        return Err(wrong(
            "found more than 64 KiB, wanted a file that holds nothing but the token",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Err(wrong("found bytes that are no text, wanted the token")),
    }
}

fn place(url: &str) -> Result<Place, Problem> {
    if let Some(path) = url.strip_prefix("unix:") {
        return Ok(Place::Unix(PathBuf::from(path)));
    }
    type Make = fn(String) -> Place;
    let schemes: [(&str, u16, Make); 2] =
        [("http://", 80, Place::Tcp), ("https://", 443, Place::Tls)];
    for (scheme, port, place) in schemes {
        let Some(rest) = url.strip_prefix(scheme) else {
            continue;
        };
        let address = rest.trim_end_matches('/');
        if address.is_empty() || address.contains('/') {
            break;
        }
        let has_port = address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        return Ok(place(match has_port {
            true => address.to_owned(),
            false => format!("{address}:{port}"),
        }));
    }
    Err(Problem::new(
        End::Usage,
        format!("evenkeel: {url:?}: wanted http://HOST:PORT, https://HOST:PORT or unix:PATH"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_read_to_its_bound_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let with = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            read_token(&file).map_err(|problem| problem.message)
        };
        assert_eq!(with(b" a-token\n"), Ok("a-token".into()));
        let full = [b' '; TOKEN_FILE_MAX as usize];
        assert_eq!(with(&full), Ok(String::new()));
        assert!(with(&[&full[..], b"x"].concat()).is_err_and(|why| why.contains("64 KiB")));
        assert!(with(b"\xff").is_err_and(|why| why.contains("no text")));
        let endless = read_token(Path::new("/dev/zero")).map_err(|problem| problem.message);
        assert!(endless.is_err_and(|why| why.contains("/dev/zero: found more than 64 KiB")));
    }

    #[test]
    fn an_admin_place_is_http_or_a_unix_socket() {
        assert!(
            matches!(place("http://127.0.0.1:9440/"), Ok(Place::Tcp(a)) if a == "127.0.0.1:9440")
        );
        assert!(matches!(place("http://[::1]"), Ok(Place::Tcp(a)) if a == "[::1]:80"));
        assert!(matches!(place("https://lb.example/"), Ok(Place::Tls(a)) if a == "lb.example:443"));
        assert!(
            matches!(place("https://10.0.0.1:9440"), Ok(Place::Tls(a)) if a == "10.0.0.1:9440")
        );
        assert!(matches!(place("unix:/run/x.sock"), Ok(Place::Unix(_))));
        for bad in [
            "127.0.0.1:9440",
            "https://",
            "ftp://x:1",
            "http://",
            "http://x:1/path",
        ] {
            assert!(place(bad).is_err_and(|p| p.end == End::Usage), "{bad}");
        }
    }
}
