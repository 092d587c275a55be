//! Beginning: what the store remembers comes before the first configuration, if it comes in time. The data plane does not
//! wait for a slow disk.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::engine::{Event, Order};
use evenkeel_probe::clock::now;
use evenkeel_schema::records::{EndpointRecord, RevisionRecord};

use super::Driver;
use crate::last::{last_applied, set_damaged_aside};
use crate::revisions::{Noted, Revisions};
use crate::storage::Loaded;

/// A replaced balancer has clients waiting in the accept queue: 100 ms for everything, of which opening a store takes 5.
const WAIT_RESUMED: Duration = Duration::from_millis(50);
/// Where sessions are kept here: a client that waits longer is better off than one that is sent to another endpoint. A
/// million take half of this, ten thousand some milliseconds.
const WAIT_SESSIONS: Duration = Duration::from_secs(1);
/// A fresh one has nobody waiting yet, and would rather not serve what was known to be down.
const WAIT_FRESH: Duration = Duration::from_secs(2);

impl Driver {
    /// Loads what is remembered and numbers the first configuration.
    pub(super) async fn load_first(&mut self, resume: bool) {
        let mut pools = self.config.sessions.keys();
        let wait = match resume {
            true if pools.any(|pool| self.keeps_sessions(pool)) => WAIT_SESSIONS,
            true => WAIT_RESUMED,
            false => WAIT_FRESH,
        };
        let loaded = match &mut self.loading {
            Some(loading) => tokio::time::timeout(wait, loading).await.ok(),
            None => None,
        };
        let loaded = match loaded {
            Some(result) => {
                self.loading = None;
                let mut loaded = result.unwrap_or_default();
                self.remember_incidents(&mut loaded);
                self.remember_recoveries(std::mem::take(&mut loaded.recoveries));
                loaded
            }
            None => {
                tracing::warn!(
                    "the store is not open after {}ms; serving without what it remembers",
                    wait.as_millis()
                );
                Loaded::default()
            }
        };
        if self.loading.is_none() {
            self.remember_accounts(loaded.accounts);
            self.remember_notices(loaded.notices, loaded.told);
            self.remember_sessions(loaded.sessions);
            self.say_interrupted(loaded.underway);
        }
        let known = self.keep_known(loaded.endpoints);
        self.event(Event::Carried(known.into_iter().map(Into::into).collect()));
        self.number_first(resume, loaded.revisions);
    }

    /// Records of endpoints that the configuration has no more are deleted, else they would pile up over the years; an
    /// operator's word is kept, should one come back.
    fn keep_known(&mut self, records: Vec<EndpointRecord>) -> Vec<EndpointRecord> {
        let config = self.config.clone();
        let configured: BTreeSet<(&str, &str)> = config
            .pools
            .iter()
            .flat_map(|pool| pool.endpoints.iter().map(|e| (&*pool.name, &*e.name)))
            .collect();
        let (known, gone): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| {
            let named = configured.contains(&(&*record.pool, &*record.endpoint));
            named || record.order.is_some() || record.weight.is_some()
        });
        for record in gone {
            self.storage.delete_endpoint(&record.pool, &record.endpoint);
        }
        known
    }

    fn number_first(&mut self, resume: bool, stored: Vec<RevisionRecord>) {
        let last = last_applied(&self.config.node.state_dir).unwrap_or_else(|why| {
            set_damaged_aside(&self.config.node.state_dir, &why);
            None
        });
        let number = last.as_ref().map(|(number, _)| *number);
        self.revisions = Revisions::new(stored, number);
        let (text, at) = (self.config.text.clone(), now().wall);
        let noted = match (resume, number) {
            (true, Some(number)) => self.revisions.resume(number, &text, at),
            // Without the list the file alone says which number the text had.
            (false, Some(number)) if last.is_some_and(|(_, applied)| applied == *text) => {
                self.revisions.resume(number, &text, at)
            }
            _ => self.revisions.apply(&text, at),
        };
        self.store_revision(noted);
    }

    /// Stores what is new about the revisions, and what a replaced balancer would start from.
    pub(super) fn store_revision(&mut self, noted: Noted) {
        if let Some(record) = &noted.new {
            self.storage.put_revision(record);
        }
        for number in noted.dropped {
            self.storage.delete_revision(number);
        }
        let current = self.revisions.current();
        self.storage.last_applied(current, &self.config.text);
    }

    /// The store opened after all. States were seen anew meanwhile; an operator's word still counts.
    pub(super) fn loaded_late(&mut self, loaded: Loaded) {
        tracing::info!("the store is open");
        let mut loaded = loaded;
        self.remember_incidents(&mut loaded);
        self.remember_recoveries(std::mem::take(&mut loaded.recoveries));
        for record in loaded.endpoints {
            self.remember_orders(&record);
        }
        self.ordered.clear();
        self.remember_accounts(loaded.accounts);
        self.remember_notices(loaded.notices, loaded.told);
        self.say_interrupted(loaded.underway);
        self.catch_up_on_incidents();
        let before = self.revisions.current();
        let noted = self.revisions.merge(loaded.revisions);
        self.store_revision(noted);
        let sessions = self.remember_sessions(loaded.sessions);
        self.forget_sessions();
        if self.revisions.current() != before || sessions {
            self.hand_over();
        }
    }

    fn remember_incidents(&mut self, loaded: &mut Loaded) {
        let records = std::mem::take(&mut loaded.incidents).into_iter();
        self.event(Event::Incidents(records.map(Into::into).collect()));
    }

    fn remember_orders(&mut self, record: &EndpointRecord) {
        let names = (record.pool.clone(), record.endpoint.clone());
        let Some(endpoint) = self.engine.endpoint_id(&names.0, &names.1) else {
            return;
        };
        if self.ordered.contains(&names) {
            return;
        }
        let order = record.order.map(Order::from);
        if let Some(order) = order.filter(|order| *order != Order::Ready) {
            self.event(Event::Order { endpoint, order });
        }
        if record.weight.is_some() {
            let weight = record.weight;
            self.event(Event::Weight { endpoint, weight });
        }
    }
}
