//! Readers of one value each, for [`Table`]: numbers, durations, sizes, shares, words, texts. Each says what is wrong and
//! answers nothing, or the default it was given.

use std::time::Duration;

use evenkeel_core::settings::{Decimal, Nines, Share};
use toml::de::DeValue;

use super::report::Wrong;
use super::table::{Entry, Table, Text, Value, text_at, value_at};
use super::wanted::{not_built, wanted, wanted_item};
use super::words::{did_you_mean, one_of, segment, show};
use crate::config::keys::{Key, Kind, Word};
use crate::text::{self, parse_decimal, parse_duration, parse_nines, parse_share, parse_size};

impl<'r, 't> Table<'r, 't> {
    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        match (key.kind, value.value) {
            (Kind::Off, DeValue::Boolean(true)) => {
                self.report
                    .add(&value.spot, not_built(&format!("`{name} = true`")));
            }
            (_, DeValue::Boolean(flag)) => return *flag,
            _ => {
                let hint = match value.value.as_str() {
                    Some("true" | "yes" | "on") if matches!(key.kind, Kind::Off) => None,
                    Some("true" | "yes" | "on") => Some("write true, without quotes".to_owned()),
                    Some("false" | "no" | "off") => Some("write false, without quotes".to_owned()),
                    _ => None,
                };
                self.mismatch(key, &value, hint);
            }
        }
        default
    }

    /// A whole number within the key's limits.
    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        let (key, value) = self.get(name)?;
        let fits = |n: &u64| match key.kind {
            Kind::Number(low, high) | Kind::NumberOr(_, low, high) => (low..=high).contains(n),
            Kind::Numbers(numbers) => numbers.contains(n),
            other => unreachable!("{name} is no number but {other:?}"),
        };
        if let (Kind::NumberOr(word, ..), Some(text)) = (key.kind, value.value.as_str())
            && word == text
        {
            return None;
        }
        let integer = value.value.as_integer();
        let found = integer.and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        match found.filter(fits) {
            Some(number) => T::try_from(number).ok(),
            None => {
                let number = value.value.as_str().and_then(|s| s.parse::<u64>().ok());
                let hint = number.map(|number| format!("write {number}, without quotes"));
                self.mismatch(key, &value, hint);
                None
            }
        }
    }

    /// A duration within the key's limits.
    pub(super) fn duration(&self, name: &str, default: Duration) -> Duration {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        let Kind::Duration(low, high) = key.kind else {
            unreachable!("{name} is no duration")
        };
        let hint = match value.value {
            DeValue::String(text) => match parse_duration(text) {
                Ok(found) if (low..=high).contains(&found) => return found,
                Ok(_) => Some(format!(
                    "it must be {} to {}",
                    text::duration(low),
                    text::duration(high)
                )),
                Err(hint) => hint,
            },
            DeValue::Integer(n) => Some(format!("add a unit: \"{n}s\" or \"{n}ms\"")),
            _ => None,
        };
        self.mismatch(key, &value, hint);
        default
    }

    /// A size in bytes within the key's limits.
    pub(super) fn size(&self, name: &str, default: u64) -> u64 {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        let Kind::Size(low, high) = key.kind else {
            unreachable!("{name} is no size")
        };
        let hint = match value.value {
            DeValue::String(text) => match parse_size(text) {
                Ok(found) if (low..=high).contains(&found) => return found,
                Ok(_) => Some(format!(
                    "it must be {} to {}",
                    text::size(low),
                    text::size(high)
                )),
                Err(hint) => hint,
            },
            DeValue::Integer(n) => {
                Some(format!("write it as a text: \"{n}\" bytes, or with a unit"))
            }
            _ => None,
        };
        self.mismatch(key, &value, hint);
        default
    }

    /// A share within the key's limits.
    pub(super) fn share(&self, name: &str, default: Share) -> Share {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        let Kind::Share(low, high) = key.kind else {
            unreachable!("{name} is no share")
        };
        let (low, high) = (Share::percent(low), Share::percent(high));
        let hint = match value.value {
            DeValue::String(text) => match parse_share(text) {
                Ok(found) if (low..=high).contains(&found) => return found,
                Ok(_) => Some(format!(
                    "it must be {} to {}",
                    text::share(low),
                    text::share(high)
                )),
                Err(hint) => hint,
            },
            DeValue::Integer(n) => Some(format!("did you mean \"{n}%\"?")),
            _ => None,
        };
        self.mismatch(key, &value, hint);
        default
    }

    /// A number with up to three decimals within the key's limits, or 0 where that is one of them.
    pub(super) fn decimal(&self, name: &str, default: Decimal) -> Decimal {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        let fits = |found: Decimal| match key.kind {
            Kind::Decimal(low, high) => (low..=high).contains(&found.0),
            Kind::DecimalOr0(low, high) => found.0 == 0 || (low..=high).contains(&found.0),
            _ => unreachable!("{name} is no decimal"),
        };
        let written = match value.value {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            _ => None,
        };
        let found = written.as_deref().map(parse_decimal);
        match found {
            Some(Ok(found)) if fits(found) => return found,
            Some(Err(hint)) => self.mismatch(key, &value, hint),
            Some(Ok(_)) => self.mismatch(key, &value, None),
            None => {
                let text = value.value.as_str();
                let number = text.filter(|text| parse_decimal(text).is_ok());
                let hint = number.map(|number| format!("write {number}, without quotes"));
                self.mismatch(key, &value, hint);
            }
        }
        default
    }

    /// A share near to one.
    pub(super) fn nines(&self, name: &str, default: Nines) -> Nines {
        let Some((key, value)) = self.get(name) else {
            return default;
        };
        let hint = match value.value {
            DeValue::String(text) => match parse_nines(text) {
                Ok(found) => return found,
                Err(hint) => hint,
            },
            DeValue::Integer(_) | DeValue::Float(_) => {
                Some(format!("did you mean \"{}%\"?", show(value.value)))
            }
            _ => None,
        };
        self.mismatch(key, &value, hint);
        default
    }

    /// One of the key's words.
    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        let (key, value) = self.get(name)?;
        let Kind::Word(words) = key.kind else {
            unreachable!("{name} is no word")
        };
        self.one_word(key, words, &value)
    }

    /// Some of the key's words.
    pub(super) fn words(&self, name: &str) -> Option<Vec<&'static str>> {
        let (key, value) = self.get(name)?;
        let Kind::Words(words) = key.kind else {
            unreachable!("{name} are no words")
        };
        let items = self.items(key, &value)?;
        Some(
            items
                .iter()
                .filter_map(|item| self.one_word(key, words, item))
                .collect(),
        )
    }

    fn one_word(
        &self,
        key: &Key,
        words: &'static [Word],
        value: &Value<'t>,
    ) -> Option<&'static str> {
        let built = words.iter().filter(|word| word.built);
        let wrong = Wrong::value(show(value.value), one_of(built.map(|word| word.name)));
        let DeValue::String(text) = value.value else {
            let shown = show(value.value);
            let quoted = words.iter().any(|word| word.name == shown);
            let hint = quoted.then(|| format!("write it in quotes: {shown:?}"));
            self.report.add(&value.spot, wrong.hint(hint));
            return None;
        };
        match words.iter().find(|word| word.name == text) {
            Some(word) if word.built => Some(word.name),
            Some(word) => {
                let what = format!("`{} = {:?}`", key.name, word.name);
                self.report.add(&value.spot, not_built(&what));
                None
            }
            None => {
                let hint = did_you_mean(text, words.iter().map(|word| word.name));
                self.report.add(&value.spot, wrong.hint(hint));
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<Text<'t>> {
        let (key, value) = self.get(name)?;
        self.as_text(key, value)
    }

    /// A text, or the key's table.
    pub(super) fn text_or_table(&self, name: &str) -> Option<Result<Text<'t>, Table<'r, 't>>> {
        let (key, value) = self.get(name)?;
        match (key.kind, value.value) {
            (Kind::TextOr(def), DeValue::Table(map)) => {
                Some(Err(Table::open(self.report, def, Some(map), value.spot)))
            }
            _ => self.as_text(key, value).map(Ok),
        }
    }

    fn as_text(&self, key: &Key, value: Value<'t>) -> Option<Text<'t>> {
        match value.value {
            DeValue::String(text) => Some(value.with(&**text)),
            // What should be a reference to a secret may be the secret itself.
            _ if matches!(key.kind, Kind::Secret) => {
                let wrong = Wrong::value("a value that is not shown", wanted(key.kind));
                self.report.add(&value.spot, wrong);
                None
            }
            _ => {
                let number = value.value.is_integer() && matches!(key.kind, Kind::Text);
                let hint = number.then(|| format!("write it in quotes: \"{}\"", show(value.value)));
                self.mismatch(key, &value, hint);
                None
            }
        }
    }

    /// A list of texts; `None` if it is not given.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Text<'t>>> {
        let (key, value) = self.get(name)?;
        let items = self.items(key, &value)?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.value {
                DeValue::String(text) => texts.push(item.with(&**text)),
                _ => {
                    let wrong = Wrong::value(show(item.value), wanted_item(key.kind));
                    self.report.add(&item.spot, wrong);
                }
            }
        }
        Some(texts)
    }

    /// A table of lists of texts, each with its key; sorted by key.
    pub(super) fn text_lists(&self, name: &str) -> Vec<(Text<'t>, Vec<Text<'t>>)> {
        let Some((key, value)) = self.get(name) else {
            return Vec::new();
        };
        let DeValue::Table(map) = value.value else {
            self.mismatch(key, &value, None);
            return Vec::new();
        };
        let entry = |(name, item): Entry<'t>| {
            let path = format!("{}.{}", value.spot.path, segment(name.get_ref()));
            let item = value_at(item, path.clone());
            let texts = self.items(key, &item)?;
            let as_text = |item: Value<'t>| match item.value {
                DeValue::String(text) => Some(item.with(&**text)),
                _ => {
                    let wrong = Wrong::value(show(item.value), "a text");
                    self.report.add(&item.spot, wrong);
                    None
                }
            };
            let texts = texts.into_iter().filter_map(as_text).collect();
            Some((text_at(name, path), texts))
        };
        map.iter().filter_map(entry).collect()
    }

    fn items(&self, key: &Key, value: &Value<'t>) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(array) = value.value else {
            let hint = value
                .value
                .as_str()
                .map(|text| write_a_list(key.name, text));
            self.mismatch(key, value, hint);
            return None;
        };
        let path = |n: usize| format!("{}[{}]", value.spot.path, n + 1);
        let items = array.iter().enumerate();
        Some(items.map(|(n, item)| value_at(item, path(n))).collect())
    }

    /// A table of texts, each with its key; sorted by key.
    pub(super) fn text_map(&self, name: &str) -> Vec<(Text<'t>, Text<'t>)> {
        let Some((key, value)) = self.get(name) else {
            return Vec::new();
        };
        let DeValue::Table(map) = value.value else {
            self.mismatch(key, &value, None);
            return Vec::new();
        };
        let entry = |(name, item): Entry<'t>| {
            let path = format!("{}.{}", value.spot.path, segment(name.get_ref()));
            let item = value_at(item, path.clone());
            let name = text_at(name, path);
            let DeValue::String(text) = item.value else {
                let wrong = Wrong::value(show(item.value), "a text");
                self.report.add(&item.spot, wrong);
                return None;
            };
            Some((name, item.with(&**text)))
        };
        map.iter().filter_map(entry).collect()
    }
}

/// A command was probably meant as a shell takes it apart; any other text is one item.
fn write_a_list(key: &str, text: &str) -> String {
    let words: Vec<&str> = match key {
        "command" if !text.contains(['"', '\'', '\\', '$']) => text.split_whitespace().collect(),
        _ => vec![text],
    };
    format!("write a list: {words:?}")
}
