//! Asking endpoints for their load beside the traffic (`probe_path`): a light request on a connection of its own, whose answer
//! tells in a field what the endpoint has in flight.
//!
//! No request waits for it: whom to ask is decided with a pick, and asking is a task of its own. There is one question at a time
//! for each endpoint and worker, and so many in all; what would be more is not asked. An answer that does not come, or says
//! nothing, says nothing of health either: that is for checks to find out.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::balance::Report;
use evenkeel_core::time::Time;
use evenkeel_tls::Speaks;

use super::{Current, Endpoint, Pool};
use crate::http::load_report;
use crate::http1::{Asked, Framing, Limits, Progress, ResponseHead};
use crate::rt;
use crate::wire::Stream;

/// Questions under way at once, for each pool and worker: enough for 16 a millisecond where endpoints are near.
const AT_ONCE: u32 = 16;
/// What is told later is too old to go by.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The whole answer.
const ANSWER_MAX: usize = 8 * 1024;
const LIMITS: Limits = Limits {
    max_head: ANSWER_MAX,
    max_fields: 128,
};

/// What a worker holds for asking one endpoint.
#[derive(Default)]
pub(super) struct Line {
    asking: Cell<bool>,
    kept: RefCell<Option<Stream>>,
}

impl Line {
    /// Closes its connection, if it rests.
    pub(super) fn hang_up(&self) {
        self.kept.take();
    }
}

/// Counts a question for as long as it lives.
struct Question {
    pool: Rc<Pool>,
    current: Rc<Current>,
    index: usize,
}

impl Pool {
    /// After a pick: asks whomever its policy wants to hear of.
    pub(super) fn ask_around(self: &Rc<Self>, current: &Rc<Current>, now: Time) {
        loop {
            let asked = self.picker.borrow_mut().to_ask(&current.table, now);
            let Some(index) = asked else {
                return;
            };
            let line = &current.endpoints[index].line;
            if line.asking.get() || self.asking.get() >= AT_ONCE {
                continue;
            }
            line.asking.set(true);
            self.asking.set(self.asking.get() + 1);
            let question = Question {
                pool: self.clone(),
                current: current.clone(),
                index,
            };
            rt::spawn(async move {
                let timer = rt::wheel().timer();
                timer.within(now + TIMEOUT, question.answer()).await;
            });
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.endpoint().line.asking.set(false);
        self.pool.asking.set(self.pool.asking.get() - 1);
    }
}

impl Question {
    fn endpoint(&self) -> &Rc<Endpoint> {
        &self.current.endpoints[self.index]
    }

    /// `None`: nothing was heard.
    async fn answer(&self) -> Option<()> {
        let prequal = &self.current.table.policy.prequal;
        let path = prequal.probe_path.as_deref()?;
        let stream = self.stream().await?;
        let request = request(path, self.endpoint());
        write(&stream, request.as_bytes()).await?;
        let (answer, head, persistent) = read(&stream).await?;
        let now = rt::now();
        let said = head.values(&answer, &prequal.header).next();
        if let Some((in_flight, latency)) = said.and_then(load_report::report) {
            let report = Report {
                at: now,
                in_flight,
                latency,
            };
            self.pool.reported(&self.current.table, self.index, &report);
        }
        if persistent {
            stream.at_rest(true);
            self.endpoint().line.kept.replace(Some(stream));
        }
        Some(())
    }

    async fn stream(&self) -> Option<Stream> {
        if let Some(kept) = self.endpoint().line.kept.take()
            && kept.is_idle()
        {
            kept.at_rest(false);
            return Some(kept);
        }
        let tls = self.current.tls.as_deref();
        self.endpoint().connect(tls, Speaks::Http).await.ok()
    }
}

fn request(path: &str, endpoint: &Endpoint) -> String {
    let host = match (&endpoint.host, &endpoint.address) {
        (Some(host), _) => host.to_string(),
        (None, Some(Address::Ip(ip))) => ip.to_string(),
        (None, _) => "localhost".to_owned(),
    };
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: evenkeel\r\n\r\n")
}

async fn write(stream: &Stream, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, bytes)).await.ok()?;
        if written == 0 {
            return None;
        }
        bytes = &bytes[written..];
    }
    Some(())
}

/// The answer's bytes and its head; can the connection be used again?
async fn read(stream: &Stream) -> Option<(Vec<u8>, ResponseHead, bool)> {
    let mut answer = Vec::with_capacity(ANSWER_MAX);
    let mut head = ResponseHead::default();
    let len = loop {
        let read = poll_fn(|cx| stream.poll_read(cx, &mut answer)).await.ok()?;
        if read == 0 {
            return None;
        }
        match head.parse(&answer, &LIMITS, Asked::default()).ok()? {
            Progress::Complete { len } => break len,
            Progress::Partial => {}
        }
    };
    let whole = match head.framing() {
        Framing::None => len,
        Framing::Length(body) if body <= ANSWER_MAX as u64 => len + body as usize,
        // It has said what it has to say; its body is not waited for.
        _ => return Some((answer, head, false)),
    };
    while answer.len() < whole.min(ANSWER_MAX) {
        let read = poll_fn(|cx| stream.poll_read(cx, &mut answer)).await;
        if read.is_err() || matches!(read, Ok(0)) {
            return Some((answer, head, false));
        }
    }
    let persistent = head.persistent() && !head.interim() && answer.len() == whole;
    Some((answer, head, persistent))
}
