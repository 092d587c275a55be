//! Everything that can be seen of a fault, by name.
//!
//! Each kind says which conditions show themselves by it and how surely, how often it is seen without any of them
//! (`leak`), and how fast it grows old: after one `half_life_s` an observation is worth half, after two a quarter.
//! Direct links from a cause are in that cause's table.

use serde::{Deserialize, Serialize};

use super::condition::Condition::{self, *};

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // EVIDENCE says what each is
pub enum Evidence {
    ConnectionRefused,
    ConnectTimeout,
    Unreachable,
    ConnectionReset,
    NoAnswer,
    Garbage,
    ErrorStatus,
    WrongAnswer,
    CertificateExpired,
    TlsFailed,
    CheckFails,
    NameUnknown,
    ProcessEnded,
    Killed,
    ExitCode,
    OutOfMemoryKill,
    NotStarted,
    RestartLoop,
    PortTaken,
    ProcessStopped,
    HeartbeatMissed,
    Stalled,
    SlowAnswers,
    CpuHigh,
    LoadHigh,
    MemoryHigh,
    MemoryGrowing,
    Swapping,
    DiskFull,
    InodesFull,
    DiskSlow,
    DescriptorsFull,
    ReleaseChanged,
    ConfigChanged,
    MachineToo,
    ZoneToo,
    PoolToo,
    EverythingToo,
    OtherPoolDown,
    SelfPaused,
    AnswersElsewhere,
}

/// What evidence is about: symptoms of one class may have one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A symptom: it cannot be connected to, or its process is not there.
    Connection,
    /// A symptom: it answers badly or not at all.
    Answer,
    /// A symptom: TLS with it fails.
    Tls,
    /// No symptom by itself: how its machine and process are.
    Resources,
    /// No symptom by itself: what changed.
    Change,
    /// No symptom by itself: how its neighbours are.
    Company,
}

impl Class {
    /// Does evidence of this class alone say that something is wrong?
    pub const fn is_symptom(self) -> bool {
        matches!(self, Class::Connection | Class::Answer | Class::Tls)
    }
}

/// A kind of evidence in the list.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceEntry {
    /// Which.
    pub evidence: Evidence,
    /// What is said when it was seen.
    pub name: &'static str,
    /// What is said when it was looked for and was not there.
    pub absent: &'static str,
    /// What it is about.
    pub class: Class,
    /// After so many seconds an observation is worth half.
    pub half_life_s: u32,
    /// How probable it is with none of its conditions and a cause whose table does not name it.
    pub leak: f64,
    /// The conditions that show themselves by it, and how surely.
    pub from: &'static [(Condition, f64)],
}

use Class::{Answer, Change, Company, Connection, Resources, Tls};
use Evidence as E;

/// One line of the list.
const fn e(
    evidence: Evidence,
    name: &'static str,
    absent: &'static str,
    class: Class,
    half_life_s: u32,
    leak: f64,
    from: &'static [(Condition, f64)],
) -> EvidenceEntry {
    EvidenceEntry {
        evidence,
        name,
        absent,
        class,
        half_life_s,
        leak,
        from,
    }
}

/// What traffic or a check shows is renewed within seconds while it lasts.
const SEEN: u32 = 20;
/// What is read of a machine is read every second.
const READ: u32 = 30;
/// How a process ended stays true until the next one ends.
const ENDED: u32 = 3600;
/// What changed explains trouble for some ten minutes.
const CHANGED: u32 = 600;

/// All kinds of evidence, in the order of their numbers.
#[rustfmt::skip] // one line a kind
pub const EVIDENCE: &[EvidenceEntry] = &[
    e(E::ConnectionRefused, "connection refused", "connections are taken", Connection, SEEN, 0.002, &[(Deaf, 0.97)]),
    e(E::ConnectTimeout, "no connection in time", "connections are taken in time", Connection, SEEN, 0.003, &[(Unreachable, 0.95), (Stuck, 0.10), (Busy, 0.05)]),
    e(E::Unreachable, "host or network unreachable", "the network has a way there", Connection, SEEN, 0.0005, &[(Unreachable, 0.35)]),
    e(E::ConnectionReset, "connection reset", "connections last", Connection, SEEN, 0.004, &[(Gone, 0.6), (Unreachable, 0.05), (Stranger, 0.1), (Erring, 0.05)]),
    e(E::NoAnswer, "no answer in time", "answers in time", Answer, SEEN, 0.004, &[(Stuck, 0.97), (Slow, 0.45), (Unreachable, 0.1)]),
    e(E::Garbage, "the answer was not the protocol's", "the protocol is spoken", Answer, SEEN, 0.001, &[(Stranger, 0.4), (Erring, 0.03)]),
    e(E::ErrorStatus, "answers with an error status", "answers without error status", Answer, SEEN, 0.004, &[(Erring, 0.93), (Stranger, 0.1)]),
    e(E::WrongAnswer, "the answer was not the expected one", "the expected answer", Answer, SEEN, 0.001, &[(Erring, 0.15), (Stranger, 0.6)]),
    e(E::CertificateExpired, "certificate expired", "the certificate is in its time", Tls, 3600, 0.00005, &[]),
    e(E::TlsFailed, "TLS failed", "TLS comes about", Tls, SEEN, 0.0005, &[(Distrusted, 0.95), (Stranger, 0.3)]),
    e(E::CheckFails, "its check fails", "its check passes", Answer, SEEN, 0.003, &[(Deaf, 0.99), (Unreachable, 0.99), (Stuck, 0.9), (Erring, 0.6), (Slow, 0.25), (Distrusted, 0.9), (Stranger, 0.5)]),
    e(E::NameUnknown, "its name does not resolve", "its name resolves", Connection, 120, 0.001, &[]),
    e(E::ProcessEnded, "its process ended", "its process is alive", Connection, ENDED, 0.0005, &[(Gone, 0.995)]),
    e(E::Killed, "ended by a signal", "not ended by a signal", Connection, ENDED, 0.001, &[]),
    e(E::ExitCode, "ended with an error status", "not ended with an error status", Connection, ENDED, 0.002, &[]),
    e(E::OutOfMemoryKill, "the kernel ended it for want of memory", "no kill for want of memory", Connection, ENDED, 0.0005, &[(Cramped, 0.3)]),
    e(E::NotStarted, "it could not be started, or did not get ready", "it starts and gets ready", Connection, ENDED, 0.003, &[]),
    e(E::RestartLoop, "it ends again and again", "it does not end again and again", Connection, ENDED, 0.005, &[]),
    e(E::PortTaken, "another process answers at its port", "no other process has its port", Connection, 60, 0.00005, &[(Stranger, 0.2)]),
    e(E::ProcessStopped, "its process is stopped", "its process is not stopped", Answer, READ, 0.0002, &[]),
    e(E::HeartbeatMissed, "heartbeats stopped", "heartbeats come", Connection, SEEN, 0.01, &[(Gone, 0.97), (Unreachable, 0.95), (Stuck, 0.5), (Busy, 0.1)]),
    e(E::Stalled, "requests wait and no byte comes", "no request waits for its first byte", Answer, SEEN, 0.003, &[(Stuck, 0.95), (Slow, 0.15), (Unreachable, 0.9)]),
    e(E::SlowAnswers, "much slower than its peers", "as fast as its peers", Answer, SEEN, 0.01, &[(Slow, 0.9)]),
    e(E::CpuHigh, "it does not get the processor time it needs", "it gets the processor time it needs", Resources, READ, 0.02, &[(Busy, 0.95)]),
    e(E::LoadHigh, "the load of its machine is high", "the load of its machine is low", Resources, 60, 0.03, &[(Busy, 0.7)]),
    e(E::MemoryHigh, "memory is nearly used up", "there is memory left", Resources, READ, 0.03, &[(Cramped, 0.95)]),
    e(E::MemoryGrowing, "its memory grows and grows", "its memory does not grow", Resources, 60, 0.02, &[]),
    e(E::Swapping, "its machine swaps", "its machine does not swap", Resources, READ, 0.02, &[(Cramped, 0.4)]),
    e(E::DiskFull, "a disk is full", "its disks have room", Resources, READ, 0.003, &[]),
    e(E::InodesFull, "a disk can hold no more files", "its disks can hold more files", Resources, READ, 0.001, &[]),
    e(E::DiskSlow, "work waits for a disk", "no work waits for a disk", Resources, READ, 0.02, &[(Cramped, 0.2)]),
    e(E::DescriptorsFull, "its descriptors are nearly used up", "it has descriptors left", Resources, READ, 0.002, &[]),
    e(E::ReleaseChanged, "its release changed a short while ago", "its release has not changed of late", Change, CHANGED, 0.02, &[]),
    e(E::ConfigChanged, "its configuration changed a short while ago", "its configuration has not changed of late", Change, CHANGED, 0.03, &[]),
    e(E::MachineToo, "everything else on its machine fails too", "others on its machine are well", Company, SEEN, 0.01, &[]),
    e(E::ZoneToo, "everything else in its zone fails too", "others in its zone are well", Company, SEEN, 0.005, &[]),
    e(E::PoolToo, "the rest of its pool fails too", "others of its pool are well", Company, SEEN, 0.02, &[]),
    e(E::EverythingToo, "nothing at all can be reached", "other things can be reached", Company, SEEN, 0.001, &[]),
    e(E::OtherPoolDown, "another pool is down as well", "the other pools are well", Company, SEEN, 0.02, &[]),
    e(E::SelfPaused, "the balancer itself stood still", "the balancer itself did not stand still", Company, SEEN, 0.002, &[]),
    // Whoever answers its check by another way is well, and so is its machine: only the first way can be at fault.
    e(E::AnswersElsewhere, "it answers on another address", "it answers on no other address", Company, SEEN, 0.0005, &[]),
];

impl Evidence {
    /// Its entry.
    pub fn entry(self) -> &'static EvidenceEntry {
        &EVIDENCE[self as usize]
    }

    /// What is said of it.
    pub fn words(self, present: bool) -> &'static str {
        let entry = self.entry();
        if present { entry.name } else { entry.absent }
    }

    /// The kind that [`Evidence::words`] made these words for, and whether it was seen.
    pub fn named(words: &str) -> Option<(Evidence, bool)> {
        EVIDENCE.iter().find_map(|entry| match words {
            _ if words == entry.name => Some((entry.evidence, true)),
            _ if words == entry.absent => Some((entry.evidence, false)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_stand_at_their_numbers_with_words_of_their_own() {
        let mut words = BTreeSet::new();
        for (number, entry) in EVIDENCE.iter().enumerate() {
            assert_eq!(entry.evidence as usize, number, "{}", entry.name);
            assert!(words.insert(entry.name) && words.insert(entry.absent));
            assert!(entry.half_life_s > 0 && (0.0..0.5).contains(&entry.leak));
            assert_eq!(Evidence::named(entry.absent), Some((entry.evidence, false)));
        }
    }
}
