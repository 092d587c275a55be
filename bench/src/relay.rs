//! A plain TCP relay: one connection to an endpoint for each client's, bytes moved as they come. It is the floor, the cost of
//! the system calls that every proxy pays; whatever a proxy takes beyond it, it takes for reading what it forwards.

use crate::poll::{self, Interest, Poller, Table};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// Read at once at most.
const CHUNK_BYTES: usize = 64 << 10;

/// One direction's source.
struct Side {
    stream: TcpStream,
    /// Read from here but not taken by the other side yet; at most one chunk.
    pending: Vec<u8>,
    ended: bool,
    interest: Interest,
}

impl Side {
    fn new(stream: TcpStream) -> Side {
        Side {
            stream,
            pending: Vec::new(),
            ended: false,
            interest: Interest::Read,
        }
    }
}

/// Client and endpoint.
struct Pair([Side; 2]);

/// Relays until it is killed.
pub(crate) fn run(listen: SocketAddr, endpoints: &[SocketAddr]) -> io::Result<()> {
    let listener = crate::listen(listen)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, 0, Interest::Read)?;
    let mut pairs: Table<Pair> = Table::new();
    let mut turn = 0;
    let mut ready = Vec::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        poller.wait(None, &mut ready)?;
        for &token in &ready {
            if token == 0 {
                accept_all(&listener, endpoints, &mut turn, &poller, &mut pairs)?;
                continue;
            }
            let (index, side) = ((token - 1) / 2, (token - 1) % 2);
            let Some(pair) = pairs.at(index) else {
                continue;
            };
            let moved = pair
                .turn(side, &mut buffer)
                .and_then(|()| pair.watch(&poller, index));
            if moved.is_err() || pair.is_over() {
                pairs.remove(index);
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    endpoints: &[SocketAddr],
    turn: &mut usize,
    poller: &Poller,
    pairs: &mut Table<Pair>,
) -> io::Result<()> {
    while let Some(client) = poll::accept(listener)? {
        let address = endpoints[*turn % endpoints.len()];
        *turn = turn.wrapping_add(1);
        // Over the loopback a connect is answered within the call, so that waiting for it holds nobody up.
        let Ok(endpoint) = TcpStream::connect(address) else {
            continue;
        };
        endpoint.set_nonblocking(true)?;
        endpoint.set_nodelay(true)?;
        let index = pairs.insert(Pair([Side::new(client), Side::new(endpoint)]));
        if let Some(Pair(sides)) = pairs.at(index) {
            poller.add(&sides[0].stream, 1 + 2 * index, Interest::Read)?;
            poller.add(&sides[1].stream, 2 + 2 * index, Interest::Read)?;
        }
    }
    Ok(())
}

impl Pair {
    /// Something happened at one side: move what can be moved, in both directions.
    fn turn(&mut self, side: usize, buffer: &mut [u8]) -> io::Result<()> {
        self.flush(1 - side)?;
        let [one, two] = &mut self.0;
        let (from, to) = if side == 0 { (one, two) } else { (two, one) };
        if from.ended || !from.pending.is_empty() {
            return Ok(());
        }
        match poll::read(&from.stream, buffer)? {
            None => {}
            Some(0) => {
                from.ended = true;
                to.stream.shutdown(Shutdown::Write)?;
            }
            Some(count) => {
                let written = poll::write(&to.stream, &buffer[..count])?;
                from.pending.extend_from_slice(&buffer[written..count]);
            }
        }
        Ok(())
    }

    /// Tries again to hand over what came from `side`.
    fn flush(&mut self, side: usize) -> io::Result<()> {
        let [one, two] = &mut self.0;
        let (from, to) = if side == 0 { (one, two) } else { (two, one) };
        if !from.pending.is_empty() {
            let written = poll::write(&to.stream, &from.pending)?;
            from.pending.drain(..written);
        }
        Ok(())
    }

    fn watch(&mut self, poller: &Poller, index: usize) -> io::Result<()> {
        let waiting = [!self.0[0].pending.is_empty(), !self.0[1].pending.is_empty()];
        for (number, side) in self.0.iter_mut().enumerate() {
            let interest = Interest::of(!side.ended && !waiting[number], waiting[1 - number]);
            if interest != side.interest {
                poller.modify(&side.stream, 1 + 2 * index + number, interest)?;
                side.interest = interest;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.0
            .iter()
            .all(|side| side.ended && side.pending.is_empty())
    }
}
