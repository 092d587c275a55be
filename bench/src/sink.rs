//! An endpoint that takes everything and never answers: where requests with slow bodies go, so that nothing but the proxy ends
//! them.

use crate::poll::{self, Interest, Poller, Table};
use std::io;
use std::net::{Ipv4Addr, TcpStream};

/// Takes until it is killed.
pub(crate) fn run() -> io::Result<()> {
    let listener = crate::listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let mut poller = Poller::new()?;
    poller.add(&listener, 0, Interest::Read)?;
    let mut connections: Table<TcpStream> = Table::new();
    let mut ready = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        poller.wait(None, &mut ready)?;
        for &token in &ready {
            if token == 0 {
                while let Some(stream) = poll::accept(&listener)? {
                    let index = connections.insert(stream);
                    if let Some(stream) = connections.at(index) {
                        poller.add(stream, index + 1, Interest::Read)?;
                    }
                }
                continue;
            }
            let ended = connections.at(token - 1).is_some_and(|stream| {
                matches!(poll::read(stream, &mut buffer), Ok(Some(0)) | Err(_))
            });
            if ended {
                connections.remove(token - 1);
            }
        }
    }
}
