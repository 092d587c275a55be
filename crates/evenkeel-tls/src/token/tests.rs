//! Tokens signed with keys made here, and all that is nearly one.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::prelude::BASE64_STANDARD;

use super::*;

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn part(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// A token with this header and payload, signed by whatever does that.
fn token(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", part(header), part(payload));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn hs(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    move |signed| hmac::sign(&key, signed).as_ref().to_vec()
}

fn pem(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len().div_ceil(64))
        .map(|n| &text[n * 64..text.len().min(n * 64 + 64)])
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

fn der(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}

/// Of each kind of public key: its algorithm, its PEM, and a token signed with it.
fn signed(payload: &str) -> Vec<(&'static str, String, String)> {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let sign_rsa = |signed: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        let padding = &signature::RSA_PKCS1_SHA256;
        rsa.sign(padding, &random, signed, &mut signature).unwrap();
        signature
    };
    let header = |alg: &str| format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"7"}}"#);
    vec![
        (
            "RS256",
            pem(&der(rsa.public_key())),
            token(&header("RS256"), payload, sign_rsa),
        ),
        (
            "ES256",
            pem(&der(ec.public_key())),
            token(&header("ES256"), payload, |s| {
                ec.sign(&random, s).unwrap().as_ref().to_vec()
            }),
        ),
        (
            "EdDSA",
            pem(&der(ed.public_key())),
            token(&header("EdDSA"), payload, |s| ed.sign(s).as_ref().to_vec()),
        ),
    ]
}

fn refused(keys: &TokenKeys, token: &str) -> Option<Refused> {
    keys.claims(token.as_bytes(), NOW).err()
}

#[test]
fn a_token_is_accepted_by_its_key_and_by_no_other() {
    let all = signed(r#"{"sub":"u1"}"#);
    let others = signed("{}");
    for ((name, pem, token), (_, other, _)) in all.iter().zip(&others) {
        let keys = TokenKeys::read(pem).unwrap();
        assert_eq!(
            keys.claims(token.as_bytes(), NOW).unwrap()["sub"],
            "u1",
            "{name}"
        );
        let stranger = TokenKeys::read(other).unwrap();
        assert_eq!(refused(&stranger, token), Some(Refused::Forged), "{name}");
        let both = TokenKeys::read(&format!("# the new one\n{other}\n{pem}")).unwrap();
        assert_eq!(
            refused(&both, token),
            None,
            "{name}: the old key still holds"
        );
    }
    let every: String = all.iter().map(|(_, pem, _)| pem.as_str()).collect();
    let every = TokenKeys::read(&every).unwrap();
    assert!(
        all.iter()
            .all(|(_, _, token)| refused(&every, token).is_none())
    );
}

#[test]
fn a_shared_secret_signs_and_no_other_does() {
    let keys =
        TokenKeys::read(&format!("another-secret-of-enough-characters\n{SECRET}\n")).unwrap();
    let header = r#"{"alg":"HS256"}"#;
    assert_eq!(refused(&keys, &token(header, "{}", hs(SECRET))), None);
    let other = token(header, "{}", hs("0123456789abcdef0123456789abcdeg"));
    assert_eq!(refused(&keys, &other), Some(Refused::Forged));
}

#[test]
fn what_a_token_says_of_its_algorithm_makes_no_other_key_of_ours() {
    for (name, pem, token) in signed("{}") {
        let keys = TokenKeys::read(&pem).unwrap();
        let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        // The public key, which everybody has, taken for a secret.
        let signed = format!("{}.{payload}", part(r#"{"alg":"HS256"}"#));
        for secret in [pem.as_str(), pem.trim_end()] {
            let confused = BASE64_URL_SAFE_NO_PAD.encode(hs(secret)(signed.as_bytes()));
            let confused = format!("{signed}.{confused}");
            assert_eq!(refused(&keys, &confused), Some(Refused::Forged), "{name}");
        }
        for alg in [
            "none", "None", "", "HS256", "RS512", "PS256", "ES384", "rs256",
        ] {
            let header = part(&format!(r#"{{"alg":"{alg}"}}"#));
            for signature in ["", signature, "AA"] {
                let token = format!("{header}.{payload}.{signature}");
                assert_eq!(
                    refused(&keys, &token),
                    Some(Refused::Forged),
                    "{name} as {alg}"
                );
            }
        }
    }
}

#[test]
fn a_changed_token_is_none() {
    for (name, pem, token) in signed(r#"{"sub":"u1","admin":false}"#) {
        let keys = TokenKeys::read(&pem).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(keys.claims(&bytes, NOW).is_err(), "{name}, byte {at}");
            assert!(
                keys.claims(&token.as_bytes()[..at], NOW).is_err(),
                "{name} cut at {at}"
            );
        }
        for more in [".", ".AA", "=", "A", "AAAA", " "] {
            assert_eq!(
                refused(&keys, &format!("{token}{more}")),
                Some(Refused::Forged),
                "{more:?}"
            );
        }
    }
}

#[test]
fn garbage_is_no_token_however_well_it_is_signed() {
    let keys = TokenKeys::read(SECRET).unwrap();
    let good = r#"{"alg":"HS256"}"#;
    let long = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(HEADER_MAX));
    for (header, payload) in [
        (r#"{"alg":"HS256","crit":["exp"]}"#, "{}"),
        (r#"{"alg":["HS256"]}"#, "{}"),
        (r#"{"typ":"JWT"}"#, "{}"),
        ("garbage", "{}"),
        ("", "{}"),
        (&long, "{}"),
        (good, "garbage"),
        (good, ""),
        (good, r#"{"exp":"never"}"#),
        (good, r#"{"exp":null}"#),
        (good, r#"{"nbf":{}}"#),
        (good, &"[".repeat(5000)),
        (good, &format!("\"{}\"", "x".repeat(TOKEN_MAX))),
    ] {
        let token = token(header, payload, hs(SECRET));
        assert_eq!(
            refused(&keys, &token),
            Some(Refused::Forged),
            "{header:.40} {payload:.40}"
        );
    }
    for token in ["", ".", "..", "...", "a.b.c", "e30.e30.", "opaque"] {
        assert_eq!(refused(&keys, token), Some(Refused::Forged), "{token}");
    }
}

#[test]
fn a_token_is_good_in_its_time_only() {
    let keys = TokenKeys::read(SECRET).unwrap();
    let at = |payload: String| refused(&keys, &token(r#"{"alg":"HS256"}"#, &payload, hs(SECRET)));
    let (past, soon) = (NOW - 61, NOW + 61);
    assert_eq!(at(format!(r#"{{"exp":{past}}}"#)), Some(Refused::Expired));
    assert_eq!(
        at(format!(r#"{{"exp":{}.5}}"#, NOW - 60)),
        None,
        "within what clocks differ"
    );
    assert_eq!(at(format!(r#"{{"nbf":{soon}}}"#)), Some(Refused::Expired));
    assert_eq!(
        at(format!(r#"{{"nbf":{past},"exp":{soon},"iat":{soon}}}"#)),
        None
    );
    assert_eq!(at(r#"{"exp":-1e308}"#.into()), Some(Refused::Expired));
    assert_eq!(at(r#"{"exp":1e308}"#.into()), None);
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    let private = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";
    let certificate = "-----BEGIN CERTIFICATE-----\nMC4=\n-----END CERTIFICATE-----\n";
    let small = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let small = der(small.public_key())[..100].to_vec();
    let five = signed("{}")[1].1.repeat(5);
    for (text, why) in [
        ("", "no key"),
        ("short\n", "a secret of 5 characters"),
        ("one two three four five six seven eight", "spaces"),
        (private, "a private key"),
        (certificate, "a certificate"),
        (&pem(&small), "a public key of another kind"),
        (
            "-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----\n",
            "PEM that is broken",
        ),
        (&five, "5 keys"),
        (&format!("{SECRET}\n").repeat(5), "5 keys"),
    ] {
        let found = TokenKeys::read(text).err().unwrap();
        assert!(found.contains(why), "{found}, wanted {why}");
    }
}
