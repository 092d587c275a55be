//! The line of an endpoint's agent, as HAProxy's agent check reads it: connect, say nothing, read up to the first end of a line or
//! of the connection. What the words mean is decided elsewhere.

use std::time::Duration;

use evenkeel_core::address::Address;
use tokio::io::AsyncReadExt;
use tokio::time::timeout_at;

use crate::{stream, text};

/// A line is a few words and a remark. One that is longer is something else's, and no more of it is read.
pub const LINE_BYTES_MAX: usize = 1024;

/// Reads one line within `limit`.
///
/// # Errors
/// There was none, and why, for people.
pub async fn agent_line(address: &Address, limit: Duration) -> Result<String, String> {
    let deadline = tokio::time::Instant::now() + limit;
    let opened = stream::connect(address, limit).await;
    let mut stream = opened.map_err(|seen| seen.detail)?;
    let mut read = Vec::with_capacity(128);
    loop {
        if let Some(end) = read.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            read.truncate(end);
            break;
        }
        if read.len() > LINE_BYTES_MAX {
            return Err(format!(
                "more than {LINE_BYTES_MAX} bytes without the end of a line"
            ));
        }
        let mut part = [0; 256];
        match timeout_at(deadline, stream.read(&mut part)).await {
            Ok(Ok(0)) if read.is_empty() => return Err("closed without a word".to_owned()),
            Ok(Ok(0)) => break,
            Ok(Ok(n)) => read.extend_from_slice(&part[..n]),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no line within {}", text(limit))),
        }
    }
    // What is no text has no words, and shows as what it is.
    Ok(String::from_utf8_lossy(&read).into_owned())
}
