//! What is read of TLS by ourselves: a client's hello, and the files of certificates and keys.

use std::hint::black_box;

use evenkeel_tls::{Hello, Pair, Part, Peek, authorities, hello};

use crate::splits;

/// A hello says the same whether it comes whole or in pieces; nothing is asked after the answer.
pub fn sni(data: &[u8]) {
    let (ends, data) = splits(data);
    let whole = hello(data);
    let mut peek = Peek::default();
    let mut said = Hello::NeedsMore;
    let mut from = 0;
    for end in ends {
        if said != Hello::NeedsMore {
            break;
        }
        said = peek.push(&data[from.min(end)..end]);
        from = end;
    }
    match (&whole, &said) {
        (Hello::Client(one), Hello::Client(other)) => assert_eq!(one, other),
        (Hello::NeedsMore, Hello::NeedsMore) => {}
        (Hello::Refused { alert, .. }, Hello::Refused { .. }) => {
            assert!(alert.is_empty() || alert[0] == 21, "{alert:?}");
        }
        _ => panic!("whole: {whole:?}, in pieces: {said:?}"),
    }
    if let Hello::Client(said) = &said {
        let name = said.server_name.as_deref().unwrap_or_default();
        assert_eq!(name, name.to_ascii_lowercase());
    }
}

/// Files are usable, or it is said what is wrong with them. The first byte says where the first file ends and whether
/// what stands in them is to be dressed as PEM first, so that the parsers behind it are met.
pub fn certificates(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else {
        return;
    };
    let (one, other) = match data.iter().position(|&b| b == 0xff) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[data.len()..]),
    };
    let (certificate, key) = match how % 4 {
        0 => (one.to_vec(), other.to_vec()),
        1 => (pem("CERTIFICATE", data), KEY.as_bytes().to_vec()),
        2 => (CERTIFICATE.as_bytes().to_vec(), pem("PRIVATE KEY", data)),
        _ => (
            CERTIFICATE.as_bytes().to_vec(),
            pem("RSA PRIVATE KEY", data),
        ),
    };
    match Pair::new(&certificate, &key) {
        Ok(pair) => drop(black_box(pair)),
        Err(unfit) => {
            assert!(!unfit.is_empty(), "refused without a reason");
            for unfit in unfit {
                assert!(matches!(unfit.part, Part::Certificate | Part::Key));
                assert!(!unfit.found.is_empty() && !unfit.wanted.is_empty());
            }
        }
    }
    if let Err(unfit) = authorities(&certificate, Part::ClientCa) {
        assert_eq!(unfit.part, Part::ClientCa);
    }
}

const CERTIFICATE: &str = include_str!("../../crates/evenkeel-tls/tests/keys/pkcs8-ec.pem");
const KEY: &str = include_str!("../../crates/evenkeel-tls/tests/keys/pkcs8-ec.key");

/// Bytes as a section of a PEM file.
fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let mut bits = [0; 4];
            bits[1..=three.len()].copy_from_slice(three);
            let bits = u32::from_be_bytes(bits);
            for digit in 0..4 {
                text.push(match digit <= three.len() {
                    true => DIGITS[(bits >> (18 - 6 * digit)) as usize & 63],
                    false => b'=',
                });
            }
        }
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text
}

/// What a client brings as a token: nobody gets in without the secret, whatever it says of itself. The seed that was signed with it is
/// the only one that is accepted.
pub fn token(data: &[u8]) {
    const SIGNED: &[u8] = include_bytes!("../seeds/token/signed");
    let keys = evenkeel_tls::TokenKeys::read("0123456789abcdef0123456789abcdef");
    let keys = keys.unwrap_or_else(|found| panic!("the secret is one: {found}"));
    let accepted = keys.claims(data, 1_800_000_000).is_ok();
    assert_eq!(accepted, data == SIGNED);
}
