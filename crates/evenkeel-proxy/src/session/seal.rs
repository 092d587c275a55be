//! The cookie by which a client is known again: where its session belongs (see [`evenkeel_core::session`]), sealed.
//!
//! It is encrypted and authenticated as a whole (AES-256-GCM-SIV, RFC 8452), not only signed: what is only signed can be
//! compared, and would tell how many endpoints there are and who is at the same one. Its key comes from a line of the
//! secret and the pool's name by HMAC-SHA256, so that no pool accepts the cookie of another. The nonce is random; should one
//! ever repeat, this mode gives away no more than that two cookies say the same.
//!
//! Nothing is kept here of any session. A cookie that cannot be opened, or is too old, is as good as none.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use evenkeel_core::session::{LUCK, Session};

use super::Bound;

/// What a cookie is sealed for; another layout gets another text.
const PURPOSE: &[u8] = b"evenkeel session cookie 1\0";
/// Flags, end, since, mark, luck, home, at.
const PLAIN: usize = 1 + 4 + 4 + 4 + 2 + 8 + 8;
const TAG: usize = 16;
const SEALED: usize = NONCE_LEN + PLAIN + TAG;
/// In base64url without padding.
const TEXT: usize = SEALED.div_ceil(3) * 4 - (3 - SEALED % 3) % 3;
const RETURNED: u8 = 1;

/// This process: sessions that it has not counted yet carry the mark of another, or none.
static PROCESS: LazyLock<u32> = LazyLock::new(|| {
    let mut bytes = [0; 4];
    // Without randomness sessions of an earlier process are not counted again; nothing else goes by it.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_be_bytes(bytes)
});

/// What seals the cookies of one pool.
pub(crate) struct Seal {
    name: String,
    ttl_s: u64,
    mark: u32,
    /// The first seals, all open.
    keys: Vec<LessSafeKey>,
}

/// Why a cookie is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No key of this pool made it, or not this way.
    Forged,
    /// It is too old.
    Expired,
}

impl Seal {
    pub(super) fn new(pool: &str, name: &str, ttl_s: u64, keys: &[&str]) -> Result<Seal, NoKey> {
        let keys: Result<Vec<_>, _> = keys.iter().map(|key| derive(key, pool)).collect();
        let keys = keys.map_err(|_| NoKey)?;
        match keys.is_empty() {
            true => Err(NoKey),
            false => Ok(Seal {
                name: name.to_owned(),
                ttl_s,
                mark: *PROCESS ^ ttl_s as u32,
                keys,
            }),
        }
    }

    /// How long it lives, in seconds.
    pub(crate) fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// The cookie's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a cookie's value says.
    pub(crate) fn open(&self, value: &[u8], now_s: u64) -> Result<Bound, Refused> {
        let mut sealed = [0; SEALED];
        let decoded = match value.len() == TEXT {
            true => BASE64_URL_SAFE_NO_PAD.decode_slice(value, &mut sealed),
            false => return Err(Refused::Forged),
        };
        if decoded != Ok(SEALED) {
            return Err(Refused::Forged);
        }
        let opened = self.keys.iter().enumerate().find_map(|(n, key)| {
            let mut nonce = [0; NONCE_LEN];
            nonce.copy_from_slice(&sealed[..NONCE_LEN]);
            let mut bytes = [0; PLAIN + TAG];
            bytes.copy_from_slice(&sealed[NONCE_LEN..]);
            let nonce = Nonce::assume_unique_for_key(nonce);
            let plain = key
                .open_in_place(nonce, Aad::from(PURPOSE), &mut bytes)
                .ok()?;
            self.read(plain, n > 0)
        });
        let cookie = opened.ok_or(Refused::Forged)?;
        // One from the future was made before this clock was set back, and is as good as any.
        match cookie.ends_s > now_s {
            true => Ok(cookie),
            false => Err(Refused::Expired),
        }
    }

    /// Is it time to give the client another one that says the same?
    pub(super) fn is_due(&self, cookie: &Bound, now_s: u64) -> bool {
        let left = cookie.ends_s.saturating_sub(now_s);
        !cookie.counted || cookie.old_key || left <= self.ttl_s / 2 || left > self.ttl_s
    }

    /// The value for a session that lives from now on. `None` if this machine has no randomness to give.
    pub(crate) fn seal(&self, session: &Session, since_s: u64, now_s: u64) -> Option<String> {
        let mut sealed = [0; SEALED];
        let (nonce, rest) = sealed.split_at_mut(NONCE_LEN);
        aws_lc_rs::rand::fill(nonce).ok()?;
        let (plain, tag) = rest.split_at_mut(PLAIN);
        self.write(plain, session, since_s, now_s);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.keys.first()?;
        let made = key.seal_in_place_separate_tag(nonce, Aad::from(PURPOSE), plain);
        tag.copy_from_slice(made.ok()?.as_ref());
        Some(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    fn write(&self, plain: &mut [u8], session: &Session, since_s: u64, now_s: u64) {
        let seconds = |s: u64| u32::try_from(s).unwrap_or(u32::MAX).to_be_bytes();
        let flags = if session.returned { RETURNED } else { 0 };
        let parts: [&[u8]; 7] = [
            &[flags],
            &seconds(now_s + self.ttl_s),
            &seconds(since_s),
            &self.mark.to_be_bytes(),
            &session.luck.to_be_bytes(),
            &session.home.to_be_bytes(),
            &session.at.to_be_bytes(),
        ];
        let bytes = parts.into_iter().flatten();
        plain
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = *byte);
    }

    fn read(&self, plain: &[u8], old_key: bool) -> Option<Bound> {
        let (flags, rest) = plain.split_first()?;
        let (ends, rest) = rest.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        let (mark, rest) = rest.split_first_chunk()?;
        let (luck, rest) = rest.split_first_chunk()?;
        let (home, rest) = rest.split_first_chunk()?;
        let (at, _) = rest.split_first_chunk()?;
        Some(Bound {
            session: Session {
                home: u64::from_be_bytes(*home),
                at: u64::from_be_bytes(*at),
                returned: flags & RETURNED != 0,
                luck: u16::from_be_bytes(*luck).min(LUCK - 1),
            },
            ends_s: u64::from(u32::from_be_bytes(*ends)),
            since_s: u64::from(u32::from_be_bytes(*since)),
            counted: u32::from_be_bytes(*mark) == self.mark,
            old_key,
        })
    }
}

/// Sessions without a key to seal their cookies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl std::fmt::Display for NoKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there is no key to seal session cookies with")
    }
}

impl std::error::Error for NoKey {}

fn derive(secret: &str, pool: &str) -> Result<LessSafeKey, Unspecified> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&secret);
    context.update(PURPOSE);
    context.update(pool.as_bytes());
    let key = context.sign();
    Ok(LessSafeKey::new(UnboundKey::new(
        &AES_256_GCM_SIV,
        key.as_ref(),
    )?))
}

#[cfg(test)]
mod tests;
