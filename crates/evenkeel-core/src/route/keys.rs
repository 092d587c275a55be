//! A small read-only hash table from (owner, text) to a number.
//!
//! `HashMap` is banned here for its random order, and it could not do what the route table needs: look a text up by a hash
//! that grew byte by byte, so that all suffixes of a host or all prefixes of a path cost one pass. Keys come from the
//! configuration, never from clients, so nobody can choose them to collide; a lookup is bounded by the longest run of
//! occupied slots, and half of the slots stay free.

/// A hash that grows byte by byte (FNV-1a's step).
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) const START: Hash = Hash(0xcbf2_9ce4_8422_2325);

    pub(super) fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// The hash of these bytes in this order.
    pub(super) fn of(bytes: impl Iterator<Item = u8>) -> Hash {
        let mut hash = Hash::START;
        bytes.for_each(|b| hash.add(b));
        hash
    }

    /// Mixed with the owner, so that every bit of the sum depends on every byte (the end of MurmurHash3).
    fn mixed(self, owner: u32) -> u64 {
        let mut h = self.0 ^ (u64::from(owner) << 32 | u64::from(owner));
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    }
}

/// One slot: part of the hash, so that most misses need not look further, and the entry's number plus one (0 = free).
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    entry: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Mixed; kept because a growing table has to place it again.
    hash: u64,
    owner: u32,
    text: Box<str>,
}

/// The table; the value of a key is its number in the order of insertion.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    slots: Vec<Slot>,
    entries: Vec<Entry>,
}

impl Keys {
    /// The number of this key.
    pub(super) fn find(&self, hash: Hash, owner: u32, text: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = hash.mixed(owner);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.entry == 0 {
                return None;
            }
            let number = slot.entry as usize - 1;
            if slot.tag == (hash >> 32) as u32
                && self.entries[number].owner == owner
                && self.entries[number].text.as_bytes() == text
            {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of this key, a new one if it was not there.
    pub(super) fn insert(&mut self, hash: Hash, owner: u32, text: &str) -> usize {
        if let Some(number) = self.find(hash, owner, text.as_bytes()) {
            return number;
        }
        self.entries.push(Entry {
            hash: hash.mixed(owner),
            owner,
            text: text.into(),
        });
        if self.entries.len() * 2 > self.slots.len() {
            self.slots = vec![Slot::default(); (self.slots.len() * 2).max(8)];
            (0..self.entries.len()).for_each(|number| self.place(number));
        } else {
            self.place(self.entries.len() - 1);
        }
        self.entries.len() - 1
    }

    fn place(&mut self, number: usize) {
        let hash = self.entries[number].hash;
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

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Hash {
        Hash::of(text.bytes())
    }

    #[test]
    fn every_key_is_found_under_its_owner_only() {
        let mut keys = Keys::default();
        assert_eq!(keys.find(hash(""), 0, b""), None);
        for n in 0..1000 {
            let text = format!("key-{n}");
            assert_eq!(keys.insert(hash(&text), n % 3, &text), n as usize);
            assert_eq!(keys.insert(hash(&text), n % 3, &text), n as usize);
        }
        assert_eq!(keys.len(), 1000);
        for n in 0..1000u32 {
            let text = format!("key-{n}");
            assert_eq!(
                keys.find(hash(&text), n % 3, text.as_bytes()),
                Some(n as usize)
            );
            assert_eq!(keys.find(hash(&text), n % 3 + 1, text.as_bytes()), None);
        }
        assert_eq!(keys.find(hash("other"), 0, b"other"), None);
    }
}
