//! The admin API over TLS, and certificates that come and go while control runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use evenkeel_tls::testing::Authority;
use evenkeel_tls::{Client, Speaks};
use serde_json::json;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::rig::{Answer, PATIENCE, Rig, Setup, config, exchange, nowhere, request};

struct Shop {
    rig: Rig,
    ca: Authority,
}

/// A control plane whose admin API has a certificate, and `more` in its table.
fn shop(more: &str) -> Shop {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let ca = Authority::new("ops");
    ca.sign(&["127.0.0.1", "lb.example"], 90)
        .write(folder.path(), "admin");
    ca.write(folder.path(), "ops-ca");
    std::fs::write(folder.path().join("token"), "s3cret").unwrap();
    let front = format!("[admin]\ncertificate = \"admin.pem\"\nkey = \"admin.key\"\n{more}");
    let setup = Setup {
        folder: Some(folder),
        ..Setup::default()
    };
    Shop {
        rig: Rig::with(&config(&front, &[nowhere()]), setup),
        ca,
    }
}

impl Shop {
    /// A client that shows nothing, or the certificate of this name.
    fn client(&self, shows: Option<&str>) -> Client {
        self.ca.client(self.rig.folder.path(), shows)
    }

    fn connect(&self, client: &Client) -> StreamOwned<ClientConnection, TcpStream> {
        let name = client.server_name("127.0.0.1").unwrap();
        let connection = ClientConnection::new(client.config(Speaks::Http), name).unwrap();
        let stream = TcpStream::connect(self.rig.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, stream)
    }

    fn ask(&self, client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = self.rig.address.to_string();
        let request = request(&host, method, path, headers, "");
        exchange(self.connect(client), request.as_bytes())
    }
}

#[test]
fn over_tls_a_token_is_needed_to_change_something_and_none_to_read() {
    let shop = shop("token = \"file:token\"");
    let client = shop.client(None);
    let status = shop.ask(&client, "GET", "/v1/status", &[]);
    assert_eq!(status.status(), 200, "{status:?}");
    let answer = shop.ask(&client, "POST", "/v1/reload", &[]);
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (401, "unauthorized")
    );
    let token = [("authorization", "Bearer s3cret")];
    let answer = shop.ask(&client, "POST", "/v1/reload", &token);
    assert_eq!(answer.status(), 200, "{answer:?}");
}

#[test]
fn a_client_certificate_is_as_good_as_a_token() {
    for more in [
        "client_ca = \"ops-ca.pem\"",
        "client_ca = \"ops-ca.pem\"\ntoken = \"file:token\"",
    ] {
        let shop = shop(more);
        let folder = shop.rig.folder.path();
        shop.ca.sign(&["anna"], 9).write(folder, "anna");
        Authority::new("else")
            .sign(&["eve"], 9)
            .write(folder, "eve");
        let anna = shop.client(Some("anna"));
        let answer = shop.ask(&anna, "POST", "/v1/reload", &[]);
        assert_eq!(answer.status(), 200, "{answer:?}");
        let nobody = shop.client(None);
        assert_eq!(shop.ask(&nobody, "GET", "/v1/status", &[]).status(), 200);
        let answer = shop.ask(&nobody, "POST", "/v1/reload", &[]);
        let wanted = if more.contains("token") { 401 } else { 403 };
        assert_eq!(answer.status(), wanted, "{answer:?}");
        // Of nobody who is known: not even a look.
        let eve = shop.client(Some("eve"));
        let answer = shop.ask(&eve, "GET", "/v1/status", &[]);
        assert_eq!(answer.0, "", "the handshake is refused");
        assert_eq!(shop.rig.ask_unix("POST", "/v1/reload", "").status(), 200);
    }
}

#[test]
fn http_on_the_https_address_is_told_so() {
    let shop = shop("");
    let answer = shop.rig.get("/v1/status");
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.code(), "bad_request");
    assert!(answer.body().contains("https"), "{answer:?}");
}

#[test]
fn one_who_never_ends_a_handshake_keeps_nobody_out() {
    let shop = shop("");
    let idle: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(shop.rig.address).unwrap();
            stream.write_all(&[22, 3, 1]).unwrap();
            stream
        })
        .collect();
    let client = shop.client(None);
    assert_eq!(shop.ask(&client, "GET", "/healthz", &[]).status(), 200);
    for mut stream in idle {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Cut off by the other side, in its time.
        assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0);
    }
}

#[test]
fn the_admin_apis_own_certificate_is_read_again() {
    let shop = shop("");
    let client = shop.client(None);
    let mut old = shop.connect(&client);
    let head = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    old.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    assert!(old.read(&mut answer).unwrap() > 0);
    let other = Authority::new("other");
    let folder = shop.rig.folder.path();
    other.sign(&["127.0.0.1"], 20).write(folder, "admin");
    let trusting = other.client(folder, None);
    shop.rig.until("the new certificate", |_| {
        shop.ask(&trusting, "GET", "/healthz", &[])
            .0
            .contains("200")
    });
    // Who was in stays in.
    old.write_all(head.as_bytes()).unwrap();
    assert!(old.read(&mut answer).unwrap() > 0);
    let status = shop.ask(&trusting, "GET", "/v1/status", &[]).json();
    let shown = &status["certificates"][0];
    assert_eq!(
        (&shown["used_by"], &shown["days_left"]),
        (&json!("admin"), &json!(20))
    );
    let warning = shown["warning"].as_str().unwrap();
    assert!(warning.starts_with("expires in 20 days, on "), "{warning}");
}

#[test]
fn a_pair_that_does_not_match_is_in_status_and_metrics_until_it_does() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let ca = Authority::new("ca");
    for name in ["web", "other"] {
        ca.sign(&["web.example"], 90).write(folder.path(), name);
    }
    let path = |name: &str| folder.path().join(name);
    let text = config("", &[nowhere()]).replace(
        "[[route]]",
        "[[listener.tls]]\ncertificate = \"web.pem\"\nkey = \"web.key\"\n[[route]]",
    );
    let setup = Setup {
        folder: Some(folder.clone()),
        ..Setup::default()
    };
    let rig = Rig::with(&text, setup);
    let status = rig.get("/v1/status").json();
    assert_eq!(status["listeners"][0]["tls"], "terminated");
    let shown = &status["certificates"][0];
    assert_eq!(shown["names"], json!(["web.example"]));
    assert_eq!(
        (&shown["problem"], &shown["warning"]),
        (&json!(null), &json!(null))
    );
    let labels = format!(
        "{{used_by=\"listener\",name=\"web\",file=\"{}\"}}",
        path("web.pem").display()
    );
    let metrics = rig.get("/metrics").0;
    assert!(
        metrics.contains(&format!("evenkeel_certificate_problem{labels} 0")),
        "{metrics}"
    );
    let line = format!("evenkeel_certificate_not_after_seconds{labels} ");
    assert!(metrics.contains(&line), "{metrics}");
    assert!(
        metrics.contains("evenkeel_tls_handshakes_total{listener=\"web\",result=\"failed\"} 0")
    );
    let good = std::fs::read(path("web.key")).unwrap();
    std::fs::copy(path("other.key"), path("web.key")).unwrap();
    let problem = |rig: &Rig| rig.get("/v1/status").json()["certificates"][0]["problem"].clone();
    rig.until("the problem", |rig| problem(rig).is_string());
    assert!(problem(&rig).as_str().unwrap().contains("web.key"));
    let metrics = rig.get("/metrics").0;
    assert!(metrics.contains(&format!("evenkeel_certificate_problem{labels} 1")));
    // A reload with it is refused whole.
    let answer = rig.post("/v1/reload", "");
    assert_eq!(
        (answer.status(), answer.code().as_str()),
        (422, "config_rejected")
    );
    let mistake = &answer.json()["error"]["mistakes"][0];
    assert_eq!(mistake["path"], "listener[1].tls[1].key");
    std::fs::write(path("web.key"), good).unwrap();
    rig.until("the end of the problem", |rig| problem(rig).is_null());
    assert_eq!(rig.post("/v1/reload", "").json(), json!({"revision": 1}));
}
