//! A request's session: found out before the first pick, and told to the client with the answer where something is new.

use std::time::Duration;

use evenkeel_core::session::{self, Change, LUCK, Session};
use evenkeel_core::time::Time;

use super::Exchange;
use super::forward::Job;
use super::keep::add_field;
use super::key;
use super::rule::is_failure;
use crate::http1::Known;
use crate::pool::Attempt;
use crate::rt;
use crate::session::{Cookie, Refused, Sessions};

/// Cookies of one name that are looked at: a browser sends one for each path it was set for.
const COOKIES_MAX: usize = 4;

impl Job<'_> {
    /// Whose request is it, and where does that belong?
    pub(super) fn recognise(&self, exchange: &mut Exchange, now: Time) {
        (exchange.bound, exchange.prefer) = (None, None);
        let current = self.pool.current();
        let Some(sessions) = &current.sessions else {
            return;
        };
        let (now_s, _) = rt::wall();
        exchange.bound = self.cookie(exchange, sessions, now_s);
        exchange.prefer = exchange.bound.and_then(|bound| {
            let since = Duration::from_secs(now_s.saturating_sub(bound.since_s));
            let session = &bound.session;
            session.wanted(&current.table, &current.places, since, now)
        });
    }

    /// The first of its cookies that this pool made; if it has only others, they are counted.
    fn cookie(&self, exchange: &Exchange, sessions: &Sessions, now_s: u64) -> Option<Cookie> {
        let head = exchange.head_in.bytes();
        let fields = exchange.request.values(head, "cookie");
        let values = fields.flat_map(|field| key::cookies(field, sessions.name()));
        let mut refused = None;
        for value in values.take(COOKIES_MAX) {
            match sessions.open(value, now_s) {
                Ok(cookie) => return Some(cookie),
                Err(why) => refused = Some(why),
            }
        }
        let counters = &self.pool.counters().sessions;
        match refused {
            Some(Refused::Forged) => counters.forged.inc(),
            Some(Refused::Expired) => counters.expired.inc(),
            None => {}
        }
        None
    }

    /// This endpoint's answer is on its way to the client, its head complete in `down`: the session is here now. A failure is
    /// passed on without binding anybody to it.
    pub(super) fn bind(&self, exchange: &mut Exchange, attempt: &Attempt) {
        let current = &attempt.current;
        let Some(sessions) = &current.sessions else {
            return;
        };
        if is_failure(&current.table.retry, exchange.response.status()) {
            return;
        }
        let (now_s, _) = rt::wall();
        let by = session::name(&attempt.row().name);
        let Some((session, since_s)) = self.settled(exchange.bound, by, attempt, now_s) else {
            return;
        };
        let Some(value) = sessions.seal(&session, since_s, now_s) else {
            return;
        };
        let ttl_s = sessions.ttl_s();
        if let Some(before) = exchange.bound.filter(|before| before.counted)
            && let Some(index) = current.places.find(before.session.at)
        {
            let left = &current.table.endpoints[index];
            self.pool.live(left).count(before.ends_s, ttl_s, -1);
        }
        self.pool.live(attempt.row()).count(now_s + ttl_s, ttl_s, 1);
        let secure = if self.is_secure(exchange) {
            "; Secure"
        } else {
            ""
        };
        let name = sessions.name();
        let cookie =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={ttl_s}{secure}");
        add_field(&mut exchange.down.data, "Set-Cookie", &cookie);
    }

    /// The session after this answer, and since when it is there. `None`: the client has a cookie that says so.
    fn settled(
        &self,
        bound: Option<Cookie>,
        by: u64,
        attempt: &Attempt,
        now_s: u64,
    ) -> Option<(Session, u64)> {
        let counters = &self.pool.counters().sessions;
        let Some(bound) = bound else {
            counters.begun.inc();
            let luck = self.client.worker.random.next() % u64::from(LUCK);
            return Some((Session::begin(by, luck as u16), now_s));
        };
        match bound.session.served_by(by, &attempt.current.table) {
            Some((session, change)) => {
                match change {
                    Change::Moved => counters.moved.inc(),
                    Change::Returned => counters.returned.inc(),
                }
                Some((session, now_s))
            }
            None => {
                counters.kept.inc();
                let sessions = attempt.current.sessions.as_ref()?;
                let due = sessions.is_due(&bound, now_s);
                due.then_some((bound.session, bound.since_s))
            }
        }
    }

    /// Did the client come over TLS, here or at a trusted proxy?
    fn is_secure(&self, exchange: &Exchange) -> bool {
        let head = exchange.head_in.bytes();
        let told = || exchange.request.known(head, Known::XForwardedProto);
        let https = |told: &[u8]| {
            let first = told.split(|&b| b == b',').next().unwrap_or_default();
            first.trim_ascii().eq_ignore_ascii_case(b"https")
        };
        self.client.proto() == "https" || (self.trusted && told().is_some_and(https))
    }
}
