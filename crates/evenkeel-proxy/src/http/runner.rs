//! What serves a request: a future and the buffers it works with, reused for request after request of whoever comes.
//!
//! A connection spends its life waiting for the next request, and what serves one is large. So a connection's task holds
//! only who it is; when a request comes it borrows a runner from the worker and gives it back when it has to wait again.
//! There are as many runners as requests are under way, and since the one used last is taken first, a request finds what
//! it works with still in the nearest cache. It is polled by the connection's own task: for sockets and timers it is that
//! task.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::Exchange;
use super::connection::Client;

/// Serves one client after the other, from the first byte of a request until the client has to be waited for.
pub(crate) struct Runner {
    desk: Rc<Desk>,
    work: Pin<Box<dyn Future<Output = ()>>>,
}

/// Where clients are handed over.
#[derive(Default)]
struct Desk {
    /// And whether it was accepted just now.
    comes: Cell<Option<(Box<Client>, bool)>>,
    goes: Cell<Option<Served>>,
}

enum Served {
    /// Its next request has to be waited for.
    Waits(Box<Client>),
    /// Its connection is over.
    Over,
}

impl Default for Runner {
    fn default() -> Runner {
        let desk = Rc::<Desk>::default();
        Runner {
            work: Box::pin(work(desk.clone())),
            desk,
        }
    }
}

impl Runner {
    /// Serves the client; `None` when its connection is over.
    pub(super) async fn serve(
        &mut self,
        client: Box<Client>,
        accepted: bool,
    ) -> Option<Box<Client>> {
        self.desk.comes.set(Some((client, accepted)));
        poll_fn(|cx| {
            let ended = self.work.as_mut().poll(cx);
            match self.desk.goes.take() {
                Some(Served::Waits(client)) => Poll::Ready(Some(client)),
                Some(Served::Over) => Poll::Ready(None),
                // It never ends; if it did, there would be nobody left to serve.
                None => ended.map(|()| None),
            }
        })
        .await
    }
}

async fn work(desk: Rc<Desk>) {
    let mut exchange = Exchange::default();
    loop {
        let (mut client, accepted) = poll_fn(|_| match desk.comes.take() {
            Some(comes) => Poll::Ready(comes),
            None => Poll::Pending,
        })
        .await;
        let waits = client.serve(&mut exchange, accepted).await;
        exchange.recycle();
        desk.goes.set(Some(match waits {
            true => Served::Waits(client),
            false => Served::Over,
        }));
    }
}
