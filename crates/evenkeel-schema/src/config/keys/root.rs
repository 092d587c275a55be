//! The keys of the file's top, `[node]`, `[admin]`, `[log]`, listeners and routes.

use super::{Key, Kind, LONG, SHORT, SIZE_MAX, TableDef, ZERO, later, word};

/// The file itself.
#[rustfmt::skip] // one line a key
pub static ROOT: TableDef = TableDef {
    path: "",
    meaning: "A configuration.",
    keys: &[
        Key::new("node", Kind::Table(&NODE), "", "this process"),
        Key::new("admin", Kind::Table(&ADMIN), "", "the admin API"),
        Key::new("log", Kind::Table(&LOG), "", "what is written down"),
        Key::required("listener", Kind::Tables(&LISTENER), "where clients connect"),
        Key::new("route", Kind::Tables(&ROUTE), "", "which request goes where: the first that fits, in file order"),
        Key::new("pool", Kind::Named(&super::POOL), "", "endpoints that do the same work"),
        Key::new("service", Kind::Named(&super::SERVICE), "", "processes that evenkeel starts, watches and starts again"),
        Key::new("agents", Kind::Table(&super::AGENTS), "", "where agents of other hosts connect; omitted = none do"),
    ],
};

/// `[node]`.
#[rustfmt::skip] // one line a key
pub static NODE: TableDef = TableDef {
    path: "node",
    meaning: "This process.",
    keys: &[
        Key::new("name", Kind::Name, "", "what it calls itself; default: the host's name"),
        Key::new("state_dir", Kind::Path, "\"evenkeel-state\"", "store, journal, recovery points; a second run on it is refused with the first one's pid"),
        Key::new("workers", Kind::NumberOr("auto", 1, 1024), "\"auto\"", "data-plane threads; \"auto\" = one per core"),
        Key::new("user", Kind::User, "", "the balancer runs as this user; default: who started it. It must be able to read the file and state_dir"),
        Key::new("zone", Kind::Name, "", "the zone it is in: of each pool the endpoints in the same zone come first"),
        Key::new("shutdown_delay", Kind::Duration(ZERO, LONG), "\"0s\"", "after SIGTERM: /readyz answers 503, traffic is still served for this long"),
        Key::new("drain_timeout", Kind::Duration(ZERO, LONG), "\"30s\"", "then requests, tunnels and streams in flight may finish for this long"),
    ],
};

/// `[admin]`.
#[rustfmt::skip] // one line a key
pub static ADMIN: TableDef = TableDef {
    path: "admin",
    meaning: "The admin API.",
    keys: &[
        Key::new("bind", Kind::Bind, "\"127.0.0.1:9440\"", "API and /metrics; \"unix:PATH\" too"),
        Key::new("token", Kind::Secret, "", "for changing calls; this or client_ca is required when bind is neither loopback nor unix"),
        Key::new("certificate", Kind::Path, "", "PEM: set, together with key = https; read again when it changes"),
        Key::new("key", Kind::Path, "", "PEM: its private key, not encrypted"),
        Key::new("client_ca", Kind::Path, "", "PEM: a certificate that one of these authorities signed is as good as the token; who shows none may only read"),
    ],
};

/// `[log]`.
#[rustfmt::skip] // one line a key
pub static LOG: TableDef = TableDef {
    path: "log",
    meaning: "What is written down.",
    keys: &[
        Key::new("level", Kind::Word(&[word("error"), word("warn"), word("info"), word("debug"), word("trace")]), "\"info\"", "the least important lines that are written"),
        Key::new("format", Kind::Word(&[word("text"), word("json")]), "\"text\"", "for people, or one object a line"),
        Key::new("access", Kind::Text, "\"off\"", "\"off\", \"stdout\" or a path: one line a request"),
        Key::new("access_format", Kind::Word(&[word("json"), word("common")]), "\"json\"", "one object a line, or Common Log Format"),
    ],
};

/// `[[listener]]`.
#[rustfmt::skip] // one line a key
pub static LISTENER: TableDef = TableDef {
    path: "listener",
    meaning: "Where clients connect.",
    keys: &[
        Key::required("name", Kind::Name, "unique"),
        Key::required("bind", Kind::Binds, "\"IP:PORT\" or \"unix:PATH\"; port 0 = any free port, shown by status"),
        Key::new("protocol", Kind::Word(&[word("http"), word("tcp"), later("udp")]), "\"http\"", "what clients speak"),
        Key::new("pool", Kind::Name, "", "tcp names its pool here; http, and tcp with tls_passthrough, use routes"),
        Key::new("tls_passthrough", Kind::Flag, "false", "tcp: true = TLS goes through as it is; routes with this listener and a host choose the pool by the name the client asks for (SNI)"),
        Key::new("proxy_protocol", Kind::Off, "false", "true = required on every connection; only trusted_proxies may connect"),
        Key::new("trusted_proxies", Kind::Texts, "[]", "http: CIDRs whose X-Forwarded-* and traceparent are believed"),
        Key::new("max_connections", Kind::Number(1, 10_000_000), "20000", "open at once; beyond it, those idle for longest are closed for new ones, then heads that do not come in one piece, then who has not moved for 2 s in its body or answer; nobody else who is served is. Clamped to the descriptor limit with a warning"),
        Key::new("header_timeout", Kind::Duration(SHORT, LONG), "\"10s\"", "http: whole request head; the first counts from the connection on, the next from their first byte"),
        Key::new("body_min_rate", Kind::Size(0, SIZE_MAX), "\"1KiB\"", "http: per second, after 5 s; slower request bodies are cut off, and so is who stalls for 10 s, however much came before; 0 = no limit"),
        Key::new("read_stall", Kind::Duration(SHORT, LONG), "\"30s\"", "http: the client takes nothing of a response for this long (or less than 128 bytes a second): cut off"),
        Key::new("idle_timeout", Kind::Duration(SHORT, LONG), "\"75s\"", "http: keep-alive between requests"),
        Key::new("tunnel_timeout", Kind::Duration(SHORT, LONG), "\"1h\"", "tcp, WebSocket, CONNECT-like: no byte in either direction; also the most an endpoint may be silent in its answer"),
        Key::new("max_header_bytes", Kind::Size(1024, 1 << 20), "\"32KiB\"", "http: largest request head"),
        Key::new("max_headers", Kind::Number(1, 1024), "128", "http: most fields in a request head"),
        Key::new("tls", Kind::Tables(&super::HOST_TLS), "", "certificates: several are chosen by SNI, the first is the default; omitted = clear text"),
    ],
};

/// `[[route]]`.
#[rustfmt::skip] // one line a key
pub static ROUTE: TableDef = TableDef {
    path: "route",
    meaning: "Which request goes where. The first that fits is taken, in file order.",
    keys: &[
        Key::new("listener", Kind::Name, "", "omitted = every http listener; one with tls_passthrough must be named"),
        Key::new("host", Kind::Text, "", "omitted = any; \"*.\" stands for one or more labels"),
        Key::new("path", Kind::Text, "", "omitted = any; prefix on segment borders; \"=/exact\"; \"~^/v[0-9]+/\" a regex"),
        Key::new("methods", Kind::Texts, "", "omitted = any"),
        Key::new("headers", Kind::TextMap, "{}", "all must match exactly"),
        Key::new("pool", Kind::Name, "", "forward there"),
        Key::later("split", "forward to several pools by weight"),
        Key::new("redirect", Kind::Table(&REDIRECT), "", "send the client elsewhere"),
        Key::new("respond", Kind::Table(&RESPOND), "", "answer at once"),
        Key::new("timeout", Kind::Duration(SHORT, LONG), "\"30s\"", "from the end of the request to the response head, all tries together; in the middle of its answer an endpoint may be silent for as long, at least 60s"),
        Key::new("max_body", Kind::Size(0, SIZE_MAX), "\"0\"", "0 = no limit; else 413"),
        Key::later("rewrite_prefix", "replaces the matched prefix"),
        Key::later("set_headers", "changes the request's head"),
        Key::later("add_headers", "changes the request's head"),
        Key::later("remove_headers", "changes the request's head"),
        Key::later("response_set_headers", "changes the response's head"),
        Key::later("response_add_headers", "changes the response's head"),
        Key::later("response_remove_headers", "changes the response's head"),
        Key::later("mirror", "a copy goes there, its answers are thrown away"),
        Key::new("journal", Kind::Flag, "false", "true: PUT, DELETE, and POST and PATCH with an Idempotency-Key, whose body fits retry.body_buffer, are written down before they are forwarded, and those that were never answered are sent again with the same key once the pool serves"),
    ],
};

/// A route's `redirect`.
#[rustfmt::skip] // one line a key
pub static REDIRECT: TableDef = TableDef {
    path: "route.redirect",
    meaning: "Send the client elsewhere.",
    keys: &[
        Key::required("to", Kind::Text, "an absolute URL, or a path"),
        Key::new("status", Kind::Numbers(&[301, 302, 303, 307, 308]), "308", "of the answer"),
    ],
};

/// A route's `respond`.
#[rustfmt::skip] // one line a key
pub static RESPOND: TableDef = TableDef {
    path: "route.respond",
    meaning: "Answer at once.",
    keys: &[
        Key::new("status", Kind::Number(200, 599), "200", "of the answer"),
        Key::new("body", Kind::Text, "\"\"", "of the answer"),
        Key::new("content_type", Kind::Text, "\"text/plain\"", "of the answer"),
    ],
};
