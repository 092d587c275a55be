//! The demo's sample service: a small HTTP server that answers with its name, so that one sees who served a request.
//!
//! It stands for somebody's real service: a process of its own, on a port of its own, that can be killed. Built on hyper
//! rather than on evenkeel's own engine, so that the demo shows evenkeel in front of a foreign server.

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::End;
use crate::style::complain;

/// `__sample NAME PORT`.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> End {
    let words: Vec<String> = args.filter_map(|a| a.into_string().ok()).collect();
    let (name, port) = match words.as_slice() {
        [name, port] => match port.parse::<u16>() {
            Ok(port) => (name.clone(), port),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            complain(&format!("sample {name}: no runtime: {e}"));
            return End::Failed;
        }
    };
    match runtime.block_on(serve(name.clone(), port)) {
        Ok(()) => End::Done,
        Err(e) => {
            complain(&format!("sample {name}: port {port}: {e}"));
            End::Failed
        }
    }
}

fn usage() -> End {
    complain("usage: evenkeel __sample NAME PORT");
    End::Usage
}

async fn serve(name: String, port: u16) -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of descriptors, most likely: let some close.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let name = name.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(name.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    name: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let (status, body) = match path {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        _ => match path.strip_prefix("/slow/").map(str::parse::<u64>) {
            Some(Ok(ms)) => {
                tokio::time::sleep(Duration::from_millis(ms.min(60_000))).await;
                (
                    StatusCode::OK,
                    format!("hello from {name}, {ms} ms later\n"),
                )
            }
            Some(Err(_)) => (
                StatusCode::BAD_REQUEST,
                "wanted /slow/MILLISECONDS\n".to_owned(),
            ),
            None => (StatusCode::OK, format!("hello from {name}\n")),
        },
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Ok(value) = hyper::header::HeaderValue::from_str(&name) {
        response.headers_mut().insert("x-served-by", value);
    }
    Ok(response)
}
