//! Connections that do nothing after their first request, to see what each of them costs in memory.

use crate::request::{self, Shape};
use crate::response::Response;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than this no answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Size of every answer's body.
const BODY: usize = 128;

/// Opens them one after the other, asks once on each, says `idle`, and keeps them until its input ends.
pub(crate) fn run(target: SocketAddr, connections: usize) -> io::Result<()> {
    let request = request::request(Shape {
        body: BODY,
        head: 0,
        close: false,
    });
    let kept = (0..connections)
        .map(|_| asked(target, &request))
        .collect::<io::Result<Vec<_>>>()?;
    println!("idle");
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;
    drop(kept);
    Ok(())
}

fn asked(target: SocketAddr, request: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(request)?;
    let mut response = Response::expecting(BODY);
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if response.take(&buffer[..count]).map_err(io::Error::other)? {
            return Ok(stream);
        }
    }
}
