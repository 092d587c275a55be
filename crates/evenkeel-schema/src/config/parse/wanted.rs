//! What a key takes, and where a key belongs: the sentences that come from the lists of keys.

use evenkeel_core::settings::Decimal;

use super::address::{BIND_WANTED, OTHER_WANTED, TARGET_WANTED};
use super::report::Wrong;
use super::words::{one_of, tick};
use crate::config::keys::{Kind, ROOT, SIGNALS, TableDef, Word};
use crate::mistake::MistakeKind;
use crate::text::{self, DURATION_WANTED, NINES_WANTED, SHARE_WANTED, SIZE_WANTED};

pub(super) const NAME_WANTED: &str = "a name of 1 to 64 letters, digits, \"_\", \".\" and \"-\"";

/// A feature that is promised, but not in this build.
pub(super) fn not_built(what: &str) -> Wrong {
    Wrong::value(what, "what this build has")
        .kind(MistakeKind::NotBuilt)
        .hint(Some(format!("{what} is not in this build yet")))
}

/// A key that is none of this table but one of another.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let mut homes = Vec::new();
    find_key(&ROOT, name, &mut homes);
    (!homes.is_empty()).then(|| format!("{} is a key of {}", tick(name), homes.join(", ")))
}

/// The list of keys is a small tree, so this recursion ends where it does.
fn find_key(def: &'static TableDef, name: &str, homes: &mut Vec<String>) {
    if def.key(name).is_some() && !def.path.is_empty() {
        homes.push(match def.path {
            path @ ("listener" | "listener.tls" | "route" | "pool.NAME.endpoint") => {
                format!("[[{path}]]")
            }
            path => format!("[{path}]"),
        });
    }
    for key in def.keys {
        match key.kind {
            Kind::Table(def) | Kind::TextOr(def) | Kind::Tables(def) | Kind::Named(def) => {
                find_key(def, name, homes);
            }
            _ => {}
        }
    }
}

/// What a key takes, for a message.
pub(super) fn wanted(kind: Kind) -> String {
    let built = |words: &'static [Word]| one_of(words.iter().filter(|w| w.built).map(|w| w.name));
    match kind {
        Kind::Flag => "true or false".into(),
        Kind::Off => "false".into(),
        Kind::Number(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Numbers(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
            format!("one of {}", numbers.join(", "))
        }
        Kind::NumberOr(word, low, high) => {
            format!("{word:?}, or a whole number from {low} to {high}")
        }
        Kind::Duration(..) => DURATION_WANTED.into(),
        Kind::Size(..) => SIZE_WANTED.into(),
        Kind::Share(..) => SHARE_WANTED.into(),
        Kind::Decimal(low, high) => {
            let (low, high) = (text::decimal(Decimal(low)), text::decimal(Decimal(high)));
            format!("a number from {low} to {high}")
        }
        Kind::DecimalOr0(low, high) => format!("{}, or 0", wanted(Kind::Decimal(low, high))),
        Kind::Nines => NINES_WANTED.into(),
        Kind::Word(words) => built(words),
        Kind::Words(words) => format!("a list of {}", built(words)),
        Kind::Name => NAME_WANTED.into(),
        Kind::User => "a user's name".into(),
        Kind::Text => "a text".into(),
        Kind::Texts => "a list of texts".into(),
        Kind::TextMap => "a table of texts, like { \"name\" = \"value\" }".into(),
        Kind::Commands => {
            "a table of commands, like { \"flush\" = [\"./flush\", \"--all\"] }".into()
        }
        Kind::Signal => one_of(SIGNALS.iter().map(|(name, _)| *name)),
        Kind::Path => "a path".into(),
        Kind::Secret => "\"file:PATH\" or \"env:NAME\"".into(),
        Kind::Bind => BIND_WANTED.into(),
        Kind::Binds => format!("a list of addresses, each {}", BIND_WANTED),
        Kind::Target => TARGET_WANTED.into(),
        Kind::Targets => format!("a list of addresses, each {OTHER_WANTED}"),
        Kind::TextOr(_) => "a text or a table".into(),
        Kind::Table(_) => "a table".into(),
        Kind::Tables(_) => "a list of tables".into(),
        Kind::Named(_) => "tables by name".into(),
    }
}

/// What each item of a list is, for a message.
pub(super) fn wanted_item(kind: Kind) -> String {
    match kind {
        Kind::Binds => wanted(Kind::Bind),
        Kind::Targets => OTHER_WANTED.into(),
        _ => wanted(Kind::Text),
    }
}
