//! Who is at the other end of an admin connection. The kernel says so for a unix socket by its file's mode, and for
//! loopback TCP in `/proc/net/tcp`, where each end of a connection is listed with its user.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Reached the unix socket, which is made 0600.
    Unix,
    /// Over TCP.
    Tcp {
        /// Its end.
        peer: SocketAddr,
        /// Our end.
        local: SocketAddr,
        /// Did it show a client certificate that an authority of `admin.client_ca` signed?
        certified: bool,
    },
}

/// Lines read of a list: more connections than a machine has ports.
const LINES_MAX: usize = 1_000_000;

/// The user whose socket `peer` is, connected to our `local`; both on this machine. Reads files: blocks.
pub(super) fn uid(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    // A listener on [::] sees an IPv4 client under a mapped address, while the client's own socket is IPv4.
    let (peer, local) = (canonical(peer), canonical(local));
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|list| find(BufReader::new(File::open(list).ok()?), peer, local))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn find(list: impl BufRead, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let lines = list.lines().take(LINES_MAX);
    lines.map_while(Result::ok).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (own, other, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
        // Established; then the queues, the timer, the retransmits, and the user.
        let fits = state == "01"
            && address(own).map(canonical) == Some(peer)
            && address(other).map(canonical) == Some(local);
        fits.then(|| fields.nth(3)?.parse().ok()).flatten()
    })
}

/// `0100007F:1F90`: words of the address in the machine's byte order, the port in the network's.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let hex = ip.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_user_of_a_loopback_connection_is_found() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bind) else {
                continue; // a machine without IPv6
            };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let local = server.local_addr().unwrap();
            let own = rustix::process::geteuid().as_raw();
            assert_eq!(uid(peer, local), Some(own));
            assert_eq!(uid(local, local), None);
            drop(client);
        }
    }

    #[test]
    fn a_list_that_makes_no_sense_finds_nobody() {
        let peer = "127.0.0.1:1".parse().unwrap();
        for text in [
            "",
            "x",
            "0: 0100007F:0001",
            "0: é:1 z:2 01 a b c d",
            "1 2 3 4 5 6 7 8 9",
        ] {
            assert_eq!(find(text.as_bytes(), peer, peer), None);
        }
        let line = "0: 0100007F:0001 0100007F:0001 01 0:0 0:0 0 1000 0";
        let expected = if cfg!(target_endian = "little") {
            Some(1000)
        } else {
            None
        };
        assert_eq!(find(line.as_bytes(), peer, peer), expected);
    }
}
