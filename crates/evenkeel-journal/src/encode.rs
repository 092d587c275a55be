//! Events to bytes, as the engine handles them. Pure: whoever has one decides where the bytes go.

use evenkeel_core::engine::{Engine, Event};
use evenkeel_core::time::Now;
use serde::Serialize;

use crate::digest::Digest;
use crate::format::{END, Ends, FORMAT, FRAME, FRAME_SUM, HEADER, Header, MAGIC, SNAPSHOT, TURN};

/// Makes segments.
#[derive(Debug)]
pub struct Encoder {
    out: Vec<u8>,
    digest: Digest,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    /// With nothing said yet.
    pub fn new() -> Encoder {
        Encoder {
            out: Vec::new(),
            digest: Digest::new(),
        }
    }

    /// What was made since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// How much of it there is.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Nothing?
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// A segment begins with what the engine is now.
    ///
    /// # Errors
    /// Something of the engine cannot be written, and why. Nothing is made then.
    pub fn begin(&mut self, engine: &Engine, header: &Header) -> Result<(), String> {
        let start = self.out.len();
        self.digest = Digest::new();
        self.out.extend_from_slice(MAGIC);
        self.out.extend_from_slice(&FORMAT.to_le_bytes());
        let made = self
            .record(HEADER, header)
            .and_then(|()| self.record(SNAPSHOT, engine));
        if made.is_err() {
            self.out.truncate(start);
        }
        made
    }

    /// Lets the engine handle the event, and notes both it and what came of it.
    ///
    /// # Errors
    /// The event or a command cannot be written, and why: the segment is over. The engine has handled the event all the same.
    pub fn handle(&mut self, engine: &mut Engine, event: Event, now: Now) -> Result<(), String> {
        let start = self.out.len();
        let begun = self.open(TURN, &(now, &event));
        let before = engine.pending().len();
        engine.handle(event, now);
        let noted = begun.and_then(|frame| self.decided(engine, before).map(|()| frame));
        match noted {
            Ok(frame) => {
                self.close(frame);
                Ok(())
            }
            Err(error) => {
                self.out.truncate(start);
                Err(error)
            }
        }
    }

    /// The segment ends in order.
    pub fn end(&mut self, ends: Ends) {
        // Plain and small: there is nothing in it that could not be written.
        let _ = self.record(END, &ends);
    }

    fn decided(&mut self, engine: &Engine, before: usize) -> Result<(), String> {
        let mut count = 0u32;
        for command in engine.pending().skip(before) {
            self.digest.add(command).map_err(words)?;
            count = count.saturating_add(1);
        }
        self.write(&count)?;
        if count > 0 {
            self.out
                .extend_from_slice(&self.digest.value().to_le_bytes());
        }
        Ok(())
    }

    fn record(&mut self, kind: u8, data: &impl Serialize) -> Result<(), String> {
        let frame = self.open(kind, data)?;
        self.close(frame);
        Ok(())
    }

    fn open(&mut self, kind: u8, data: &impl Serialize) -> Result<usize, String> {
        let frame = self.out.len();
        self.out.extend_from_slice(&[0; FRAME]);
        self.out.push(kind);
        let written = self.write(data);
        if written.is_err() {
            self.out.truncate(frame);
        }
        written.map(|()| frame)
    }

    /// Fills in what stands before the payload.
    fn close(&mut self, frame: usize) {
        let (head, payload) = self.out[frame..].split_at_mut(FRAME);
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..FRAME_SUM].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        let sum = crc32fast::hash(&head[..FRAME_SUM]);
        head[FRAME_SUM..].copy_from_slice(&sum.to_le_bytes());
    }

    fn write(&mut self, data: &impl Serialize) -> Result<(), String> {
        postcard::to_io(data, &mut self.out)
            .map(drop)
            .map_err(words)
    }
}

fn words(error: postcard::Error) -> String {
    format!("it cannot be written: {error}")
}
