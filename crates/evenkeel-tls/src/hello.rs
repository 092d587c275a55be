//! What a ClientHello says, read without answering it: to route by server name, and to choose a certificate.
//!
//! The parser is rustls' own. Bytes are taken as they come, in any split, and no more of them than [`HELLO_MAX`].

use rustls::server::Acceptor;

/// Bytes of a stream within which its ClientHello must end. With post-quantum key shares a browser's has some 2 KiB; the
/// protocol would allow 16 MiB.
pub const HELLO_MAX: usize = 16 * 1024;

/// What the beginning of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// Not all of it is there yet.
    NeedsMore,
    /// A client that wants to speak TLS.
    Client(ClientHello),
    /// It is not one.
    Refused {
        /// Why, for a log.
        why: String,
        /// What to send before closing; may be empty.
        alert: Vec<u8>,
    },
}

/// What a client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Whom it wants, in lower case.
    pub server_name: Option<String>,
    /// What it would speak inside, the best first.
    pub alpn: Vec<Vec<u8>>,
}

/// Reads a ClientHello as it comes.
#[derive(Default)]
pub struct Peek {
    acceptor: Acceptor,
    taken: usize,
}

impl Peek {
    /// Takes what came since; once something else than [`Hello::NeedsMore`] was answered, there is no more to ask.
    pub fn push(&mut self, mut bytes: &[u8]) -> Hello {
        loop {
            // At most what is allowed: a hello that ends right there is good, whatever follows it.
            let allowed = bytes.len().min(HELLO_MAX - self.taken);
            let mut next = &bytes[..allowed];
            match self.acceptor.read_tls(&mut next) {
                Ok(_) => {}
                Err(error) => return refused(error.to_string(), Vec::new()),
            }
            let took = allowed - next.len();
            self.taken += took;
            bytes = &bytes[took..];
            match self.acceptor.accept() {
                Ok(Some(accepted)) => return Hello::Client(said(&accepted.client_hello())),
                Err((error, mut alert)) => {
                    let mut out = Vec::new();
                    // Writing to a vector does not fail.
                    let _ = alert.write_all(&mut out);
                    return refused(error.to_string(), out);
                }
                Ok(None) if self.taken >= HELLO_MAX => {
                    let why = format!("no whole ClientHello within {HELLO_MAX} bytes");
                    return refused(why, alert(DECODE_ERROR));
                }
                Ok(None) if bytes.is_empty() => return Hello::NeedsMore,
                Ok(None) if took == 0 => {
                    let why = "more than the parser holds".to_owned();
                    return refused(why, alert(DECODE_ERROR));
                }
                Ok(None) => {}
            }
        }
    }
}

/// What a stream that begins with `bytes` says.
pub fn hello(bytes: &[u8]) -> Hello {
    Peek::default().push(bytes)
}

impl Hello {
    /// What to send to a client whose name nobody here has, before closing (RFC 6066 section 3).
    pub fn unrecognized_name() -> Vec<u8> {
        alert(UNRECOGNIZED_NAME)
    }
}

const DECODE_ERROR: u8 = 50;
const UNRECOGNIZED_NAME: u8 = 112;

/// A fatal alert before anything is encrypted (RFC 8446 section 6).
fn alert(description: u8) -> Vec<u8> {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    vec![ALERT, 3, 3, 0, 2, FATAL, description]
}

fn refused(why: String, alert: Vec<u8>) -> Hello {
    Hello::Refused { why, alert }
}

fn said(hello: &rustls::server::ClientHello<'_>) -> ClientHello {
    let alpn = hello.alpn().into_iter().flatten();
    ClientHello {
        server_name: hello.server_name().map(str::to_ascii_lowercase),
        alpn: alpn.map(<[u8]>::to_vec).collect(),
    }
}
