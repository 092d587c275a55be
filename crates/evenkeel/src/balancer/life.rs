//! What it means to live: the data plane's workers turn. Control may hang and the disk may stall; traffic still flows then,
//! and that is no reason to be replaced.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::Proxy;

use crate::balancer::keeper::Keeper;

/// The keeper waits 2 s; a worker moves its number at least every 250 ms, so one look may come just too early, not seven.
const LOOK: Duration = Duration::from_millis(250);

/// Tells the keeper as long as every worker turns, from a thread that does nothing else.
pub(crate) fn watch(proxy: Arc<Proxy>, keeper: Arc<Keeper>) -> io::Result<()> {
    std::thread::Builder::new()
        .name("life".into())
        .spawn(move || {
            let mut before = proxy.turns();
            loop {
                std::thread::sleep(LOOK);
                let now = proxy.turns();
                if all_moved(&before, &now) {
                    keeper.alive();
                    before = now;
                }
            }
        })?;
    Ok(())
}

fn all_moved(before: &[u64], now: &[u64]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(b, n)| b != n)
}

#[cfg(test)]
mod tests {
    use super::all_moved;

    #[test]
    fn one_worker_that_stands_is_enough_to_be_silent() {
        assert!(all_moved(&[1, 2], &[2, 3]));
        assert!(!all_moved(&[1, 2], &[2, 2]));
        assert!(!all_moved(&[1], &[2, 3]));
    }
}
