//! A part of a list behind a trait object: its name, then its own state. Its entry of the list knows how to read that back.

use erased_serde::Deserializer as Erased;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Reads the state of one kind of part.
pub(crate) type Revive<T> = fn(&mut dyn Erased<'_>) -> Result<Box<T>, erased_serde::Error>;

/// The state as its own type reads it.
pub(crate) fn revive<T: DeserializeOwned>(
    from: &mut dyn Erased<'_>,
) -> Result<Box<T>, erased_serde::Error> {
    erased_serde::deserialize(from).map(Box::new)
}

/// Implemented by the trait object of each list whose parts have state.
pub(crate) trait Parts: erased_serde::Serialize {
    /// The name of this one's entry.
    fn entry_name(&self) -> &'static str;
    /// How a part of this name is read; `None` if the list has none.
    fn reviver(name: &str) -> Option<Revive<Self>>;
}

/// For `#[serde(with)]`.
#[allow(clippy::borrowed_box)] // the signature is serde's
pub(crate) fn serialize<T: Parts + ?Sized, S: Serializer>(
    part: &Box<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    write(&**part, serializer)
}

pub(super) fn write<T: Parts + ?Sized, S: Serializer>(
    part: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(2)?;
    tuple.serialize_element(part.entry_name())?;
    tuple.serialize_element(&State(part))?;
    tuple.end()
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, T: Parts + ?Sized, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Box<T>, D::Error> {
    deserializer.deserialize_tuple(2, Named(PhantomData))
}

struct State<'a, T: ?Sized>(&'a T);

impl<T: Parts + ?Sized> serde::Serialize for State<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(self.0, serializer)
    }
}

struct Named<T: ?Sized>(PhantomData<T>);

impl<'de, T: Parts + ?Sized> Visitor<'de> for Named<T> {
    type Value = Box<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part's name and its state")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Box<T>, A::Error> {
        let short = || de::Error::invalid_length(2, &"a part's name and its state");
        let name: String = seq.next_element()?.ok_or_else(short)?;
        let Some(revive) = T::reviver(&name) else {
            return Err(de::Error::custom(format!("no part is called {name:?}")));
        };
        seq.next_element_seed(Revived(revive))?.ok_or_else(short)
    }
}

struct Revived<T: ?Sized>(Revive<T>);

impl<'de, T: ?Sized> DeserializeSeed<'de> for Revived<T> {
    type Value = Box<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Box<T>, D::Error> {
        (self.0)(&mut <dyn Erased<'_>>::erase(deserializer)).map_err(de::Error::custom)
    }
}
