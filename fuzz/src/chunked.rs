//! Chunked framing under arbitrary splits, against a decoder that sees the whole input at once and is as simple as the grammar.

use evenkeel_proxy::http1::{Body, Framing, To};

/// What a decoder says of an input.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Payload, and where the body ended.
    Complete(Vec<u8>, usize),
    /// Payload so far.
    Partial(Vec<u8>),
    Refused,
}

/// The first bytes say how the rest is split; the rest is a chunked body.
pub fn chunked(data: &[u8]) {
    let (ends, input) = crate::splits(data);
    let wanted = reference(input);
    assert_eq!(walk(input, &ends), wanted);
    assert_eq!(walk(input, &[input.len()]), wanted);
    if let Verdict::Complete(payload, end) = wanted {
        let again = copy(input, &ends);
        assert_eq!(
            reference(&again),
            Verdict::Complete(payload, again.len()),
            "framed anew"
        );
        assert!(end <= input.len());
    }
}

fn walk(input: &[u8], ends: &[usize]) -> Verdict {
    let mut body = Body::new(Framing::Chunked);
    let mut payload = Vec::new();
    let mut at = 0;
    for &end in ends {
        while at < end && !body.is_done() {
            let Ok(step) = body.advance(&input[at..end]) else {
                return Verdict::Refused;
            };
            assert!(step.consumed > 0, "no progress");
            payload.extend_from_slice(&input[at..end][step.payload]);
            at += step.consumed;
        }
    }
    assert_eq!(body.payload(), payload.len() as u64);
    if body.is_done() {
        Verdict::Complete(payload, at)
    } else {
        Verdict::Partial(payload)
    }
}

/// Framed anew, with as little room at a time as is allowed.
fn copy(input: &[u8], ends: &[usize]) -> Vec<u8> {
    let mut body = Body::new(Framing::Chunked);
    let mut out = Vec::new();
    let mut at = 0;
    for &end in ends {
        while at < end && !body.is_done() {
            let copied = body
                .copy(&input[at..end], To::Chunked, &mut out, 64)
                .expect("it was accepted before");
            assert!(copied.consumed > 0, "no progress");
            at += copied.consumed;
        }
    }
    out
}

/// RFC 9112 section 7.1 over a complete slice. `None` of the helpers = more bytes are needed.
fn reference(input: &[u8]) -> Verdict {
    let mut rest = input;
    let mut payload = Vec::new();
    let mut overhead = 0;
    loop {
        let line = match size_line(rest) {
            Ok(Some(line)) => line,
            Ok(None) => return Verdict::Partial(payload),
            Err(()) => return Verdict::Refused,
        };
        rest = &rest[line.len..];
        overhead += line.overhead;
        if overhead > payload.len() + 16 * 1024 {
            return Verdict::Refused;
        }
        if line.size == 0 {
            break;
        }
        let len = usize::try_from(line.size)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        payload.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        if (len as u64) < line.size {
            return Verdict::Partial(payload);
        }
        match rest {
            [b'\r', b'\n', ..] => rest = &rest[2..],
            [] | [b'\r'] => return Verdict::Partial(payload),
            _ => return Verdict::Refused,
        }
    }
    match trailers(rest) {
        Ok(Some(len)) => Verdict::Complete(payload, input.len() - rest.len() + len),
        Ok(None) => Verdict::Partial(payload),
        Err(()) => Verdict::Refused,
    }
}

/// A size line that is all there.
struct Line {
    size: u64,
    /// With its CR LF.
    len: usize,
    /// Bytes that are no significant digit, with the CR.
    overhead: usize,
}

fn size_line(rest: &[u8]) -> Result<Option<Line>, ()> {
    let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits == 0 {
        return if rest.is_empty() { Ok(None) } else { Err(()) };
    }
    let zeros = rest[..digits].iter().take_while(|&&b| b == b'0').count();
    if digits - zeros > 15 || zeros > 1024 {
        return Err(());
    }
    let (end, ended) = extensions(rest, digits)?;
    // The CR counts too.
    let overhead = zeros + (end - digits) + usize::from(end < rest.len());
    if overhead > 1024 {
        return Err(());
    }
    if !ended || end + 1 >= rest.len() {
        return Ok(None);
    }
    if rest[end + 1] != b'\n' {
        return Err(());
    }
    let size = std::str::from_utf8(&rest[zeros..digits]).expect("hexadecimal digits");
    Ok(Some(Line {
        size: u64::from_str_radix(size, 16).unwrap_or(0),
        len: end + 2,
        overhead,
    }))
}

/// Where the extensions that begin at `at` end, and whether that is at a CR; else it is the end of what is there.
fn extensions(rest: &[u8], mut at: usize) -> Result<(usize, bool), ()> {
    let blanks = |from: usize| {
        from + rest[from..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count()
    };
    let token = |from: usize| {
        let tchar = |b: &&u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        from + rest[from..].iter().take_while(tchar).count()
    };
    let over = Ok((rest.len(), false));
    loop {
        if rest.get(at) == Some(&b'\r') {
            return Ok((at, true));
        }
        at = blanks(at);
        match rest.get(at) {
            None => return over,
            Some(b';') => at = blanks(at + 1),
            Some(_) => return Err(()),
        }
        let name = token(at);
        match rest.get(name) {
            None => return over,
            Some(_) if name == at => return Err(()),
            Some(_) => at = name,
        }
        let equals = blanks(at);
        match rest.get(equals) {
            None => return over,
            Some(b'=') => at = blanks(equals + 1),
            Some(_) => continue,
        }
        match rest.get(at) {
            None => return over,
            Some(b'"') => match quoted(rest, at + 1)? {
                None => return over,
                Some(end) => at = end,
            },
            Some(_) => {
                let value = token(at);
                if value == at {
                    return Err(());
                }
                at = value;
            }
        }
    }
}

/// Behind the closing quote, if it is there.
fn quoted(rest: &[u8], mut at: usize) -> Result<Option<usize>, ()> {
    let text = |b: u8| b == b'\t' || b >= 0x20 && b != 0x7f;
    loop {
        match rest.get(at) {
            None => return Ok(None),
            Some(b'"') => return Ok(Some(at + 1)),
            Some(b'\\') => match rest.get(at + 1) {
                None => return Ok(None),
                Some(&b) if text(b) => at += 2,
                Some(_) => return Err(()),
            },
            Some(&b) if text(b) => at += 1,
            Some(_) => return Err(()),
        }
    }
}

/// Length of the trailers with the empty line.
fn trailers(rest: &[u8]) -> Result<Option<usize>, ()> {
    let mut at = 0;
    for _ in 0..=64 {
        let line = &rest[at..];
        let Some(cr) = line.iter().position(|&b| b == b'\r' || b == b'\n') else {
            return if rest.len() > 8192 { Err(()) } else { Ok(None) };
        };
        if at + cr + 2 > 8192 {
            return Err(());
        }
        match (line[cr], line.get(cr + 1)) {
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) => return Ok(None),
            _ => return Err(()),
        }
        at += cr + 2;
        if cr == 0 {
            return Ok(Some(at));
        }
        let text = &line[..cr];
        let colon = text.iter().position(|&b| b == b':').ok_or(())?;
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let fine = |b: &u8| *b == b'\t' || *b >= 0x20 && *b != 0x7f;
        if colon == 0 || !text[..colon].iter().all(token) || !text[colon..].iter().all(fine) {
            return Err(());
        }
    }
    Err(())
}
