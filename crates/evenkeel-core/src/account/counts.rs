//! Counts over a sliding window, in slots of equal length: as many as the window has, none where nothing was counted.

use std::collections::VecDeque;
use std::time::Duration;

use super::history::nanos;

/// `N` counts side by side. The clock is elapsed time of the account, in nanoseconds: it goes on over restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<const N: usize> {
    slots: VecDeque<(u64, [u64; N])>,
    slot_ns: u64,
    keep: u64,
}

impl<const N: usize> Counts<N> {
    /// Keeps `window` in slots of `slot`; both more than nothing.
    pub fn new(window: Duration, slot: Duration) -> Counts<N> {
        let slot_ns = nanos(slot).max(1);
        Counts {
            slots: VecDeque::new(),
            slot_ns,
            keep: nanos(window).div_ceil(slot_ns).max(1),
        }
    }

    /// Counts.
    pub fn add(&mut self, elapsed_ns: u64, counts: [u64; N]) {
        if counts == [0; N] {
            return;
        }
        let slot = elapsed_ns / self.slot_ns;
        match self.slots.back_mut() {
            Some((last, sums)) if *last >= slot => plus(sums, &counts),
            _ => self.slots.push_back((slot, counts)),
        }
        let first = slot.saturating_sub(self.keep);
        while self
            .slots
            .front()
            .is_some_and(|(slot, _)| *slot <= first && first > 0)
        {
            self.slots.pop_front();
        }
    }

    /// What was counted in the last `window`, exact to one slot.
    pub fn sum(&self, elapsed_ns: u64, window: Duration) -> [u64; N] {
        let now = elapsed_ns / self.slot_ns;
        let slots = (nanos(window) / self.slot_ns).clamp(1, self.keep);
        let newest = self.slots.iter().rev();
        let inside = newest.take_while(|(slot, _)| slot.saturating_add(slots) > now);
        inside.fold([0; N], |mut sum, (_, counts)| {
            plus(&mut sum, counts);
            sum
        })
    }

    /// Slot numbers and counts, oldest first, to be kept.
    pub fn slots(&self) -> impl Iterator<Item = &(u64, [u64; N])> {
        self.slots.iter()
    }

    /// A slot's length.
    pub fn slot(&self) -> Duration {
        Duration::from_nanos(self.slot_ns)
    }

    /// Takes in what was kept, whose slots may have had another length; what was counted since stays. `shift` is how
    /// much later the clock of the present counts begins.
    pub fn remember(&mut self, slot: Duration, kept: &[(u64, [u64; N])], shift_ns: u64) {
        let since = std::mem::take(&mut self.slots);
        let mut kept: Vec<_> = kept.to_vec();
        kept.sort_unstable_by_key(|(slot, _)| *slot);
        for (number, counts) in kept {
            self.add(number.saturating_mul(nanos(slot)), counts);
        }
        for (number, counts) in since {
            let at = number.saturating_mul(self.slot_ns);
            self.add(at.saturating_add(shift_ns), counts);
        }
    }

    /// The same in slots of another length.
    pub fn resized(&self, window: Duration, slot: Duration) -> Counts<N> {
        let mut counts = Counts::new(window, slot);
        let kept: Vec<_> = self.slots.iter().copied().collect();
        counts.remember(self.slot(), &kept, 0);
        counts
    }
}

fn plus<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}
