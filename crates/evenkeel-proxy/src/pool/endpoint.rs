//! One endpoint on one worker: connections kept idle, and opening new ones.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::address::Address;
use evenkeel_core::counters::EndpointShared;
use evenkeel_core::id::{EndpointId, PathId};
use evenkeel_core::observe::FailureKind;
use evenkeel_core::table::EndpointRow;
use evenkeel_core::time::Time;
use evenkeel_tls::{Client, Speaks};
use rustix::io::Errno;

use super::prober::Line;
use crate::rt;
use crate::wire::{self, Stream};

/// What a worker holds for one endpoint.
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) address: Option<Address>,
    /// Which of its addresses that is.
    pub(crate) path: PathId,
    /// The name its certificate is made for, if that is not the address.
    pub(crate) host: Option<Arc<str>>,
    pub(crate) shared: Arc<EndpointShared>,
    /// Its last answer was so long that it was spliced: the next will be, too, more often than not.
    pub(crate) gives_much: Cell<bool>,
    /// Oldest first; taken from the end, so that the rest may grow old and be closed.
    idle: RefCell<VecDeque<Idle>>,
    /// For asking it for its load.
    pub(super) line: Line,
}

struct Idle {
    stream: Stream,
    since: Time,
}

/// A non-idempotent request takes an idle connection only if it was busy this recently: a server that closes idle
/// connections does so after seconds, so the request does not meet its closing.
const FRESH: Duration = Duration::from_secs(1);

/// Why no connection could be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The endpoint's fault, as far as can be told.
    Endpoint(FailureKind),
    /// Ours: no descriptors, no ports, no memory. Says nothing about the endpoint.
    Local(io::Error),
}

impl Endpoint {
    pub(crate) fn new(row: &EndpointRow) -> Endpoint {
        Endpoint {
            id: row.id,
            address: row.address.clone(),
            path: row.path,
            host: row.host.clone(),
            shared: row.shared.clone(),
            gives_much: Cell::new(false),
            idle: RefCell::default(),
            line: Line::default(),
        }
    }

    /// An idle connection that is fit for use, the one used last. One that is not goes.
    pub(crate) fn take_idle(&self, idempotent: bool, now: Time) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.back() {
            if !idempotent && now.since(last.since) > FRESH {
                return None;
            }
            let Idle { stream, .. } = idle.pop_back()?;
            let fit = if idempotent {
                stream.seems_quiet()
            } else {
                stream.is_idle()
            };
            if fit {
                stream.at_rest(false);
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep_idle(&self, stream: Stream, now: Time, max_idle: u32) {
        let mut idle = self.idle.borrow_mut();
        if max_idle == 0 {
            return;
        }
        if idle.len() >= max_idle as usize {
            idle.pop_front();
        }
        stream.at_rest(true);
        idle.push_back(Idle { stream, since: now });
    }

    /// Closes what ended or has been idle for longer than `keep`.
    pub(super) fn sweep(&self, now: Time, keep: Duration) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            idle.retain(|i| now.since(i.since) < keep && i.stream.seems_quiet());
        }
    }

    pub(super) fn drop_idle(&self) {
        self.idle.borrow_mut().clear();
        self.line.hang_up();
    }

    /// Opens a connection. The caller bounds how long it may take.
    pub(crate) async fn connect(
        &self,
        tls: Option<&Client>,
        speaks: Speaks,
    ) -> Result<Stream, ConnectError> {
        let raw = self.open().await?;
        let Some(client) = tls else {
            return Ok(raw.into());
        };
        // Boxed: rare, and no part of what a request in clear text waits in.
        let secured = Box::pin(wire::connect(raw, client, &self.named(), speaks)).await;
        secured.map_err(|why| ConnectError::Endpoint(FailureKind::Tls(why)))
    }

    /// What its certificate must be made for, if the configuration says nothing else.
    fn named(&self) -> String {
        match (&self.host, &self.address) {
            (Some(host), _) => host.to_string(),
            (None, Some(Address::Ip(ip))) => ip.ip().to_string(),
            (None, _) => String::new(),
        }
    }

    async fn open(&self) -> Result<rt::Stream, ConnectError> {
        let refused = ConnectError::Endpoint(FailureKind::Connect);
        let Some(address) = &self.address else {
            return Err(refused);
        };
        rt::connect(address).await.map_err(|e| {
            let errno = e.raw_os_error().map(Errno::from_raw_os_error);
            match errno {
                Some(
                    Errno::MFILE
                    | Errno::NFILE
                    | Errno::NOBUFS
                    | Errno::NOMEM
                    | Errno::ADDRNOTAVAIL
                    | Errno::NOSPC,
                ) => ConnectError::Local(e),
                Some(Errno::TIMEDOUT) => ConnectError::Endpoint(FailureKind::ConnectTimeout),
                Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::HOSTDOWN) => {
                    ConnectError::Endpoint(FailureKind::Unreachable)
                }
                _ => refused,
            }
        })
    }
}
