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
    loop {
        let size = match size_line(&mut rest) {
            Ok(Some(size)) => size,
            Ok(None) => return Verdict::Partial(payload),
            Err(()) => return Verdict::Refused,
        };
        if size == 0 {
            break;
        }
        let len = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        payload.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
        if (len as u64) < size {
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

fn size_line(rest: &mut &[u8]) -> Result<Option<u64>, ()> {
    let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits > 15 || digits == 0 && !rest.is_empty() {
        return Err(());
    }
    let line = &rest[digits..];
    let blanks = line
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let end = match line.get(blanks) {
        None if blanks > 1025 => return Err(()),
        None => return Ok(None),
        Some(b'\r') if blanks == 0 => 0,
        Some(b';') if blanks <= 1025 => {
            let extension = &line[blanks + 1..];
            let text = |b: &&u8| **b == b'\t' || **b >= 0x20 && **b != 0x7f;
            let len = extension.iter().take_while(text).count();
            match extension.get(len) {
                _ if len > 1024 => return Err(()),
                None => return Ok(None),
                Some(b'\r') => blanks + 1 + len,
                Some(_) => return Err(()),
            }
        }
        Some(_) => return Err(()),
    };
    match line.get(end + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(()),
    }
    let size = std::str::from_utf8(&rest[..digits]).expect("hexadecimal digits");
    *rest = &line[end + 2..];
    Ok(Some(u64::from_str_radix(size, 16).expect("15 digits fit")))
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
