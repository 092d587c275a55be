//! How many requests endpoints have in flight, over the last reports: the quantile above which one is *hot*.

/// Reports that are remembered: eight times a full pool, so that a quantile of 84 % has twenty above it.
const REMEMBERED: usize = 128;
/// Reports between two computations, so that a report costs no sort.
const EVERY: usize = 16;

/// The last so many, and their quantile.
#[derive(Debug)]
pub(super) struct Recent {
    /// In thousandths; `None` = everybody is hot.
    quantile: Option<u32>,
    ring: [f32; REMEMBERED],
    len: usize,
    next: usize,
    since: usize,
    limit: f32,
}

impl Recent {
    pub(super) fn new(quantile: u32) -> Recent {
        let quantile = Some(quantile).filter(|&quantile| quantile > 0);
        Recent {
            quantile,
            ring: [0.0; REMEMBERED],
            len: 0,
            next: 0,
            since: 0,
            limit: match quantile {
                Some(_) => f32::INFINITY,
                None => f32::NEG_INFINITY,
            },
        }
    }

    /// One more.
    pub(super) fn add(&mut self, in_flight: f32) {
        self.ring[self.next] = in_flight;
        self.next = (self.next + 1) % REMEMBERED;
        self.len = (self.len + 1).min(REMEMBERED);
        self.since += 1;
        if self.since >= EVERY || self.len < EVERY {
            self.since = 0;
            self.compute();
        }
    }

    /// Is this more than the quantile?
    pub(super) fn is_hot(&self, in_flight: f32) -> bool {
        in_flight > self.limit
    }

    fn compute(&mut self) {
        let Some(quantile) = self.quantile else {
            return;
        };
        let mut sorted = self.ring;
        let sorted = &mut sorted[..self.len];
        let at = (self.len - 1) * quantile as usize / 1000;
        self.limit = *sorted.select_nth_unstable_by(at, f32::total_cmp).1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_than_five_in_six_is_hot() {
        let mut recent = Recent::new(840);
        assert!(!recent.is_hot(1000.0));
        (0..1000).for_each(|n| recent.add((n % 100) as f32));
        assert!(!recent.is_hot(78.0) && recent.is_hot(90.0));
        // What was long ago counts no more.
        (0..REMEMBERED).for_each(|_| recent.add(2.0));
        assert!(!recent.is_hot(2.0) && recent.is_hot(3.0));
    }

    #[test]
    fn with_a_quantile_of_0_everybody_is_hot() {
        let mut recent = Recent::new(0);
        recent.add(3.0);
        assert!(recent.is_hot(0.0));
    }
}
