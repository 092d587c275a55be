//! The request every connection sends, over and over.

/// What it looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Size of the answer's body.
    pub(crate) body: usize,
    /// Filled up to this many bytes with fields a browser sends.
    pub(crate) head: usize,
    /// The connection ends after it.
    pub(crate) close: bool,
}

/// The bytes of it.
pub(crate) fn request(shape: Shape) -> Vec<u8> {
    let mut request = format!(
        "GET /bytes/{} HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: evenkeel-bench\r\n",
        shape.body
    );
    if shape.close {
        request.push_str("Connection: close\r\n");
    }
    for (name, value) in BROWSER {
        if request.len() + name.len() + value.len() + 6 <= shape.head {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let missing = shape
        .head
        .saturating_sub(request.len() + "Cookie: \r\n\r\n".len());
    if missing > 0 {
        request.push_str(&format!(
            "Cookie: {}\r\n",
            "session=4f2a".repeat(missing / 12 + 1).split_at(missing).0
        ));
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// What a browser sends with every request.
const BROWSER: &[(&str, &str)] = &[
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    (
        "Accept-Language",
        "en-GB,en;q=0.8,de-DE;q=0.6,de;q=0.4,fr;q=0.2",
    ),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    (
        "Referer",
        "https://bench.example/shop/category/boats?page=3&order=price",
    ),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-User", "?1"),
    ("Priority", "u=0, i"),
    ("Cache-Control", "max-age=0"),
    ("If-None-Match", "\"5f3c8a-1b2c-60d4f5a1e2b30\""),
];

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Shape = Shape {
        body: 70,
        head: 0,
        close: false,
    };

    #[test]
    fn a_head_has_the_size_that_was_asked_for() {
        let long = Shape {
            head: 900,
            ..SHORTEST
        };
        assert_eq!(request(long).len(), 900);
        assert!(request(SHORTEST).len() < 100);
    }

    #[test]
    fn every_request_ends_and_names_its_size() {
        let closing = Shape {
            close: true,
            ..SHORTEST
        };
        let request = String::from_utf8(request(closing)).unwrap();
        assert!(request.starts_with("GET /bytes/70 HTTP/1.1\r\n") && request.ends_with("\r\n\r\n"));
        assert!(request.contains("Connection: close\r\n"));
    }
}
