//! Is a supervised service ready? Asked once; whoever wants to know again asks again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::observe::Contact;
use evenkeel_core::settings::{CheckKind, CheckSettings, Ready};

use crate::{Layer, Outcome, run};

/// Asks once, within `timeout`; `directory` is the service's.
pub async fn ready(ready: &Ready, directory: &Path, timeout: Duration) -> Outcome {
    let (kind, port) = match ready {
        Ready::None => return at_once(true, "it runs".into()),
        Ready::File { path } => return file(&directory.join(path), timeout).await,
        Ready::Tcp { port } => (CheckKind::Tcp, *port),
        Ready::Http { port, path } => (get(path), *port),
    };
    let check = CheckSettings {
        kind,
        timeout,
        ..CheckSettings::default()
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    run(&check, &Address::Ip(address), &address.to_string(), None).await
}

fn get(path: &str) -> CheckKind {
    CheckKind::Http {
        path: path.to_owned(),
        host: None,
        headers: Vec::new(),
        expect: vec![(200, 399)],
        body: None,
    }
}

/// A look at a file may hang with its disk, so it happens where blocking is allowed, and is given up in time.
async fn file(path: &Path, timeout: Duration) -> Outcome {
    let begun = Instant::now();
    let shown = path.display();
    let look = path.to_owned();
    let look = tokio::task::spawn_blocking(move || look.try_exists());
    let mut outcome = match tokio::time::timeout(timeout, look).await {
        Ok(Ok(Ok(true))) => at_once(true, format!("{shown} is there")),
        Ok(Ok(Ok(false))) => at_once(false, format!("{shown} is not there yet")),
        Ok(Ok(Err(error))) => at_once(false, format!("{shown}: {error}")),
        Ok(Err(error)) => at_once(false, format!("{shown}: could not be looked at: {error}")),
        Err(_) => at_once(false, format!("{shown}: the disk does not answer")),
    };
    outcome.took = begun.elapsed();
    outcome
}

fn at_once(passed: bool, detail: String) -> Outcome {
    Outcome {
        passed,
        layer: Layer::L7,
        contact: Contact::Answered,
        evidence: None,
        detail,
        took: Duration::ZERO,
    }
}
