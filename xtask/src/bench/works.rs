//! The kinds of work a proxy is measured at. Each shows another cost: the head, the connection, the bytes.

/// One kind of work.
pub(crate) struct Work {
    /// As in the table.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) shows: &'static str,
    /// Clients, each with one request under way.
    pub(crate) connections: u32,
    /// Bytes of every answer's body.
    pub(crate) body: u32,
    /// Bytes of every request's head; 0: the shortest.
    pub(crate) head: u32,
    /// A new connection for every request.
    pub(crate) close: bool,
}

const SMALL: Work = Work {
    name: "small",
    shows: "small GET, 64 keep-alive connections",
    connections: 64,
    body: 128,
    head: 0,
    close: false,
};

/// All of them.
pub(crate) const WORKS: &[Work] = &[
    SMALL,
    Work {
        name: "browser-head",
        shows: "the same with a browser's head of 900 bytes",
        head: 900,
        ..SMALL
    },
    Work {
        name: "one",
        shows: "one connection: no batching, every wake-up is paid",
        connections: 1,
        ..SMALL
    },
    Work {
        name: "thousand",
        shows: "1,000 connections: tables larger than the nearest cache",
        connections: 1000,
        ..SMALL
    },
    Work {
        name: "body-64k",
        shows: "64 KiB bodies, 64 connections",
        body: 64 << 10,
        ..SMALL
    },
    Work {
        name: "body-1m",
        shows: "1 MiB bodies, 16 connections",
        connections: 16,
        body: 1 << 20,
        ..SMALL
    },
    Work {
        name: "new-connection",
        shows: "a new connection for every request, 64 at a time",
        close: true,
        ..SMALL
    },
];
