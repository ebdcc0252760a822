//! Buckets of the histograms of times: four to an octave, from 256 ns to 34 ms; the wide ones from 16 µs to 2.1 s.

/// Buckets of one histogram. The last takes everything above.
pub const BUCKETS: usize = 64;
/// Everything below lands in bucket 0, ns.
const FLOOR_SHIFT: u32 = 8;

/// The bucket of `ns` nanoseconds; always below [`BUCKETS`].
#[inline(always)]
pub const fn bucket(ns: u64) -> usize {
    let scaled = ns >> FLOOR_SHIFT;
    if scaled < 4 {
        return scaled as usize;
    }
    if scaled >= 1 << 17 {
        return BUCKETS - 1;
    }
    let mut octave = 2;
    let mut rest = scaled >> 3;
    // Bounded by the 17 bits above; a count of leading zeros is not one BPF instruction.
    let mut i = 0;
    while i < 15 {
        if rest != 0 {
            octave += 1;
            rest >>= 1;
        }
        i += 1;
    }
    let quarter = (scaled >> (octave - 2)) & 3;
    let index = 4 * (octave as usize - 1) + quarter as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The upper end of a bucket in nanoseconds (exclusive).
pub const fn upper_bound_ns(bucket: usize) -> u64 {
    if bucket < 4 {
        return (bucket as u64 + 1) << FLOOR_SHIFT;
    }
    let octave = bucket as u32 / 4 + 1;
    let quarter = bucket as u64 % 4;
    ((4 + quarter + 1) << (octave - 2)) << FLOOR_SHIFT
}

/// How much coarser the wide histograms are.
const WIDE_SHIFT: u32 = 6;

/// The bucket of `ns` nanoseconds in a wide histogram; always below [`BUCKETS`].
#[inline(always)]
pub const fn wide_bucket(ns: u64) -> usize {
    bucket(ns >> WIDE_SHIFT)
}

/// The upper end of a bucket of a wide histogram in nanoseconds (exclusive).
pub const fn wide_upper_bound_ns(bucket: usize) -> u64 {
    upper_bound_ns(bucket) << WIDE_SHIFT
}

/// Times, counted. Whoever fills it decides whether its buckets are wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// How many, by bucket.
    pub buckets: [u64; BUCKETS],
    /// Their sum, ns.
    pub sum_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_ns: 0 }
    }
}

impl Histogram {
    /// Counts one time, in wide buckets.
    pub fn add_wide(&mut self, ns: u64) {
        self.buckets[wide_bucket(ns)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The value below which a share of `per_mille` thousandths of the times lie, ns, where buckets are not wide; `None`
    /// without any.
    pub fn quantile_ns(&self, per_mille: u32) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let wanted = (total * u64::from(per_mille)).div_ceil(1000).max(1);
        let mut sum = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return Some(upper_bound_ns(index));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_below_its_bucket_s_bound_and_not_below_the_one_before() {
        let mut ns = 0u64;
        while ns < 30_000_000 {
            let index = bucket(ns);
            assert!(ns < upper_bound_ns(index), "{ns} in {index}");
            assert!(index == 0 || ns >= upper_bound_ns(index - 1), "{ns} in {index}");
            ns += 1 + ns / 7;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_wide_histogram_tells_an_interval_from_a_timeout_and_reaches_seconds() {
        assert!(wide_bucket(5_000_000) < wide_bucket(6_500_000));
        for ns in [0, 16_000, 5_000_000, 25_000_000, 2_000_000_000] {
            assert!(ns < wide_upper_bound_ns(wide_bucket(ns)), "{ns}");
        }
        assert_eq!(wide_bucket(3_000_000_000), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_holds_it() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile_ns(500), None);
        times.buckets[bucket(10_000)] = 99;
        times.buckets[bucket(1_000_000)] = 1;
        assert!(times.quantile_ns(500).unwrap() <= 12_500);
        assert!(times.quantile_ns(1000).unwrap() >= 1_000_000);
    }

    #[test]
    fn times_are_counted_and_summed() {
        let mut times = Histogram::default();
        for ns in [1, 5_000_000, 5_000_000, u64::MAX] {
            times.add_wide(ns);
        }
        assert_eq!((times.count(), times.sum_ns), (4, u64::MAX));
        assert_eq!(times.buckets[wide_bucket(5_000_000)], 2);
    }
}
