//! Bodies: what the framing machine makes of them under any split.

use evenkeel_proxy::http1::{BadFraming, Body, Framing, To, write_chunk, write_last_chunk};
use proptest::prelude::*;

/// Walks through `input` in pieces of these sizes (then the rest); payload, bytes consumed, done.
fn walk(
    body: &mut Body,
    input: &[u8],
    splits: &[usize],
) -> Result<(Vec<u8>, usize, bool), BadFraming> {
    let mut payload = Vec::new();
    let mut at = 0;
    let mut ends: Vec<usize> = splits.iter().map(|s| s % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    for end in ends {
        while at < end && !body.is_done() {
            let piece = &input[at..end];
            let step = body.advance(piece)?;
            assert!(step.payload.end <= step.consumed && step.consumed <= piece.len());
            assert!(step.consumed > 0, "no progress");
            assert_eq!(step.done, body.is_done());
            payload.extend_from_slice(&piece[step.payload]);
            at += step.consumed;
        }
    }
    Ok((payload, at, body.is_done()))
}

fn chunked(input: &[u8], splits: &[usize]) -> Result<(Vec<u8>, usize, bool), BadFraming> {
    walk(&mut Body::new(Framing::Chunked), input, splits)
}

#[test]
fn bad_chunks_are_refused_under_every_split() {
    let long_extension = format!("1;{}\r\na\r\n", "x".repeat(2000));
    let zeros = format!("{}1\r\na\r\n", "0".repeat(2000));
    let greedy = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(20);
    let many_trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(65));
    let large_trailers = format!("0\r\na: {}\r\n\r\n", "b".repeat(9000));
    let cases: &[&[u8]] = &[
        b"\r\n",
        b";x\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"1\n",
        b"1\ra",
        b"1\r\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\rb",
        b"1\r\n\r\n\r\n",
        b"2\r\na\r\n0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"1.0\r\n",
        b"1,1\r\n",
        b"1 1\r\n",
        b"1;a\nb\r\n",
        b"1;a\x00\r\n",
        b"1;a\rb\r\n",
        b"1;\x7f\r\n",
        b"1 x\r\n",
        b"1\tx\r\n",
        b"0\r\n\n",
        b"0\n\n",
        b"0\r\n\rx",
        b"0\r\nx\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0\r\nx : y\r\n\r\n",
        b"0\r\n x: y\r\n\r\n",
        b"0\r\nx: y\r\n z\r\n\r\n",
        b"0\r\nx: \x00\r\n\r\n",
        b"0\r\nx: y\n\r\n",
        b"0\r\nx: a\rb\r\n\r\n",
        b"8000000000000000\r\n",
        b"10000000000000000\r\n",
        b"1;\r\na\r\n",
        b"1;a=\r\na\r\n",
        b"1;a \r\na\r\n",
        b"1;a=\"b\r\na\r\n",
        b"1;=a\r\na\r\n",
        zeros.as_bytes(),
        greedy.as_bytes(),
        b"\xef\xbc\x91\r\na\r\n",
        long_extension.as_bytes(),
        many_trailers.as_bytes(),
        large_trailers.as_bytes(),
    ];
    for case in cases {
        let whole = chunked(case, &[]);
        assert!(
            whole.is_err(),
            "{:?}: {whole:?}",
            String::from_utf8_lossy(case)
        );
        // The long ones only repeat themselves.
        for split in (0..case.len()).step_by(1 + case.len() / 500) {
            assert_eq!(
                chunked(case, &[split]),
                whole,
                "split at {split}: {:?}",
                String::from_utf8_lossy(case)
            );
        }
        let every: Vec<usize> = (0..case.len()).collect();
        assert_eq!(chunked(case, &every), whole);
    }
}

#[test]
fn chunks_are_understood_under_every_split() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"1\r\na\r\n0\r\n\r\n", b"a"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"001\r\na\r\n0\r\n\r\n", b"a"),
        (
            b"1;x\r\na\r\n2;y=\"z; 3\" ;w\r\nbc\r\n0;last\r\n\r\n",
            b"abc",
        ),
        (b"1 ;x\r\na\r\n1\t \t; x\r\nb\r\n0\r\n\r\n", b"ab"),
        (b"4\r\n\r\n0\r\r\n0\r\n\r\n", b"\r\n0\r"),
        (b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", b"a"),
    ];
    for (case, payload) in cases {
        let next = [*case, b"GET / HTTP/1.1\r\n"].concat();
        for split in 0..=case.len() {
            let (seen, consumed, done) = chunked(&next, &[split]).unwrap();
            assert_eq!(
                (seen.as_slice(), consumed, done),
                (*payload, case.len(), true),
                "{case:?}"
            );
        }
        let every: Vec<usize> = (0..next.len()).collect();
        assert_eq!(
            chunked(&next, &every).unwrap(),
            (payload.to_vec(), case.len(), true)
        );
    }
}

#[test]
fn trailers_are_kept_but_not_those_that_belong_into_a_head() {
    let input = b"0\r\nX-Sum:  1 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: x\r\n\
        Set-Cookie: a=b\r\nAuthorization: x\r\ncontent_length: 5\r\nX-Forwarded-For: 1\r\nTE: x\r\nX-Other: 2\r\n\r\n";
    let mut body = Body::new(Framing::Chunked);
    let (_, consumed, done) = walk(&mut body, input, &[]).unwrap();
    assert_eq!((consumed, done), (input.len(), true));
    assert_eq!(body.trailers(), b"X-Sum: 1\r\nX-Other: 2\r\n");
}

#[test]
fn fields_named_by_connection_do_not_come_back_as_trailers() {
    let mut body = Body::new(Framing::Chunked);
    body.drop_trailers();
    let (_, _, done) = walk(&mut body, b"0\r\nX-Sum: 1\r\n\r\n", &[]).unwrap();
    assert!(done);
    assert_eq!(body.trailers(), b"");
}

#[test]
fn a_length_ends_where_it_says_and_nowhere_else() {
    let mut body = Body::new(Framing::Length(5));
    assert_eq!(body.remaining(), 5);
    let (payload, consumed, done) = walk(&mut body, b"abc", &[1]).unwrap();
    assert_eq!(
        (payload.as_slice(), consumed, done),
        (&b"abc"[..], 3, false)
    );
    assert!(!body.closed(), "cut short");
    body.passed(1);
    assert_eq!((body.remaining(), body.payload()), (1, 4));
    let step = body.advance(b"eGET").unwrap();
    assert_eq!((step.consumed, step.payload, step.done), (1, 0..1, true));
    assert!(body.closed());
    assert!(Body::new(Framing::Length(0)).is_done());
    assert!(Body::new(Framing::None).is_done());
    assert_eq!(Body::new(Framing::None).remaining(), 0);
}

#[test]
fn only_closing_ends_what_goes_until_close() {
    for framing in [Framing::UntilClose, Framing::Tunnel] {
        let mut body = Body::new(framing);
        assert_eq!(
            walk(&mut body, b"abc", &[1]).unwrap(),
            (b"abc".to_vec(), 3, false)
        );
        assert_eq!(body.remaining(), u64::MAX);
        body.passed(10);
        assert!(body.closed());
        assert!(body.is_done());
        assert_eq!((body.payload(), body.remaining()), (13, 0));
    }
}

#[test]
fn a_chunked_body_that_just_closes_was_cut_short() {
    let mut body = Body::new(Framing::Chunked);
    walk(&mut body, b"1\r\na\r\n", &[]).unwrap();
    assert!(!body.closed());
    assert_eq!(body.remaining(), 0);
}

/// A decoder as simple as can be, for what the engine itself wrote: canonical chunks, nothing else.
fn decode(mut input: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut payload = Vec::new();
    loop {
        let end = input
            .windows(2)
            .position(|w| w == b"\r\n")
            .expect("a size line");
        let size = std::str::from_utf8(&input[..end]).expect("an ASCII size");
        assert!(
            size == "0" || !size.starts_with('0'),
            "size {size:?} is not canonical"
        );
        let size = usize::from_str_radix(size, 16).expect("no extension");
        input = &input[end + 2..];
        if size == 0 {
            let trailers = input
                .strip_suffix(b"\r\n")
                .expect("an empty line at the end");
            return (payload, trailers.to_vec());
        }
        payload.extend_from_slice(&input[..size]);
        input = input[size..]
            .strip_prefix(b"\r\n")
            .expect("CR LF behind the payload");
    }
}

/// Payload cut into chunks, with extensions and trailers, as some client sends it.
fn encode(chunks: &[Vec<u8>], style: u8, trailers: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, chunk) in chunks.iter().filter(|c| !c.is_empty()).enumerate() {
        let size = match (style as usize + at) % 4 {
            0 => format!("{:x}", chunk.len()),
            1 => format!("{:X};a=b", chunk.len()),
            2 => format!("{:04x} ; x = \"q\"", chunk.len()),
            _ => format!("{:x}\t;x", chunk.len()),
        };
        out.extend_from_slice(size.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(if trailers {
        b"0\r\nX-A: 1\r\nHost: x\r\n\r\n"
    } else {
        b"0;x\r\n\r\n"
    });
    out
}

/// Copies with little room, as a slow reader leaves it.
fn copy(
    framing: Framing,
    input: &[u8],
    to: To,
    splits: &[usize],
    room: usize,
) -> (Vec<u8>, usize, Body) {
    let mut body = Body::new(framing);
    let mut out = Vec::new();
    let mut at = 0;
    let mut ends: Vec<usize> = splits.iter().map(|s| s % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    for end in ends {
        while at < end && !body.is_done() {
            let before = out.len();
            let copied = body
                .copy(&input[at..end], to, &mut out, room)
                .expect("right framing");
            let trailers = if copied.done {
                body.trailers().len()
            } else {
                0
            };
            assert!(
                out.len() - before <= room + trailers,
                "{} > {room}",
                out.len() - before
            );
            assert!(copied.consumed > 0, "no progress");
            at += copied.consumed;
        }
    }
    (out, at, body)
}

#[test]
fn nothing_is_copied_without_room() {
    let mut body = Body::new(Framing::Chunked);
    let mut out = Vec::new();
    let copied = body
        .copy(b"1\r\na\r\n0\r\n\r\n", To::Chunked, &mut out, 63)
        .unwrap();
    assert_eq!((copied.consumed, copied.done, out.len()), (0, false, 0));
}

#[test]
fn an_empty_chunk_is_never_written() {
    let mut out = Vec::new();
    write_chunk(&mut out, b"");
    assert_eq!(out, b"");
    write_chunk(&mut out, &[b'a'; 300]);
    write_last_chunk(&mut out, b"X: 1\r\n");
    assert_eq!(decode(&out), (vec![b'a'; 300], b"X: 1\r\n".to_vec()));
}

#[test]
fn a_length_can_be_copied_into_chunks() {
    let (out, at, body) = copy(
        Framing::Length(200),
        &[b'x'; 250],
        To::Chunked,
        &[7, 90],
        80,
    );
    assert_eq!((at, body.payload()), (200, 200));
    assert_eq!(decode(&out).0, [b'x'; 200]);
}

proptest! {
    #[test]
    fn chunks_framed_anew_carry_the_same_payload(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..12),
        style in any::<u8>(),
        trailers in any::<bool>(),
        splits in proptest::collection::vec(any::<usize>(), 0..20),
        room in 64usize..2000,
    ) {
        let wanted: Vec<u8> = chunks.concat();
        let message = encode(&chunks, style, trailers);
        let input = [&message[..], b"NEXT"].concat();

        let (seen, consumed, done) = chunked(&input, &splits).unwrap();
        prop_assert_eq!((&seen, consumed, done), (&wanted, message.len(), true));

        let (out, at, body) = copy(Framing::Chunked, &input, To::Chunked, &splits, room);
        prop_assert_eq!((at, body.payload()), (message.len(), wanted.len() as u64));
        let (payload, kept) = decode(&out);
        prop_assert_eq!(&payload, &wanted);
        prop_assert_eq!(kept, if trailers { b"X-A: 1\r\n".to_vec() } else { Vec::new() });

        let (out, _, _) = copy(Framing::Chunked, &input, To::Plain, &splits, room);
        prop_assert_eq!(&out, &wanted);
    }

    #[test]
    fn any_bytes_as_chunks_end_the_same_way_under_any_split(
        input in proptest::collection::vec(proptest::sample::select(b"0123af;x \t\r\n:\"".to_vec()), 0..60),
        splits in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        prop_assert_eq!(chunked(&input, &splits), chunked(&input, &[]));
    }
}
