//! The list of kinds of checks: what each is, its settings with their defaults and reasons. The reference docs and the
//! errors of `check` come from here; a new kind is one file and one entry.

/// One setting of a kind.
pub struct Setting {
    /// Its key in `[pool.NAME.check]`.
    pub name: &'static str,
    /// As the configuration would write it; empty = there is none.
    pub default: &'static str,
    /// What it means, and why the default is what it is.
    pub about: &'static str,
}

/// One kind of check.
pub struct Kind {
    /// The value of `kind`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its own settings, beside those every check has.
    pub settings: &'static [Setting],
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "tcp",
        about: "Can a connection be opened, and where the pool has tls a handshake be done? It is closed at once.",
        settings: &[],
    },
    Kind {
        name: "http",
        about: "Is the answer to a GET over a connection of its own as expected? Where the pool has tls it is one of https.",
        settings: &[
            Setting {
                name: "path",
                default: "/",
                about: "path and query; the one every server answers",
            },
            Setting {
                name: "host",
                default: "",
                about: "the Host field; without it the endpoint's address, as a client without a name would send",
            },
            Setting {
                name: "headers",
                default: "{}",
                about: "further fields; none are needed by most",
            },
            Setting {
                name: "expect",
                default: "200-399",
                about: "statuses that pass; a redirect is the answer of a server that works",
            },
            Setting {
                name: "body",
                default: "",
                about: "a text the first 64 KiB of the answer must contain; without it the body is not read",
            },
        ],
    },
];
