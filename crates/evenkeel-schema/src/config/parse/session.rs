//! `[pool.NAME.session]`: by what clients are known again.

use std::time::Duration;

use evenkeel_core::settings::KeySource;

use super::policy::{is_name, source_of};
use super::report::Wrong;
use super::secret::{Secrets, judged, keys};
use super::table::Table;
use super::words::quote;
use crate::config::{LookAtTls, Secret, Session, SessionBy};
use crate::mistake::MistakeKind;

/// As long as what most applications keep of somebody who says nothing.
const TTL: Duration = Duration::from_secs(3600);
/// The name of evenkeel's own cookie.
const COOKIE: &str = "evenkeel";

/// `tcp`: the pool's requests are bytes of which nothing is known.
pub(super) fn session(
    pool: &Table<'_, '_>,
    tcp: bool,
    (secrets, look): (Secrets, &dyn LookAtTls),
) -> Option<Session> {
    if tcp {
        let hint = "it is the pool of a tcp listener: balance = \"source_ip\" keeps an address with an endpoint";
        pool.refuse(
            &["session"],
            "nothing where bytes are passed on",
            Some(hint),
        );
    }
    let table = pool.table_if_given("session")?;
    let by = match table.word("kind") {
        Some("token") => token(&table),
        Some("source_ip") => {
            let hint = "a client is known by its address";
            table.refuse(
                &["name", "secret"],
                "none beside kind = \"source_ip\"",
                Some(hint),
            );
            Some(SessionBy::Token(KeySource::SourceIp))
        }
        _ => Some(cookie(&table, secrets)),
    };
    let ttl = table.duration("ttl", TTL);
    let jwt_key = jwt_key(&table, by.as_ref(), secrets, look);
    by.map(|by| Session { by, ttl, jwt_key })
}

/// Only where a token has a signature.
fn jwt_key(
    table: &Table<'_, '_>,
    by: Option<&SessionBy>,
    secrets: Secrets,
    look: &dyn LookAtTls,
) -> Option<Secret> {
    if !matches!(by, None | Some(SessionBy::Token(KeySource::Jwt(_)))) {
        let hint = "only such a token is signed";
        let wanted = "none but beside kind = \"token\" and name = \"jwt:CLAIM\"";
        table.refuse(&["jwt_key"], wanted, Some(hint));
        return None;
    }
    let text = table.text("jwt_key")?;
    judged(&text, table.report, secrets, |key| look.token_keys(key))
}

fn cookie(table: &Table<'_, '_>, secrets: Secrets) -> SessionBy {
    let name = table.text("name");
    if let Some(text) = name.as_ref().filter(|text| !is_name(text.value)) {
        let wanted = "the name of a cookie: letters, digits and \"!#$%&'*+-.^_`|~\"";
        table
            .report
            .add(&text.spot, Wrong::value(quote(text.value), wanted));
    }
    let secret = table.text("secret");
    SessionBy::Cookie {
        name: name.map_or(COOKIE, |text| text.value).to_owned(),
        keys: secret.and_then(|text| keys(&text, table.report, secrets)),
    }
}

fn token(table: &Table<'_, '_>) -> Option<SessionBy> {
    const WANTED: &str = "\"header:NAME\", \"cookie:NAME\", \"query:NAME\" or \"jwt:CLAIM\"";
    let hint = "it seals evenkeel's own cookies: kind = \"cookie\"";
    table.refuse(&["secret"], "none beside kind = \"token\"", Some(hint));
    let Some(text) = table.text("name") else {
        if !table.has("name") {
            let wrong = Wrong::value("nothing", WANTED).kind(MistakeKind::Missing);
            table.wrong("name", wrong.hint("where the token is found".to_owned()));
        }
        return None;
    };
    let found = source_of(text.value);
    let found = found.filter(|source| !matches!(source, KeySource::SourceIp | KeySource::Path));
    if found.is_none() {
        table
            .report
            .add(&text.spot, Wrong::value(quote(text.value), WANTED));
    }
    found.map(SessionBy::Token)
}
