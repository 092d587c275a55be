//! One table of the file, read by its list of keys: opening it finds the keys that are not known or not built, and what is
//! wrong with one value is said and passed over, so that the rest is still looked at. The values are read in `values`.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::report::{Report, Spot, Wrong};
use super::wanted::{NAME_WANTED, elsewhere, not_built, wanted};
use super::words::{nearest, one_key_of, quote, segment, show, tick};
use crate::config::keys::{Key, Kind, TableDef};
use crate::mistake::MistakeKind;
use crate::text::is_name;

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
pub(super) type Entry<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

pub(super) fn value_at<'t>(value: &'t Spanned<DeValue<'t>>, path: String) -> Value<'t> {
    let at = value.span().start;
    Found {
        value: value.get_ref(),
        spot: Spot { at, path },
    }
}

pub(super) fn text_at<'t>(key: &'t Spanned<DeString<'t>>, path: String) -> Text<'t> {
    let at = key.span().start;
    Found {
        value: key.get_ref(),
        spot: Spot { at, path },
    }
}

impl<T> Found<T> {
    pub(super) fn with<U>(self, value: U) -> Found<U> {
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
    /// The file itself, with the keys of its kind.
    pub(super) fn root(
        report: &'r Report<'r>,
        def: &'static TableDef,
        map: &'t DeTable<'t>,
    ) -> Table<'r, 't> {
        let spot = Spot {
            at: 0,
            path: String::new(),
        };
        Table::open(report, def, Some(map), spot)
    }

    pub(super) fn open(
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
            // One letter from `agents`, but hardly meant.
            _ if name == "agent" => {
                Some("that is a table of an agent's own file: `evenkeel agent FILE`".into())
            }
            _ if name == "listener" && self.spot.path.is_empty() => {
                Some("that is a table of a balancer's file: `evenkeel run FILE`".into())
            }
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
        let wanted = match key.kind {
            Kind::Tables(def) => format!("at least one [[{}]]", self.header(def, key.name)),
            _ => wanted(key.kind),
        };
        self.wrong(
            key.name,
            Wrong::value("nothing", wanted).kind(MistakeKind::Missing),
        );
    }

    fn header(&self, def: &TableDef, name: &str) -> String {
        match self.spot.path.as_str() {
            "" => def.path.to_owned(),
            // Which of the tables above it belongs to is said by its place: a header has no numbers.
            path => {
                let without = |part: &str| match part.split_once('[') {
                    Some((name, number)) if number.ends_with(']') => name.to_owned(),
                    _ => part.to_owned(),
                };
                let parts: Vec<String> = path.split('.').map(without).collect();
                format!("{}.{name}", parts.join("."))
            }
        }
    }

    /// Writes down that a value is of the wrong kind.
    pub(super) fn mismatch(&self, key: &Key, value: &Value<'t>, hint: Option<String>) {
        let wrong = Wrong::value(show(value.value), wanted(key.kind)).hint(hint);
        self.report.add(&value.spot, wrong);
    }

    /// A name by the rule for names.
    pub(super) fn name(&self, name: &str) -> Option<Text<'t>> {
        let text = self.text(name)?;
        self.check_name(&text).then_some(text)
    }

    /// Is it a name? It stands in URLs, metrics and commands, so it is kept plain.
    fn check_name(&self, text: &Text<'t>) -> bool {
        let good = is_name(text.value);
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

    /// Of those, the ones whose table has `inner`.
    pub(super) fn names_with(&self, name: &str, inner: &str) -> BTreeSet<&'t str> {
        let value = self.map.and_then(|map| map.get(name));
        let map = value.and_then(|value| value.get_ref().as_table());
        let has = |value: &DeValue<'_>| value.as_table().is_some_and(|t| t.contains_key(inner));
        map.into_iter()
            .flatten()
            .filter(|(_, value)| has(value.get_ref()))
            .map(|(name, _)| &**name.get_ref())
            .collect()
    }

    /// Does `true` stand under a key?
    pub(super) fn peek_flag(&self, name: &str) -> bool {
        let value = self.map.and_then(|map| map.get(name));
        value.is_some_and(|value| value.get_ref().as_bool() == Some(true))
    }

    /// A text that stands under a key, with no word about what is wrong with it.
    pub(super) fn peek(&self, name: &str) -> Option<&'t str> {
        self.map?.get(name)?.get_ref().as_str()
    }
}
