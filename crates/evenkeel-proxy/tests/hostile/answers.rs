//! The judge of what a client receives: answers without fault, one after the other, or one that is visibly cut short. Shares no
//! code with the engine.

use crate::judge::{Field, chunks, find, is_token};

/// An answer as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<Field>,
    /// Its end was seen. Without it the client knows that something is missing.
    pub(crate) complete: bool,
    /// Its end is the end of the connection.
    pub(crate) by_close: bool,
}

impl Answer {
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        let of_name = self.fields.iter().filter(|(n, _)| n == name);
        of_name.map(|(_, value)| value.as_slice()).collect()
    }

    pub(crate) fn one(&self, name: &str) -> Option<String> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} comes more than once: {self:?}");
        all.first().map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// Was it made by evenkeel itself?
    pub(crate) fn is_own(&self) -> bool {
        self.fields.iter().any(|(name, _)| name == "proxy-status")
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Closed,
    /// By a reset, so whatever went on until close is known to be cut short.
    Reset,
}

/// Reads all answers of a connection. `is_head` says of each final one whether it answers a HEAD; an error of our own ends the
/// connection and may be one to a HEAD that nobody understood.
///
/// # Errors
/// What no client should get.
pub(crate) fn read_all(
    mut bytes: &[u8],
    end: End,
    mut is_head: impl FnMut(&Answer) -> bool,
) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (answer, len) = read(bytes, end, &mut is_head)?;
        bytes = &bytes[len..];
        answers.push(answer);
    }
    Ok(answers)
}

fn read(
    bytes: &[u8],
    end: End,
    is_head: &mut impl FnMut(&Answer) -> bool,
) -> Result<(Answer, usize), String> {
    let Some(at) = find(bytes, b"\r\n\r\n") else {
        return Err(format!("half a head: {:?}", String::from_utf8_lossy(bytes)));
    };
    let mut answer = head(&bytes[..at])?;
    let rest = &bytes[at + 4..];
    if answer.status == 101 {
        // Everything behind it is another protocol.
        answer.body = rest.to_vec();
        answer.complete = true;
        return Ok((answer, bytes.len()));
    }
    let head_request = answer.status >= 200 && is_head(&answer);
    let bare = answer.status < 200 || matches!(answer.status, 204 | 304);
    let length = answer.one("content-length");
    let coding = answer.one("transfer-encoding");
    if bare && (coding.is_some() || length.is_some() && answer.status != 304) {
        return Err(format!("{} that announces a body", answer.status));
    }
    if length.is_some() && coding.is_some() {
        return Err("two framings".into());
    }
    let no_body = bare || head_request || answer.is_own() && rest.is_empty();
    let len = if no_body {
        answer.complete = true;
        0
    } else if let Some(coding) = coding {
        if coding != "chunked" {
            return Err(format!("Transfer-Encoding: {coding}"));
        }
        chunked(&mut answer, rest)?
    } else if let Some(length) = length {
        let wanted: usize = length.parse().map_err(|_| "Content-Length")?;
        if wanted.to_string() != length {
            return Err(format!("Content-Length: {length}"));
        }
        let len = wanted.min(rest.len());
        answer.body = rest[..len].to_vec();
        answer.complete = len == wanted;
        len
    } else {
        answer.body = rest.to_vec();
        answer.complete = end == End::Closed;
        answer.by_close = true;
        rest.len()
    };
    Ok((answer, at + 4 + len))
}

fn chunked(answer: &mut Answer, rest: &[u8]) -> Result<usize, String> {
    match chunks(rest)? {
        Some((body, trailers, len)) => {
            answer.body = body;
            answer.trailers = trailers;
            answer.complete = true;
            Ok(len)
        }
        None => Ok(rest.len()),
    }
}

fn head(text: &[u8]) -> Result<Answer, String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        if line.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(format!(
                "control byte in {:?}",
                String::from_utf8_lossy(line)
            ));
        }
    }
    let first = lines[0]
        .strip_prefix(b"HTTP/1.1 ")
        .ok_or_else(|| format!("status line {:?}", String::from_utf8_lossy(lines[0])))?;
    let code = first.get(..4).filter(|c| c[3] == b' ').ok_or("status")?;
    let status: u16 = std::str::from_utf8(&code[..3])
        .ok()
        .and_then(|c| c.parse().ok())
        .filter(|s| (100..600).contains(s))
        .ok_or("status")?;
    let fields = lines[1..]
        .iter()
        .map(|l| field(l))
        .collect::<Result<Vec<_>, _>>()?;
    judge_hops(status, &fields)?;
    Ok(Answer {
        status,
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
        complete: false,
        by_close: false,
    })
}

fn field(line: &[u8]) -> Result<Field, String> {
    let wrong = || format!("field line {:?}", String::from_utf8_lossy(line));
    let colon = line.iter().position(|&b| b == b':').ok_or_else(wrong)?;
    let value = line[colon + 1..].strip_prefix(b" ").ok_or_else(wrong)?;
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    if !is_token(&line[..colon]) || blank(value.first()) || blank(value.last()) {
        return Err(wrong());
    }
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    Ok((name, value.to_vec()))
}

fn judge_hops(status: u16, fields: &[Field]) -> Result<(), String> {
    let never = ["keep-alive", "proxy-connection", "te"];
    for (name, value) in fields {
        if never.contains(&name.as_str()) {
            return Err(format!("{name} went on"));
        }
        let fine = match name.as_str() {
            "upgrade" => status == 101,
            "connection" if status == 101 => value == b"upgrade",
            "connection" => value == b"close" || value == b"keep-alive",
            _ => true,
        };
        if !fine {
            return Err(format!("{name}: {}", String::from_utf8_lossy(value)));
        }
    }
    Ok(())
}
