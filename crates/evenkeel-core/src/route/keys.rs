//! A small read-only hash table from (owner, text) to what is filed there.
//!
//! `HashMap` is banned here for its random order, and it could not do what the route table needs: look a text up by a hash
//! that grew segment by segment, so that all suffixes of a host or all prefixes of a path cost one pass. Keys come from the
//! configuration, never from clients, so nobody can choose them to collide; a lookup is bounded by the longest run of
//! occupied slots, and half of the slots stay free.
//!
//! A search touches at most three places in memory for each key it finds: a slot, the key with its value beside it, and
//! the text. That is what keeps ten thousand routes as cheap as ten, where all of it lies in the nearest cache anyway.

/// A hash that grows segment by segment: eight bytes at a time, each multiplied into both halves of 128 bits and folded
/// (the step of wyhash).
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) const START: Hash = Hash(0xa076_1d64_78bd_642f);

    /// Adds one segment. The same bytes in other segments are another hash.
    pub(super) fn add(&mut self, segment: &[u8]) {
        let (words, rest) = segment.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word), 0xe703_7ed1_a0b4_28db);
        }
        self.fold(
            last_word(rest),
            0x8ebc_6af0_9c88_c6e3 ^ segment.len() as u64,
        );
    }

    fn fold(&mut self, word: u64, salt: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(salt);
        self.0 = self.0.rotate_left(23) ^ product as u64 ^ (product >> 64) as u64;
    }

    /// Mixed with the owner, so that every bit of the sum depends on every byte (the end of MurmurHash3).
    fn mixed(self, owner: u32) -> u64 {
        let mut h = self.0 ^ (u64::from(owner) << 32 | u64::from(owner));
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^ (h >> 33)
    }
}

/// At most seven bytes as a number. Overlapping reads: a copy of a length that is not known would be a call.
fn last_word(rest: &[u8]) -> u64 {
    match rest {
        [a, b, c, d, ..] => {
            let first = u32::from_le_bytes([*a, *b, *c, *d]);
            let last = rest.last_chunk::<4>().map_or(0, |l| u32::from_le_bytes(*l));
            u64::from(first) << 32 | u64::from(last)
        }
        [a, b, c] => u64::from(*a) << 16 | u64::from(*b) << 8 | u64::from(*c),
        [a, b] => u64::from(*a) << 8 | u64::from(*b),
        [a] => u64::from(*a),
        [] => 0,
    }
}

/// Which lengths of keys there are: most prefixes of a path have none, and need no look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    /// Bit n: length n; the last one stands for all from 63 on. Two halves, so that it packs well.
    seen: [u32; 2],
    longest: u32,
}

impl Lengths {
    pub(super) fn add(&mut self, length: usize) {
        let bit = length.min(63);
        self.seen[bit / 32] |= 1 << (bit % 32);
        self.longest = self.longest.max(length as u32);
    }

    pub(super) fn has(self, length: usize) -> bool {
        let bit = length.min(63);
        self.seen[bit / 32] >> (bit % 32) & 1 != 0
    }

    pub(super) fn longest(self) -> usize {
        self.longest as usize
    }
}

/// One slot: part of the hash, so that most misses need not look further, and the entry's number plus one (0 = free).
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    entry: u32,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    owner: u32,
    /// Where its text lies in `texts`.
    start: u32,
    length: u32,
    value: V,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Keys<V> {
    slots: Vec<Slot>,
    entries: Vec<Entry<V>>,
    /// Of each entry, mixed; kept because a growing table has to place it again.
    hashes: Vec<u64>,
    /// All texts, one after the other.
    texts: Vec<u8>,
}

impl<V> Default for Keys<V> {
    fn default() -> Keys<V> {
        Keys {
            slots: Vec::new(),
            entries: Vec::new(),
            hashes: Vec::new(),
            texts: Vec::new(),
        }
    }
}

impl<V> Keys<V> {
    /// What is filed under this key.
    pub(super) fn find(&self, hash: Hash, owner: u32, text: &[u8]) -> Option<&V> {
        let number = self.position(hash.mixed(owner), owner, text)?;
        Some(&self.entries[number].value)
    }

    fn position(&self, hash: u64, owner: u32, text: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.entry == 0 {
                return None;
            }
            let number = slot.entry as usize - 1;
            if slot.tag == (hash >> 32) as u32 {
                let entry = &self.entries[number];
                let own = entry.start as usize..(entry.start + entry.length) as usize;
                if entry.owner == owner && self.texts[own] == *text {
                    return Some(number);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// What is filed under this key; `new` if there was nothing yet.
    pub(super) fn entry(
        &mut self,
        hash: Hash,
        owner: u32,
        text: &[u8],
        new: impl FnOnce() -> V,
    ) -> &mut V {
        let hash = hash.mixed(owner);
        let number = self.position(hash, owner, text).unwrap_or_else(|| {
            self.insert(hash, owner, text, new());
            self.entries.len() - 1
        });
        &mut self.entries[number].value
    }

    fn insert(&mut self, hash: u64, owner: u32, text: &[u8], value: V) {
        self.entries.push(Entry {
            owner,
            start: self.texts.len() as u32,
            length: text.len() as u32,
            value,
        });
        self.hashes.push(hash);
        self.texts.extend_from_slice(text);
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            (0..self.entries.len()).for_each(|number| self.place(number));
        } else {
            self.place(self.entries.len() - 1);
        }
    }

    fn place(&mut self, number: usize) {
        let hash = self.hashes[number];
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].entry != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = Slot {
            tag: (hash >> 32) as u32,
            entry: number as u32 + 1,
        };
    }
}

/// Bytes of one key with what is filed there.
#[cfg(test)]
pub(super) const fn entry_size<V>() -> usize {
    size_of::<Entry<V>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Hash {
        let mut hash = Hash::START;
        hash.add(text.as_bytes());
        hash
    }

    #[test]
    fn every_key_is_found_under_its_owner_only() {
        let mut keys = Keys::default();
        assert_eq!(keys.find(hash(""), 0, b""), None);
        for n in 0..1000u32 {
            let text = format!("key-{n}");
            for other in [n, n + 1] {
                let filed = keys.entry(hash(&text), n % 3, text.as_bytes(), || other);
                assert_eq!(*filed, n);
            }
        }
        for n in 0..1000u32 {
            let text = format!("key-{n}");
            let find = |owner| keys.find(hash(&text), owner, text.as_bytes());
            assert_eq!(find(n % 3), Some(&n));
            assert_eq!(find(n % 3 + 1), None);
        }
        assert_eq!(keys.find(hash("other"), 0, b"other"), None);
    }

    #[test]
    fn texts_of_every_length_have_hashes_of_their_own() {
        let mut seen: Vec<u64> = (0..200)
            .flat_map(|length| [b'a', b'b'].map(|byte| vec![byte; length]))
            .skip(1)
            .map(|text| {
                let mut hash = Hash::START;
                hash.add(&text);
                hash.mixed(0)
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 399);
    }
}
