//! `[pool.NAME.recovery]`: what may be done, and who is told.

use std::path::Path;

use evenkeel_core::recover::actions;
use evenkeel_core::settings::{Messenger, RecoveryMode, RecoverySettings};

use super::report::Wrong;
use super::secret::{Secrets, secret};
use super::table::{Table, Text};
use super::words::quote;
use crate::config::Secret;
use crate::mistake::MistakeKind;

/// More than these are a distribution list, which is another program's work.
const MESSENGERS_MAX: usize = 16;
const WANTED: &str = "\"exec:/absolute/program\", or a URL that begins with https:// or http://";

pub(super) fn recovery(
    table: &Table<'_, '_>,
    secrets: Secrets,
) -> (RecoverySettings, Option<Secret>) {
    let defaults = RecoverySettings::default();
    let settings = RecoverySettings {
        mode: match table.word("mode") {
            Some("advise") => RecoveryMode::Advise,
            Some("off") => RecoveryMode::Off,
            _ => defaults.mode,
        },
        allow: table.words("allow").map_or(defaults.allow, |words| {
            let named = words.iter().filter_map(|word| actions::find(word));
            let mut allowed: Vec<_> = named.map(actions::Kept).collect();
            allowed.sort_unstable();
            allowed.dedup();
            allowed
        }),
        max_actions_per_hour: table
            .number("max_actions_per_hour")
            .unwrap_or(defaults.max_actions_per_hour),
        notify: messengers(table),
    };
    let secret = table.text("webhook_secret").and_then(|text| {
        let webhook = |m: &Messenger| matches!(m, Messenger::Webhook(_));
        if !settings.notify.iter().any(webhook) {
            let wrong = Wrong::value("a secret beside no webhook", "a URL in `notify` too");
            table.wrong("webhook_secret", wrong.kind(MistakeKind::Pair));
        }
        secret(&text, table.report, secrets)
    });
    (settings, secret)
}

fn messengers(table: &Table<'_, '_>) -> Vec<Messenger> {
    let texts = table.texts("notify").unwrap_or_default();
    if texts.len() > MESSENGERS_MAX {
        let found = format!("{} to be told", texts.len());
        let wrong = Wrong::value(found, format!("at most {MESSENGERS_MAX}"));
        table.wrong("notify", wrong);
    }
    let one = |text: &Text<'_>| {
        let found = messenger(text.value);
        if let Err(hint) = &found {
            // What may hold a password is not shown.
            let shown = match text.value.contains('@') {
                true => "a text that is not shown".to_owned(),
                false => quote(text.value),
            };
            let wrong = Wrong::value(shown, WANTED);
            table.report.add(&text.spot, wrong.hint(hint.clone()));
        }
        found.ok()
    };
    texts.iter().filter_map(one).take(MESSENGERS_MAX).collect()
}

fn messenger(text: &str) -> Result<Messenger, Option<String>> {
    if let Some(program) = text.strip_prefix("exec:") {
        if program.contains('\0') || !Path::new(program).is_absolute() {
            let hint = "it is run without a shell and without arguments: name the program's file by its whole path";
            return Err(Some(hint.into()));
        }
        return Ok(Messenger::Exec(program.into()));
    }
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    match rest {
        Some(rest) if printable && !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) => {
            if rest
                .split('/')
                .next()
                .is_some_and(|host| host.contains('@'))
            {
                let hint = "a password in a URL is shown wherever the URL is: sign with webhook_secret instead";
                return Err(Some(hint.into()));
            }
            Ok(Messenger::Webhook(text.into()))
        }
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{Kind, RECOVERY};

    #[test]
    fn every_action_has_its_word() {
        let Some(Kind::Words(words)) = RECOVERY.key("allow").map(|key| key.kind) else {
            panic!("allow takes words")
        };
        let words: Vec<_> = words.iter().map(|word| word.name).collect();
        let listed = actions::ACTIONS.iter().map(|action| action.part.name);
        assert_eq!(words, listed.collect::<Vec<_>>());
    }

    #[test]
    fn who_is_told_is_a_program_or_a_url_without_a_password() {
        assert!(matches!(
            messenger("exec:/usr/bin/page"),
            Ok(Messenger::Exec(_))
        ));
        assert!(matches!(
            messenger("https://hooks.example.com/x?y=1"),
            Ok(Messenger::Webhook(_))
        ));
        for wrong in [
            "exec:page",
            "exec:",
            "page",
            "https://",
            "https:///x",
            "ftp://x/",
            "https://a b/",
            "https://me:secret@x/",
        ] {
            assert!(messenger(wrong).is_err(), "{wrong}");
        }
    }
}
