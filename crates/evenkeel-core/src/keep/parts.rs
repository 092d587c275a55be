//! Several parts of one list, each by its name.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::part::{self, Parts};

/// For `#[serde(with)]`.
pub(crate) fn serialize<T: Parts + ?Sized, S: Serializer>(
    parts: &[Box<T>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(parts.iter().map(|part| One(&**part)))
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, T: Parts + ?Sized, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Box<T>>, D::Error> {
    let read = Vec::<Owned<T>>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|one| one.0).collect())
}

struct One<'a, T: ?Sized>(&'a T);

impl<T: Parts + ?Sized> Serialize for One<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        part::write(self.0, serializer)
    }
}

struct Owned<T: ?Sized>(Box<T>);

impl<'de, T: Parts + ?Sized> Deserialize<'de> for Owned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Owned(part::deserialize(deserializer)?))
    }
}
