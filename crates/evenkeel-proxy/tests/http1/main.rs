//! Conformance of the HTTP/1.1 engine, by section of RFC 9110, 9112 and 3986.
//!
//! Tables of messages with the verdict each must get; every accepted request is rewritten and judged by a second, tiny parser
//! that shares nothing with the engine (`judge`), and every message is parsed again split at every byte.

mod bodies;
mod judge;
mod requests;
mod responses;
mod rewriting;

use evenkeel_proxy::http1::Limits;

/// The defaults of a listener.
const LIMITS: Limits = Limits {
    max_head: 32 * 1024,
    max_fields: 128,
};
