//! The request line: method, target in one of its four forms, version (RFC 9112 section 3).

use super::super::scan::{Span, token_len};
use super::super::target::{parse_authority, parse_path};
use super::super::{Method, Refusal, Version};
use super::{RequestHead, bad};

impl RequestHead {
    pub(super) fn request_line(
        &mut self,
        buf: &[u8],
        start: usize,
        end: usize,
    ) -> Result<(), Refusal> {
        let line = &buf[start..end];
        let method = token_len(line);
        if method == 0 || line.get(method) != Some(&b' ') {
            return Err(bad("request line does not begin with a method and a space"));
        }
        let token = &line[..method];
        self.method = Method::of(token);
        let target = start + method + 1;
        let len = memchr::memchr(b' ', &buf[target..end])
            .filter(|&len| len > 0)
            .ok_or(bad("request line is not method, target, version"))?;
        self.version = version(&buf[target + len + 1..end])?;
        self.method_at = Span::new(start, start + method);
        self.target_at = Span::new(target, target + len);
        if token == b"CONNECT" {
            return Err(Refusal {
                status: 501,
                reason: "CONNECT is not served here",
            });
        }
        self.read_target(buf, target, target + len)
    }

    fn read_target(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let target = &buf[start..end];
        if target[0] == b'/' {
            return self.path_and_query(buf, start, end);
        }
        if target == b"*" {
            self.path_at = Some(Span::new(start, end));
            return match self.method {
                Method::Options => Ok(()),
                _ => Err(bad("only OPTIONS may ask for *")),
            };
        }
        let scheme: &[u8] = if self.tls { b"https://" } else { b"http://" };
        if !target
            .get(..scheme.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(scheme))
        {
            return Err(bad(
                "request target is neither a path nor a URI of this connection's scheme",
            ));
        }
        let authority = start + scheme.len();
        let len = buf[authority..end]
            .iter()
            .position(|b| matches!(b, b'/' | b'?' | b'#'))
            .unwrap_or(end - authority);
        let path = authority + len;
        parse_authority(&buf[authority..path], &mut self.host).map_err(bad)?;
        self.absolute_at = Some(Span::new(authority, path));
        self.path_behind_authority(buf, path, end)
    }

    fn path_behind_authority(
        &mut self,
        buf: &[u8],
        path: usize,
        end: usize,
    ) -> Result<(), Refusal> {
        match buf[path..end].first() {
            Some(b'/') => self.path_and_query(buf, path, end),
            Some(b'#') => Err(bad("fragment in the request target")),
            Some(_) => {
                // `http://host?query`: the path is empty, which stands for `/`.
                self.path_and_query(buf, path, end)?;
                self.path_at = None;
                "/".clone_into(&mut self.normal);
                Ok(())
            }
            None => {
                // RFC 9112 section 3.2.4: an OPTIONS of no path means the server as a whole.
                let whole = if self.method == Method::Options {
                    "*"
                } else {
                    "/"
                };
                whole.clone_into(&mut self.normal);
                Ok(())
            }
        }
    }

    fn path_and_query(&mut self, buf: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
        let parts = parse_path(buf, start, end, &mut self.normal).map_err(bad)?;
        self.path_at = parts.path;
        self.query_at = parts.query;
        Ok(())
    }
}

/// A higher minor version is spoken to as the highest one known (RFC 9110 section 6.2); another major version is another
/// protocol.
fn version(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Refusal {
                status: 505,
                reason: "only HTTP/1.1 and HTTP/1.0 are spoken here",
            })
        }
        _ => Err(bad("request line does not end with an HTTP version")),
    }
}
