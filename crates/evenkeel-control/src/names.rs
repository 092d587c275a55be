//! Host names of endpoints: resolved at start and every 30 s by the system's resolver, off the control loop. A name that
//! does not resolve is no error: what is known of it stays, and what never resolved stays unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

/// Between two looks at a name: as nginx and HAProxy hold a name, and far below what a moved server's DNS change takes.
pub(crate) const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// glibc gives up after 2 × 5 s by default.
const RESOLVE_WITHIN: Duration = Duration::from_secs(11);
/// Look-ups at once: each holds a thread while it waits.
const RESOLVES_MAX: usize = 8;

/// A name and its port.
pub(crate) type Name = (String, u16);

/// What a look-up brought.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) name: Name,
    pub(crate) addresses: Result<Vec<SocketAddr>, String>,
}

/// Every name in use, and which are being looked up.
pub(crate) struct Names {
    permits: Arc<Semaphore>,
    results: mpsc::Sender<Resolved>,
    /// What was last said about each name: the complaint, or none. Bounded by the configuration.
    known: BTreeMap<Name, Option<String>>,
    in_flight: std::collections::BTreeSet<Name>,
}

impl Names {
    pub(crate) fn new(results: mpsc::Sender<Resolved>) -> Names {
        Names {
            permits: Arc::new(Semaphore::new(RESOLVES_MAX)),
            results,
            known: BTreeMap::new(),
            in_flight: std::collections::BTreeSet::new(),
        }
    }

    /// Starts looking up `names`, but those that are being looked up already; forgets all others.
    pub(crate) fn look_up(&mut self, names: std::collections::BTreeSet<Name>) {
        self.known.retain(|name, _| names.contains(name));
        for name in names {
            if !self.in_flight.insert(name.clone()) {
                continue;
            }
            let (permits, results) = (self.permits.clone(), self.results.clone());
            tokio::spawn(async move {
                let addresses = match permits.acquire().await {
                    Ok(_permit) => resolve(&name).await,
                    Err(_) => return,
                };
                // Control that ended wants no answer.
                let _ = results.send(Resolved { name, addresses }).await;
            });
        }
    }

    /// Notes the result; says so in the log when it is news.
    pub(crate) fn done(&mut self, resolved: &Resolved) {
        self.in_flight.remove(&resolved.name);
        let complaint = resolved.addresses.as_ref().err().cloned();
        let before = self.known.insert(resolved.name.clone(), complaint.clone());
        let (host, port) = &resolved.name;
        match (&complaint, before) {
            (Some(why), before) if before.as_ref() != Some(&complaint) => {
                tracing::warn!("{host}:{port} does not resolve: {why}");
            }
            (None, Some(Some(_))) => tracing::info!("{host}:{port} resolves again"),
            _ => {}
        }
    }
}

async fn resolve((host, port): &Name) -> Result<Vec<SocketAddr>, String> {
    let looked = tokio::net::lookup_host((host.as_str(), *port));
    match tokio::time::timeout(RESOLVE_WITHIN, looked).await {
        Ok(Ok(found)) => {
            let found: Vec<_> = found.collect();
            match found.is_empty() {
                true => Err("it has no address".into()),
                false => Ok(found),
            }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}s", RESOLVE_WITHIN.as_secs())),
    }
}

/// Which of several addresses: the current one while it is still listed, else the first, which the system put first.
pub(crate) fn choose(current: Option<SocketAddr>, listed: &[SocketAddr]) -> Option<SocketAddr> {
    current
        .filter(|ip| listed.contains(ip))
        .or_else(|| listed.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_stays_where_it_is_while_that_address_is_listed() {
        let ip = |n: u8| SocketAddr::from(([10, 0, 0, n], 80));
        assert_eq!(choose(None, &[ip(1), ip(2)]), Some(ip(1)));
        assert_eq!(choose(Some(ip(2)), &[ip(1), ip(2)]), Some(ip(2)));
        assert_eq!(choose(Some(ip(3)), &[ip(1), ip(2)]), Some(ip(1)));
        assert_eq!(choose(Some(ip(3)), &[]), None);
    }

    #[tokio::test]
    async fn localhost_resolves_and_a_name_that_cannot_exist_is_told_not_fatal() {
        let (sender, mut results) = mpsc::channel(8);
        let mut names = Names::new(sender);
        let wanted = [("localhost".to_owned(), 80), ("a..b".to_owned(), 81)];
        names.look_up(wanted.iter().cloned().collect());
        names.look_up(wanted.iter().cloned().collect());
        for _ in 0..2 {
            let resolved = results.recv().await.unwrap();
            match resolved.name.1 {
                80 => assert!(resolved.addresses.as_ref().unwrap()[0].ip().is_loopback()),
                _ => assert!(resolved.addresses.is_err()),
            }
            names.done(&resolved);
        }
        assert!(results.try_recv().is_err(), "each name is looked up once");
        assert!(names.known[&("a..b".to_owned(), 81)].is_some());
    }
}
