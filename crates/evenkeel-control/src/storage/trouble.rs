//! What is wrong with the store, while something is: the thread writes it, status and metrics read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_core::time::WallTime;
use evenkeel_probe::clock::now;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Since when.
    pub(crate) since: WallTime,
    /// What, for a person: the newest reason.
    pub(crate) why: String,
}

/// Shared by the thread and the control loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(Arc<Mutex<Option<Trouble>>>);

impl Troubles {
    /// As it is now.
    pub(crate) fn now(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    pub(super) fn is_any(&self) -> bool {
        self.lock().is_some()
    }

    /// Why what was written last is not stored, if it is not.
    pub(super) fn why(&self) -> Result<(), String> {
        match &*self.lock() {
            Some(trouble) => Err(trouble.why.clone()),
            None => Ok(()),
        }
    }

    /// Something is wrong; is that news?
    pub(super) fn begin(&self, why: &str) -> bool {
        let mut trouble = self.lock();
        let since = trouble.as_ref().map(|t| t.since);
        *trouble = Some(Trouble {
            since: since.unwrap_or_else(|| now().wall),
            why: why.to_owned(),
        });
        since.is_none()
    }

    /// All is well; is that news?
    pub(super) fn end(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
