//! A request's session: found out before the first pick, and told to the client, or kept, with the answer where something is
//! new.

use std::time::Duration;

use evenkeel_core::balance::hash;
use evenkeel_core::session::{self, Change, LUCK, Session};
use evenkeel_core::settings::KeySource;
use evenkeel_core::time::Time;
use evenkeel_tls::TokenKeys;

use super::Exchange;
use super::forward::Job;
use super::keep::add_field;
use super::key;
use super::rule::is_failure;
use crate::http1::Known;
use crate::pool::Attempt;
use crate::rt;
use crate::session::{Bound, By, Entry, Refused, Seal};

/// Cookies of one name that are looked at: a browser sends one for each path it was set for.
const COOKIES_MAX: usize = 4;

impl Job<'_> {
    /// Whose request is it, and where does that belong?
    pub(super) fn recognise(&self, exchange: &mut Exchange, now: Time) {
        (exchange.bound, exchange.token, exchange.prefer) = (None, None, None);
        let current = self.pool.current();
        let Some(sessions) = &current.sessions else {
            return;
        };
        let (now_s, _) = rt::wall();
        exchange.bound = match &sessions.by {
            By::Cookie(seal) => self.cookie(exchange, seal, now_s),
            By::Token(source, keys) => {
                exchange.token = match (source, keys) {
                    (KeySource::Jwt(claim), Some(keys)) => {
                        self.signed(exchange, keys, claim, now_s)
                    }
                    _ => self.read_key(source, exchange),
                };
                exchange.token.and_then(|token| self.known(token, now_s))
            }
        };
        exchange.prefer = exchange.bound.and_then(|bound| {
            let since = Duration::from_secs(now_s.saturating_sub(bound.since_s));
            let session = &bound.session;
            session.wanted(&current.table, &current.places, since, now)
        });
    }

    /// The first of its cookies that this pool made; if it has only others, they are counted.
    fn cookie(&self, exchange: &Exchange, seal: &Seal, now_s: u64) -> Option<Bound> {
        let head = exchange.head_in.bytes();
        let fields = exchange.request.values(head, "cookie");
        let values = fields.flat_map(|field| key::cookies(field, seal.name()));
        let mut refused = None;
        for value in values.take(COOKIES_MAX) {
            match seal.open(value, now_s) {
                Ok(cookie) => return Some(cookie),
                Err(why) => refused = Some(why),
            }
        }
        self.ignored(refused);
        None
    }

    /// This claim of its token, if that is signed by one of the keys; one that is not is counted.
    fn signed(
        &self,
        exchange: &Exchange,
        keys: &TokenKeys,
        claim: &str,
        now_s: u64,
    ) -> Option<u64> {
        let head = exchange.head_in.bytes();
        let mut fields = exchange.request.values(head, "authorization");
        let token = fields.find_map(key::bearer)?;
        match keys.claims(token, now_s) {
            Ok(claims) => key::of_claim(&claims, claim),
            Err(why) => {
                self.ignored(Some(match why {
                    evenkeel_tls::Refused::Forged => Refused::Forged,
                    evenkeel_tls::Refused::Expired => Refused::Expired,
                }));
                None
            }
        }
    }

    fn ignored(&self, why: Option<Refused>) {
        let counters = &self.pool.counters().sessions;
        match why {
            Some(Refused::Forged) => counters.forged.inc(),
            Some(Refused::Expired) => counters.expired.inc(),
            None => {}
        }
    }

    /// The session that is kept here under this token.
    fn known(&self, token: u64, now_s: u64) -> Option<Bound> {
        let entry = self.pool.kept().find(token, now_s)?;
        Some(Bound {
            session: entry.session,
            ends_s: entry.ends_s,
            since_s: entry.since_s,
            counted: entry.counted,
            old_key: false,
        })
    }

    /// Where clients are known by a cookie of the application's: does this answer, whose head of `len` bytes is in
    /// `answer_in`, set it? Then the session goes on under the new value.
    pub(super) fn learn(&self, exchange: &mut Exchange, attempt: &Attempt, len: usize) {
        let sessions = attempt.current.sessions.as_ref();
        let Some(By::Token(KeySource::Cookie(name), _)) = sessions.map(|sessions| &sessions.by)
        else {
            return;
        };
        let head = &exchange.answer_in.bytes()[..len];
        let mut set = exchange.response.values(head, "set-cookie");
        let value = set.find_map(|field| {
            let pair = field.split(|&b| b == b';').next()?;
            key::cookies(pair, name).next()
        });
        // An empty one takes the cookie back.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let token = hash::key(value);
            if exchange.token.replace(token) != Some(token)
                && let Some(bound) = &mut exchange.bound
            {
                // What is kept under the old value goes by itself, and is counted until then.
                (bound.counted, bound.ends_s) = (false, 0);
            }
        }
    }

    /// This endpoint's answer is on its way to the client, its head complete in `down`: the session is here now. A failure is
    /// passed on without binding anybody to it.
    pub(super) fn bind(&self, exchange: &mut Exchange, attempt: &Attempt) {
        let current = &attempt.current;
        let Some(sessions) = &current.sessions else {
            return;
        };
        let nameless = matches!(sessions.by, By::Token(..)) && exchange.token.is_none();
        if nameless || is_failure(&current.table.retry, exchange.response.status()) {
            return;
        }
        let (now_s, _) = rt::wall();
        let Some((session, since_s)) = self.settled(exchange.bound, attempt, now_s) else {
            return;
        };
        let told = match (&sessions.by, exchange.token) {
            (By::Cookie(seal), _) => self.tell(exchange, seal, &session, since_s, now_s),
            (By::Token(..), Some(token)) => {
                let ends_s = now_s + sessions.ttl_s();
                let entry = Entry {
                    session,
                    since_s,
                    ends_s,
                    counted: true,
                };
                let gone = self.pool.kept().keep(token, entry, now_s);
                if let Some(gone) = gone.filter(|gone| gone.counted) {
                    self.uncount(attempt, gone.session.at, gone.ends_s);
                }
                true
            }
            (By::Token(..), None) => false,
        };
        if !told {
            return;
        }
        if let Some(before) = exchange.bound.filter(|before| before.counted) {
            self.uncount(attempt, before.session.at, before.ends_s);
        }
        let ttl_s = sessions.ttl_s();
        self.pool.live(attempt.row()).count(now_s + ttl_s, ttl_s, 1);
    }

    /// One session less at this endpoint, by name, of those that end then.
    fn uncount(&self, attempt: &Attempt, at: u64, ends_s: u64) {
        let current = &attempt.current;
        let index = current.places.find(at);
        if let (Some(index), Some(sessions)) = (index, &current.sessions) {
            let left = &current.table.endpoints[index];
            self.pool.live(left).count(ends_s, sessions.ttl_s(), -1);
        }
    }

    /// Gives the client a cookie. False: there is none to give.
    fn tell(
        &self,
        exchange: &mut Exchange,
        seal: &Seal,
        session: &Session,
        since_s: u64,
        now_s: u64,
    ) -> bool {
        let Some(value) = seal.seal(session, since_s, now_s) else {
            return false;
        };
        let secure = if self.is_secure(exchange) {
            "; Secure"
        } else {
            ""
        };
        let (name, ttl_s) = (seal.name(), seal.ttl_s());
        let cookie =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={ttl_s}{secure}");
        add_field(&mut exchange.down.data, "Set-Cookie", &cookie);
        true
    }

    /// The session after this answer, and since when it is there. `None`: what is known of it says so already.
    fn settled(
        &self,
        bound: Option<Bound>,
        attempt: &Attempt,
        now_s: u64,
    ) -> Option<(Session, u64)> {
        let by = session::name(&attempt.row().name);
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
