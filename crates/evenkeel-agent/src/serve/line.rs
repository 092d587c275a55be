//! The line to one balancer: calls, calls again, and hands on what is said.

use std::sync::Arc;

use evenkeel_core::address::Target;
use evenkeel_core::remote::{Dial, Happened};
use evenkeel_core::rng::Rng;
use evenkeel_probe::clock::{instant, now};
use evenkeel_schema::agent::{FromAgent, Hello, ToAgent};
use evenkeel_tls::Client;
use tokio::sync::mpsc;

use super::talk;
use super::worker::Report;

/// What waits to be sent to one balancer: every service once, and some beats. One that is behind by more is cut off, and told
/// everything anew when it is back.
const SAYS_MAX: usize = 2048;

/// What a line reports.
pub(super) enum LineSays {
    /// The balancer listens: what is sent here reaches it.
    Connected {
        /// Its name.
        node: String,
        says: mpsc::Sender<FromAgent>,
    },
    /// It said something.
    Said(ToAgent),
    /// The connection ended, or none came about.
    Ended {
        why: String,
        was_connected: bool,
        again_in: std::time::Duration,
    },
}

/// What a line needs.
pub(super) struct Line {
    /// Its number among the lines.
    pub(super) number: u64,
    pub(super) to: Target,
    pub(super) client: Option<Arc<Client>>,
    /// Everything of it but the newest fence is the same each time.
    pub(super) hello: Hello,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) rng: Rng,
}

impl Line {
    /// Runs until the task is ended.
    pub(super) async fn run(self, newest: impl Fn() -> u64) {
        let mut dial = Dial::new(self.rng.clone());
        loop {
            tokio::time::sleep_until(instant(dial.due())).await;
            self.refresh().await;
            let mut hello = self.hello.clone();
            hello.fence = newest();
            let (why, was_connected) = match talk::call(&self.to, self.client.clone(), hello).await
            {
                Ok(talk) => {
                    dial.on(Happened::Connected, now().at);
                    (self.talk(talk).await, true)
                }
                Err(why) => (why, false),
            };
            let again_in = dial.on(Happened::Ended, now().at).unwrap_or_default();
            self.report(LineSays::Ended {
                why,
                was_connected,
                again_in,
            })
            .await;
        }
    }

    async fn talk(&self, talk: talk::Talk) -> String {
        let (says, said) = mpsc::channel(SAYS_MAX);
        let node = talk.node.clone();
        self.report(LineSays::Connected { node, says }).await;
        talk.on(said, &self.reports, self.number).await
    }

    /// Certificates are read again before each call: one that was renewed is shown from the next connection on.
    async fn refresh(&self) {
        if let Some(client) = self.client.clone() {
            let _ = tokio::task::spawn_blocking(move || client.refresh()).await;
        }
    }

    async fn report(&self, says: LineSays) {
        // A worker that ended wants no report.
        let _ = self.reports.send(Report::Line(self.number, says)).await;
    }
}
