//! Bytes to records. What is read may come from anywhere: nothing in it can panic, and nothing makes it take more memory than
//! the bytes are.

use std::fmt;

use evenkeel_core::engine::{Engine, Event};
use evenkeel_core::time::Now;
use serde::de::DeserializeOwned;

use crate::format::{
    Decided, END, ENGINE, Ends, FORMAT, FRAME, FRAME_SUM, HEADER, Header, MAGIC, SNAPSHOT, TURN,
};

/// Why a segment cannot be read, or not on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It does not begin like one.
    Foreign,
    /// An older evenkeel wrote it.
    Older(u32),
    /// A newer evenkeel wrote it.
    Newer(u32),
    /// Another engine wrote it.
    Other {
        /// Version of evenkeel.
        build: String,
        /// Its engine.
        engine: String,
    },
    /// It ends before its snapshot does: whoever wrote it was killed then, and no event is lost.
    Unborn,
    /// What is at this byte was never written there.
    Damaged {
        /// From the beginning of the file.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Foreign => f.write_str("it is no journal of evenkeel's"),
            ReadError::Older(found) => write!(
                f,
                "it has format {found}, and this evenkeel reads {FORMAT}: an older evenkeel wrote it, use that one"
            ),
            ReadError::Newer(found) => write!(
                f,
                "it has format {found}, and this evenkeel reads {FORMAT}: a newer evenkeel wrote it, use that one"
            ),
            ReadError::Other { build, engine } => write!(
                f,
                "evenkeel {build} with engine {engine} wrote it, and this one has engine {ENGINE}: only the same engine decides the same, use that one"
            ),
            ReadError::Unborn => {
                f.write_str("it ends within its first snapshot, so there is nothing in it to tell")
            }
            ReadError::Damaged { at, what } => {
                write!(f, "it is damaged at byte {at}: {what}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// An event and what came of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// When, on both clocks.
    pub now: Now,
    /// What happened.
    pub event: Event,
    /// What was decided; `None` = nothing.
    pub decided: Option<Decided>,
}

/// One record after the snapshot.
#[derive(Clone, Debug)]
pub enum Record {
    /// An event.
    Turn(Box<Turn>),
    /// The end, in order.
    End(Ends),
}

/// A segment that is being read.
#[derive(Debug)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    at: usize,
    header: Header,
    snapshot: (usize, &'a [u8]),
}

/// A record's payload, if it is there as a whole.
enum Framed<'a> {
    Whole(u8, &'a [u8]),
    /// The file ends within it.
    Torn,
    /// The file ends before it.
    None,
}

impl<'a> Segment<'a> {
    /// Reads as far as the snapshot.
    ///
    /// # Errors
    /// It is not a segment of this engine's.
    pub fn open(bytes: &'a [u8]) -> Result<Segment<'a>, ReadError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ReadError::Foreign)?;
        let format = rest.first_chunk().map(|four| u32::from_le_bytes(*four));
        match format {
            None => return Err(ReadError::Unborn),
            Some(FORMAT) => {}
            Some(0) => return Err(ReadError::Foreign),
            Some(older @ ..FORMAT) => return Err(ReadError::Older(older)),
            Some(newer) => return Err(ReadError::Newer(newer)),
        }
        let mut segment = Segment {
            bytes,
            at: MAGIC.len() + 4,
            header: Header {
                build: String::new(),
                engine: String::new(),
                pid: 0,
                seed: 0,
                now: Now::default(),
                begins: crate::Begins::Start,
            },
            snapshot: (0, &[]),
        };
        let (at, header) = segment.expect(HEADER)?;
        segment.header = decode(header, at)?;
        if segment.header.engine != ENGINE {
            let Header { build, engine, .. } = segment.header;
            return Err(ReadError::Other { build, engine });
        }
        segment.snapshot = segment.expect(SNAPSHOT)?;
        Ok(segment)
    }

    /// Who wrote it.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the next record is, in bytes from the beginning.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes after the last whole record.
    pub fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The engine at the segment's beginning.
    ///
    /// # Errors
    /// The snapshot is none.
    pub fn engine(&self) -> Result<Engine, ReadError> {
        let (at, bytes) = self.snapshot;
        let mut from = postcard::Deserializer::from_bytes(bytes);
        let engine = Engine::restore(&mut from).ok();
        let whole = from.finalize().is_ok_and(<[u8]>::is_empty);
        let what = "the snapshot says nothing that this engine could be";
        engine
            .filter(|_| whole)
            .ok_or(ReadError::Damaged { at, what })
    }

    /// The next record; `None` at the end, whether in order or torn: see [`Segment::rest`].
    ///
    /// # Errors
    /// What is there was never written like that.
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        let at = self.at;
        match self.frame()? {
            Framed::Torn | Framed::None => Ok(None),
            Framed::Whole(TURN, payload) => {
                turn(payload, at).map(|turn| Some(Record::Turn(Box::new(turn))))
            }
            Framed::Whole(END, payload) => decode(payload, at).map(|end| Some(Record::End(end))),
            Framed::Whole(..) => Err(ReadError::Damaged {
                at,
                what: "a record of a kind that does not belong there",
            }),
        }
    }

    fn expect(&mut self, kind: u8) -> Result<(usize, &'a [u8]), ReadError> {
        let at = self.at;
        match self.frame()? {
            Framed::Whole(found, payload) if found == kind => Ok((at, payload)),
            Framed::Whole(..) => Err(ReadError::Damaged {
                at,
                what: "a header and a snapshot have to come first",
            }),
            Framed::Torn | Framed::None => Err(ReadError::Unborn),
        }
    }

    fn frame(&mut self) -> Result<Framed<'a>, ReadError> {
        let at = self.at;
        let rest = &self.bytes[at..];
        if rest.is_empty() {
            return Ok(Framed::None);
        }
        let Some((head, rest)) = rest.split_at_checked(FRAME) else {
            return Ok(Framed::Torn);
        };
        let number = |at: usize| {
            let four = head[at..].first_chunk().copied();
            u32::from_le_bytes(four.unwrap_or_default())
        };
        let (length, sum) = (number(0) as usize, number(4));
        if crc32fast::hash(&head[..FRAME_SUM]) != number(FRAME_SUM) {
            // A file that grew before its bytes came is full of zeros there.
            if rest.iter().all(|byte| *byte == 0) {
                return Ok(Framed::Torn);
            }
            let what = "the checksum of a record's length does not fit it";
            return Err(ReadError::Damaged { at, what });
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(Framed::Torn);
        };
        let last = rest.len() == length;
        match (crc32fast::hash(payload) == sum, payload.split_first()) {
            (true, Some((kind, data))) => {
                self.at = at + FRAME + length;
                Ok(Framed::Whole(*kind, data))
            }
            _ if last => Ok(Framed::Torn),
            _ => Err(ReadError::Damaged {
                at,
                what: "the checksum of a record does not fit it",
            }),
        }
    }
}

fn turn(payload: &[u8], at: usize) -> Result<Turn, ReadError> {
    let damaged = |what| ReadError::Damaged { at, what };
    let read = postcard::take_from_bytes::<(Now, Event, u32)>(payload);
    let ((now, event, count), rest) =
        read.map_err(|_| damaged("an event that this engine does not know"))?;
    let decided = match (count, rest.try_into()) {
        (0, _) if rest.is_empty() => None,
        (1.., Ok(eight)) => Some(Decided {
            count,
            digest: u64::from_le_bytes(eight),
        }),
        _ => return Err(damaged("an event without what came of it")),
    };
    Ok(Turn {
        now,
        event,
        decided,
    })
}

fn decode<T: DeserializeOwned>(bytes: &[u8], at: usize) -> Result<T, ReadError> {
    let what = "a record that cannot be read";
    postcard::from_bytes(bytes).map_err(|_| ReadError::Damaged { at, what })
}
