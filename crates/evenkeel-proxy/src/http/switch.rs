//! After a 101: no HTTP any more, bytes both ways.

use evenkeel_core::counters::Reject;

use super::Exchange;
use super::forward::Job;
use super::request::{Ended, Tally};
use crate::tunnel;
use crate::wire::Stream;

impl Job<'_> {
    /// After a 101: bytes both ways until both have ended.
    pub(super) async fn switch(
        &self,
        exchange: &mut Exchange,
        tally: &mut Tally,
        endpoint: &Stream,
    ) -> Ended {
        let head_len = exchange.request.len();
        let early = &exchange.head_in.bytes()[head_len..];
        exchange
            .down
            .data
            .extend_from_slice(exchange.answer_in.bytes());
        exchange.answer_in.clear();
        let tunnel = tunnel::Tunnel {
            worker: &self.client.worker,
            timer: &self.client.conn.timer,
            client: &self.client.stream,
            endpoint,
            timeout: self.client.listener.settings().tunnel_timeout,
        };
        let carried = tunnel.run(early, exchange.down.unsent()).await;
        tally.sent += carried.down;
        if carried.quiet {
            self.client.listener.reject(Reject::TunnelTimeout);
        }
        exchange.down.clear();
        self.client.listener.counters().bytes_in.add(carried.up);
        Ended::Cut
    }
}
