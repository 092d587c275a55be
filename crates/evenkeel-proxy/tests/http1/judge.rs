//! A second opinion: what a strict server must see in a rewritten request. Written against the RFC's grammar with plain string
//! splitting, sharing nothing with the engine.

/// A request as the judge read it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

impl Judged {
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        let of_name = self.fields.iter().filter(|(n, _)| n == name);
        of_name.map(|(_, value)| value.as_slice()).collect()
    }

    pub(crate) fn one(&self, name: &str) -> Option<String> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} comes {} times", all.len());
        all.first().map(|v| String::from_utf8_lossy(v).into_owned())
    }
}

const TOKEN: &str = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Cuts a head into its lines and insists on the strictest reading.
fn lines(head: &[u8]) -> Vec<&[u8]> {
    assert!(head.ends_with(b"\r\n\r\n"), "no empty line at the end");
    let mut lines = Vec::new();
    let mut rest = &head[..head.len() - 2];
    while !rest.is_empty() {
        let end = rest
            .windows(2)
            .position(|w| w == b"\r\n")
            .expect("a line end");
        assert!(end > 0, "an empty line within the head");
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    for line in &lines {
        let clean = line.iter().all(|&b| b >= 0x20 && b != 0x7f || b == b'\t');
        assert!(clean, "control byte in {line:?}");
    }
    lines
}

fn fields(lines: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    lines
        .iter()
        .map(|line| {
            let colon = line.iter().position(|&b| b == b':').expect("a colon");
            let name = std::str::from_utf8(&line[..colon]).expect("an ASCII name");
            assert!(
                !name.is_empty() && name.chars().all(|c| TOKEN.contains(c)),
                "name {name:?}"
            );
            let value = line[colon + 1..]
                .strip_prefix(b" ")
                .expect("one space behind the colon");
            assert_eq!(value, value.trim_ascii(), "{name}: blanks around the value");
            (name.to_lowercase(), value.to_vec())
        })
        .collect()
}

/// Reads a head that the engine wrote for an endpoint; panics at whatever no strict server would accept.
pub(crate) fn request(head: &[u8]) -> Judged {
    let lines = lines(head);
    let line = std::str::from_utf8(lines[0]).expect("an ASCII request line");
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else {
        panic!("request line {line:?}");
    };
    assert!(
        target.starts_with('/') || target == "*",
        "target {target:?}"
    );
    let path = target.split('?').next().unwrap_or_default();
    assert!(
        !target.contains('#') && !path.contains('\\'),
        "target {target:?}"
    );
    assert!(
        path.split('/')
            .all(|segment| segment != "." && segment != ".."),
        "dot segments in {target:?}"
    );
    let judged = Judged {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: fields(&lines[1..]),
    };
    assert_eq!(judged.all("host").len(), 1, "exactly one Host");
    judge_hop_by_hop(&judged);
    judged
}

fn judge_hop_by_hop(judged: &Judged) {
    for name in [
        "keep-alive",
        "proxy-connection",
        "te",
        "proxy-authorization",
    ] {
        assert!(judged.all(name).is_empty(), "{name} went on");
    }
    let length = judged.one("content-length");
    let coding = judged.one("transfer-encoding");
    assert!(length.is_none() || coding.is_none(), "both length fields");
    assert!(coding.is_none_or(|c| c == "chunked"), "transfer coding");
    assert!(length.is_none_or(|l| l.parse::<u64>().is_ok()), "length");
    match judged.one("connection").as_deref() {
        Some("upgrade") => assert!(judged.one("upgrade").is_some()),
        None | Some("close") => assert!(judged.all("upgrade").is_empty()),
        Some(other) => panic!("Connection: {other}"),
    }
}

/// Reads an answer's head as the client gets it.
pub(crate) fn response(head: &[u8]) -> (String, Judged) {
    let lines = lines(head);
    let line = String::from_utf8_lossy(lines[0]).into_owned();
    assert!(line.starts_with("HTTP/1.1 "), "status line {line:?}");
    let judged = Judged {
        method: String::new(),
        target: String::new(),
        fields: fields(&lines[1..]),
    };
    let both = judged.one("content-length").is_some() && judged.one("transfer-encoding").is_some();
    assert!(!both, "both length fields");
    (line, judged)
}
