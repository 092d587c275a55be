//! What sort of request it is, for a policy that learns how long those take: its route, what it does and how much it brings.

use evenkeel_core::balance::{Kind, Method, Size};

use crate::http1::{self, Framing, RequestHead};

/// The sort of this request, of a route known by this number.
pub(super) fn of(request: &RequestHead, route: u32) -> Kind {
    use http1::Method::{Delete, Get, Head, Options, Other, Patch, Post, Put, Trace};
    Kind {
        route,
        method: match request.method() {
            Get | Head | Options | Trace => Method::Read,
            Post | Put | Patch | Other => Method::Write,
            Delete => Method::Delete,
        },
        size: match request.framing() {
            Framing::None => Size::Empty,
            Framing::Length(bytes) => Size::of(bytes),
            Framing::Chunked | Framing::UntilClose | Framing::Tunnel => Size::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{Limits, Progress};

    fn kind(line: &str, fields: &str) -> Kind {
        let head = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut request = RequestHead::default();
        let limits = Limits {
            max_head: 16 * 1024,
            max_fields: 64,
        };
        let parsed = request.parse(head.as_bytes(), &limits);
        assert!(
            matches!(parsed, Ok(Progress::Complete { .. })),
            "{parsed:?}"
        );
        of(&request, 7)
    }

    #[test]
    fn a_request_is_known_by_its_route_its_method_and_its_size() {
        let of = |method, size| Kind {
            route: 7,
            method,
            size,
        };
        assert_eq!(kind("GET /", ""), of(Method::Read, Size::Empty));
        assert_eq!(kind("HEAD /", ""), of(Method::Read, Size::Empty));
        let length = |bytes: u64| format!("Content-Length: {bytes}\r\n");
        assert_eq!(kind("POST /", &length(12)), of(Method::Write, Size::Small));
        assert_eq!(
            kind("PUT /", &length(2 << 20)),
            of(Method::Write, Size::Huge)
        );
        assert_eq!(kind("BREW /", &length(0)), of(Method::Write, Size::Empty));
        let chunked = "Transfer-Encoding: chunked\r\n";
        assert_eq!(kind("DELETE /", chunked), of(Method::Delete, Size::Unknown));
    }
}
