//! Telling people: what the engine and the accounts say goes to the teller, what it makes of that goes into the store and the outbox,
//! and what the outbox wants sent is sent by tasks.
//!
//! A message is stored before it is sent and deleted after it arrived, so a death in between sends it twice rather than never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_core::incident::{News, Record};
use evenkeel_core::notify::{Event, Message, Outbox, Parcel, Teller, Verdict};
use evenkeel_core::rng::Rng;
use evenkeel_core::settings::Messenger;
use evenkeel_core::table::State;
use evenkeel_core::time::{Now, Time};
use evenkeel_probe::clock::now;
use evenkeel_schema::Stamp;
use evenkeel_schema::admin::{
    ErrorAnswer, ErrorCode, IncidentStatus, Notice, NotifyAnswer, NotifyResult,
};
use evenkeel_schema::config::Secret;
use evenkeel_schema::records::{NoticeRecord, ToldIncident, ToldRecord};
use tokio::sync::oneshot;

use super::{Driver, Report};
use crate::ask::Outcome;
use crate::notify::{Missed, number, send, shown, written};

/// What a task brings back of one message.
pub(crate) struct Brought {
    target: Arc<str>,
    id: Arc<str>,
    result: Result<String, Missed>,
}

/// What is sent: the message, and the target among the pool's.
#[derive(Clone, Debug)]
struct Content {
    pool: String,
    to: Messenger,
    notice: Notice,
}

/// Everything about telling people.
pub(super) struct Notices {
    teller: Teller,
    outbox: Outbox<Content>,
    /// Burn alerts that began (true) or ended, until the loop looks.
    pub(super) alerts: Vec<(Arc<str>, bool, String)>,
    /// Messages by pool and by what became of them.
    counts: BTreeMap<(String, &'static str), u64>,
}

impl Notices {
    pub(super) fn new(seed: u64) -> Notices {
        Notices {
            teller: Teller::default(),
            outbox: Outbox::new(Rng::new(seed).stream("notify")),
            alerts: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn next_wakeup(&self) -> Time {
        self.teller.next_wakeup().min(self.outbox.next_wakeup())
    }

    /// For the metrics: by pool and outcome, what is waiting, what was withheld.
    pub(super) fn sample(&self) -> (BTreeMap<(String, &'static str), u64>, usize, u64) {
        (
            self.counts.clone(),
            self.outbox.len(),
            self.teller.withheld(),
        )
    }

    fn count(&mut self, pool: &str, outcome: &'static str) {
        *self.counts.entry((pool.to_owned(), outcome)).or_default() += 1;
    }
}

impl Driver {
    /// What a process before this one had not told yet, and what it had. Before or after the configuration is taken in.
    pub(super) fn remember_notices(&mut self, notices: Vec<NoticeRecord>, told: ToldRecord) {
        let names = |pools: Vec<String>| pools.into_iter().map(Arc::from).collect();
        let incidents = told
            .incidents
            .into_iter()
            .map(|one| (one.id, names(one.pools)));
        self.notices.teller.remember(incidents, now().at);
        self.configure_notices();
        let outages = told.outages.iter().map(String::as_str);
        self.notices.teller.remember_outages(outages);
        for record in notices {
            match self.target(&record.pool, &record.target) {
                Some(to) => self.put_parcel(record, to),
                None => self.storage.delete_notice(record.key()),
            }
        }
    }

    /// A configuration was taken in.
    pub(super) fn configure_notices(&mut self) {
        let config = self.config.clone();
        let names: Vec<Arc<str>> = config.pools.iter().map(|pool| pool.name.clone()).collect();
        self.notices.teller.configure(names.iter());
        self.notices
            .counts
            .retain(|(pool, _), _| names.iter().any(|name| **name == **pool));
        let wanted: BTreeSet<String> = config
            .pools
            .iter()
            .flat_map(|pool| pool.recovery.notify.iter().map(|to| key(&pool.name, to)))
            .collect();
        for dropped in self.notices.outbox.retain(|target| wanted.contains(target)) {
            let Content { pool, to, .. } = &dropped.parcel.content;
            tracing::warn!(target: "evenkeel::notify", pool, "a message to {} is not sent any more: {}", shown(to), dropped.why);
            self.storage.delete_notice(&dropped.parcel.id);
        }
    }

    fn target(&self, pool: &str, target: &str) -> Option<Messenger> {
        let pool = self.config.pools.iter().find(|one| *one.name == *pool)?;
        let all = &pool.recovery.notify;
        all.iter().find(|to| written(to) == target).cloned()
    }

    /// An incident changed.
    pub(super) fn notice_incident(&mut self, record: &Record, news: &[News]) {
        let at = now().at;
        let teller = &mut self.notices.teller;
        let mut messages = Vec::new();
        for one in news {
            match one {
                News::NeedsPerson => {
                    let pools = pools_of(record, &self.config.pools);
                    let reasons = record.person.join("; ");
                    let why = format!("a person is needed for {}: {reasons}", who(record));
                    messages.extend(teller.person_needed(Some(record.id), pools, why, at));
                }
                News::Closed => {
                    let why = format!("{} is over", who(record));
                    messages.extend(teller.closed(record.id, why, at));
                }
                News::Merged(into) => teller.merged(record.id, *into),
                News::Forgotten => messages.extend(teller.closed(
                    record.id,
                    format!("incident {} is forgotten: there were too many", record.id),
                    at,
                )),
                _ => {}
            }
        }
        let merged = news.iter().any(|one| matches!(one, News::Merged(_)));
        if merged || !messages.is_empty() {
            self.store_told();
        }
        self.tell(messages, Some(record));
    }

    /// Looks at what lasts, and sends what is due.
    pub(super) fn go_on_notices(&mut self, now: Now) {
        for view in self.engine.pools() {
            let states = view.endpoints.iter().map(|endpoint| endpoint.state);
            // One nobody has looked at yet, or an operator took out, is no fault.
            let down = states.clone().any(|state| state == State::Down);
            let serves = |state| matches!(state, State::Up | State::Trial | State::Unknown);
            let usable = !down || states.clone().any(serves);
            self.notices.teller.pool(&view.spec.name, usable, now.at);
        }
        for (pool, firing, why) in std::mem::take(&mut self.notices.alerts) {
            let messages = self.notices.teller.alert(&pool, firing, why, now.at);
            self.tell(messages, None);
        }
        if self.notices.teller.next_wakeup() <= now.at {
            let open: Vec<Record> = self.engine.incidents();
            let of = |pool: &str| {
                let concerns = |record: &&Record| {
                    let mut pools = record.subjects.iter().filter_map(|s| s.pool.as_deref());
                    record.closed.is_none() && pools.any(|one| one == pool)
                };
                open.iter().find(concerns).map(|record| record.id)
            };
            let messages = self.notices.teller.look(of, now.at);
            for message in messages {
                let about = open
                    .iter()
                    .find(|record| Some(record.id) == message.incident);
                self.tell(vec![message], about);
            }
            self.store_told();
        }
        while let Some(parcel) = self.notices.outbox.poll(now.at) {
            self.send_parcel(parcel, now);
        }
    }

    /// Into store and outbox, once for each target.
    fn tell(&mut self, messages: Vec<Message>, about: Option<&Record>) {
        for message in messages {
            let Message {
                event, pools, why, ..
            } = message;
            let mut told: Vec<(Messenger, Option<Secret>)> = Vec::new();
            for pool in &pools {
                for to in self.messengers(pool) {
                    let secret = self.config.webhook_secrets.get(pool).cloned();
                    // Two pools often have the same people.
                    if told.contains(&(to.clone(), secret.clone())) {
                        continue;
                    }
                    let notice = self.notice(event, &pools, &why, about);
                    let record = NoticeRecord {
                        pool: pool.to_string(),
                        target: written(&to),
                        tries: 0,
                        notice,
                    };
                    self.storage.put_notice(&record);
                    self.put_parcel(record, to.clone());
                    told.push((to, secret));
                }
            }
            let (event, targets) = (event.name(), told.len());
            match targets {
                // The log has the fault itself already.
                0 => {
                    tracing::debug!(target: "evenkeel::notify", event, "nobody is to be told: {why}")
                }
                _ => {
                    tracing::warn!(target: "evenkeel::notify", event, targets, "people are told: {event}: {why}")
                }
            }
        }
    }

    fn messengers(&self, pool: &str) -> Vec<Messenger> {
        let mut pools = self.config.pools.iter();
        let found = pools.find(|one| *one.name == *pool);
        found
            .map(|pool| pool.recovery.notify.clone())
            .unwrap_or_default()
    }

    fn notice(
        &self,
        event: Event,
        pools: &BTreeSet<Arc<str>>,
        why: &str,
        about: Option<&Record>,
    ) -> Notice {
        let at = Stamp(now().wall);
        Notice {
            // Without randomness the moment has to do.
            delivery: number().unwrap_or_else(|| format!("{:032x}", now().at.as_nanos())),
            event: event.name().to_owned(),
            node: self.config.node.name.clone(),
            pools: pools.iter().map(ToString::to_string).collect(),
            why: why.to_owned(),
            at,
            sent_at: at,
            incident: about.cloned().map(IncidentStatus::from),
        }
    }

    fn put_parcel(&mut self, record: NoticeRecord, to: Messenger) {
        let parcel = Parcel {
            id: record.notice.delivery.as_str().into(),
            target: key(&record.pool, &to).into(),
            made: record.notice.at.0,
            tries: record.tries,
            content: Content {
                pool: record.pool,
                to,
                notice: record.notice,
            },
        };
        if let Some(dropped) = self.notices.outbox.put(parcel) {
            let Content { pool, to, .. } = &dropped.parcel.content;
            tracing::error!(target: "evenkeel::notify", pool, "a message to {} is not sent: {}", shown(to), dropped.why);
            self.notices.count(pool, "dropped");
            self.storage.delete_notice(&dropped.parcel.id);
        }
    }

    fn send_parcel(&mut self, parcel: Parcel<Content>, now: Now) {
        let Content {
            pool,
            to,
            mut notice,
        } = parcel.content;
        self.storage.put_notice(&NoticeRecord {
            pool: pool.clone(),
            target: written(&to),
            tries: parcel.tries,
            notice: notice.clone(),
        });
        notice.sent_at = Stamp(now.wall);
        let secret = self.config.webhook_secrets.get(&*pool).cloned();
        let (host, reports) = (self.host.clone(), self.reports.clone());
        let (target, id) = (parcel.target, parcel.id);
        tokio::spawn(async move {
            let result = send(&to, secret.as_ref(), &notice, &host).await;
            let brought = Brought { target, id, result };
            // A loop that ended wants no report: the next process sends it again.
            let _ = reports.send(Report::Brought(Box::new(brought))).await;
        });
    }

    /// A task says what came of a message.
    pub(super) fn brought(&mut self, brought: Brought) {
        let Brought { target, id, result } = brought;
        let outcome = result.as_ref().map(|_| ()).map_err(|(failure, _)| *failure);
        let said = match &result {
            Ok(said) | Err((_, said)) => said.as_str(),
        };
        let shown_at = target_shown(&target);
        let pool = target.split(' ').next().unwrap_or_default().to_owned();
        match self.notices.outbox.done(&target, &id, outcome, now()) {
            Verdict::Delivered => {
                tracing::info!(target: "evenkeel::notify", pool, "{shown_at} was told: {said}");
                self.notices.count(&pool, "delivered");
                self.storage.delete_notice(&id);
            }
            Verdict::GivenUp => {
                tracing::error!(target: "evenkeel::notify", pool, "{shown_at} was not told and it is given up: {said}");
                self.notices.count(&pool, "given_up");
                self.storage.delete_notice(&id);
            }
            Verdict::Again(after) => {
                let seconds = after.as_secs_f64();
                tracing::warn!(target: "evenkeel::notify", pool, "{shown_at} was not told: {said}; again in {seconds:.0} s");
                self.notices.count(&pool, "failed");
            }
            Verdict::Unknown => {}
        }
    }

    /// What was told of is known over a restart, so that its end is told too.
    fn store_told(&mut self) {
        let outages = self.notices.teller.outages();
        let incidents = self.notices.teller.told();
        let incidents = incidents.map(|(id, pools)| ToldIncident {
            id,
            pools: pools.iter().map(ToString::to_string).collect(),
        });
        self.storage.put_told(&ToldRecord {
            incidents: incidents.collect(),
            outages: outages.map(ToString::to_string).collect(),
        });
    }

    /// An operator wants to see whether messages arrive: one to each of a pool's targets, now, once.
    pub(super) fn notify_test(
        &mut self,
        pool: &str,
        answer: oneshot::Sender<Outcome<NotifyAnswer>>,
    ) {
        let Some(name) = self.config.pools.iter().find(|one| *one.name == *pool) else {
            let _ = answer.send(Err(self.no_such_pool(pool)));
            return;
        };
        let (pools, all) = (
            BTreeSet::from([name.name.clone()]),
            name.recovery.notify.clone(),
        );
        if all.is_empty() {
            let hint = format!("write notify = [\"https://…\"] into [pool.{pool}.recovery]");
            let message = format!("nobody is told of pool {pool}");
            let _ = answer.send(Err(ErrorAnswer::new(
                ErrorCode::NobodyToTell,
                message,
                hint,
            )));
            return;
        }
        let why = "a test: an operator wants to see that messages arrive";
        let notices: Vec<Notice> = all
            .iter()
            .map(|_| self.notice(Event::Test, &pools, why, None))
            .collect();
        let secret = self.config.webhook_secrets.get(pool).cloned();
        let host = self.host.clone();
        tokio::spawn(async move {
            let mut results = Vec::new();
            for (to, notice) in all.iter().zip(&notices) {
                let sent = send(to, secret.as_ref(), notice, &host).await;
                results.push(NotifyResult {
                    target: shown(to),
                    delivered: sent.is_ok(),
                    detail: sent.unwrap_or_else(|(_, why)| why),
                });
            }
            let _ = answer.send(Ok(NotifyAnswer { results }));
        });
    }
}

/// "incident 3 (app/a1, most likely process_dead)".
fn who(record: &Record) -> String {
    let names: Vec<_> = record.subjects.iter().map(|s| s.key.as_str()).collect();
    let more = match names.len() {
        0..=3 => String::new(),
        all => format!(" and {} more", all - 3),
    };
    let names = names[..names.len().min(3)].join(", ");
    let cause = record.cause().name();
    format!(
        "incident {} ({names}{more}, most likely {cause})",
        record.id
    )
}

/// A pool's name has no space in it.
fn key(pool: &str, to: &Messenger) -> String {
    format!("{pool} {}", written(to))
}

fn target_shown(key: &str) -> String {
    let target = key.split_once(' ').map_or(key, |(_, target)| target);
    match target.strip_prefix("exec:") {
        Some(program) => program.to_owned(),
        None => shown(&Messenger::Webhook(target.into())),
    }
}

/// Whose people an incident concerns; one of a service that no endpoint names concerns all.
fn pools_of(record: &Record, pools: &[evenkeel_core::settings::PoolSpec]) -> BTreeSet<Arc<str>> {
    let named = record.subjects.iter().filter_map(|s| s.pool.as_deref());
    let named: BTreeSet<Arc<str>> = named.map(Arc::from).collect();
    match named.is_empty() {
        true => pools.iter().map(|pool| pool.name.clone()).collect(),
        false => named,
    }
}
