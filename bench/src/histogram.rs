//! Latencies in buckets that grow with the value: 128 to each doubling, so that a quantile is right within 0.8 %, and
//! recording costs a shift and an addition.

const PER_DOUBLING: usize = 128;
const SHIFT: u32 = PER_DOUBLING.ilog2();

/// Counts of nanoseconds.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Histogram {
        Histogram {
            counts: vec![0; bucket(u64::MAX) + 1],
            total: 0,
        }
    }

    /// Counts one value.
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
    }

    /// How many values were recorded.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The value below which this share of all lie; 0 when there is none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return lowest(index);
            }
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    let octave = value.max(1).ilog2().saturating_sub(SHIFT);
    octave as usize * PER_DOUBLING + (value >> octave) as usize
}

fn lowest(index: usize) -> u64 {
    if index < 2 * PER_DOUBLING {
        return index as u64;
    }
    let octave = index / PER_DOUBLING - 1;
    ((index - octave * PER_DOUBLING) as u64) << octave
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_never_wider_than_one_part_in_128() {
        for value in (0..64)
            .map(|bit| 1u64 << bit)
            .flat_map(|v| [v - 1, v, v + v / 3])
        {
            let low = lowest(bucket(value));
            assert!(low <= value && value - low <= value / 128, "{value}: {low}");
        }
    }

    #[test]
    fn quantiles_come_from_the_sorted_values() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=100).for_each(|value| histogram.record(value));
        assert_eq!(
            (
                histogram.quantile(0.5),
                histogram.quantile(0.99),
                histogram.total()
            ),
            (50, 99, 100)
        );
    }
}
