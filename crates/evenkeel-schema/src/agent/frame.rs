//! Messages out of a stream of bytes and back: four bytes of length, the most significant first, then so many bytes.

use std::fmt;

/// A message is never longer: the facts of a thousand services fit.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Nor one of somebody who is not known yet.
pub const FIRST_FRAME_BYTES_MAX: usize = 16 * 1024;
/// The length in front.
const HEAD: usize = 4;

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Longer than allowed.
    TooLong {
        /// As its head says.
        bytes: usize,
        /// As many are allowed.
        max: usize,
    },
    /// Nothing at all.
    Empty,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { bytes, max } => write!(
                f,
                "found a message of {bytes} bytes, wanted at most {max}: is the other side an evenkeel of this protocol?"
            ),
            FrameError::Empty => f.write_str("found an empty message"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Takes bytes in as they come and gives messages out. It never holds more than one message and one push.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    max: usize,
}

impl Frames {
    /// Messages of at most `max` bytes.
    pub fn new(max: usize) -> Frames {
        Frames {
            bytes: Vec::new(),
            max,
        }
    }

    /// From now on they may be so long.
    pub fn allow(&mut self, max: usize) {
        self.max = max;
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// What comes is none; nothing after it can be understood.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(head) = self.bytes.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if bytes == 0 {
            return Err(FrameError::Empty);
        }
        let max = self.max;
        if bytes > max {
            return Err(FrameError::TooLong { bytes, max });
        }
        if self.bytes.len() < HEAD + bytes {
            return Ok(None);
        }
        let rest = self.bytes.split_off(HEAD + bytes);
        let mut frame = std::mem::replace(&mut self.bytes, rest);
        frame.drain(..HEAD);
        Ok(Some(frame))
    }
}

/// A message as it is sent.
///
/// # Errors
/// It is longer than [`FRAME_BYTES_MAX`].
pub fn encode(message: &impl serde::Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEAD];
    // Plain structs into memory: nothing of them cannot be written.
    let written = serde_json::to_writer(&mut bytes, message);
    let length = bytes.len() - HEAD;
    if written.is_err() || length == 0 {
        return Err(FrameError::Empty);
    }
    if length > FRAME_BYTES_MAX {
        let (bytes, max) = (length, FRAME_BYTES_MAX);
        return Err(FrameError::TooLong { bytes, max });
    }
    let head = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    bytes[..HEAD].copy_from_slice(&head);
    Ok(bytes)
}
