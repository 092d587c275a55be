//! Taking in connections from one listening socket.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use evenkeel_core::counters::Reject;
use evenkeel_core::settings::Protocol;
use std::os::fd::OwnedFd;

use crate::room::Wanted;
use crate::rt::{self, Listener};
use crate::seldom::Seldom;
use crate::worker::{ListenerView, View, Worker};

/// While `max_connections` are open, or while the listener is not configured yet, the socket is looked at this often:
/// clients wait in its queue.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After an error (no descriptors left) accepting rests for this long, so that it does not spin.
const REST: Duration = Duration::from_millis(50);
/// After so many connections everybody else has a turn: their first requests wait already.
const IN_A_ROW: u32 = 64;
/// Clients of a listener from which on the kernel holds less for each: until then 128 MiB in all, and 5 GiB for all of
/// `max_connections` by default.
const MANY: u32 = 128;
/// Connections taken in at the end; more cannot wait in a queue of the usual length.
const LAST: usize = 4096;

/// Accepts from one socket until stopped.
pub(crate) struct Acceptor {
    worker: Rc<Worker>,
    name: Arc<str>,
    listener: Rc<Listener>,
    task: rt::Task,
}

impl Acceptor {
    /// `None`, with a line in the log, if the socket cannot be used.
    pub(crate) fn start(
        worker: &Rc<Worker>,
        address: &str,
        name: &Arc<str>,
        fd: OwnedFd,
    ) -> Option<Acceptor> {
        let listener = match Listener::new(fd) {
            Ok(listener) => Rc::new(listener),
            Err(error) => {
                tracing::error!(%error, address, listener = %name, "cannot accept on this socket");
                return None;
            }
        };
        let task = rt::spawn(accept(
            worker.clone(),
            name.clone(),
            address.into(),
            listener.clone(),
        ));
        Some(Acceptor {
            worker: worker.clone(),
            name: name.clone(),
            listener,
            task,
        })
    }

    /// Takes in who waits already, then lets go of the socket.
    pub(crate) fn stop(self) {
        self.task.abort();
        let Some(view) = self.worker.view().listeners.get(&self.name).cloned() else {
            return;
        };
        for _ in 0..LAST {
            match self.listener.accept_now() {
                Ok(Some(accepted)) => self.worker.serve(&view, accepted),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

async fn accept(worker: Rc<Worker>, name: Arc<str>, address: Arc<str>, listener: Rc<Listener>) {
    let failing = Seldom::default();
    let full = Seldom::default();
    let scarcely = Seldom::default();
    let mut was_full = false;
    let mut deferred = None;
    let mut current = Known::default();
    let mut in_a_row = 0;
    loop {
        let Some(view) = current.view(&worker, &name) else {
            rt::sleep(LOOK_AGAIN).await;
            continue;
        };
        // TLS begins with the client's word, whatever is spoken in it.
        let client_first = match view.settings().protocol {
            Protocol::Http | Protocol::Passthrough => true,
            Protocol::Tcp { .. } => view.tls().is_some(),
        };
        if deferred != Some(client_first) {
            listener.defer(client_first);
            deferred = Some(client_first);
        }
        if !has_room(&view, &mut was_full, &full) {
            wait_for_room(worker.make_room(&Wanted::Connection(&view)), LOOK_AGAIN).await;
            continue;
        }
        if in_a_row >= IN_A_ROW {
            in_a_row = 0;
            rt::step_back().await;
        }
        in_a_row += 1;
        listener.bound_unsent(view.open().load(Relaxed) >= MANY);
        match listener.accept().await {
            Ok(accepted) => {
                let scarce = accepted.stream.descriptor() >= worker.reserved_from;
                worker.serve(&view, accepted);
                if scarce {
                    view.reject(Reject::NoResources);
                    if let Some(unsaid) = scarcely.due(rt::now()) {
                        tracing::warn!(%address, unsaid, "descriptors run short; idle connections are closed first, and clients wait");
                    }
                    wait_for_descriptors(&worker).await;
                }
            }
            Err(error) => {
                view.reject(Reject::NoResources);
                if let Some(unsaid) = failing.due(rt::now()) {
                    tracing::warn!(%error, %address, unsaid, "cannot accept connections for now; clients wait");
                }
                wait_for_room(worker.make_room_for_descriptors(), REST).await;
            }
        }
    }
}

/// The listener as the snapshot in use has it, looked for only when that is another one.
#[derive(Default)]
struct Known {
    of: Option<Rc<View>>,
    listener: Option<Rc<ListenerView>>,
}

impl Known {
    fn view(&mut self, worker: &Worker, name: &Arc<str>) -> Option<Rc<ListenerView>> {
        worker.refresh_if_told();
        if !self.of.as_ref().is_some_and(|of| worker.is_current(of)) {
            let view = worker.view();
            self.listener = view.listeners.get(name).cloned();
            self.of = Some(view);
        }
        self.listener.clone()
    }
}

/// Those who were told to go need a turn for it; where there was nobody, room comes by itself or not at all.
async fn wait_for_room(made: bool, else_for: Duration) {
    match made {
        true => rt::step_back().await,
        false => rt::sleep(else_for).await,
    }
}

/// Takes in nobody until somebody could be told to go, or went.
async fn wait_for_descriptors(worker: &Worker) {
    let open = worker.open_everywhere();
    while !worker.make_room_for_descriptors() {
        rt::sleep(LOOK_AGAIN).await;
        if worker.open_everywhere() < open {
            return;
        }
    }
    rt::step_back().await;
}

/// Counts each time the limit is reached, and tells of it seldom: at the limit that is with every connection.
fn has_room(view: &ListenerView, was_full: &mut bool, full: &Seldom) -> bool {
    let max = view.settings().max_connections;
    let room = view.open().load(Relaxed) < max;
    if !room && !*was_full {
        view.reject(Reject::TooManyConnections);
        if let Some(unsaid) = full.due(rt::now()) {
            tracing::warn!(listener = %view.settings().name, max, unsaid, "max_connections reached; clients wait");
        }
    }
    *was_full = !room;
    room
}
