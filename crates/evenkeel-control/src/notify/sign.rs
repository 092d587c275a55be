//! Signatures of webhooks, and numbers of messages.
//!
//! A signature is `t=SECONDS,v1=HEX`: the moment it was made, and HMAC-SHA256 with the pool's `webhook_secret` over that number, a dot
//! and the body. The moment is signed too, so that a message that was listened to cannot be sent again next week.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use evenkeel_core::time::WallTime;
use evenkeel_schema::config::Secret;

/// What stands in the field `Evenkeel-Signature`.
pub(super) fn signature(secret: &Secret, at: WallTime, body: &[u8]) -> String {
    let seconds = at.0 / 1000;
    let mut signed = format!("{seconds}.").into_bytes();
    signed.extend_from_slice(body);
    let key = Key::new(HMAC_SHA256, secret.reveal().as_bytes());
    format!("t={seconds},v1={}", hex(sign(&key, &signed).as_ref()))
}

/// A number that no other message has; `None` if this machine has no randomness to give.
pub(crate) fn number() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
