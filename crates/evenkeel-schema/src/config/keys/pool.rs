//! The keys of pools and endpoints.

use super::{
    BEAT_LONG, CHECK_SHORT, Key, Kind, LONG, MINUTE, PORT_MAX, SECOND, SHORT, TableDef, WEIGHT_MAX,
    YEAR, ZERO, later, word,
};

/// `[pool.NAME]`.
#[rustfmt::skip] // one line a key
pub static POOL: TableDef = TableDef {
    path: "pool.NAME",
    meaning: "Endpoints that do the same work.",
    keys: &[
        Key::new("protocol", Kind::Word(&[word("http1"), later("http2")]), "\"http1\"", "to endpoints; pools of tcp listeners leave it out"),
        Key::new("balance", Kind::TextOr(&POLICY), "\"p2c\"", "a policy's name, or { policy = NAME, … }"),
        Key::new("prequal", Kind::Table(&PREQUAL), "", "what balance = \"prequal\" goes by"),
        Key::new("connect_timeout", Kind::Duration(SHORT, LONG), "\"1s\"", "until connected"),
        Key::new("idle_timeout", Kind::Duration(ZERO, LONG), "\"55s\"", "an idle connection to an endpoint is closed after this (below the servers' own)"),
        Key::new("max_idle", Kind::Number(0, 65_536), "64", "idle connections kept per endpoint and worker"),
        Key::new("proxy_protocol", Kind::Word(&[word("off"), later("v1"), later("v2")]), "\"off\"", "what an endpoint is told of the client"),
        Key::new("tls", Kind::Table(&super::POOL_TLS), "", "to endpoints, checks too; omitted = clear text"),
        Key::new("session", Kind::Table(&SESSION), "", "the requests of one client stay with one endpoint; omitted = they do not"),
        Key::new("check", Kind::Table(&CHECK), "", "active check; omitted = tcp connect every 2 s"),
        Key::new("agent_check", Kind::Table(&AGENT_CHECK), "", "HAProxy's agent-check line, beside the check; omitted = none"),
        Key::new("heartbeat", Kind::Table(&HEARTBEAT), "", "pushed by agents or services; omitted = none expected"),
        Key::new("outlier", Kind::Table(&OUTLIER), "", "passive marking, from real traffic"),
        Key::new("retry", Kind::Table(&RETRY), "", "further tries after a failure"),
        Key::new("limit", Kind::Table(&LIMIT), "", "how much at once"),
        Key::new("failover", Kind::Table(&FAILOVER), "", "who takes over, and how it comes back"),
        Key::new("recovery", Kind::Table(&RECOVERY), "", "what may be done about a fault, and who is told"),
        Key::new("prevention", Kind::Table(&PREVENTION), "", "what is done before there is a fault: weight moves off who runs hot"),
        Key::new("objective", Kind::Table(&OBJECTIVE), "", "the availability that is aimed for; what is missing is accounted, and alerts tell when it is used up too fast"),
        Key::required("endpoint", Kind::Tables(&ENDPOINT), "at least one"),
    ],
};

/// A pool's `balance`, in its long form.
#[rustfmt::skip] // one line a key
pub static POLICY: TableDef = TableDef {
    path: "pool.NAME.balance",
    meaning: "How to choose an endpoint.",
    keys: &[
        Key::required("policy", Kind::Text, "its name"),
        Key::new("key", Kind::Text, "", "what hashing policies hash: \"source_ip\" (the default), \"header:NAME\", \"cookie:NAME\", \"query:NAME\", \"path\", \"jwt:CLAIM\""),
        Key::new("form", Kind::Word(&[word("round_robin"), word("random"), word("weighted_random")]), "\"round_robin\"", "utilization: how among those below the ceiling"),
        Key::new("used", Kind::Word(&[word("highest"), word("cpu"), word("memory"), word("own")]), "\"highest\"", "utilization: of what; \"own\" is what the endpoint says of itself"),
        Key::new("ceiling", Kind::Share(1, 100), "\"80%\"", "utilization: who is used more gets nothing while another is below"),
    ],
};

/// `[pool.NAME.prequal]`.
#[rustfmt::skip] // one line a key
pub static PREQUAL: TableDef = TableDef {
    path: "pool.NAME.prequal",
    meaning: "What balance = \"prequal\" goes by. Endpoints say of themselves, in a field of an answer, how many requests they work on and how long one takes now: `in_flight=12, latency_ms=34.5`, or the same as named metrics of ORCA. Of whom says nothing, what evenkeel itself has in flight there and how long its answers took count.",
    keys: &[
        Key::new("quantile", Kind::Share(0, 100), "\"84%\"", "who has more in flight than this share of recent reports is hot, and only taken if all are; \"0%\" goes by what is in flight alone, \"100%\" by latency alone"),
        Key::new("pools", Kind::Number(1, 16), "1", "independent pools of probes for each worker"),
        Key::new("header", Kind::Text, "\"endpoint-load-metrics\"", "the field; it is read where an answer has it, and passed on"),
        Key::new("probe_path", Kind::Text, "", "endpoints are asked here, beside the traffic, three times for each request and at most 20 times a second for each place of the pool; the answer has the field; omitted = they are not asked"),
    ],
};

/// `[pool.NAME.session]`.
#[rustfmt::skip] // one line a key
pub static SESSION: TableDef = TableDef {
    path: "pool.NAME.session",
    meaning: "The requests of one client stay with one endpoint while that serves, also while it is draining. If it does not, the session moves, and with failover.failback = \"auto\" goes back once.",
    keys: &[
        Key::new("kind", Kind::Word(&[word("cookie"), word("token"), word("source_ip")]), "\"cookie\"", "by what a client is known again: \"cookie\", set with the first answer; \"token\", something that its requests bring anyhow; \"source_ip\", its address"),
        Key::new("name", Kind::Text, "\"evenkeel\"", "the cookie's name; pools whose clients see them under one host name need different ones; for token \"header:NAME\", \"query:NAME\", \"jwt:CLAIM\", or \"cookie:NAME\" for the application's own, also learned when an answer sets it"),
        Key::new("ttl", Kind::Duration(SECOND, YEAR), "\"1h\"", "so long after its last request a client is still known; a cookie is renewed when half of it has passed; without one, sessions are kept in memory and in state_dir, a million per pool"),
        Key::new("jwt_key", Kind::Secret, "", "for token \"jwt:CLAIM\": the signature must be right; public keys as PEM (RS256, ES256, EdDSA) or secrets, one a line (HS256)"),
        Key::new("secret", Kind::Secret, "", "seals the cookies: a file of one to four keys, one a line, of which the first seals and all are accepted, read again at a reload; default: made once and kept in state_dir as session.key"),
    ],
};

/// `[pool.NAME.check]`.
#[rustfmt::skip] // one line a key
pub static CHECK: TableDef = TableDef {
    path: "pool.NAME.check",
    meaning: "Active check; omitted = tcp connect every 2 s.",
    keys: &[
        Key::new("kind", Kind::Word(&[word("tcp"), word("http"), later("grpc"), later("exec")]), "\"tcp\"", "can a connection be opened (where the pool has tls: and a handshake be done), or is the answer to a GET as expected (where the pool has tls: over https)"),
        Key::new("path", Kind::Text, "", "http: path and query; default \"/\""),
        Key::new("host", Kind::Text, "", "http: Host field; default the endpoint's address"),
        Key::new("headers", Kind::TextMap, "", "http: further fields"),
        Key::new("port", Kind::Number(1, PORT_MAX), "", "default: the endpoint's own; where the pool has tls it is spoken there too"),
        Key::new("expect", Kind::Text, "", "http: statuses that pass, like \"200,204,300-310\"; default \"200-399\""),
        Key::new("body", Kind::Text, "", "http: a text the answer must contain"),
        Key::new("interval", Kind::Duration(CHECK_SHORT, LONG), "\"2s\"", "between checks of an endpoint whose state is settled"),
        Key::new("fast_interval", Kind::Duration(CHECK_SHORT, LONG), "\"500ms\"", "while changing state or never seen; at most interval, also where it is left out"),
        Key::new("timeout", Kind::Duration(SHORT, LONG), "\"1s\"", "of one check"),
        Key::new("rise", Kind::Number(1, 1000), "2", "passed checks in a row until up"),
        Key::new("fall", Kind::Number(1, 1000), "3", "failed checks in a row until down"),
    ],
};

/// `[pool.NAME.agent_check]`.
#[rustfmt::skip] // one line a key
pub static AGENT_CHECK: TableDef = TableDef {
    path: "pool.NAME.agent_check",
    meaning: "HAProxy's agent check: a line is read from a port of each endpoint. \"75%\" is the share of its weight it wants, \"drain\", \"maint\", \"ready\", \"down\", \"fail\", \"stopped\" and \"up\" its state, \"maxconn:30\" the requests in flight it takes at most (with limit.per_endpoint the smaller one holds; 0 = no limit of its own); what a line does not name stays, and silence changes nothing.",
    keys: &[
        Key::required("port", Kind::Number(1, PORT_MAX), "where the agent listens, at the endpoint's address"),
        Key::new("interval", Kind::Duration(CHECK_SHORT, BEAT_LONG), "\"2s\"", "between two looks; one takes no longer than check.timeout"),
    ],
};

/// `[pool.NAME.heartbeat]`.
#[rustfmt::skip] // one line a key
pub static HEARTBEAT: TableDef = TableDef {
    path: "pool.NAME.heartbeat",
    meaning: "Pushed by agents or services (POST /v1/heartbeats); an endpoint's silence counts from its first one on.",
    keys: &[
        Key::new("interval", Kind::Duration(CHECK_SHORT, BEAT_LONG), "\"1s\"", "between two, unless the sender says another one with them"),
        Key::new("detector", Kind::Word(&[word("phi"), word("fixed")]), "\"phi\"", "\"phi\": suspected when such a silence is too unlikely (threshold); \"fixed\": when one is later than timeout, so a crash is seen within interval + timeout"),
        Key::new("threshold", Kind::Decimal(1_000, 100_000), "8.0", "phi: so unlikely must a silence be, as a power of ten"),
        Key::new("timeout", Kind::Duration(CHECK_SHORT, BEAT_LONG), "\"2s\"", "fixed: so late may one be"),
    ],
};

/// `[pool.NAME.outlier]`.
#[rustfmt::skip] // one line a key
pub static OUTLIER: TableDef = TableDef {
    path: "pool.NAME.outlier",
    meaning: "Passive marking, from real traffic.",
    keys: &[
        Key::new("consecutive_failures", Kind::Number(0, 1_000_000), "5", "connect failures, resets, time-outs, 502 503 504 of the endpoint; 0 = never"),
        Key::new("success_rate_stdev", Kind::DecimalOr0(500, 20_000), "1.9", "z of its failure rate against the pooled rate of the others, in 6 windows of 10 s in a row, or at once where chance is out of the question; with at least 20 requests, 5 failures and a rate 5 points above; 0 = never"),
        Key::new("latency_factor", Kind::DecimalOr0(1_500, 1_000_000), "3.0", "its median so many times (and 10 ms) above the others', in 3 windows of 10 s in a row, or nine in ten of its answers for 5 s; 0 = never"),
        Key::new("base_ejection", Kind::Duration(SHORT, LONG), "\"30s\"", "the first ejection's length; the n-th in a row takes n times as long"),
        Key::new("max_ejection", Kind::Share(0, 100), "\"50%\"", "of the pool; at least one may be ejected, never fewer than min_healthy left"),
        Key::new("min_healthy", Kind::Number(0, 65_536), "1", "never fewer left"),
        Key::new("enforce", Kind::Flag, "true", "false = detect and show only"),
    ],
};

/// `[pool.NAME.retry]`.
#[rustfmt::skip] // one line a key
pub static RETRY: TableDef = TableDef {
    path: "pool.NAME.retry",
    meaning: "Further tries after a failure.",
    keys: &[
        Key::new("retries", Kind::Number(0, 16), "2", "further tries after the first, each on an endpoint not tried yet"),
        Key::new("on", Kind::Words(&[word("connect"), word("reset"), word("timeout"), word("garbage"), word("500"), word("502"), word("503"), word("504")]), "[\"connect\", \"reset\", \"timeout\", \"garbage\", \"502\", \"503\", \"504\"]", "after which failures; \"500\" counts as one of the endpoint only where it is named here"),
        Key::new("budget", Kind::Share(0, 1000), "\"20%\"", "of requests in the last 10 s, and at least 10 a second"),
        Key::new("per_try_timeout", Kind::Duration(SHORT, LONG), "\"10s\"", "from the start of a try to the head of its answer"),
        Key::new("body_buffer", Kind::Size(0, 16 << 20), "\"64KiB\"", "a request whose body is larger is not replayed"),
        Key::new("non_idempotent", Kind::Flag, "false", "true: POST and PATCH too, even if the endpoint may have executed them"),
    ],
};

/// `[pool.NAME.limit]`.
#[rustfmt::skip] // one line a key
pub static LIMIT: TableDef = TableDef {
    path: "pool.NAME.limit",
    meaning: "How much at once.",
    keys: &[
        Key::new("per_endpoint", Kind::Number(0, 10_000_000), "0", "requests in flight; 0 = no limit"),
        Key::new("queue", Kind::Number(0, 1_000_000), "1000", "waiting requests per pool"),
        Key::new("queue_timeout", Kind::Duration(ZERO, LONG), "\"2s\"", "for this long"),
        Key::new("adaptive", Kind::Word(&[word("off"), later("gradient"), later("vegas"), later("aimd")]), "\"off\"", "finds the limit by itself"),
    ],
};

/// `[pool.NAME.failover]`.
#[rustfmt::skip] // one line a key
pub static FAILOVER: TableDef = TableDef {
    path: "pool.NAME.failover",
    meaning: "Who takes over, and how it comes back.",
    keys: &[
        Key::new("mode", Kind::Word(&[word("dynamic"), word("static")]), "\"dynamic\"", "\"dynamic\": tiers; \"static\": each endpoint's own standby, tiers are ignored"),
        Key::new("overprovision", Kind::Share(100, 10_000), "\"140%\"", "a tier keeps all traffic while usable weight × this ≥ its whole weight; what is missing goes to the next"),
        Key::new("when_all_down", Kind::Word(&[word("try-all"), word("fail")]), "\"try-all\"", "try every endpoint, or answer 503"),
        Key::new("failback", Kind::Word(&[word("auto"), word("manual")]), "\"auto\"", "\"manual\": an operator says ready"),
        Key::new("hold", Kind::Duration(ZERO, LONG), "\"10s\"", "must be stable for this long before it comes back"),
        Key::new("ramp", Kind::Duration(ZERO, LONG), "\"30s\"", "slow start: its share grows to full over this"),
    ],
};

/// `[pool.NAME.recovery]`.
#[rustfmt::skip] // one line a key
pub static RECOVERY: TableDef = TableDef {
    path: "pool.NAME.recovery",
    meaning: "What may be done about a fault, and who is told. Supervision starts a service that ended again in any case.",
    keys: &[
        Key::new("mode", Kind::Word(&[word("act"), word("advise"), word("off")]), "\"act\"", "\"act\"; \"advise\": decide and show, touch nothing; \"off\""),
        Key::new("allow", Kind::Words(&ACTION_WORDS), "[\"restart\"]", "actions that may be taken; an agent's own `allow` counts too"),
        Key::new("max_actions_per_hour", Kind::Number(0, 1000), "6", "of this pool, all actions but notify and redo together; then a person is told"),
        Key::new("notify", Kind::Texts, "[]", "who is told: \"exec:/absolute/program\", or the URL of a webhook"),
        Key::new("webhook_secret", Kind::Secret, "", "signs webhooks"),
    ],
};

/// All actions.
const ACTION_WORDS: [super::Word; 12] = [
    word("notify"),
    word("redo"),
    word("switch_network"),
    word("free_disk"),
    word("reload_service"),
    word("relieve_cpu"),
    word("relieve_memory"),
    word("restart"),
    word("kill_hung"),
    word("rollback_release"),
    word("run"),
    word("restore_data"),
];

/// `[pool.NAME.objective]`.
#[rustfmt::skip] // one line a key
pub static OBJECTIVE: TableDef = TableDef {
    path: "pool.NAME.objective",
    meaning: "The availability that is aimed for.",
    keys: &[
        Key::new("availability", Kind::Nines, "\"99.9%\"", "how much of the time, and of the requests, is to be good; the rest is the error budget"),
        Key::new("window", Kind::Duration(MINUTE, LONG), "\"30d\"", "over this long, sliding; availability figures are of it too"),
    ],
};

/// `[pool.NAME.prevention]`.
#[rustfmt::skip] // one line a key
pub static PREVENTION: TableDef = TableDef {
    path: "pool.NAME.prevention",
    meaning: "What is done before there is a fault, from the facts of services, their trend, and heartbeats.",
    keys: &[
        Key::new("mode", Kind::Word(&[word("act"), word("advise"), word("off")]), "\"act\"", "\"act\": weight moves off who runs hot, at most a third of the pool's and step by step, and where all are hot less is let in; \"advise\": heat and warnings are only shown; \"off\": nothing is watched"),
    ],
};

/// `[[pool.NAME.endpoint]]`.
#[rustfmt::skip] // one line a key
pub static ENDPOINT: TableDef = TableDef {
    path: "pool.NAME.endpoint",
    meaning: "One server.",
    keys: &[
        Key::required("name", Kind::Name, "unique within its pool"),
        Key::required("address", Kind::Target, "\"host:port\", \"[v6]:port\" or \"unix:PATH\"; host names are resolved and followed"),
        Key::new("other_addresses", Kind::Targets, "[]", "the same endpoint on other networks, the next best first: used while no packet gets to the first and one of these answers; back after failover.hold"),
        Key::new("weight", Kind::Number(0, WEIGHT_MAX as u64), "100", "0 = no new work"),
        Key::new("tier", Kind::Number(0, 255), "0", "0 first; 1, 2 … only for what the tiers before cannot carry"),
        Key::new("zone", Kind::Name, "", "the zone it is in: groups faults, and comes first where it is the balancer's own (node.zone)"),
        Key::new("machine", Kind::Name, "", "the machine it is on: groups faults; default: the address's host"),
        Key::new("service", Kind::Text, "", "the supervised service behind it"),
        Key::new("standby", Kind::Name, "", "only with mode = \"static\": who takes over; a standby takes no other traffic"),
    ],
};
