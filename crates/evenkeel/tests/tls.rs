//! TLS end to end, with the real binary and real handshakes: listeners, endpoints, passthrough, the admin API, and
//! certificates that change under it all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use evenkeel_tls::testing::Authority;
use evenkeel_tls::{Client, HostFiles, Server, Speaks};
use support::{Answer, Endpoint, Evenkeel, app, connect, eventually, free_port, get, kill, wait};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, ServerConnection, StreamOwned};

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A folder of certificates and who signed them.
struct Safe {
    folder: tempfile::TempDir,
    ca: Authority,
}

impl Safe {
    fn new() -> Safe {
        Safe {
            folder: tempfile::tempdir().unwrap(),
            ca: Authority::new("ca"),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `NAME.pem` and `NAME.key`, for the host `NAME.example`.
    fn put(&self, name: &str, days: i64) -> HostFiles {
        let host = format!("{name}.example");
        self.ca.sign(&[&host], days).write(self.path(), name)
    }

    /// A `[[listener.tls]]` of these files, for the listener that stands last in what goes before it.
    fn listener_tls(&self, name: &str) -> String {
        let file = |end: &str| self.path().join(format!("{name}.{end}"));
        format!(
            "[[listener.tls]]\ncertificate = {:?}\nkey = {:?}\n",
            file("pem"),
            file("key")
        )
    }

    /// One that trusts the authority, and shows a certificate if one is named.
    fn client(&self, shows: Option<&str>) -> Client {
        self.ca.client(self.path(), shows)
    }
}

/// A handshake, and one request of the connection that comes of it.
fn secured(client: &Client, address: SocketAddr, name: &str) -> std::io::Result<Secured> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(client.config(Speaks::Http), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(address)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn ask(stream: &mut Secured, host: &str) -> std::io::Result<Answer> {
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    Answer::read(stream)
}

fn fetch(client: &Client, address: SocketAddr, host: &str) -> std::io::Result<Answer> {
    ask(&mut secured(client, address, host)?, host)
}

/// The listener `web` with these certificates before these endpoints.
fn web(endpoints: &[&Endpoint], tls: &str) -> String {
    app(endpoints, "").replace("[[route]]", &format!("{tls}[[route]]"))
}

/// A server of https that answers every request with its name.
fn https_endpoint(files: &HostFiles, says: &'static str) -> SocketAddr {
    let server = Server::load(std::slice::from_ref(files), Speaks::Http, None);
    let server = server.unwrap_or_else(|problems| panic!("{problems:?}"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = server.choose(None).config().clone();
            std::thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{says}",
                            says.len()
                        );
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_certificate_swapped_on_the_disk_is_shown_to_new_connections_and_old_ones_live_on() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    safe.put("web", 90);
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &safe.listener_tls("web")));
    let address = evenkeel.address("web");
    let client = safe.client(None);
    let mut old = secured(&client, address, "web.example").unwrap();
    assert_eq!(ask(&mut old, "web.example").unwrap().text(), "a1");
    // Another authority, so that who trusts only that sees the new certificate or nothing.
    let other = Safe::new();
    let renewed = other.put("web", 90);
    for (from, end) in [(renewed.certificate, "pem"), (renewed.key, "key")] {
        let beside = safe.path().join("beside");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(beside, safe.path().join(format!("web.{end}"))).unwrap();
    }
    let trusting = other.client(None);
    eventually("the new certificate is shown", || {
        fetch(&trusting, address, "web.example")
            .ok()
            .filter(|a| a.text() == "a1")
    });
    assert_eq!(ask(&mut old, "web.example").unwrap().text(), "a1");
    assert!(
        evenkeel.log().contains("was read again"),
        "{}",
        evenkeel.log()
    );
}

#[test]
fn a_pair_that_does_not_match_keeps_the_old_one_and_status_says_so() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    safe.put("web", 12);
    safe.put("other", 90);
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &safe.listener_tls("web")));
    let (_, status, _) = evenkeel.command(&["status"]);
    assert!(status.contains("expires in 12 days"), "{status}");
    std::fs::copy(safe.path().join("other.key"), safe.path().join("web.key")).unwrap();
    let told = "what is in the files now is not in use";
    let status = eventually("status says so", || {
        let (_, status, _) = evenkeel.command(&["status"]);
        status.contains(told).then_some(status)
    });
    assert!(status.contains("web.key"), "{status}");
    let answer = fetch(&safe.client(None), evenkeel.address("web"), "web.example");
    assert_eq!(answer.unwrap().text(), "a1");
    let lines = evenkeel.log();
    assert_eq!(
        lines.matches("cannot be used, so what was").count(),
        1,
        "{lines}"
    );
    let (code, _, complaint) = evenkeel.command(&["reload"]);
    assert_eq!(code, 1, "{complaint}");
    assert!(complaint.contains("listener[1].tls[1].key"), "{complaint}");
    let answer = fetch(&safe.client(None), evenkeel.address("web"), "web.example");
    assert_eq!(answer.unwrap().text(), "a1");
}

#[test]
fn certificates_are_chosen_by_name_and_one_of_them_wants_the_clients() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    for name in ["web", "staff", "anna"] {
        safe.put(name, 90);
    }
    let clients = safe.ca.write(safe.path(), "clients");
    let tls = format!(
        "{}{}client_ca = {clients:?}\n",
        safe.listener_tls("web"),
        safe.listener_tls("staff")
    );
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &tls));
    let address = evenkeel.address("web");
    let (nobody, anna) = (safe.client(None), safe.client(Some("anna")));
    assert_eq!(fetch(&nobody, address, "web.example").unwrap().text(), "a1");
    assert_eq!(fetch(&anna, address, "staff.example").unwrap().text(), "a1");
    assert!(fetch(&nobody, address, "staff.example").is_err());
    let status = evenkeel.status().unwrap();
    assert_eq!(status["listeners"][0]["tls"], "client_certificates");
    assert_eq!(status["certificates"][1]["names"][0], "staff.example");
}

#[test]
fn endpoints_are_spoken_to_and_checked_over_tls_and_a_wrong_name_is_the_evidence() {
    let safe = Safe::new();
    let ca = safe.ca.write(safe.path(), "ca");
    let good = https_endpoint(&safe.put("app", 90), "good");
    let strange = https_endpoint(&safe.put("strange", 90), "strange");
    let old = https_endpoint(
        &safe.ca.sign(&["app.example"], -3).write(safe.path(), "old"),
        "old",
    );
    let mut config = format!(
        "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n[[route]]\npool = \"app\"\n\
         [pool.app]\ntls = {{ ca = {ca:?}, server_name = \"app.example\" }}\n\
         [pool.app.check]\nkind = \"http\"\ninterval = \"100ms\"\ntimeout = \"5s\"\n"
    );
    for (name, address) in [("good", good), ("strange", strange), ("old", old)] {
        config += &format!("[[pool.app.endpoint]]\nname = {name:?}\naddress = \"{address}\"\n");
    }
    let evenkeel = Evenkeel::run(&config);
    evenkeel.until("app", "good", "up");
    let why = |name| evenkeel.until("app", name, "down")["why"].to_string();
    let strange = why("strange");
    assert!(
        strange.contains("tls: name app.example not in certificate (has strange.example)"),
        "{strange}"
    );
    let old = why("old");
    assert!(old.contains("tls: certificate expired on 20"), "{old}");
    for _ in 0..5 {
        let answer = get(evenkeel.address("web"), "/").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "good"));
    }
    let incidents = evenkeel.ask("GET", "/v1/incidents", "");
    let of_old = |i: &&serde_json::Value| i["subjects"] == serde_json::json!(["app/old"]);
    let incident = incidents.as_array().unwrap().iter().find(of_old);
    let cause = &incident.unwrap()["causes"][0]["cause"];
    assert_eq!(cause, "certificate_expired", "{incidents:#}");
}

#[test]
fn tls_that_passes_through_goes_where_its_name_says() {
    let safe = Safe::new();
    let one = https_endpoint(&safe.put("one", 90), "one");
    let two = https_endpoint(&safe.put("two", 90), "two");
    let config = format!(
        "[[listener]]\nname = \"through\"\nbind = [\"127.0.0.1:0\"]\nprotocol = \"tcp\"\ntls_passthrough = true\n\
         [[route]]\nlistener = \"through\"\nhost = \"one.example\"\npool = \"one\"\n\
         [[route]]\nlistener = \"through\"\nhost = \"*.example\"\npool = \"two\"\n\
         [[pool.one.endpoint]]\nname = \"e\"\naddress = \"{one}\"\n\
         [[pool.two.endpoint]]\nname = \"e\"\naddress = \"{two}\"\n"
    );
    let evenkeel = Evenkeel::run(&config);
    let (address, client) = (evenkeel.address("through"), safe.client(None));
    assert_eq!(
        fetch(&client, address, "one.example").unwrap().text(),
        "one"
    );
    assert_eq!(
        fetch(&client, address, "two.example").unwrap().text(),
        "two"
    );
    assert!(fetch(&client, address, "one.elsewhere").is_err());
    let status = evenkeel.status().unwrap();
    assert_eq!(status["listeners"][0]["tls"], "passthrough");
}

#[test]
fn a_balancer_with_certificates_comes_back_after_a_kill() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    safe.put("web", 90);
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &safe.listener_tls("web")));
    let (address, client) = (evenkeel.address("web"), safe.client(None));
    assert_eq!(fetch(&client, address, "web.example").unwrap().text(), "a1");
    let before = evenkeel.worker_pid();
    kill(before, "KILL");
    // Nobody is refused: who connects meanwhile waits in the kernel.
    assert_eq!(fetch(&client, address, "web.example").unwrap().text(), "a1");
    eventually("another process serves", || {
        evenkeel.status().filter(|s| s["worker_pid"] != before)
    });
}

#[test]
fn a_balancer_that_comes_back_while_files_are_exchanged_serves_the_rest() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    safe.put("web", 90);
    safe.put("other", 90);
    let clear = "[[listener]]\nname = \"clear\"\nbind = [\"127.0.0.1:0\"]\n";
    let tls = format!("{}{clear}", safe.listener_tls("web"));
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &tls));
    let (address, client) = (evenkeel.address("web"), safe.client(None));
    let clear = evenkeel.address("clear");
    let key = safe.path().join("web.key");
    let good = std::fs::read(&key).unwrap();
    std::fs::copy(safe.path().join("other.key"), &key).unwrap();
    let before = evenkeel.worker_pid();
    kill(before, "KILL");
    eventually("another process serves", || {
        evenkeel.status().filter(|s| s["worker_pid"] != before)
    });
    assert_eq!(get(clear, "/").unwrap().text(), "a1");
    assert!(fetch(&client, address, "web.example").is_err());
    let shown = evenkeel.status().unwrap()["certificates"][0]["problem"].to_string();
    assert!(shown.contains("web.key"), "{shown}");
    std::fs::write(&key, good).unwrap();
    eventually("the certificate is used again", || {
        fetch(&client, address, "web.example").ok()
    });
}

#[test]
fn a_reload_leaves_connections_and_their_tickets_alone() {
    let (safe, endpoint) = (Safe::new(), Endpoint::start("a1"));
    safe.put("web", 90);
    let evenkeel = Evenkeel::run(&web(&[&endpoint], &safe.listener_tls("web")));
    let (address, client) = (evenkeel.address("web"), safe.client(None));
    let mut open = secured(&client, address, "web.example").unwrap();
    assert_eq!(ask(&mut open, "web.example").unwrap().text(), "a1");
    evenkeel.ask("POST", "/v1/reload", "");
    assert_eq!(ask(&mut open, "web.example").unwrap().text(), "a1");
    let again = secured(&client, address, "web.example").unwrap();
    let kind = again.conn.handshake_kind();
    assert_eq!(kind, Some(tokio_rustls::rustls::HandshakeKind::Resumed));
}

#[test]
fn check_says_what_is_wrong_with_every_file_at_once() {
    let safe = Safe::new();
    safe.put("web", 90);
    safe.put("other", 90);
    std::fs::copy(safe.path().join("other.key"), safe.path().join("web.key")).unwrap();
    let file = safe.path().join("lb.toml");
    let text = "[[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n\
        [[listener.tls]]\ncertificate = \"web.pem\"\nkey = \"web.key\"\n\
        [[listener.tls]]\ncertificate = \"none.pem\"\nkey = \"other.key\"\n\
        [[route]]\npool = \"app\"\nmethod = []\n\
        [pool.app]\ntls = { ca = \"web.key\" }\n\
        [[pool.app.endpoint]]\nname = \"a1\"\naddress = \"127.0.0.1:1\"\n";
    std::fs::write(&file, text).unwrap();
    let output = std::process::Command::new(support::binary())
        .args(["check", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let told: Vec<_> = answer["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["line"].as_u64().unwrap(), m["path"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            (6, "listener[1].tls[1].key"),
            (8, "listener[1].tls[2].certificate"),
            (12, "route[1].method"),
            (14, "pool.app.tls.ca"),
        ]
    );
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!shown.contains("BEGIN PRIVATE"), "{shown}");
}

#[test]
fn commands_speak_to_an_admin_api_over_tls_and_say_why_they_cannot() {
    let safe = Safe::new();
    safe.ca.sign(&["127.0.0.1"], 90).write(safe.path(), "admin");
    safe.put("anna", 90);
    let ca = safe.ca.write(safe.path(), "ca");
    let strange = Authority::new("strange").write(safe.path(), "strange");
    let port = free_port();
    let text = format!(
        "[admin]\nbind = \"127.0.0.1:{port}\"\ncertificate = \"admin.pem\"\nkey = \"admin.key\"\nclient_ca = \"ca.pem\"\n\
         [[listener]]\nname = \"web\"\nbind = [\"127.0.0.1:0\"]\n[[route]]\nrespond = {{ status = 200 }}\n"
    );
    let file = safe.path().join("lb.toml");
    std::fs::write(&file, text).unwrap();
    let mut running = std::process::Command::new(support::binary())
        .arg("run")
        .arg(&file)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let https = format!("https://127.0.0.1:{port}");
    let command = |args: &[&str]| {
        let output = std::process::Command::new(support::binary())
            .args(args)
            .env_remove("EVENKEEL_ADMIN_CA")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let path = |name: &str| safe.path().join(name).display().to_string();
    let (ca, strange) = (ca.display().to_string(), strange.display().to_string());
    eventually("the admin API answers", || {
        let (code, said) = command(&["status", "--admin", &https, "--ca", &ca]);
        (code == 0 && said.contains("certificate of admin")).then_some(())
    });
    let (code, said) = command(&["status", "--admin", &https, "--ca", &strange]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("not signed by an authority") && said.contains("--ca"),
        "{said}"
    );
    let (code, said) = command(&["reload", "--admin", &https, "--ca", &ca]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("client certificate"), "{said}");
    let (code, said) = command(&[
        "reload",
        "--admin",
        &https,
        "--ca",
        &ca,
        "--certificate",
        &path("anna.pem"),
        "--key",
        &path("anna.key"),
    ]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = command(&["status", "--admin", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("https"), "{said}");
    let clear = Endpoint::start("clear");
    let elsewhere = format!("https://{}", clear.address);
    let (code, said) = command(&["status", "--admin", &elsewhere, "--ca", &ca]);
    assert_eq!(code, 3, "{said}");
    kill(running.id(), "TERM");
    assert!(wait(&mut running).success());
}
