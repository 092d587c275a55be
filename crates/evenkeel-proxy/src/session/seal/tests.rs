//! What a cookie keeps, and what it does not let itself be told.

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_800_000_000;

fn sessions(pool: &str, keys: &[&str]) -> Seal {
    Seal::new(pool, "evenkeel", 3600, keys).unwrap()
}

fn session() -> Session {
    Session {
        home: 0x0102_0304_0506_0708,
        at: 0x1112_1314_1516_1718,
        returned: true,
        luck: 321,
    }
}

#[test]
fn what_was_sealed_is_opened_again_until_it_is_too_old() {
    let sessions = sessions("app", &[KEY]);
    let value = sessions.seal(&session(), NOW - 5, NOW).unwrap();
    assert_eq!(value.len(), TEXT);
    let cookie = sessions.open(value.as_bytes(), NOW + 3599).unwrap();
    assert_eq!(cookie.session, session());
    assert_eq!((cookie.since_s, cookie.ends_s), (NOW - 5, NOW + 3600));
    assert!(cookie.counted);
    let late = sessions.open(value.as_bytes(), NOW + 3600);
    assert_eq!(late, Err(Refused::Expired));
}

#[test]
fn a_cookie_of_which_a_single_bit_was_changed_is_ignored() {
    let sessions = sessions("app", &[KEY]);
    let value = sessions.seal(&session(), NOW, NOW).unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&value).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = BASE64_URL_SAFE_NO_PAD.encode(forged);
        let opened = sessions.open(forged.as_bytes(), NOW);
        assert_eq!(opened, Err(Refused::Forged), "bit {bit}");
    }
}

#[test]
fn what_is_cut_short_grown_or_no_base64_is_ignored() {
    let sessions = sessions("app", &[KEY]);
    let value = sessions.seal(&session(), NOW, NOW).unwrap();
    for len in 0..value.len() {
        assert_eq!(
            sessions.open(&value.as_bytes()[..len], NOW),
            Err(Refused::Forged)
        );
    }
    let strange = [
        "%".repeat(TEXT),
        "\u{0}".repeat(TEXT),
        format!("{value}A"),
        "a1".into(),
    ];
    for strange in strange {
        assert_eq!(sessions.open(strange.as_bytes(), NOW), Err(Refused::Forged));
    }
}

#[test]
fn another_pools_cookie_is_none_here_and_neither_is_one_under_another_key() {
    let value = sessions("app", &[KEY]).seal(&session(), NOW, NOW).unwrap();
    let other = "another key that is long enough";
    for sessions in [sessions("shop", &[KEY]), sessions("app", &[other])] {
        assert_eq!(sessions.open(value.as_bytes(), NOW), Err(Refused::Forged));
    }
}

#[test]
fn after_a_rotation_the_old_key_still_opens_and_the_client_gets_a_new_cookie() {
    let (new, old) = ("the new key, long enough", KEY);
    let value = sessions("app", &[old]).seal(&session(), NOW, NOW).unwrap();
    let rotated = sessions("app", &[new, old]);
    let cookie = rotated.open(value.as_bytes(), NOW).unwrap();
    assert_eq!(cookie.session, session());
    assert!(rotated.is_due(&cookie, NOW));
    let value = rotated.seal(&session(), NOW, NOW).unwrap();
    let cookie = sessions("app", &[new]).open(value.as_bytes(), NOW).unwrap();
    assert!(!rotated.is_due(&cookie, NOW));
}

#[test]
fn a_cookie_is_renewed_when_half_of_its_time_has_passed() {
    let sessions = sessions("app", &[KEY]);
    let value = sessions.seal(&session(), NOW, NOW).unwrap();
    let cookie = sessions.open(value.as_bytes(), NOW).unwrap();
    assert!(!sessions.is_due(&cookie, NOW + 1799));
    assert!(sessions.is_due(&cookie, NOW + 1800));
}

#[test]
fn two_cookies_of_one_endpoint_have_nothing_in_common() {
    let sessions = sessions("app", &[KEY]);
    let [one, two] = [0; 2].map(|_| sessions.seal(&session(), NOW, NOW).unwrap());
    let same = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
    assert!(same < TEXT / 4, "{one} {two}");
}

#[test]
fn without_a_key_there_are_no_sessions() {
    let none = Seal::new("app", "evenkeel", 1, &[]);
    assert_eq!(none.err(), Some(NoKey));
}
