//! The way in for agents: which certificate is shown, what they must show, and how many strangers are greeted at once.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::remote::{AGENTS_MAX, LinkId};
use evenkeel_probe::clock::now;
use evenkeel_schema::config::{Agents, Secret};
use evenkeel_tls::Server;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::quiet::{Line, Quiet};
use super::{Said, link};
use crate::Tls;

/// Strangers greeted at once: agents that all come back after a restart take turns of some milliseconds.
const GREETED_MAX: usize = 64;
/// After an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is let in.
#[derive(Default)]
pub(crate) struct Rules {
    /// `None` = clear text.
    pub(super) tls: Option<Arc<Server>>,
    /// There should be TLS, and no certificate is good: nobody is let in.
    pub(super) shut: bool,
    pub(super) token: Option<Secret>,
    /// Is a certificate by `client_ca` as good?
    pub(super) certificates: bool,
}

impl Rules {
    /// As the configuration wants it, with the certificate there is.
    pub(crate) fn of(agents: &Agents, tls: &Tls) -> Rules {
        let server = tls.agents();
        let wanted = agents.tls.as_ref();
        Rules {
            shut: server.is_none() && wanted.is_some(),
            tls: server,
            token: agents.token.clone(),
            certificates: wanted.is_some_and(|tls| tls.client_ca.is_some()),
        }
    }
}

/// How often somebody was not let in, since this process began.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// By what it showed.
    pub(crate) credentials: AtomicU64,
    /// By its name, or for want of room.
    pub(crate) name: AtomicU64,
    /// It was no agent, or took too long.
    pub(crate) garbage: AtomicU64,
}

impl Refusals {
    pub(crate) fn named(&self) -> [(&'static str, u64); 3] {
        [
            ("credentials", self.credentials.load(Relaxed)),
            ("name", self.name.load(Relaxed)),
            ("garbage", self.garbage.load(Relaxed)),
        ]
    }
}

/// The way in.
pub(crate) struct AgentDoor {
    /// Set at each reload, read once per connection.
    rules: Mutex<Arc<Rules>>,
    /// Strangers that are being greeted, the oldest first.
    greeting: Mutex<BTreeMap<LinkId, Arc<Notify>>>,
    links: Arc<Semaphore>,
    last: AtomicU64,
    pub(crate) refusals: Refusals,
    quiet: Mutex<Quiet<IpAddr>>,
    pub(super) said: mpsc::Sender<Said>,
}

impl AgentDoor {
    /// What comes in goes to `said`.
    pub(crate) fn new(said: mpsc::Sender<Said>) -> AgentDoor {
        AgentDoor {
            rules: Mutex::default(),
            greeting: Mutex::default(),
            links: Arc::new(Semaphore::new(AGENTS_MAX + GREETED_MAX)),
            last: AtomicU64::new(0),
            refusals: Refusals::default(),
            quiet: Mutex::default(),
            said,
        }
    }

    /// From the next connection on.
    pub(crate) fn set(&self, rules: Rules) {
        *self.lock() = Arc::new(rules);
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        self.lock().clone()
    }

    /// A place among those that are greeted, and the word that it is taken away. Where all are taken the one that has kept its place
    /// for longest loses it: an agent needs some milliseconds, and whoever sits there to keep others out is out first.
    pub(super) fn greet(&self, id: LinkId) -> Arc<Notify> {
        let leave = Arc::new(Notify::new());
        let mut greeting = self.greeting();
        greeting.insert(id, leave.clone());
        if greeting.len() > GREETED_MAX
            && let Some((_, oldest)) = greeting.pop_first()
        {
            oldest.notify_one();
        }
        leave
    }

    /// It is not a stranger any more, or is gone.
    pub(super) fn greeted(&self, id: LinkId) {
        self.greeting().remove(&id);
    }

    /// Somebody showed what is not good: counted each time, and logged so that nobody can fill the log with it.
    pub(super) fn refused(&self, from: SocketAddr, why: &str) {
        self.refusals.credentials.fetch_add(1, Relaxed);
        let quiet = self.quiet.lock();
        let mut quiet = quiet.unwrap_or_else(PoisonError::into_inner);
        let line = quiet.refused(from.ip(), now().at);
        drop(quiet);
        let (whence, not_logged) = match line {
            Line::Nothing => return,
            Line::One(count) => ("", count),
            Line::Common(count) => (", one of very many addresses,", count),
        };
        let more = match not_logged {
            0 => String::new(),
            count => format!(" (and {count} before it that were not logged)"),
        };
        tracing::warn!(target: "evenkeel::agents", "an agent at {from}{whence} was refused: {why}{more}");
    }

    fn greeting(&self) -> MutexGuard<'_, BTreeMap<LinkId, Arc<Notify>>> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts on this socket until the task is ended.
    ///
    /// # Errors
    /// The socket can't be used.
    pub(crate) fn accept(self: &Arc<Self>, socket: OwnedFd) -> io::Result<JoinHandle<()>> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let listener = TcpListener::from_std(socket.into())?;
        let door = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, from)) => door.admit(stream, from),
                    Err(error) => {
                        tracing::debug!("an agent's connection could not be accepted: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }))
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, from: SocketAddr) {
        let Ok(permit) = self.links.clone().try_acquire_owned() else {
            // Closed at once, which says more than silence.
            self.refusals.name.fetch_add(1, Relaxed);
            return;
        };
        let (door, id) = (self.clone(), LinkId(self.last.fetch_add(1, Relaxed) + 1));
        tokio::spawn(async move {
            link::serve(&door, stream, from, id).await;
            drop(permit);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Rules>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
