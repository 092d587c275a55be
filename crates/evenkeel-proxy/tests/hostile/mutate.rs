//! Mutations of what is in a corpus: the same seed makes the same bytes.

use crate::random::Random;

/// What parsers stumble over.
const WORDS: [&[u8]; 40] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"/",
    b"../",
    b"%2e",
    b"%2f",
    b"%",
    b"#",
    b"?",
    b"@",
    b"_",
    b"0",
    b"-1",
    b"ffffffffffffffff",
    b"chunked",
    b"0\r\n\r\n",
    b"HTTP/1.1",
    b"\r\nContent-Length: 5",
    b"\r\nContent-Length: 0",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nHost: b",
    b"\r\nConnection: close",
    b"\r\nConnection: x, host",
    b"\r\nUpgrade: h2c\r\nConnection: Upgrade",
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// Messages to begin with.
pub(crate) struct Pool<'a> {
    /// Near to what is right lies what is hard to tell from it: most mutants come from here.
    pub(crate) right: Vec<&'a [u8]>,
    pub(crate) wrong: Vec<&'a [u8]>,
}

impl Pool<'_> {
    fn any(&self, random: &mut Random) -> &[u8] {
        let from = match random.below(4) {
            0 => &self.wrong,
            _ => &self.right,
        };
        from[random.below(from.len())]
    }
}

/// Between one and four changes of one message of the pool.
pub(crate) fn mutant(pool: &Pool<'_>, random: &mut Random) -> Vec<u8> {
    let mut bytes = pool.any(random).to_vec();
    for _ in 0..=random.below(4) {
        change(&mut bytes, pool, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, pool: &Pool<'_>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.extend_from_slice(pool.any(random));
    }
    let at = random.below(bytes.len());
    let to = (at + 1 + random.below(12)).min(bytes.len());
    match random.below(11) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => drop(bytes.drain(at..to)),
        3 | 4 => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
        5 => swap_case(&mut bytes[at..to]),
        6 => edit_number(bytes, at, random),
        7 => {
            // The beginning of one, the end of another.
            let other = pool.any(random);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len().max(1)).min(other.len())..]);
        }
        8 => edit_lines(bytes, random),
        9 => {
            let copy = bytes[at..to].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => bytes.extend_from_slice(pool.any(random)),
    }
}

fn swap_case(part: &mut [u8]) {
    for b in part {
        if b.is_ascii_alphabetic() {
            *b ^= 0x20;
        }
    }
}

/// The next digit from `at` on becomes another one.
fn edit_number(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(digit) = bytes[at..].iter_mut().find(|b| b.is_ascii_digit()) {
        *digit = b'0' + random.below(10) as u8;
    }
}

/// A line goes, comes twice, or changes places with the next.
fn edit_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|&b| b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let at = random.below(lines.len());
    match random.below(3) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        _ => {
            let next = (at + 1) % lines.len();
            lines.swap(at, next);
        }
    }
    *bytes = lines.concat();
}
