//! `[pool.NAME.session]`: by what clients are known again.

use super::policy::is_name;
use super::report::Wrong;
use super::secret::{Secrets, keys};
use super::table::Table;
use super::words::quote;
use crate::config::Session;

/// `tcp`: the pool's requests are bytes of which nothing is known.
pub(super) fn session(pool: &Table<'_, '_>, tcp: bool, secrets: Secrets) -> Option<Session> {
    if tcp {
        let hint = "it is the pool of a tcp listener, and bytes carry no cookie";
        pool.refuse(
            &["session"],
            "nothing where bytes are passed on",
            Some(hint),
        );
    }
    let table = pool.table_if_given("session")?;
    let defaults = Session::default();
    table.word("kind");
    let name = table.text("name");
    if let Some(text) = name.as_ref().filter(|text| !is_name(text.value)) {
        let wanted = "the name of a cookie: letters, digits and \"!#$%&'*+-.^_`|~\"";
        table
            .report
            .add(&text.spot, Wrong::value(quote(text.value), wanted));
    }
    let secret = table.text("secret");
    Some(Session {
        name: name.map_or(defaults.name, |text| text.value.to_owned()),
        ttl: table.duration("ttl", defaults.ttl),
        keys: secret.and_then(|text| keys(&text, table.report, secrets)),
    })
}
