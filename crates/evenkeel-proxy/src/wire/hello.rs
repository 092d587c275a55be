//! Reading a client's hello before anything is answered: it says which host it wants, and so whose certificate to show or
//! whose endpoint to ask.
//!
//! A PostgreSQL client first asks in clear text whether it may speak TLS. Where TLS is passed through, that is answered
//! here, since the server that could is not known before the hello.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use evenkeel_core::time::Time;
use evenkeel_tls::{ClientHello, Hello, Peek};

use crate::rt::{self, Timer};

/// Read at once; a hello has mostly less.
const STEP: usize = 4 * 1024;

/// PostgreSQL's `SSLRequest` (protocol 3, "SSL Session Encryption"): its length and 80877103.
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Its `GSSENCRequest`: 80877104. We have none; it then asks for the other.
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// What a client began with.
pub(crate) struct Opening {
    /// The hello, and what came with it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) hello: ClientHello,
    /// It asked before, as PostgreSQL's clients do.
    pub(crate) asked: bool,
}

/// Why there is no hello.
#[derive(Debug)]
pub(crate) enum HelloError {
    /// The client left.
    Gone,
    /// It took too long.
    Late,
    /// It is something else.
    Refused {
        why: String,
        /// To be told before closing.
        alert: Vec<u8>,
    },
}

/// A client that is listened to.
struct Listening<'a> {
    raw: &'a rt::Stream,
    bytes: Vec<u8>,
    peek: Peek,
    /// Bytes that `peek` was given.
    peeked: usize,
    /// It may ask whether it may speak TLS.
    may_ask: bool,
    may_ask_gss: bool,
    asked: bool,
    /// To be written before more is read.
    answer: Option<u8>,
}

/// Reads until the hello is complete. `may_ask`: in PostgreSQL's way too.
pub(crate) async fn peek(
    raw: &rt::Stream,
    timer: &Timer,
    deadline: Time,
    may_ask: bool,
) -> Result<Opening, HelloError> {
    let mut listening = Listening {
        raw,
        bytes: Vec::new(),
        peek: Peek::default(),
        peeked: 0,
        may_ask,
        may_ask_gss: may_ask,
        asked: false,
        answer: None,
    };
    let heard = poll_fn(|cx| listening.poll(cx));
    let hello = timer
        .within(deadline, heard)
        .await
        .unwrap_or(Err(HelloError::Late))?;
    Ok(Opening {
        bytes: listening.bytes,
        hello,
        asked: listening.asked,
    })
}

impl Listening<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ClientHello, HelloError>> {
        loop {
            if let Some(answer) = self.answer {
                match ready!(self.raw.poll_write(cx, &[answer])) {
                    Ok(1..) => self.answer = None,
                    _ => return Poll::Ready(Err(HelloError::Gone)),
                }
            }
            self.bytes.reserve(STEP);
            match ready!(self.raw.poll_read(cx, &mut self.bytes)) {
                Ok(1..) => {}
                _ => return Poll::Ready(Err(HelloError::Gone)),
            }
            if self.peeked == 0 && self.may_ask && self.asks()? {
                continue;
            }
            match self.peek.push(&self.bytes[self.peeked..]) {
                Hello::NeedsMore => self.peeked = self.bytes.len(),
                Hello::Client(hello) => return Poll::Ready(Ok(hello)),
                Hello::Refused { why, alert } => {
                    return Poll::Ready(Err(HelloError::Refused { why, alert }));
                }
            }
        }
    }

    /// Does it ask first? True until that is clear and answered. Each question once, and nothing behind it: what was sent
    /// before TLS must not be taken for what was said under it.
    fn asks(&mut self) -> Result<bool, HelloError> {
        let refused = |why: &str| {
            Err(HelloError::Refused {
                why: why.to_owned(),
                alert: Vec::new(),
            })
        };
        let bytes = self.bytes.as_slice();
        if bytes.first() != Some(&0) {
            return Ok(false);
        }
        let begins = |question: &[u8; 8]| question.starts_with(bytes);
        if bytes == SSL_REQUEST && !self.asked {
            self.asked = true;
            self.may_ask_gss = false;
            self.answer = Some(b'S');
        } else if bytes == GSS_REQUEST && self.may_ask_gss {
            self.may_ask_gss = false;
            self.answer = Some(b'N');
        } else if begins(&SSL_REQUEST) && !self.asked || begins(&GSS_REQUEST) && self.may_ask_gss {
            return Ok(true);
        } else {
            return refused("neither TLS nor a request for it");
        }
        self.bytes.clear();
        Ok(true)
    }
}
