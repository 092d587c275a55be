//! The certificates of the client tests, made anew for each run by the openssl program: authorities, servers, a client, and
//! strangers whom nobody should trust.

use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// openssl's own configuration would add fields of its own.
const CONFIG: &str =
    "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = set on the command line\n";
/// Below 60 testssl.sh says that they end soon.
const DAYS: &str = "90";

/// What is certified, and by whom.
struct Certificate {
    /// Of its files, `NAME.pem` and `NAME.key`.
    name: &'static str,
    /// `None`: an authority, by itself.
    by: Option<&'static str>,
    /// An RSA key instead of one on P-256.
    rsa: bool,
    /// Whom it is for.
    names: &'static str,
    usage: &'static str,
}

const fn authority(name: &'static str) -> Certificate {
    Certificate {
        name,
        by: None,
        rsa: false,
        names: "",
        usage: "",
    }
}

const fn server(name: &'static str, names: &'static str) -> Certificate {
    Certificate {
        name,
        by: Some("ca"),
        rsa: false,
        names,
        usage: "serverAuth",
    }
}

const fn client(name: &'static str, by: &'static str) -> Certificate {
    Certificate {
        name,
        by: Some(by),
        rsa: false,
        names: "email:client@example.test",
        usage: "clientAuth",
    }
}

/// In the order in which they can be made.
const CERTIFICATES: &[Certificate] = &[
    authority("ca"),
    authority("client-ca"),
    authority("stranger-ca"),
    server("site", "DNS:localhost,IP:127.0.0.1,IP:::1"),
    Certificate {
        rsa: true,
        ..server("other", "DNS:other.test,DNS:*.other.test")
    },
    server("private", "DNS:private.test"),
    server("renewed", "DNS:renewed.test"),
    server("origin", "DNS:origin.test"),
    server("database", "DNS:database.test"),
    client("client", "client-ca"),
    client("stranger", "stranger-ca"),
];

/// Makes all of them in a folder that does not exist yet.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir(folder).map_err(failed)?;
    std::fs::write(folder.join("openssl.cnf"), CONFIG).map_err(failed)?;
    CERTIFICATES
        .iter()
        .try_for_each(|certificate| certificate.make(folder))
}

impl Certificate {
    fn make(&self, folder: &Path) -> Result<(), Failure> {
        let file = |name: &str, kind: &str| -> PathBuf { folder.join(format!("{name}.{kind}")) };
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-noenc", "-days", DAYS, "-config"])
            .arg(folder.join("openssl.cnf"))
            .args(["-subj", &format!("/CN=evenkeel test {}", self.name)])
            .arg("-out")
            .arg(file(self.name, "pem"))
            .arg("-keyout")
            .arg(file(self.name, "key"));
        match self.rsa {
            true => openssl.args(["-newkey", "rsa:2048"]),
            false => openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        };
        if let Some(by) = self.by {
            openssl.arg("-CA").arg(file(by, "pem"));
            openssl.arg("-CAkey").arg(file(by, "key"));
        }
        for extension in self.extensions() {
            openssl.args(["-addext", &extension]);
        }
        // It draws what it does on a terminal; what went wrong it says too.
        let done = openssl
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("openssl could not be started: {error}"))?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!(
            "openssl could not make the certificate `{}`: {}",
            self.name,
            String::from_utf8_lossy(&done.stderr)
        ))
    }

    fn extensions(&self) -> Vec<String> {
        if self.by.is_none() {
            return vec![
                "basicConstraints=critical,CA:TRUE".to_owned(),
                "keyUsage=critical,keyCertSign,cRLSign".to_owned(),
            ];
        }
        vec![
            "basicConstraints=critical,CA:FALSE".to_owned(),
            "keyUsage=critical,digitalSignature".to_owned(),
            format!("extendedKeyUsage={}", self.usage),
            format!("subjectAltName={}", self.names),
        ]
    }
}
