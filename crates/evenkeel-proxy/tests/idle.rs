//! What a connection costs that only waits. Alone in its program, because the memory is the whole program's.
#![allow(clippy::unwrap_used)] // helpers of a test are tests

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::*;

/// Enough to tell what one costs, few enough for the descriptors a user usually has (two each).
const CONNECTIONS: usize = 400;
/// It is some 0.6 KiB in a release; the bound is what may be promised. Before runners it was 3.9 KiB.
const BYTES_EACH_MAX: usize = 2048;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = field(&status, "VmRSS").unwrap();
    let kib = resident.trim_end_matches(" kB").trim();
    kib.parse::<usize>().unwrap() * 1024
}

fn connect_and_ask(running: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(get("/").as_bytes()).unwrap();
    let (mut seen, mut byte) = ([0; 4], [0; 1]);
    while &seen != b"\r\n\r\n" {
        stream.read_exact(&mut byte).unwrap();
        seen.rotate_left(1);
        seen[3] = byte[0];
    }
    stream
}

#[test]
fn a_connection_that_waits_for_its_next_request_holds_less_than_two_kibibytes() {
    let endpoint = Endpoint::raw(|mut client, _| {
        while client.head().is_some() {
            client.send("HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let running = Setup::http(&[endpoint.address]).start();
    // What the first ones bring into memory is there for all.
    let mut open: Vec<_> = (0..50).map(|_| connect_and_ask(&running)).collect();
    open.reserve(CONNECTIONS);
    let before = resident_bytes();
    open.extend((0..CONNECTIONS).map(|_| connect_and_ask(&running)));
    let each = resident_bytes().saturating_sub(before) / CONNECTIONS;
    assert!(each <= BYTES_EACH_MAX, "{each} bytes each");
    assert_eq!(running.proxy().open_connections(), open.len() as u64);
}
