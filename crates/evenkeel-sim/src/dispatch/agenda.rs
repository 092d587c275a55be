//! What will happen next: a heap of moments on a clock that is only a number. What is due at the same moment happens in the
//! order in which it was entered, so that a seed tells the same story on every machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that happens at its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A request comes; where users wait for their answers, it is this user's.
    Arrive { user: u32 },
    /// The endpoint has done its next request, unless its plans have changed since it said so.
    Finish { endpoint: u32, version: u64 },
    /// The endpoint's capacity changes.
    Change { endpoint: u32 },
    /// A try that failed without any work is known to have failed.
    Fail { attempt: u32, number: u64 },
    /// A try has taken too long.
    TimeOut { attempt: u32, number: u64 },
    /// A request has waited in line for too long.
    GiveUp { request: u32, number: u64 },
    /// A request is tried again.
    Again { request: u32, number: u64 },
    /// A try reaches its endpoint in another zone.
    Reach { attempt: u32, number: u64 },
    /// Its answer is back.
    Back { attempt: u32, number: u64 },
    /// An endpoint is known to be down from now on, or up again.
    Known { endpoint: u32, down: bool },
    /// A client waits no longer.
    Leave { request: u32, number: u64 },
    /// It comes back and asks again.
    Return { request: u32, number: u64 },
    /// An endpoint's machine has another load beside it.
    Turn { endpoint: u32 },
    /// An endpoint is asked by a balancer for its load.
    Ask { balancer: u32, endpoint: u32 },
    /// It has said.
    Told {
        balancer: u32,
        endpoint: u32,
        in_flight: u32,
        latency_ns: Option<u64>,
    },
    /// What failed is counted, as control does every 100 ms.
    Look,
}

/// The heap.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, Event)>>,
    entered: u64,
}

impl Agenda {
    /// At `at`, in nanoseconds.
    pub(super) fn enter(&mut self, at: u64, event: Event) {
        self.entered += 1;
        self.heap.push(Reverse((at, self.entered, event)));
    }

    /// The next, if it is due before `end`.
    pub(super) fn next(&mut self, end: u64) -> Option<(u64, Event)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at >= end {
            return None;
        }
        let Reverse((at, _, event)) = self.heap.pop()?;
        Some((at, event))
    }
}
