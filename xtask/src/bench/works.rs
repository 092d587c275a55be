//! The kinds of work a proxy is measured at. Each shows another cost: the head, the connection, the bytes, the sealing.

/// One kind of work.
pub(crate) struct Work {
    /// As in the table.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) shows: &'static str,
    /// Clients, each with at most one request under way.
    pub(crate) connections: u32,
    /// Bytes of every answer's body.
    pub(crate) body: u32,
    /// Bytes of every request's head; 0: the shortest.
    pub(crate) head: u32,
    /// A new connection for every request.
    pub(crate) close: bool,
    /// Clients speak TLS 1.3.
    pub(crate) tls: bool,
    /// The most evenkeel's CPU time may be, as a share of HAProxy's, nginx's and the relay's.
    pub(crate) wanted: Wanted,
}

/// Ratios that are wanted; `None` where there is nothing to compare with.
pub(crate) struct Wanted {
    /// To HAProxy.
    pub(crate) haproxy: Option<f64>,
    /// To nginx.
    pub(crate) nginx: Option<f64>,
    /// To the relay that parses nothing.
    pub(crate) relay: Option<f64>,
}

impl Wanted {
    /// To this proxy.
    pub(crate) fn to(&self, proxy: &str) -> Option<f64> {
        match proxy {
            "haproxy" => self.haproxy,
            "nginx" => self.nginx,
            "relay" => self.relay,
            _ => None,
        }
    }
}

const fn wanted(haproxy: f64, nginx: f64, relay: f64) -> Wanted {
    Wanted {
        haproxy: Some(haproxy),
        nginx: Some(nginx),
        relay: Some(relay),
    }
}

const SMALL: Work = Work {
    name: "small",
    shows: "small GET, 64 keep-alive connections",
    connections: 64,
    body: 128,
    head: 0,
    close: false,
    tls: false,
    wanted: wanted(0.85, 0.90, 1.35),
};

/// All of them.
pub(crate) const WORKS: &[Work] = &[
    SMALL,
    Work {
        name: "browser-head",
        shows: "the same with a browser's head of 900 bytes",
        head: 900,
        wanted: wanted(0.85, 0.90, 1.40),
        ..SMALL
    },
    Work {
        name: "one",
        shows: "one connection: no batching, every wake-up is paid",
        connections: 1,
        wanted: wanted(0.72, 1.00, 1.45),
        ..SMALL
    },
    Work {
        name: "thousand",
        shows: "1,000 connections: tables larger than the nearest cache",
        connections: 1000,
        wanted: wanted(0.75, 0.85, 1.50),
        ..SMALL
    },
    Work {
        name: "body-64k",
        shows: "64 KiB bodies, 64 connections",
        body: 64 << 10,
        wanted: wanted(0.55, 0.75, 0.90),
        ..SMALL
    },
    Work {
        name: "body-1m",
        shows: "1 MiB bodies, 16 connections",
        connections: 16,
        body: 1 << 20,
        wanted: wanted(0.35, 0.50, 0.55),
        ..SMALL
    },
    Work {
        name: "new-connection",
        shows: "a new connection for every request, 64 at a time",
        close: true,
        wanted: Wanted {
            haproxy: Some(0.75),
            nginx: Some(0.90),
            // It opens one to the endpoint for each, which the others do not: nothing to compare with.
            relay: None,
        },
        ..SMALL
    },
    Work {
        name: "tls",
        shows: "TLS 1.3, small GET, 64 keep-alive connections",
        tls: true,
        wanted: Wanted {
            haproxy: Some(0.60),
            nginx: Some(1.00),
            relay: None,
        },
        ..SMALL
    },
    Work {
        name: "tls-handshake",
        shows: "TLS 1.3, a full handshake for every request, 64 at a time",
        tls: true,
        close: true,
        wanted: Wanted {
            haproxy: Some(0.45),
            nginx: Some(1.00),
            relay: None,
        },
        ..SMALL
    },
];

impl Work {
    /// The one that two workers and one are compared at.
    pub(crate) fn for_workers() -> &'static Work {
        &WORKS[0]
    }

    /// MiB to move before it counts. A kernel keeps freed memory with the core that freed it, up to an eighth of the
    /// machine's memory shared among the cores; where one core allocates and another frees, as here, memory flows one way
    /// until that is full, and all of it is fresh. In a virtual machine the first touch of such a page goes to the host: the
    /// endpoint then takes 3 ms to send 1 MiB instead of 0.2, which looks like a proxy that stalls. So that much is moved,
    /// and half as much again, before the measurement.
    pub(crate) fn warm_mib(&self, kept_mib: u64) -> u64 {
        const LARGE: u32 = 32 << 10;
        if self.body < LARGE {
            0
        } else {
            kept_mib * 3 / 2
        }
    }
}
