//! What the number of a beat says. Beats are counted by their sender, from any number on, one more each time.
//!
//! | number | is | counts |
//! | --- | --- | --- |
//! | above the highest so far, as far as the time since then explains | fresh; numbers left out were lost | yes |
//! | the highest again | sent twice | no |
//! | at most [`REORDER`] below it | overtaken on its way | no |
//! | one of those, and the one before was below as well and lower | a sender that began anew at a low number | yes |
//! | further below | a sender that began anew | yes |
//! | further above than time explains | a sender that began anew elsewhere, or counts in another way | yes |
//!
//! So no number, however wild, can silence a living sender for longer than one beat, and none is kept in memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// So many beats may overtake one another. A beat is one request over TCP, so one that is late by more than this many
/// intervals was not under way: its sender counts from the start again.
pub(super) const REORDER: u64 = 8;
/// A sender may beat this many times as fast as it says before its numbers are taken for another count.
const HASTE: u64 = 4;

/// What a beat is, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The newest of this sender's.
    Fresh,
    /// The first of a sender that began anew.
    Began,
    /// Older than one heard before, or the same again. It says nothing of the sender now.
    Late,
}

/// The numbers heard of one sender.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// The highest, and when it was heard.
    highest: Option<(u64, Time)>,
    /// The last one, if it was late.
    low: Option<u64>,
}

impl Sequence {
    /// The highest number heard.
    pub fn highest(&self) -> Option<u64> {
        self.highest.map(|(number, _)| number)
    }

    /// Takes a number in. `interval` is what the sender says of itself.
    pub fn on(&mut self, number: u64, interval: Duration, at: Time) -> Arrival {
        let low = self.low.take();
        let arrival = match self.highest {
            None => Arrival::Began,
            Some((highest, since)) if number > highest => {
                let elapsed = at.since(since).as_nanos();
                let beats = elapsed / interval.as_nanos().max(1);
                let explained = u64::try_from(beats).unwrap_or(u64::MAX);
                let explained = explained.saturating_mul(HASTE).saturating_add(REORDER);
                match number - highest <= explained {
                    true => Arrival::Fresh,
                    false => Arrival::Began,
                }
            }
            Some((highest, _)) if highest - number > REORDER => Arrival::Began,
            Some(_) if low.is_some_and(|low| number > low) => Arrival::Began,
            Some(_) => Arrival::Late,
        };
        match arrival {
            Arrival::Late => self.low = Some(number),
            Arrival::Fresh | Arrival::Began => self.highest = Some((number, at)),
        }
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrival::{Began, Fresh, Late};

    /// One beat a second, as numbered.
    fn hear(numbers: &[u64]) -> Vec<Arrival> {
        let mut sequence = Sequence::default();
        let second = Duration::from_secs(1);
        let beats = (1..).zip(numbers);
        beats
            .map(|(n, &number)| sequence.on(number, second, Time::from_millis(n * 1000)))
            .collect()
    }

    #[test]
    fn beats_that_were_overtaken_or_doubled_do_not_count() {
        assert_eq!(
            hear(&[5, 6, 6, 8, 7, 9]),
            [Began, Fresh, Late, Fresh, Late, Fresh]
        );
    }

    #[test]
    fn a_sender_that_counts_from_one_again_is_believed() {
        assert_eq!(hear(&[500, 501, 1, 2]), [Began, Fresh, Began, Fresh]);
        // Near the old numbers it takes one beat more.
        assert_eq!(hear(&[4, 5, 1, 2, 3]), [Began, Fresh, Late, Began, Fresh]);
        assert_eq!(hear(&[1, 1, 2]), [Began, Late, Fresh]);
        assert_eq!(hear(&[1, 2, 1, 2, 3]), [Began, Fresh, Late, Began, Fresh]);
    }

    #[test]
    fn a_number_from_nowhere_does_not_silence_those_after_it() {
        let heard = hear(&[17, u64::MAX, 18, 19]);
        assert_eq!(heard, [Began, Began, Began, Fresh]);
        assert_eq!(hear(&[u64::MAX, 0, 1]), [Began, Began, Fresh]);
    }

    #[test]
    fn a_gap_is_loss_as_far_as_time_explains_it() {
        let mut sequence = Sequence::default();
        let second = Duration::from_secs(1);
        sequence.on(1, second, Time::ZERO);
        let hour = Time::from_millis(3_600_000);
        assert_eq!(sequence.on(3601, second, hour), Fresh);
        assert_eq!(sequence.on(9000, second, hour + second), Began);
    }
}
