//! One POST over a connection of its own. TLS is verified by what this machine trusts; redirects are not followed, since where
//! they lead was written by somebody else; nothing of the answer counts but its status.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::notify::Failure;
use evenkeel_schema::admin::Notice;
use evenkeel_schema::config::Secret;
use evenkeel_tls::{Client, ClientFiles, Speaks};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Missed, WITHIN, sign};

pub(super) async fn post(
    url: &str,
    secret: Option<&Secret>,
    notice: &Notice,
    body: Vec<u8>,
) -> Result<String, Missed> {
    let exchange = async {
        let to = Place::of(url)?;
        let request = to.request(secret, notice, body)?;
        let port = to.port;
        let stream = TcpStream::connect((to.host.as_str(), port)).await;
        let stream = stream.map_err(|e| failed(format!("{}:{port}: {e}", to.host)))?;
        if to.tls {
            ask(shake_hands(&to.host, stream).await?, request).await
        } else {
            ask(stream, request).await
        }
    };
    match tokio::time::timeout(WITHIN, exchange).await {
        Ok(answered) => answered,
        Err(_) => Err(failed(format!("no answer within {} s", WITHIN.as_secs()))),
    }
}

fn failed(why: String) -> Missed {
    (Failure::Failed { not_before: None }, why)
}

fn refused(why: String) -> Missed {
    (Failure::Refused, why)
}

/// Where it goes.
struct Place {
    tls: bool,
    /// Without brackets.
    host: String,
    port: u16,
    /// As the field has it.
    authority: String,
    path: String,
}

impl Place {
    fn of(url: &str) -> Result<Place, Missed> {
        // What follows a # is never sent.
        let url = url.split('#').next().unwrap_or_default();
        let uri: Uri = url.parse().map_err(|_| refused("it is no URL".into()))?;
        let authority = uri
            .authority()
            .ok_or_else(|| refused("it names no host".into()))?;
        let tls = uri.scheme_str() == Some("https");
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Place {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }

    fn request(
        &self,
        secret: Option<&Secret>,
        notice: &Notice,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, Missed> {
        let mut request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header("evenkeel-event", &notice.event)
            .header("evenkeel-delivery", &notice.delivery);
        if let Some(secret) = secret {
            let signature = sign::signature(secret, notice.sent_at.0, &body);
            request = request.header("evenkeel-signature", signature);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| refused(format!("it cannot be sent: {e}")))
    }
}

async fn shake_hands(
    host: &str,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Missed> {
    // What this machine trusts is read each time: messages are rare, and a bundle may have been mended meanwhile.
    let loaded = tokio::task::spawn_blocking(|| Client::load(&ClientFiles::default()));
    let client = loaded.await.map_err(|e| failed(e.to_string()))?;
    let client = client.map_err(|problems| {
        let why: Vec<_> = problems.iter().map(ToString::to_string).collect();
        failed(format!("tls: {}", why.join("; ")))
    })?;
    let name = client.server_name(host);
    let name = name.map_err(|problem| refused(format!("tls: {problem}")))?;
    let connector = TlsConnector::from(Arc::clone(&client.config(Speaks::Http)));
    let shaken = connector.connect(name, stream).await;
    shaken.map_err(|e| {
        let why = evenkeel_tls::words_of_io(&e).unwrap_or_else(|| e.to_string());
        failed(format!("tls: {why}"))
    })
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<String, Missed> {
    let broken = |e: hyper::Error| failed(format!("no answer: {e}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    // Driven here and dropped with this try: no task outlives it.
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        _ = connection => answer.await,
    };
    judge(&response.map_err(broken)?)
}

fn judge<T>(response: &Response<T>) -> Result<String, Missed> {
    let status = response.status();
    let said = format!("HTTP {}", status.as_u16());
    if status.is_success() {
        return Ok(said);
    }
    if status.is_redirection() {
        let said = format!("{said}: redirects are not followed, write where it leads");
        return Err(refused(said));
    }
    let later = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_client_error() && !later.contains(&status) {
        return Err(refused(said));
    }
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let not_before = after.map(Duration::from_secs);
    Err((Failure::Failed { not_before }, said))
}
