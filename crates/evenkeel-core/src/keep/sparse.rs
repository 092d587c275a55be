//! Arrays that are mostly zeros: only what is not, with its place. A histogram of 85 buckets has five or ten.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// For `#[serde(with)]`.
pub(crate) fn serialize<T, const N: usize, S: Serializer>(
    array: &[T; N],
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    T: Copy + Default + PartialEq + Serialize,
{
    let zero = T::default();
    let some = array.iter().enumerate().filter(|(_, item)| **item != zero);
    serializer.collect_seq(some.collect::<Vec<_>>())
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, T, const N: usize, D>(
    deserializer: D,
) -> Result<Box<[T; N]>, D::Error>
where
    T: Copy + Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    let mut array = Box::new([T::default(); N]);
    for (place, item) in Vec::<(usize, T)>::deserialize(deserializer)? {
        let slot = array.get_mut(place);
        *slot.ok_or_else(|| de::Error::custom(format!("place {place} of {N}")))? = item;
    }
    Ok(array)
}
