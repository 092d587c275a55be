//! Probes against small real servers, each sick in its own way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_core::settings::Ready;

use super::*;

/// Longer than anything here takes, shorter than the patience of who waits for the tests.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

fn http(expect: &[(u16, u16)], body: Option<&str>, timeout: Duration) -> CheckSettings {
    CheckSettings {
        kind: CheckKind::Http {
            path: "/healthz?full=1".into(),
            host: None,
            headers: vec![("x-check".into(), "yes".into())],
            expect: expect.to_vec(),
            body: body.map(str::to_owned),
        },
        timeout,
        ..CheckSettings::default()
    }
}

fn tcp(timeout: Duration) -> CheckSettings {
    CheckSettings {
        timeout,
        ..CheckSettings::default()
    }
}

/// A server that does `serve` to every connection, for as long as the process lives.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    Address::Ip(address)
}

/// One that reads a head and answers with `answer`.
fn answering(answer: impl Into<Vec<u8>>) -> Address {
    let answer = answer.into();
    server(move |mut stream| {
        read_head(&mut stream);
        // The probe may have had enough.
        let _ = stream.write_all(&answer);
    })
}

fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An address where nothing listens, and nothing will while the tests run: the port is bound, and kept.
fn nowhere() -> SocketAddr {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}

/// A listener whose accept queue is full: a connection to it neither succeeds nor fails.
fn full() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, SHORT) {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the queue has no end");
    }
    (listener, waiting, address)
}

async fn seen(check: &CheckSettings, address: &Address) -> (bool, Layer, String) {
    let outcome = run(check, address, &address.to_string(), None).await;
    assert!(
        outcome.took < check.timeout + Duration::from_secs(5),
        "{outcome:?}"
    );
    (outcome.passed, outcome.layer, outcome.detail)
}

#[tokio::test]
async fn a_connection_that_opens_passes_and_one_that_is_refused_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = Address::Ip(listener.local_addr().unwrap());
    assert_eq!(
        seen(&tcp(LONG), &open).await,
        (true, Layer::L4, "connected".into())
    );
    let refused = (false, Layer::L4, "connection refused".into());
    let closed = Address::Ip(nowhere());
    assert_eq!(seen(&tcp(LONG), &closed).await, refused);
    assert_eq!(
        seen(&http(&[(200, 399)], None, LONG), &closed).await,
        refused
    );
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_ends_in_time_at_layer_4() {
    let (_listener, _waiting, address) = full();
    let address = Address::Ip(address);
    let expected = (false, Layer::L4, "no connection within 150ms".to_owned());
    assert_eq!(seen(&tcp(SHORT), &address).await, expected);
    assert_eq!(
        seen(&http(&[(200, 399)], None, SHORT), &address).await,
        expected
    );
}

#[tokio::test]
async fn a_status_passes_if_it_is_in_one_of_the_ranges() {
    let ok = answering("HTTP/1.1 204 No Content\r\n\r\n");
    let sick = answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    let check = http(&[(200, 200), (204, 399)], None, LONG);
    assert_eq!(
        seen(&check, &ok).await,
        (true, Layer::L7, "HTTP 204".into())
    );
    let detail = "HTTP 503, wanted 200, 204-399".to_owned();
    assert_eq!(seen(&check, &sick).await, (false, Layer::L7, detail));
    let check = http(&[(503, 503)], None, LONG);
    assert!(seen(&check, &sick).await.0, "what is expected passes");
}

#[tokio::test]
async fn the_request_is_as_configured_and_asks_to_close() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    let address = server(move |mut stream| {
        noted.lock().unwrap().push(read_head(&mut stream));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    let mut check = http(&[(200, 200)], None, LONG);
    assert!(seen(&check, &address).await.0);
    if let CheckKind::Http { host, .. } = &mut check.kind {
        *host = Some("api.internal".into());
    }
    assert!(seen(&check, &address).await.0);
    let heads = heads.lock().unwrap();
    assert!(heads[0].starts_with("GET /healthz?full=1 HTTP/1.1\r\n"));
    for line in [
        &*format!("host: {address}\r\n"),
        "x-check: yes\r\n",
        "connection: close\r\n",
    ] {
        assert!(heads[0].contains(line), "{}", heads[0]);
    }
    assert!(heads[1].contains("host: api.internal\r\n"), "{}", heads[1]);
}

#[tokio::test]
async fn a_body_must_contain_the_text_within_its_first_64_kib() {
    let with = |body: &str| {
        answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let check = http(&[(200, 399)], Some("all ok"), LONG);
    assert!(seen(&check, &with("yes, all ok.")).await.0);
    let (passed, _, detail) = seen(&check, &with("all is lost")).await;
    assert!(!passed);
    assert_eq!(detail, "HTTP 200, but its body does not contain \"all ok\"");
    let padding = "x".repeat(BODY_BYTES_MAX - 6);
    assert!(seen(&check, &with(&format!("{padding}all ok"))).await.0);
    let (passed, _, detail) = seen(&check, &with(&format!("{padding}.all ok"))).await;
    assert!(!passed);
    assert!(detail.contains("the first 64 KiB of its body"), "{detail}");
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_the_bound_only() {
    let address = server(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 16 * 1024]).is_ok() {}
    });
    let check = http(&[(200, 399)], Some("never"), LONG);
    let begun = Instant::now();
    let (passed, _, detail) = seen(&check, &address).await;
    assert!(!passed && detail.contains("first 64 KiB"), "{detail}");
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_is_given_up_in_time() {
    let hung = server(|stream| {
        // Held, and nothing said.
        thread::sleep(LONG);
        drop(stream);
    });
    let dripping = server(|mut stream| {
        read_head(&mut stream);
        for byte in "HTTP/1.1 200 OK\r\nx: "
            .bytes()
            .chain([b'y'].into_iter().cycle())
        {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let half = server(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nall o");
        thread::sleep(LONG);
    });
    for address in [hung, dripping, half] {
        let check = http(&[(200, 399)], Some("all ok"), SHORT);
        let expected = (false, Layer::L7, "no answer within 150ms".to_owned());
        assert_eq!(seen(&check, &address).await, expected);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    let check = http(&[(200, 399)], None, LONG);
    let closing = server(|mut stream| drop(read_head(&mut stream)));
    let (passed, layer, detail) = seen(&check, &closing).await;
    assert_eq!((passed, layer), (false, Layer::L7));
    assert_eq!(detail, "connection closed before an answer");
    let (passed, _, detail) = seen(&check, &answering("SSH-2.0-OpenSSH_9.2\r\n\r\n")).await;
    assert!(!passed && detail.contains("not HTTP"), "{detail}");
    let talking = server(|mut stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        read_head(&mut stream);
    });
    let (passed, layer, detail) = seen(&check, &talking).await;
    assert_eq!((passed, layer), (false, Layer::L7));
    assert!(!detail.contains("canceled"), "{detail}");
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(4_000_000));
    let (passed, ..) = seen(&check, &answering(huge)).await;
    assert!(!passed, "a head without measure");
    let short = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    let check = http(&[(200, 399)], Some("abcd"), LONG);
    assert!(!seen(&check, &short).await.0);
}

#[tokio::test]
async fn another_port_and_a_unix_socket_are_asked_too() {
    let Address::Ip(open) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") else {
        panic!("the server is on TCP");
    };
    let check = CheckSettings {
        port: Some(open.port()),
        ..http(&[(200, 200)], None, LONG)
    };
    assert!(seen(&check, &Address::Ip(nowhere())).await.0);
    let folder = std::env::temp_dir().join(format!("evenkeel-probe-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            read_head(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let unix = Address::Unix(path.clone());
    assert!(seen(&tcp(LONG), &unix).await.0);
    let outcome = run(&http(&[(200, 200)], None, LONG), &unix, "localhost", None).await;
    assert!(outcome.passed, "{outcome:?}");
    let gone = Address::Unix(folder.join("gone"));
    let expected = (false, Layer::L4, "no such socket".to_owned());
    assert_eq!(seen(&tcp(LONG), &gone).await, expected);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn readiness_is_a_connection_an_answer_or_a_file() {
    let folder = std::env::temp_dir().join(format!("evenkeel-ready-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let is = async |r: &Ready| ready(r, &folder, LONG).await.passed;
    assert!(is(&Ready::None).await);
    let Address::Ip(open) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") else {
        panic!("the server is on TCP");
    };
    let path = "/".to_owned();
    assert!(is(&Ready::Tcp { port: open.port() }).await);
    let port = open.port();
    assert!(
        is(&Ready::Http {
            port,
            path: path.clone()
        })
        .await
    );
    let port = nowhere().port();
    assert!(!is(&Ready::Tcp { port }).await);
    assert!(!is(&Ready::Http { port, path }).await);
    let file = Ready::File {
        path: "ready".into(),
    };
    assert!(!is(&file).await);
    std::fs::write(folder.join("ready"), "").unwrap();
    assert!(is(&file).await);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_kind_of_check_is_in_the_list_with_its_settings() {
    let listed = |kind: &CheckKind| match kind {
        CheckKind::Tcp => ("tcp", 0),
        // All fields by name: a new one must get its line in the list.
        CheckKind::Http {
            path: _,
            host: _,
            headers: _,
            expect: _,
            body: _,
        } => ("http", 5),
    };
    for kind in [CheckKind::Tcp, http(&[], None, LONG).kind] {
        let (name, settings) = listed(&kind);
        let entry = KINDS.iter().find(|k| k.name == name).unwrap();
        assert_eq!(entry.settings.len(), settings, "{name}");
        assert!(entry.settings.iter().all(|s| !s.about.is_empty()));
    }
    assert_eq!(KINDS.len(), 2);
}

/// What is read of an agent that writes these bytes and then stays or goes.
async fn line_of(bytes: impl Into<Vec<u8>>, stays: bool) -> Result<String, String> {
    let bytes = bytes.into();
    let address = server(move |mut stream| {
        // The reader may have had enough.
        let _ = stream.write_all(&bytes);
        if stays {
            let _ = stream.read(&mut [0]);
        }
    });
    agent_line(&address, if stays { SHORT * 4 } else { LONG }).await
}

#[tokio::test]
async fn the_line_of_an_agent_ends_where_it_ends() {
    for (bytes, line) in [
        (&b"up 75%\n"[..], "up 75%"),
        (b"drain\r\nmore", "drain"),
        (b"maint", "maint"),
        (b"\nup\n", ""),
        (b"up\xff\xfe\n", "up\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(line_of(bytes, false).await.as_deref(), Ok(line));
    }
    assert_eq!(
        line_of(&b"ready up 100%\n"[..], true).await.as_deref(),
        Ok("ready up 100%"),
        "it need not close"
    );
}

#[tokio::test]
async fn an_agent_that_says_nothing_useful_costs_neither_time_nor_memory() {
    assert_eq!(
        line_of("", false).await,
        Err("closed without a word".into())
    );
    assert_eq!(
        line_of("up", true).await,
        Err("no line within 600ms".into())
    );
    assert_eq!(line_of("", true).await, Err("no line within 600ms".into()));
    let endless = line_of(vec![b'x'; 1 << 20], false).await.unwrap_err();
    assert!(endless.contains("1024 bytes"), "{endless}");
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = agent_line(&Address::Ip(closed), LONG).await.unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
}
