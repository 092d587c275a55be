//! Writing a request down before it goes to an endpoint, on a route with `journal = true`: those that may be done twice, whole
//! with their body, under a key by which the endpoint can tell that it is the same one again.

use std::future::poll_fn;
use std::task::Poll;

use evenkeel_core::time::Time;

use super::Exchange;
use super::forward::{Failed, Job};
use super::own;
use super::request::{Ended, Tally};
use super::upload::UploadError;
use crate::http1::{Method, RequestHead, ResponseForward, Sent, write_response_head};
use crate::redo::{Draft, Ticket, WAIT};
use crate::rt;
use crate::snapshot::route_words;
use crate::worker::GoesFor;

/// The field that carries the key, as in draft-ietf-httpapi-idempotency-key-header.
pub(super) const KEY: &str = "Idempotency-Key";
/// What the client is told under: the key of a request that will be sent again.
const PROMISE: &str = "Evenkeel-Redo";
/// A longer key of a client's is none that is told apart by it.
const KEY_MAX: usize = 255;

/// What a client says of itself.
enum Given {
    /// Nothing: one is made, where the method may be done twice.
    Nothing,
    /// This key.
    Key(String),
    /// What cannot be used: two keys, an empty one, a strange one.
    Unfit,
}

impl Job<'_> {
    /// The request with its tries, written down if it can be. What came of it is told to the book.
    pub(super) async fn run_kept(&self, exchange: &mut Exchange, tally: &mut Tally) -> Ended {
        let ended = match self.keep(exchange, tally.started).await {
            Ok(()) => self.run_tries(exchange, tally).await,
            Err(failed) => self.fail(exchange, tally, failed).await,
        };
        if let Some(ticket) = exchange.ticket.take() {
            ticket.settle((100..500).contains(&tally.status));
        }
        ended
    }

    async fn keep(&self, exchange: &mut Exchange, now: Time) -> Result<(), Failed> {
        let Some(book) = &self.client.worker.shared.book else {
            return Ok(());
        };
        let Some((key, given)) = self.key(&exchange.request, exchange.head_in.bytes()) else {
            return Ok(());
        };
        exchange.ticket = Some(Box::new(Ticket::new(&key, given)));
        self.invite(exchange).await?;
        self.write_head(exchange, now, None);
        self.receive(exchange).await?;
        if !exchange.upload.replayable() {
            self.pool.cell.redo.not_kept(1);
            return Ok(());
        }
        let draft = self.draft(exchange, key);
        if let Some(ticket) = &exchange.ticket
            && book.keep(draft, ticket)
        {
            // Until it is written down, but not for long.
            let until = rt::now() + WAIT;
            self.client.conn.timer.within(until, ticket.known()).await;
        }
        Ok(())
    }

    /// The key it goes under, and whether it is ours. `None`: not a request that is written down.
    fn key(&self, request: &RequestHead, head: &[u8]) -> Option<(String, bool)> {
        let safe = request.upgrade(head).is_none() && !request.host().is_empty();
        let replaces = matches!(request.method(), Method::Put | Method::Delete);
        let keyed = matches!(request.method(), Method::Post | Method::Patch);
        if !safe || !(replaces || keyed) {
            return None;
        }
        match given(request, head) {
            Given::Key(key) => Some((key, false)),
            Given::Nothing if replaces => Some((uuid(self.client.worker.random.next_wide()), true)),
            Given::Nothing => None,
            Given::Unfit => {
                self.pool.cell.redo.not_kept(1);
                None
            }
        }
    }

    /// A client that waits to be asked for its body is asked: it is wanted before any endpoint is.
    async fn invite(&self, exchange: &mut Exchange) -> Result<(), Failed> {
        if exchange.upload.expects() {
            let word = b"HTTP/1.1 100 Continue\r\n\r\n";
            exchange.down.tail().extend_from_slice(word);
            if !self.client.flush(exchange).await {
                return Err(Failed::Gone);
            }
            exchange.down.rest();
            exchange.upload.invited();
        }
        Ok(())
    }

    /// Reads the body to its end, or until it is too large to be kept.
    async fn receive(&self, exchange: &mut Exchange) -> Result<(), Failed> {
        let (client, conn) = (&self.client.stream, &self.client.conn);
        let ended = poll_fn(|cx| {
            if let Poll::Ready(received) = exchange.upload.poll_receive(cx, client) {
                return Poll::Ready(received.map_err(|e| super::forward::client_failed(&e)));
            }
            conn.timer.set(exchange.upload.client_deadline());
            let stalled = exchange.upload.client_since().map(GoesFor::Stalled);
            conn.may_go_for.set(stalled.unwrap_or(GoesFor::Nothing));
            if conn.timer.poll_expired(cx) || (stalled.is_some() && conn.must_go.get()) {
                return Poll::Ready(Err(Failed::Own(own::BODY_TOO_SLOW)));
            }
            if client.poll_gone(cx) {
                let gone = UploadError::Gone;
                return Poll::Ready(Err(super::forward::client_failed(&gone)));
            }
            Poll::Pending
        })
        .await;
        conn.may_go_for.set(GoesFor::Nothing);
        ended
    }

    fn draft(&self, exchange: &Exchange, key: String) -> Draft {
        let head = exchange.head_in.bytes();
        let request = &exchange.request;
        let replaces = matches!(request.method(), Method::Put | Method::Delete);
        let query = request.query(head).unwrap_or_default();
        let (s, ns) = rt::wall();
        Draft {
            route: route_words(self.route),
            pool: self.pool.current().table.name.to_string(),
            born_ms: s * 1000 + u64::from(ns) / 1_000_000,
            resource: hash(&[request.host(), request.path(head), query]),
            replaces,
            replaceable: replaces || request.method() == Method::Patch,
            key,
            bytes: exchange.upload.whole().to_vec(),
            counts: self.pool.cell.redo.clone(),
        }
    }
}

/// The client's own key.
fn given(request: &RequestHead, head: &[u8]) -> Given {
    let fields = request.fields().iter().filter(|field| !field.hop);
    let mut keys = fields.filter(|field| field.name.of(head).eq_ignore_ascii_case(KEY.as_bytes()));
    let Some(first) = keys.next() else {
        return Given::Nothing;
    };
    let value = first.value.of(head);
    let plain = value.iter().all(|b| (0x20..0x7f).contains(b));
    match std::str::from_utf8(value) {
        Ok(key) if plain && (1..=KEY_MAX).contains(&key.len()) && keys.next().is_none() => {
            Given::Key(key.to_owned())
        }
        _ => Given::Unfit,
    }
}

/// A random UUID (RFC 9562 version 4).
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// FNV-1a, with a border between the parts. It has to be the same in the next process.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The head of an endpoint's answer as the client gets it, with the promise if it is an error and there is one.
pub(super) fn write_answer_head(
    exchange: &mut Exchange,
    len: usize,
    forward: &ResponseForward<'_>,
) -> Sent {
    let head = &exchange.answer_in.bytes()[..len];
    let sent = write_response_head(exchange.down.tail(), &exchange.response, head, forward);
    exchange.answer_in.consume(len);
    if let Some(ticket) = &exchange.ticket
        && exchange.response.status() >= 500
        && let Some(key) = ticket.promise()
    {
        add_field(&mut exchange.down.data, PROMISE, key);
    }
    sent
}

/// Puts one more field at the end of a head that is complete.
pub(super) fn add_field(head: &mut Vec<u8>, name: &str, value: &str) {
    if head.ends_with(b"\r\n\r\n") {
        head.truncate(head.len() - 2);
        for part in [name, ": ", value, "\r\n\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        for random in [0, u128::MAX, 0x1234_5678_9abc_def0_1234_5678_9abc_def0] {
            let id = uuid(random);
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4", "{id}");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        }
    }

    #[test]
    fn parts_of_a_resource_are_told_apart() {
        assert_eq!(hash(&["a", "/x", ""]), hash(&["a", "/x", ""]));
        assert_ne!(hash(&["a", "/x", "y"]), hash(&["a", "/xy", ""]));
    }

    #[test]
    fn a_field_is_added_before_the_end_of_the_head() {
        let mut head = b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        add_field(&mut head, "Idempotency-Key", "k");
        assert_eq!(
            head,
            b"PUT / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n\r\n"
        );
    }
}
