//! A sample's answers: what a request costs it, and how it says that it cannot.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpStream;

use super::disk::Disk;
use super::faults::{Faults, Query};
use super::load::{self, Load};
use super::release::Release;
use super::spec::Spec;

/// The other service has this long to take a connection and answer.
const NEEDS_WITHIN: Duration = Duration::from_millis(400);

/// A longer answer is nobody's.
const BYTES_MAX: usize = 1 << 20;

/// A running sample.
pub(super) struct Sample {
    name: String,
    needs: Option<SocketAddr>,
    disk: Disk,
    release: Release,
    faults: Rc<Faults>,
    load: Load,
}

type Said = (StatusCode, String);

impl Sample {
    /// Reads its release and opens its folders.
    pub(super) fn new(spec: Spec) -> Result<Sample, String> {
        let release = match &spec.release {
            Some(link) => Release::read(link)?,
            None => Release::default(),
        };
        Ok(Sample {
            disk: Disk::open(spec.cache, spec.data)?,
            name: spec.name,
            needs: spec.needs,
            release,
            faults: Rc::default(),
            load: Load::default(),
        })
    }

    /// What is to be kept is written, if there is room.
    pub(super) fn keep(&self) {
        let _ = self.disk.keep();
    }

    /// Answers one request.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let path = request.uri().path();
        let (status, body) = match path.strip_prefix("/_drill/") {
            Some(fault) => self.drill(fault, &request),
            None if path == load::PATH => (StatusCode::NO_CONTENT, String::new()),
            None => self.counted(path).await,
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        if let Ok(value) = HeaderValue::from_str(&self.name) {
            response.headers_mut().insert("x-served-by", value);
        }
        let said = self.load.says();
        response.headers_mut().insert(load::FIELD, said);
        Ok(response)
    }

    /// A page, for as long as it takes to make counted as worked on. Whether all is well is asked beside the work.
    async fn counted(&self, path: &str) -> Said {
        let counted = (path != "/healthz").then(|| self.load.enter());
        let said = match self.work(path).await {
            Ok(()) => self.page(path).await,
            Err(said) => said,
        };
        if let Some(counted) = counted {
            counted.answered();
        }
        said
    }

    /// What every request needs done before it can be answered.
    async fn work(&self, path: &str) -> Result<(), Said> {
        let wait = self.faults.delay() + self.release.slow;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let failed = |why: String| Err((StatusCode::INTERNAL_SERVER_ERROR, why + "\n"));
        if self.release.broken {
            return failed(format!("release {} has a fault", self.release.name));
        }
        if let Err(e) = self.disk.write(path) {
            return failed(format!("{} cannot write: {e}", self.name));
        }
        if let Some(other) = self.needs
            && let Err(why) = ask(other).await
        {
            let why = format!("{} needs {other}: {why}\n", self.name);
            return Err((StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Ok(())
    }

    async fn page(&self, path: &str) -> Said {
        let name = &self.name;
        if path == "/healthz" {
            return (StatusCode::OK, "ok\n".to_owned());
        }
        // What a load generator asks for: an answer of a known length.
        if let Some(Ok(bytes)) = path.strip_prefix("/bytes/").map(str::parse::<usize>) {
            return (StatusCode::OK, "x".repeat(bytes.min(BYTES_MAX)));
        }
        match path.strip_prefix("/slow/").map(str::parse::<u64>) {
            Some(Ok(ms)) => {
                tokio::time::sleep(Duration::from_millis(ms.min(60_000))).await;
                let said = format!("hello from {name}, {ms} ms later\n");
                (StatusCode::OK, said)
            }
            Some(Err(_)) => {
                let wanted = "wanted /slow/MILLISECONDS\n";
                (StatusCode::BAD_REQUEST, wanted.to_owned())
            }
            None => (StatusCode::OK, format!("hello from {name}\n")),
        }
    }

    /// Faults are for who is on this machine, and not for clients of a balancer before it.
    fn drill(&self, fault: &str, request: &Request<Incoming>) -> Said {
        if request.headers().contains_key("x-forwarded-for") {
            let why = "not through a balancer: ask this port directly\n";
            return (StatusCode::FORBIDDEN, why.to_owned());
        }
        if request.method() != Method::POST {
            let why = "wanted POST\n";
            return (StatusCode::METHOD_NOT_ALLOWED, why.to_owned());
        }
        let query = Query(request.uri().query().unwrap_or_default());
        match self.faults.turn(fault, &query) {
            Some(said) => (StatusCode::OK, said),
            None => (
                StatusCode::NOT_FOUND,
                "there is slow, leak, burn and end\n".to_owned(),
            ),
        }
    }
}

/// Asks the other service whether it is well: it has to answer, whatever it says. A connection alone proves nothing, the kernel takes it for
/// a process that hangs.
async fn ask(other: SocketAddr) -> Result<(), String> {
    let asked = async {
        let stream = TcpStream::connect(other).await?;
        stream.writable().await?;
        stream.try_write(b"HEAD /healthz HTTP/1.0\r\n\r\n")?;
        stream.readable().await?;
        let mut first = [0; 16];
        stream.try_read(&mut first)
    };
    match tokio::time::timeout(NEEDS_WITHIN, asked).await {
        Ok(Ok(1..)) => Ok(()),
        Ok(Ok(_)) => Err("it hangs up".into()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err(format!("no answer within {} ms", NEEDS_WITHIN.as_millis())),
    }
}
