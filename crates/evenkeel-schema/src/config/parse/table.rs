//! Reads one table of the file by its list of keys: opening it finds the keys that are not known or not built, each reader
//! below finds what is wrong with one value, says so, and answers the default so that the rest is still looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::settings::Share;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::report::{Report, Spot, Wrong};
use super::wanted::{NAME_WANTED, elsewhere, not_built, wanted};
use super::words::{did_you_mean, nearest, one_key_of, one_of, quote, segment, show, tick};
use crate::config::keys::{Key, Kind, ROOT, TableDef, Word};
use crate::mistake::MistakeKind;
use crate::text::{self, parse_duration, parse_share, parse_size};

/// Something of the file and where it stands.
#[derive(Clone)]
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

/// A value of any kind.
pub(super) type Value<'t> = Found<&'t DeValue<'t>>;
/// A text.
pub(super) type Text<'t> = Found<&'t str>;
/// A key and its value, as the map holds them.
type Entry<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

fn value_at<'t>(value: &'t Spanned<DeValue<'t>>, path: String) -> Value<'t> {
    let at = value.span().start;
    Found {
        value: value.get_ref(),
        spot: Spot { at, path },
    }
}

fn text_at<'t>(key: &'t Spanned<DeString<'t>>, path: String) -> Text<'t> {
    let at = key.span().start;
    Found {
        value: key.get_ref(),
        spot: Spot { at, path },
    }
}

impl<T> Found<T> {
    fn with<U>(self, value: U) -> Found<U> {
        Found {
            value,
            spot: self.spot,
        }
    }
}

/// A table of the file, or the place where it could be.
pub(super) struct Table<'r, 't> {
    pub(super) report: &'r Report<'r>,
    def: &'static TableDef,
    map: Option<&'t DeTable<'t>>,
    /// Its header, or where it begins.
    pub(super) spot: Spot,
}

impl<'r, 't> Table<'r, 't> {
    /// The file itself.
    pub(super) fn root(report: &'r Report<'r>, map: &'t DeTable<'t>) -> Table<'r, 't> {
        let spot = Spot {
            at: 0,
            path: String::new(),
        };
        Table::open(report, &ROOT, Some(map), spot)
    }

    fn open(
        report: &'r Report<'r>,
        def: &'static TableDef,
        map: Option<&'t DeTable<'t>>,
        spot: Spot,
    ) -> Table<'r, 't> {
        let table = Table {
            report,
            def,
            map,
            spot,
        };
        for (name, value) in map.into_iter().flatten() {
            let spot = Spot {
                at: name.span().start,
                path: table.join(name.get_ref()),
            };
            match def.key(name.get_ref()) {
                Some(key) if !key.built => report.add(&spot, not_built(&tick(key.name))),
                Some(_) => {}
                None => report.add(&spot, table.unknown(name.get_ref(), value.get_ref())),
            }
        }
        table
    }

    fn unknown(&self, name: &str, _value: &DeValue<'_>) -> Wrong {
        let known = || {
            self.def
                .keys
                .iter()
                .filter(|key| key.built)
                .map(|key| key.name)
        };
        let hint = match nearest(name, self.def.keys.iter().map(|key| key.name)) {
            Some(near) => Some(format!("did you mean {}?", tick(near))),
            None => elsewhere(name),
        };
        Wrong::value(format!("unknown key {}", tick(name)), one_key_of(known()))
            .kind(MistakeKind::UnknownKey)
            .hint(hint)
    }

    fn join(&self, name: &str) -> String {
        match self.spot.path.as_str() {
            "" => segment(name),
            path => format!("{path}.{}", segment(name)),
        }
    }

    /// Where a key stands, for what is wrong with its being there at all; the table's own place if it is not.
    pub(super) fn place(&self, name: &str) -> Spot {
        let found = self.map.and_then(|map| map.get_key_value(name));
        Spot {
            at: found.map_or(self.spot.at, |(key, _)| key.span().start),
            path: self.join(name),
        }
    }

    /// Where a key's value stands.
    pub(super) fn value_place(&self, name: &str) -> Spot {
        let found = self.map.and_then(|map| map.get(name));
        Spot {
            at: found.map_or(self.spot.at, |value| value.span().start),
            path: self.join(name),
        }
    }

    /// Is this key given?
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.is_some_and(|map| map.contains_key(name))
    }

    /// Writes down what is wrong with a key being there, or not there.
    pub(super) fn wrong(&self, name: &str, wrong: Wrong) {
        self.report.add(&self.place(name), wrong);
    }

    /// These keys may not stand here: `wanted` says where they may.
    pub(super) fn refuse(&self, names: &[&'static str], wanted: &str, hint: Option<&str>) {
        for name in names.iter().filter(|name| self.has(name)) {
            let wrong = Wrong::value(tick(name), wanted).kind(MistakeKind::Pair);
            self.wrong(name, wrong.hint(hint.map(str::to_owned)));
        }
    }

    fn key(&self, name: &str) -> &'static Key {
        let key = self.def.key(name);
        key.unwrap_or_else(|| {
            unreachable!("{} is read but not in the list of {}", name, self.def.path)
        })
    }

    /// The value of a key, if it is given and built; says so if it must be given and is not.
    pub(super) fn get(&self, name: &str) -> Option<(&'static Key, Value<'t>)> {
        let key = self.key(name);
        let value = self.map.and_then(|map| map.get(name)).filter(|_| key.built);
        if value.is_none() && key.required {
            self.missing(key);
        }
        value.map(|value| (key, value_at(value, self.join(name))))
    }

    fn missing(&self, key: &Key) {
        let wrong = Wrong::value("nothing", wanted(key)).kind(MistakeKind::Missing);
        let hint = match key.kind {
            Kind::Tables(def) => Some(format!("add [[{}]]", self.header(def, key.name))),
            _ => None,
        };
        self.wrong(key.name, wrong.hint(hint));
    }

    fn header(&self, def: &TableDef, name: &str) -> String {
        match self.spot.path.as_str() {
            "" => def.path.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// Writes down that a value is of the wrong kind.
    fn mismatch(&self, key: &Key, value: &Value<'t>, hint: Option<String>) {
        let wrong = Wrong::value(show(value.value), wanted(key)).hint(hint);
        self.report.add(&value.spot, wrong);
    }

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
                let wrong = Wrong::value("a value that is not shown", wanted(key));
                self.report.add(&value.spot, wrong);
                None
            }
            _ => {
                self.mismatch(key, &value, None);
                None
            }
        }
    }

    /// A list of texts; `None` if it is not given.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<Text<'t>>> {
        let (key, value) = self.get(name)?;
        let items = self.items(key, &value)?;
        Some(
            items
                .into_iter()
                .filter_map(|item| self.as_text(key, item))
                .collect(),
        )
    }

    fn items(&self, key: &Key, value: &Value<'t>) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(array) = value.value else {
            let hint = value
                .value
                .as_str()
                .map(|text| format!("write a list: [{text:?}]"));
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

    /// A name by the rule for names.
    pub(super) fn name(&self, name: &str) -> Option<Text<'t>> {
        let text = self.text(name)?;
        self.check_name(&text).then_some(text)
    }

    /// Is it a name? It stands in URLs, metrics and commands, so it is kept plain.
    fn check_name(&self, text: &Text<'t>) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let first = text.value.bytes().next();
        let good = text.value.len() <= NAME_MAX
            && text.value.bytes().all(plain)
            && first.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !good {
            let found = quote(text.value);
            self.report
                .add(&text.spot, Wrong::value(found, NAME_WANTED));
        }
        good
    }

    /// The key's table; where it is left out one in which nothing is given.
    pub(super) fn table(&self, name: &str) -> Table<'r, 't> {
        self.table_if_given(name).unwrap_or_else(|| {
            let Kind::Table(def) = self.key(name).kind else {
                unreachable!("{name} is no table")
            };
            Table {
                report: self.report,
                def,
                map: None,
                spot: Spot {
                    at: self.spot.at,
                    path: self.join(name),
                },
            }
        })
    }

    /// The key's table, if it is given.
    pub(super) fn table_if_given(&self, name: &str) -> Option<Table<'r, 't>> {
        let (key, value) = self.get(name)?;
        let Kind::Table(def) = key.kind else {
            unreachable!("{name} is no table")
        };
        let DeValue::Table(map) = value.value else {
            let list = matches!(value.value, DeValue::Array(_));
            let hint = format!("write [{}]", self.header(def, name));
            self.mismatch(key, &value, list.then_some(hint));
            return None;
        };
        Some(Table::open(self.report, def, Some(map), value.spot))
    }

    /// The key's tables, in the order of the file.
    pub(super) fn tables(&self, name: &str) -> Vec<Table<'r, 't>> {
        let Some((key, value)) = self.get(name) else {
            return Vec::new();
        };
        let Kind::Tables(def) = key.kind else {
            unreachable!("{name} are no tables")
        };
        let DeValue::Array(array) = value.value else {
            let one = matches!(value.value, DeValue::Table(_));
            let hint = format!("write [[{}]]", self.header(def, name));
            self.mismatch(key, &value, one.then_some(hint));
            return Vec::new();
        };
        if array.is_empty() && key.required {
            self.missing(key);
        }
        let open = |(n, item)| {
            let path = format!("{}[{}]", value.spot.path, n + 1);
            let item = value_at(item, path);
            let DeValue::Table(map) = item.value else {
                let wrong = Wrong::value(show(item.value), "a table");
                self.report.add(&item.spot, wrong);
                return None;
            };
            Some(Table::open(self.report, def, Some(map), item.spot))
        };
        array.iter().enumerate().filter_map(open).collect()
    }

    /// The key's tables by name, sorted by name.
    pub(super) fn named(&self, name: &str) -> Vec<(Arc<str>, Table<'r, 't>)> {
        let Some((key, value)) = self.get(name) else {
            return Vec::new();
        };
        let Kind::Named(def) = key.kind else {
            unreachable!("{name} are no named tables")
        };
        let DeValue::Table(map) = value.value else {
            let hint = format!("write [{}]", def.path);
            self.mismatch(key, &value, Some(hint));
            return Vec::new();
        };
        let open = |(name, item): Entry<'t>| {
            let path = format!("{}.{}", value.spot.path, segment(name.get_ref()));
            let named = text_at(name, path.clone());
            let item = value_at(item, path);
            let DeValue::Table(map) = item.value else {
                let hint = format!("write [{}]", def.path);
                let wrong = Wrong::value(show(item.value), "a table").hint(Some(hint));
                self.report.add(&named.spot, wrong);
                return None;
            };
            self.check_name(&named);
            Some((
                named.value.into(),
                Table::open(self.report, def, Some(map), item.spot),
            ))
        };
        map.iter().filter_map(open).collect()
    }

    /// The names under a key, whatever stands there: for what refers to them.
    pub(super) fn names(&self, name: &str) -> BTreeSet<&'t str> {
        let value = self.map.and_then(|map| map.get(name));
        let map = value.and_then(|value| value.get_ref().as_table());
        map.into_iter()
            .flatten()
            .map(|(name, _)| &**name.get_ref())
            .collect()
    }

    /// A text that stands under a key, with no word about what is wrong with it.
    pub(super) fn peek(&self, name: &str) -> Option<&'t str> {
        self.map?.get(name)?.get_ref().as_str()
    }
}

/// Longer names make no label and no line of a table.
const NAME_MAX: usize = 64;
