//! Answers that wait for the disk: what an operator was told is done outlives a kill.

use std::path::Path;
use std::time::Duration;

use evenkeel_schema::admin::{ErrorAnswer, ErrorCode};
use tokio::sync::oneshot;

use super::Driver;
use crate::ask::Outcome;

/// How long an operator waits at most for the disk: one that works takes a few ms, and the asking itself gives up after 5 s.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

impl Driver {
    /// Who reads "done" may pull the plug, so the answer waits for the disk. What was ordered is in force all the same where
    /// the disk fails or stalls, but then it is not called done.
    pub(super) fn answer_once_written<T: Send + 'static>(
        &mut self,
        answer: oneshot::Sender<Outcome<T>>,
        done: Outcome<T>,
    ) {
        let written = self.storage.written();
        let folder = self.config.node.state_dir.clone();
        tokio::spawn(async move {
            let stored = match written {
                Some(written) => match tokio::time::timeout(WRITTEN_WITHIN, written).await {
                    Ok(Ok(stored)) => stored,
                    Ok(Err(_)) => Err("the store's thread has ended".to_owned()),
                    Err(_) => Err(format!(
                        "the disk took longer than {} s",
                        WRITTEN_WITHIN.as_secs()
                    )),
                },
                None => Err("the disk is too far behind".to_owned()),
            };
            let _ = answer.send(match (done, stored) {
                (Ok(_), Err(why)) => Err(not_stored(&why, &folder)),
                (done, _) => done,
            });
        });
    }
}

fn not_stored(why: &str, folder: &Path) -> ErrorAnswer {
    ErrorAnswer::new(
        ErrorCode::NotStored,
        format!("it is in force now, but it is not stored: {why}"),
        format!(
            "make room in {} or mend its disk, then it is stored by itself; until then it is forgotten when the balancer ends",
            folder.display()
        ),
    )
}
