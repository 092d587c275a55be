//! Is a supervised service ready? Asked once; whoever wants to know again asks again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use evenkeel_core::address::Address;
use evenkeel_core::settings::{CheckKind, CheckSettings, Ready};

use crate::{Layer, Outcome, run};

/// Asks once, within `timeout`; `directory` is the service's.
pub async fn ready(ready: &Ready, directory: &Path, timeout: Duration) -> Outcome {
    let (kind, port) = match ready {
        Ready::None => return at_once(true, "it runs".into()),
        Ready::File { path } => return file(&directory.join(path)).await,
        Ready::Tcp { port } => (CheckKind::Tcp, *port),
        Ready::Http { port, path } => (get(path), *port),
    };
    let check = CheckSettings {
        kind,
        timeout,
        ..CheckSettings::default()
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    run(&check, &Address::Ip(address), &address.to_string()).await
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

/// A look at a file may hang with its disk, so it happens where blocking is allowed.
async fn file(path: &Path) -> Outcome {
    let begun = Instant::now();
    let shown = path.display().to_string();
    let path = path.to_owned();
    let found = tokio::task::spawn_blocking(move || path.try_exists()).await;
    let mut outcome = match found {
        Ok(Ok(true)) => at_once(true, format!("{shown} is there")),
        Ok(Ok(false)) => at_once(false, format!("{shown} is not there yet")),
        Ok(Err(error)) => at_once(false, format!("{shown}: {error}")),
        Err(_) => at_once(false, format!("{shown}: could not be looked at")),
    };
    outcome.took = begun.elapsed();
    outcome
}

fn at_once(passed: bool, detail: String) -> Outcome {
    Outcome {
        passed,
        layer: Layer::L7,
        detail,
        took: Duration::ZERO,
    }
}
