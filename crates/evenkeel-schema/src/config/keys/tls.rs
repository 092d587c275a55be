//! The keys of TLS: certificates that listeners show, and how endpoints are spoken to.

use super::{Key, Kind, TableDef};

/// `[[listener.tls]]`.
#[rustfmt::skip] // one line a key
pub static HOST_TLS: TableDef = TableDef {
    path: "listener.tls",
    meaning: "A certificate to show. Several are chosen by the name the client asks for (SNI), the first is the default. Files are read again when they change.",
    keys: &[
        Key::required("certificate", Kind::Path, "PEM: the certificate, then those of its intermediate authorities"),
        Key::required("key", Kind::Path, "PEM: its private key, not encrypted"),
        Key::new("client_ca", Kind::Path, "", "PEM: set = a client must show a certificate that one of these authorities signed"),
    ],
};

/// `pool.NAME.tls`.
#[rustfmt::skip] // one line a key
pub static POOL_TLS: TableDef = TableDef {
    path: "pool.NAME.tls",
    meaning: "TLS to the pool's endpoints, for traffic and checks alike; omitted = clear text.",
    keys: &[
        Key::new("ca", Kind::Path, "", "PEM: the authorities that sign endpoints' certificates; default: those this machine trusts"),
        Key::new("server_name", Kind::Text, "", "the name the certificate must have, and that is asked for; default: the endpoint's host as configured"),
        Key::new("certificate", Kind::Path, "", "PEM: what an endpoint is shown that asks for a certificate; together with key"),
        Key::new("key", Kind::Path, "", "PEM: its private key, not encrypted"),
    ],
};
