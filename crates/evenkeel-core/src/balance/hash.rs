//! Numbers for policies that go by a key. The same key and the same endpoints give the same choice on every worker, every
//! balancer and after every restart, so nothing here has a seed.

/// The key of some bytes a request brought (xxHash3, 64 bits: a few nanoseconds for what a header holds).
pub fn key(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// One number of two, each bit of which depends on all bits of both: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number of 0 to 1 from a hash, never 0.
pub(super) fn unit(hash: u64) -> f64 {
    ((hash >> 11) + 1) as f64 / (1_u64 << 53) as f64
}
